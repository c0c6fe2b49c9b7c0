"""`ostiary doctor`."""

import asyncio
from datetime import UTC, datetime

import typer

from app.config import ConfigurationError, Settings
from app.database import Database
from app.extensions import load_extensions
from app.jobs.schedule import JOBS, jobs_of_a_server
from app.mail.samples import check_templates
from app.migrations import revisions
from app.provider_settings import GOOGLE
from app.providers import configured_providers, is_google_offline
from app.services.examination import Finding, examine, examine_providers
from app.services.job_runs import job_findings, read_job_runs

_MARKS = {"ok": "ok     ", "advice": "advice ", "fault": "FAULT  "}


def doctor() -> None:
    """Examine this installation. Each finding names its remedy and the OWASP ASVS 5.0 requirement behind it."""
    settings = Settings.load()
    expected = revisions(load_extensions(settings.EXTENSIONS))
    # The server that plays Google itself need not be running now.
    providers = [
        provider
        for provider in configured_providers(settings)
        if provider.name != GOOGLE or not is_google_offline(settings)
    ]

    async def run() -> list[Finding]:
        database = Database(settings)
        try:
            findings = await examine(settings, database, expected)
            if findings[0].level == "ok":
                every = {job.name: job.every for job in JOBS}
                apart = every.keys() - {job.name for job in jobs_of_a_server(settings)}
                runs = await read_job_runs(database.read)
                findings += job_findings(runs, every, datetime.now(UTC), apart=apart)
        finally:
            await database.close()
        return [*findings, *_mail_findings(settings), *await examine_providers(settings, providers)]

    findings = asyncio.run(run())
    for finding in findings:
        requirement = f" [ASVS {finding.requirement}]" if finding.requirement else ""
        typer.echo(f"{_MARKS[finding.level]}{finding.text}{requirement}")
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)


def _mail_findings(settings: Settings) -> list[Finding]:
    """Return what stops the start in the templates of mails."""
    try:
        check_templates(settings)
    except ConfigurationError as error:
        return [Finding("fault", text) for text in error.findings]
    return []

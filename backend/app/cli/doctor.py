"""`ostiary doctor`."""

import asyncio
from datetime import UTC, datetime

import typer

from app.config import Settings
from app.database import Database
from app.extensions import load_extensions
from app.jobs.schedule import JOBS
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
                findings += job_findings(await read_job_runs(database.read), every, datetime.now(UTC))
        finally:
            await database.close()
        return [*findings, *await examine_providers(settings, providers)]

    findings = asyncio.run(run())
    for finding in findings:
        requirement = f" [ASVS {finding.requirement}]" if finding.requirement else ""
        typer.echo(f"{_MARKS[finding.level]}{finding.text}{requirement}")
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)

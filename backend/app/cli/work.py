"""`ostiary work`."""

import asyncio
import signal

import typer

from app.config import Settings
from app.extensions import load_extensions
from app.jobs.periodic import jobs_running
from app.jobs.schedule import JOBS
from app.logs import configure_logging
from app.migrations import revisions
from app.providers import configured_providers
from app.runtime import Runtime
from app.services.readiness import check_readiness


def work() -> None:
    """Run the server's own jobs in this process until SIGTERM or SIGINT: what JOBS=apart takes out of the server.

    Any number of these may run, also beside servers that run the jobs themselves.
    """
    settings = Settings.load()
    configure_logging(settings)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    """Run the jobs. Raises `NotReady` when the database is away or its schema is not current."""
    runtime = Runtime.build(settings, providers=configured_providers(settings))
    try:
        await check_readiness(runtime.database, revisions(load_extensions(settings.EXTENSIONS)))
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with jobs_running(runtime, JOBS):
            typer.echo(f"{settings.APP_NAME} works: {', '.join(job.name for job in JOBS)}", err=True)
            if settings.JOBS == "inside":
                typer.echo("The servers run these jobs as well, until JOBS=apart is set.", err=True)
            await stopped.wait()
    finally:
        await runtime.close()

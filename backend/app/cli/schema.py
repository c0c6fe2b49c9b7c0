"""`ostiary migrate`."""

import asyncio

import typer

from app import migrations
from app.config import Settings
from app.database import Database
from app.extensions import load_extensions

_UNKNOWN = (
    "The schema holds {}, unknown here: of an extension that EXTENSIONS does not name now, or of a newer version. "
    "It is left as it is."
)


def migrate(
    down_to: str = typer.Option(None, help="Go back to this revision instead (`base`: to nothing). Data is lost."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before going back."),
) -> None:
    """Bring the database schema up to date: ours, and that of your extensions."""
    if down_to and not yes:
        typer.confirm(f"Going back to {down_to} drops tables or columns with everything in them. Go on?", abort=True)
    heads = bring_up_to_date(Settings.load(), down_to=down_to)
    typer.echo(f"The schema is at {', '.join(sorted(heads)) or 'nothing'}.", err=True)


def bring_up_to_date(settings: Settings, *, down_to: str | None = None) -> frozenset[str]:
    """Migrate up to the newest revisions, or down to one, and return where the schema is then."""
    extensions = load_extensions(settings.EXTENSIONS)

    async def move() -> frozenset[str]:
        database = Database(settings, patient=True)
        try:
            present, expected = await migrations.present_heads(database), migrations.revisions(extensions)
            if down_to:
                await migrations.downgrade(database, extensions, down_to)
            elif present - expected.known and expected.satisfied_by(present):
                typer.echo(_UNKNOWN.format(", ".join(sorted(present - expected.known))), err=True)
            else:
                await migrations.upgrade(database, extensions)
            return await migrations.present_heads(database)
        finally:
            await database.close()

    return asyncio.run(move())

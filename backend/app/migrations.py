"""Moves the schema up and down, ours and the extensions' together, and says whether it is current."""

from collections.abc import Callable, Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.database import Database
from app.extensions import Extension

_BACKEND = Path(__file__).resolve().parent.parent
PREPARE_POSTGRESQL = (
    # Two servers that start at once migrate one after the other.
    "SELECT pg_advisory_xact_lock(7305808)",
    # A migration that waits for a table blocks everybody who comes after it; better to fail and be run again.
    "SET LOCAL lock_timeout = '5s'",
)


def alembic_config(extensions: Sequence[Extension] = ()) -> Config:
    """Return Alembic's configuration with the version folders of every extension."""
    config = Config(_BACKEND / "alembic.ini")
    folders = [_BACKEND / "alembic" / "versions", *(e.migrations for e in extensions if e.migrations)]
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder) for folder in folders))
    return config


async def upgrade(database: Database, extensions: Sequence[Extension] = (), revision: str = "heads") -> None:
    """Bring the schema to a revision: by default the newest of ours and of every extension."""
    await _run(database, extensions, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, extensions: Sequence[Extension] = (), revision: str = "base") -> None:
    """Take the schema back to a revision. Data of what is dropped is lost."""
    await _run(database, extensions, lambda config: command.downgrade(config, revision))


async def check(database: Database, extensions: Sequence[Extension] = ()) -> None:
    """Raise alembic's `CommandError` when the models and the migrations differ."""
    await _run(database, extensions, command.check)


def expected_heads(extensions: Sequence[Extension] = ()) -> frozenset[str]:
    """Return the revisions that the code was written for."""
    return frozenset(ScriptDirectory.from_config(alembic_config(extensions)).get_heads())


async def present_heads(database: Database) -> frozenset[str]:
    """Return the revisions that the schema is at. Raises `DatabaseUnavailable` when the database does not answer."""
    async with database.reading.connect() as connection:
        return await connection.run_sync(lambda c: frozenset(MigrationContext.configure(c).get_current_heads()))


async def _run(database: Database, extensions: Sequence[Extension], action: Callable[[Config], None]) -> None:
    config = alembic_config(extensions)

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        action(config)

    async with database.engine.begin() as connection:
        await connection.run_sync(run)

"""Moves the schema up and down, ours and the extensions' together, and says whether it is current."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import to_tuple
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
    config.set_main_option("version_locations", "\n".join(dict.fromkeys(str(folder) for folder in folders)))
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


@dataclass(frozen=True)
class Revisions:
    """What the code was written for: the revisions a current schema is at, and all that it has ever heard of."""

    heads: frozenset[str]
    known: frozenset[str]

    def satisfied_by(self, present: frozenset[str]) -> bool:
        """Whether a schema at these revisions can be served.

        One that holds a revision unknown to us, and none that we have left behind, was migrated by a newer version
        during a rolling deployment: ours are in it, and the older version goes on serving.
        """
        left_behind = (present & self.known) - self.heads
        return self.heads <= present or (not left_behind and not present <= self.known)


def revisions(extensions: Sequence[Extension] = ()) -> Revisions:
    """Return what the code, with these extensions, was written for."""
    with_tables = [extension for extension in extensions if extension.migrations]
    return _read_revisions(with_tables) if with_tables else _own_revisions()


@cache
def _own_revisions() -> Revisions:
    """Return what our own code was written for; it does not change while a process lives."""
    return _read_revisions(())


def _read_revisions(extensions: Sequence[Extension]) -> Revisions:
    script = ScriptDirectory.from_config(alembic_config(extensions))
    scripts = list(script.walk_revisions())
    # A revision that another one depends on is not recorded as a head of its own.
    required = {name for revision in scripts for name in to_tuple(revision.dependencies, default=())}
    return Revisions(
        heads=frozenset(script.get_heads()) - required, known=frozenset(revision.revision for revision in scripts)
    )


async def present_heads(database: Database) -> frozenset[str]:
    """Return the revisions that the schema is at. Raises `DatabaseUnavailable` when the database does not answer."""
    async with database.connection() as connection:
        return await connection.run_sync(lambda c: frozenset(MigrationContext.configure(c).get_current_heads()))


async def _run(database: Database, extensions: Sequence[Extension], action: Callable[[Config], None]) -> None:
    config = alembic_config(extensions)

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        action(config)

    async with database.engine.begin() as connection:
        await connection.run_sync(run)

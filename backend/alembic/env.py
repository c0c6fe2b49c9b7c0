"""Runs migrations on the connection that `app.migrations` hands over, or on DATABASE_URL when called by `alembic`."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.database import Database
from app.extensions import load_extensions
from app.migrations import PREPARE_POSTGRESQL
from app.models import User


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction: all of them, or none."""
    if connection.dialect.name == "postgresql":
        for statement in PREPARE_POSTGRESQL:
            connection.execute(text(statement))
    context.configure(
        connection=connection,
        target_metadata=User.metadata,
        compare_type=True,
        # SQLite changes a table by copying it; PostgreSQL alters in place.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
            raise IntegrityError("PRAGMA foreign_key_check", None, Exception("a row points at one that is not there"))


async def migrate_alone() -> None:
    """Open a connection of our own, for the `alembic` command."""
    settings = Settings.load()
    load_extensions(settings.EXTENSIONS)
    database = Database(settings, patient=True)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_alone())

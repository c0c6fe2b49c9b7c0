"""Databases that are not at the newest revision, and what stands in them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import Connection, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex

from app.auth.identifiers import new_id
from app.database import Database
from app.extensions import Extension
from tests.conftest import settings_for
from tests.postgres import PostgresServer

REVISION = "product_0001"
_MIGRATION = '''"""A product's own."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = None
branch_labels = None
depends_on = "0001"


def upgrade() -> None:
{upgrade}

def downgrade() -> None:
    pass
'''


@pytest.fixture
def empty_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database in which there is nothing yet."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{new_id().hex}"
    asyncio.run(server.create_database(name))
    yield server.url(name)
    asyncio.run(server.drop_database(name))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database as `ostiary migrate` does."""
    database = Database(settings_for(url), patient=True)
    try:
        yield database
    finally:
        await database.close()


def extension_with_migration(folder: Path, upgrade: str) -> Extension:
    """Return an extension whose only migration runs these lines."""
    versions = folder / "versions"
    versions.mkdir()
    body = "\n".join(f"    {line}" for line in dedent(upgrade).strip().splitlines())
    (versions / f"{REVISION}.py").write_text(_MIGRATION.format(revision=REVISION, upgrade=body), encoding="utf-8")
    return Extension(
        name="product", router=APIRouter(), prefix="", migrations=versions, sign_in_gates=(), sign_in_observers=()
    )


async def schema_of(database: Database) -> dict[str, Any]:
    """Return everything that the database says of its tables."""
    async with database.reading.connect() as connection:
        return await connection.run_sync(_describe)


def _describe(connection: Connection) -> dict[str, Any]:
    inspector = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "references": sorted(inspector.get_foreign_keys(table), key=str),
            "indexes": sorted(map(_index, inspector.get_indexes(table)), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
        }
        for table in inspector.get_table_names()
    }


def _index(index: ReflectedIndex) -> dict[str, Any]:
    """Return an index as plain values: SQLite's driver tells which rows are in a partial one by an object that equals none."""
    return {**index, "dialect_options": {name: str(value) for name, value in index.get("dialect_options", {}).items()}}

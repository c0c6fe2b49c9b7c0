import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.auth.identifiers import new_id
from app.database import Database
from app.limits.database import DatabaseStorage
from app.limits.memory import MemoryStorage
from app.limits.redis import RedisStorage
from app.limits.storage import Storage
from tests.conftest import settings_for
from tests.limits.server import redis_server
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def storage_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def storage_url(storage_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a storage of this kind counts; memory takes no place."""
    if storage_kind == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), tmp_path / 'limits.db')}"
    elif storage_kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        name = f"limits_{new_id().hex}"
        asyncio.run(server.create_database(name, template=request.getfixturevalue("postgres_template")))
        yield server.url(name)
        asyncio.run(server.drop_database(name))
    else:
        yield request.getfixturevalue("redis_url") if storage_kind == "redis" else ""


@pytest.fixture
async def storage(storage_kind: str, storage_url: str) -> AsyncIterator[Storage]:
    """Each place where tries are counted, in turn."""
    if storage_kind == "memory":
        yield MemoryStorage()
    elif storage_kind == "redis":
        counting = RedisStorage(storage_url)
        yield counting
        await counting.close()
    else:
        database = Database(settings_for(storage_url))
        yield DatabaseStorage(database)
        await database.close()

"""The application of production on two real databases, and callers with real credentials."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import create_async_engine

from app import migrations
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.compiled import number_of_kind, same_kind, sharing
from tests.contract import DocumentedErrors
from tests.postgres import CleanDatabases, PostgresServer

SECRET = "mQ2v8Xc4Zr7Tn1Lk9Jh3Gf6Ds0Aq5WeR-yUiOpBxVzNm"
BASE_URL = "http://127.0.0.1:8000"

# The client library asks at each request whether trio runs it, and looks for a package of trio's that is not here: a
# tenth of the suite's time. It is told at once that there is none.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that touches a database on both, unless it names one itself by a marker."""
    if "database_kind" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        kinds = [only.args[0]] if only else ["sqlite", "postgresql"]
        metafunc.parametrize("database_kind", kinds)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def environment_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a developer's `.env` and environment out of the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a server, a browser or a clock (8 % sooner with two cores)."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that each test copies."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Have the engines of all tests share what they compile, which is a tenth of the suite's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.engines.create_async_engine", sharing(create_async_engine))
        patch.setattr(DefaultDialect, "__eq__", same_kind)
        patch.setattr(DefaultDialect, "__hash__", number_of_kind)
        yield


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """A migrated database that each test copies."""
    asyncio.run(postgres.create_database("template"))
    asyncio.run(migrate(postgres.url("template")))
    return "template"


@pytest.fixture(scope="session")
def postgres_databases(postgres: PostgresServer, postgres_template: str) -> CleanDatabases:
    """Databases that are as that one is."""
    return CleanDatabases(postgres, postgres_template)


async def migrate(url: str) -> None:
    database = Database(settings_for(url), patient=True)
    await migrations.upgrade(database)
    await database.close()


CHEAP_HASHES = {"ARGON2_MEMORY_KIB": 7168, "ARGON2_ITERATIONS": 1}
FULL_HASHES = {"ARGON2_MEMORY_KIB": 19456, "ARGON2_ITERATIONS": 2}
"""Production's own."""


def settings_for(url: str, **changes: object) -> Settings:
    values: dict[str, object] = {
        "ENVIRONMENT": "development",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": url,
        "DATABASE_POOL_SIZE": 4,
        "ACCESS_LOG": False,
        # Nearly every test begins with people who register; a mail for each would be in nobody's way but the clock's.
        "EMAIL_VERIFICATION": "off",
        # Hundreds sign in from one address, faster than people do. Tests of the limits themselves switch them on;
        # production takes no such setting.
        "LIMITS_ENABLED": changes.get("ENVIRONMENT") == "production",
    }
    # At production's cost a third of the suite's time would go into hashing. No settings may ask for so little; whoever
    # tests what a hash costs says what it is to cost.
    cheap = {name: value for name, value in CHEAP_HASHES.items() if name not in changes}
    return Settings.load(**{**values, **changes}).model_copy(update=cheap)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database of the kind that the test runs on."""
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "test.db")
        yield f"sqlite:///{tmp_path}/test.db"
        return
    databases: CleanDatabases = request.getfixturevalue("postgres_databases")
    name = databases.lend()
    yield databases.server.url(name)
    databases.take_back(name)


@pytest.fixture
def settings(database_url: str, request: pytest.FixtureRequest) -> Settings:
    """Settings for the test's database; `@pytest.mark.settings(NAME=value)` changes some."""
    marker = request.node.get_closest_marker("settings")
    return settings_for(database_url, **(marker.kwargs if marker else {}))


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
def runtime(app: FastAPI) -> Runtime:
    held: Runtime = app.state.runtime
    return held


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without credentials. Every error it sees must stand in the OpenAPI document of its route."""
    transport = DocumentedErrors(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        yield http


@pytest.fixture
def accounts(client: httpx2.AsyncClient, runtime: Runtime) -> Accounts:
    """Makes people with accounts, and signs them in."""
    return Accounts(client, runtime)

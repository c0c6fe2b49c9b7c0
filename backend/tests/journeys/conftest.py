import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.auth.identifiers import new_id
from tests.browser import browsers
from tests.peer_provider import peer_provider
from tests.postgres import PostgresServer

__all__ = ["browsers", "peer_provider"]


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that nobody has migrated yet, as an operator brings it."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/journey.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"journey_{new_id().hex}"
    asyncio.run(server.create_database(name))
    yield server.url(name)
    asyncio.run(server.drop_database(name))

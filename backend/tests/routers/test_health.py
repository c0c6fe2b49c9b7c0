"""Liveness asks nothing of anybody; readiness says what is missing, and nothing about why."""

import asyncio
import threading
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from app.runtime import Runtime
from tests.answers import problem_of
from tests.conftest import settings_for
from tests.contention import uncommitted
from tests.instances import instance
from tests.statements import recorded_statements

NOBODY_LISTENS = "postgresql://nobody:a-secret@127.0.0.1:1/nothing"


async def test_a_living_process_says_so_without_asking_the_database(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """S91."""
    with recorded_statements(runtime) as statements:
        response = await client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "healthy"})
    assert statements == []


async def test_a_process_with_a_current_database_is_ready(client: httpx2.AsyncClient) -> None:
    """S91."""
    response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": "ok", "migrations": "ok"}}


async def test_probes_that_ask_for_the_head_only_get_the_same_status(client: httpx2.AsyncClient) -> None:
    for path in ("/health", "/health/ready"):
        response = await client.head(path)
        assert (response.status_code, response.content) == (200, b"")


async def test_probes_come_by_address_and_need_no_host(client: httpx2.AsyncClient) -> None:
    """S85, 3.2-11: a load balancer asks by address; the answer does not use the name."""
    for path in ("/health", "/health/ready"):
        assert (await client.get(path, headers={"Host": "10.1.2.3:8000"})).status_code == 200


async def test_probes_cannot_be_written_to(client: httpx2.AsyncClient) -> None:
    """PD-03."""
    for path in ("/health", "/health/ready"):
        response = await client.post(path)
        problem_of(response, 405, "METHOD_NOT_ALLOWED")
        assert "GET" in response.headers["allow"]


async def test_a_database_that_is_away_is_named_and_nothing_more() -> None:
    """S91, V16.5.2, PD-02: neither its address nor its password is told."""
    async with instance(settings_for(NOBODY_LISTENS)) as alone:
        live = await alone.http.get("/health")
        assert (live.status_code, live.json()) == (200, {"status": "healthy"})
        response = await alone.http.get("/health/ready")
        problem = problem_of(response, 503, "NOT_READY")
        assert problem["checks"] == {"database": "unavailable", "migrations": "unknown"}
        assert response.headers["retry-after"] == "2"
        assert not any(word in response.text for word in ("127.0.0.1", "nobody", "a-secret", "refused", "asyncpg"))


async def _threads_of_failed_connections_end() -> None:
    """The SQLite driver does not wait for the thread of a connection that failed; the event loop must outlive it."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_file_that_cannot_be_opened_is_a_database_that_is_away(tmp_path: Path) -> None:
    async with instance(settings_for(f"sqlite:///{tmp_path}/no/such/folder/test.db")) as alone:
        assert (await alone.http.get("/health")).status_code == 200
        problem = problem_of(await alone.http.get("/health/ready"), 503, "NOT_READY")
        assert problem["checks"]["database"] == "unavailable"
    await _threads_of_failed_connections_end()


async def test_a_database_without_a_schema_is_not_ready(tmp_path: Path) -> None:
    """S91, S97: a process that was started before its migrations waits for them."""
    async with instance(settings_for(f"sqlite:///{tmp_path}/empty.db")) as alone:
        assert (await alone.http.get("/health")).status_code == 200
        problem = problem_of(await alone.http.get("/health/ready"), 503, "NOT_READY")
        assert problem["checks"] == {"database": "ok", "migrations": "pending"}


async def test_a_schema_that_was_taken_back_is_not_ready(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S97: on both databases."""
    async with uncommitted(runtime, text("DELETE FROM alembic_version")):
        pass
    problem = problem_of(await client.get("/health/ready"), 503, "NOT_READY")
    assert problem["checks"] == {"database": "ok", "migrations": "pending"}


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1)
async def test_a_process_whose_connections_are_all_taken_is_not_ready(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """S91, V16.5.2: that is "not now", and no accident."""
    async with uncommitted(runtime, text("SELECT 1")):
        problem = problem_of(await client.get("/health/ready"), 503, "NOT_READY")
        assert problem["checks"]["database"] == "unavailable"
        assert (await client.get("/health")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 200

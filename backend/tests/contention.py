"""Brings requests to the very point where they can get in each other's way, instead of hoping that they do."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable, text

from app.runtime import Runtime
from tests.accounts import CLIENT

Result = TypeVar("Result")

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def at_once(number: int, call: Callable[[], Awaitable[Result]]) -> list[Result]:
    """Make the same call many times in parallel and return all results."""
    return await asyncio.gather(*(call() for _ in range(number)))


@asynccontextmanager
async def hashing_held(runtime: Runtime) -> AsyncIterator[None]:
    """Keep the only hashing thread busy for as long as the block lasts: who needs it has read, and has not yet written.

    The thread and its queue are the real ones.
    """
    gate = threading.Event()
    assert runtime.settings.HASHING_THREADS == 1
    busy = asyncio.ensure_future(runtime.hashing._run(gate.wait))
    try:
        await asyncio.sleep(0)
        yield
    finally:
        gate.set()
        await busy


async def queued_for_hashing(runtime: Runtime, request: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
    """Start a request and return it as soon as it waits for the hashing thread."""
    before = runtime.hashing.computed
    task = asyncio.create_task(request)
    async with asyncio.timeout(10):
        while runtime.hashing.computed == before:  # noqa: ASYNC110  # The queue does not tell who has joined it.
            await asyncio.sleep(0)
    return task


@asynccontextmanager
async def uncommitted(runtime: Runtime, statement: Executable) -> AsyncIterator[None]:
    """Hold a transaction open that has run a statement, with the locks that it took. It commits after the block."""
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(statement)
        yield


async def waiting_for_a_lock(
    runtime: Runtime, request: Coroutine[Any, Any, Result], *, waiters: int = 1
) -> "asyncio.Task[Result]":
    """Start a request and return it as soon as PostgreSQL says that so many statements wait for a lock."""
    task = asyncio.create_task(request)
    async with asyncio.timeout(10):
        while await _waiting(runtime) < waiters:
            assert not task.done(), task.result()
    return task


async def until_one_waits(runtime: Runtime) -> None:
    """Return as soon as PostgreSQL says that a statement waits for a lock."""
    async with asyncio.timeout(10):
        while not await _waiting(runtime):
            pass


async def _waiting(runtime: Runtime) -> int:
    row = await runtime.database.read.first(_WAITING)
    return int(row[0]) if row else 0


async def eventually(look: Callable[[], Awaitable[object]], expected: object) -> None:
    """Look again and again, for what somebody else does beside the test, until this is seen."""
    async with asyncio.timeout(10):
        while await look() != expected:  # noqa: ASYNC110  # Nobody tells when it has been done.
            await asyncio.sleep(0.01)

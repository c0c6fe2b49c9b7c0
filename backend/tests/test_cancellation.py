"""Who is cancelled ends, also in the middle of a statement: a server that stops waits for its jobs to do so."""

import asyncio

import pytest
from sqlalchemy import text

from app.runtime import Runtime
from tests.accounts import CLIENT

FOR_LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(4)",
}


async def test_a_cancelled_statement_is_not_taken_for_a_database_that_is_away(
    runtime: Runtime, database_kind: str
) -> None:
    """V16.5.2: a job that took it so would go on, and the server would never stop."""
    begun = asyncio.Event()

    async def ask() -> None:
        async with runtime.database.begin(CLIENT) as work:
            await work.db.execute(text("SELECT 1"))
            begun.set()
            await work.db.execute(text(FOR_LONG[database_kind]))

    asking = asyncio.create_task(ask())
    await begun.wait()
    await asyncio.sleep(0.05)  # So that the statement is on its way; nothing tells.
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

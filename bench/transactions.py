"""The floor of a refresh: a transaction of one UPDATE … RETURNING over the bare driver, for each request."""

import asyncio
import os
import random
from typing import Any
from uuid import UUID

import asyncpg

_ROWS = 1000
_POOL_SIZE = 10
"""As many connections as a worker of ours has by default."""
_PREPARE = """
CREATE TABLE IF NOT EXISTS bench_floor (id uuid PRIMARY KEY, counter integer NOT NULL, secret bytea NOT NULL, at timestamptz);
INSERT INTO bench_floor SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 0, sha256(int4send(n))
FROM generate_series(1, 1000) n ON CONFLICT DO NOTHING
"""
_UPDATE = "UPDATE bench_floor SET counter = counter + 1, at = now() WHERE id = $1 RETURNING counter, secret, at"


class Transactions:
    """One pool for each process, opened by the first request."""

    def __init__(self) -> None:
        self._opening: asyncio.Future[Any] | None = None

    async def one(self) -> int:
        """Update one of a thousand rows in a transaction, and return its counter."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._opened())
        pool = await asyncio.shield(self._opening)
        number = random.randrange(1, _ROWS + 1)  # noqa: S311  # Any row will do.
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_UPDATE, UUID(int=0x7000_8000_0000_0000_0000 + number))
        return int(row["counter"])

    async def _opened(self) -> Any:
        pool = asyncpg.create_pool(os.environ["DATABASE_URL"], ssl=False, min_size=_POOL_SIZE, max_size=_POOL_SIZE)
        return await pool


async def prepare(url: str) -> None:
    """Make the table and its rows."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        await connection.execute(_PREPARE)
    finally:
        await connection.close()

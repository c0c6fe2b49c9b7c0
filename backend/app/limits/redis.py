"""Counts tries in a Redis or Valkey server: one Lua script for all buckets of a try, which runs alone there."""

from collections.abc import Awaitable, Sequence
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.exceptions import LimitsUnavailable
from app.limits.storage import Demand, Waits

PREFIX = "ostiary:{limits}:"
"""In front of every key. What stands in brackets keeps them together in a cluster."""
_TIMEOUT_SECONDS = 1.0
_CONNECTIONS = 10
"""In each worker. A script takes a tenth of a millisecond, so that more would only queue elsewhere."""

_SPEND = """
local now, waits, late = tonumber(ARGV[1]), {}, false
local full_at = {}
for i, key in ipairs(KEYS) do
    local burst, interval = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    full_at[i] = tonumber(redis.call('GET', key) or 0)
    waits[i] = math.max(0, full_at[i] - (now + (burst - 1) * interval))
    late = late or waits[i] > 0
end
if not late then
    for i, key in ipairs(KEYS) do
        local next_full_at = math.max(full_at[i], now) + tonumber(ARGV[2 * i + 1])
        redis.call('SET', key, string.format('%.0f', next_full_at), 'PX', string.format('%.0f', next_full_at - now))
    end
end
return waits
"""
_GIVE_BACK = """
for i, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then redis.call('DECRBY', key, ARGV[i]) end
end
"""


class RedisStorage:
    """Buckets that all workers of all machines share. Raises `LimitsUnavailable` when the server does not answer."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing connects yet. `valkey://` is another name of `redis://`."""
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # Once more, for a connection that the server has closed meanwhile. Counted twice does no harm.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = redis.asyncio.Redis.from_pool(pool)
        self._spend = self._redis.register_script(_SPEND)
        self._give_back = self._redis.register_script(_GIVE_BACK)

    async def spend(self, demands: Sequence[Demand], *, now: int) -> Waits:
        """Take a try from every bucket, or, if one of them says no, from none."""
        figures = [figure for demand in demands for figure in (demand.burst, demand.interval)]
        waits: list[int] = await _answer(self._spend(keys=_names(demands), args=[now, *figures]))
        return {demand.key: wait for demand, wait in zip(demands, waits, strict=True) if wait}

    async def give_back(self, demands: Sequence[Demand]) -> None:
        """Put a try that was spent back into every bucket."""
        await _answer(self._give_back(keys=_names(demands), args=[demand.interval for demand in demands]))

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()


def _names(demands: Sequence[Demand]) -> list[str]:
    return [PREFIX + demand.key.hex() for demand in demands]


async def _answer(command: object) -> Any:
    try:
        return await cast("Awaitable[Any]", command)
    except (RedisError, OSError) as error:
        raise LimitsUnavailable from error

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from app.jobs.purges import PURGE_LIMITS
from app.limits import database
from app.limits.database import DatabaseStorage
from app.limits.storage import Demand
from app.models import LimitBucket
from app.runtime import Runtime
from tests.rows import count


def buckets(number: int, *, first: int = 0, interval: int = 60_000) -> list[Demand]:
    return [Demand(each.to_bytes(16, "big"), 3, interval) for each in range(first, first + number)]


async def test_full_buckets_go_and_the_others_stay(runtime: Runtime) -> None:
    """3.9-04: the table stays as large as what has been tried lately."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    storage, used = DatabaseStorage(runtime.database), buckets(3)
    await storage.spend(buckets(20, first=10), now=now - 61_000)
    await storage.spend(used, now=now)
    await PURGE_LIMITS.run(runtime)
    rows = await runtime.database.read.all(select(LimitBucket.key))
    assert {row.key for row in rows} == {demand.key for demand in used}
    assert max((await storage.spend(used, now=now)).values(), default=0) == 0


async def test_more_than_one_batch_goes_in_one_round(runtime: Runtime) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    storage = DatabaseStorage(runtime.database)
    for first in range(0, database.BATCH + 100, 100):
        await storage.spend(buckets(100, first=first), now=now - 61_000)
    await PURGE_LIMITS.run(runtime)
    assert await count(runtime, LimitBucket) == 0


async def test_two_workers_purge_while_others_try(runtime: Runtime) -> None:
    """V15.4.2: nobody waits for the job, and the job waits for nobody."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    storage, tried = DatabaseStorage(runtime.database), buckets(20)
    await storage.spend(tried, now=now - 3_600_000)
    purges = [PURGE_LIMITS.run(runtime) for _ in range(3)]
    tries = [storage.spend(tried[number:] + tried[:number], now=now) for number in range(3)]
    _, *verdicts = await asyncio.gather(asyncio.gather(*purges), *tries)
    assert verdicts == [{}] * 3
    assert max((await storage.spend(tried, now=now)).values()) == 60_000

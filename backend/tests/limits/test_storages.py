"""What every place for counting tries does alike: memory, SQLite, PostgreSQL, and Redis or Valkey."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from app.exceptions import LimitsUnavailable
from app.limits.memory import MemoryStorage
from app.limits.redis import PREFIX, RedisStorage
from app.limits.storage import Demand, Storage

SECOND = 1000
NOW = int(datetime.now(UTC).timestamp()) * SECOND
"""The present, because Redis forgets what is past by its own clock."""


def bucket(burst: int = 3, interval: int = 10 * SECOND) -> Demand:
    return Demand(secrets.token_bytes(16), burst, interval)


async def spend(storage: Storage, *demands: Demand, after: int = 0) -> int:
    """Try once, so many milliseconds after the beginning. Return the longest wait; 0 for a try that counts."""
    return max((await storage.spend(demands, now=NOW + after)).values(), default=0)


async def test_a_burst_is_let_through_and_then_one_try_for_each_interval(storage: Storage) -> None:
    """S36, V6.3.1."""
    guesses = bucket()
    assert [await spend(storage, guesses) for _ in range(5)] == [0, 0, 0, 10_000, 10_000]
    assert await spend(storage, guesses, after=9_999) == 1
    assert await spend(storage, guesses, after=10_000) == 0
    assert await spend(storage, guesses, after=10_000) == 10_000
    assert [await spend(storage, guesses, after=60_000) for _ in range(4)] == [0, 0, 0, 10_000]


async def test_two_buckets_count_apart(storage: Storage) -> None:
    ada, grace = bucket(burst=1), bucket(burst=1)
    assert [await spend(storage, ada), await spend(storage, grace), await spend(storage, ada)] == [0, 0, 10_000]


async def test_a_try_that_one_bucket_refuses_counts_in_none(storage: Storage) -> None:
    """3.7-03: otherwise whoever has used up their own tries would go on using up those that others share."""
    narrow, wide = bucket(burst=1), bucket(burst=3)
    assert await spend(storage, narrow, wide) == 0
    for _ in range(5):
        assert await storage.spend([narrow, wide], now=NOW) == {narrow.key: 10_000}
    assert [await spend(storage, wide) for _ in range(3)] == [0, 0, 10_000]


async def test_every_bucket_that_refuses_says_for_how_long(storage: Storage) -> None:
    one, two = bucket(burst=1, interval=5 * SECOND), bucket(burst=1, interval=60 * SECOND)
    assert await spend(storage, one, two) == 0
    assert await storage.spend([two, one], now=NOW + 1) == {one.key: 4_999, two.key: 59_999}


async def test_a_try_that_is_given_back_can_be_had_again_and_no_other(storage: Storage) -> None:
    """3.7-06: success gives back itself, and clears no failure."""
    one, two = bucket(), bucket()
    for _ in range(3):
        assert await spend(storage, one, two) == 0
    await storage.give_back([two, one])
    assert [await spend(storage, one), await spend(storage, one)] == [0, 10_000]
    assert [await spend(storage, two), await spend(storage, two)] == [0, 10_000]


async def test_giving_back_what_nobody_holds_any_more_does_nothing(storage: Storage) -> None:
    forgotten = bucket()
    await storage.give_back([forgotten])
    assert [await spend(storage, forgotten) for _ in range(4)] == [0, 0, 0, 10_000]


@pytest.mark.parametrize("buckets", [1, 6])
async def test_of_two_hundred_at_once_exactly_the_burst_gets_through(storage: Storage, buckets: int) -> None:
    """3.7-03, PW-07: checking and counting are one step, also over several buckets."""
    demands = [bucket(burst=7), *(bucket(burst=50) for _ in range(buckets - 1))]
    verdicts = await asyncio.gather(*(storage.spend(demands, now=NOW) for _ in range(200)))
    assert sum(not waits for waits in verdicts) == 7


async def test_tries_that_share_buckets_in_another_order_do_not_wait_for_each_other(storage: Storage) -> None:
    """V15.4.2: no deadlock, whichever bucket is named first, and whether it is taken or given back."""
    one, two, three = (bucket(burst=10_000) for _ in range(3))
    orders = [[one, two, three], [three, two, one], [two, three, one]]

    async def come_and_go(order: Sequence[Demand]) -> None:
        assert await storage.spend(order, now=NOW) == {}
        await storage.give_back(order)

    await asyncio.gather(*(come_and_go(orders[number % 3]) for number in range(90)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_storage_counts_as_memory_does(storage: Storage, seed: int) -> None:
    """One arithmetic: what is let through does not depend on where it is counted.

    Time goes on here by leaps alone. The intervals are so long that Redis, which forgets by its own clock, forgets
    nothing during the test.
    """
    dice = random.Random(seed)  # noqa: S311  # Chooses what is tried.
    model = MemoryStorage()
    intervals = [60 * SECOND, 42_000 * SECOND + 1, 300_000 * SECOND]
    buckets = [bucket(burst=dice.randint(1, 6), interval=dice.choice(intervals)) for _ in range(5)]
    now = NOW
    for _ in range(60):
        now += dice.choice([0, 0, 1, 60 * SECOND, 24_000 * SECOND, 300_000 * SECOND, 1_200_000 * SECOND])
        asked = dice.sample(buckets, dice.randint(1, 5))
        if dice.random() < 0.2:
            await asyncio.gather(storage.give_back(asked), model.give_back(asked))
        else:
            assert await storage.spend(asked, now=now) == await model.spend(asked, now=now)


async def test_memory_forgets_what_says_least_when_there_is_too_much() -> None:
    """3.9-04: whoever comes with ever new addresses fills no memory, and frees nobody who is being held up for long."""
    storage = MemoryStorage(most=100)
    held_up = bucket(burst=1, interval=900 * SECOND)
    assert await spend(storage, held_up) == 0
    for _ in range(1000):
        assert await spend(storage, bucket(interval=SECOND)) == 0
    assert len(storage._full_at) <= 100
    assert await spend(storage, held_up) == 900 * SECOND


async def test_memory_forgets_what_is_full_again_first() -> None:
    storage = MemoryStorage(most=10)
    for _ in range(10):
        assert await spend(storage, bucket(interval=SECOND)) == 0
    kept = bucket(burst=1)
    assert await spend(storage, kept, after=2 * SECOND) == 0
    assert set(storage._full_at) == {kept.key}


async def test_redis_forgets_a_bucket_by_itself_when_it_is_full_again(redis_url: str) -> None:
    """3.9-04."""
    storage, guesses = RedisStorage(redis_url), bucket(burst=3, interval=50 * SECOND)
    async with Redis.from_url(redis_url) as server:
        await spend(storage, guesses)
        await spend(storage, guesses)
        await storage.give_back([guesses])
        assert 0 < await server.pttl(PREFIX + guesses.key.hex()) <= 100 * SECOND
        assert await server.get(PREFIX + guesses.key.hex()) == str(NOW + 50 * SECOND).encode()
    await storage.close()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_server_that_does_not_answer_lets_nobody_through(scheme: str) -> None:
    """V16.5.3: a check that fails is no yes."""
    storage = RedisStorage(f"{scheme}://127.0.0.1:1/0")
    with pytest.raises(LimitsUnavailable):
        await spend(storage, bucket())
    await storage.close()

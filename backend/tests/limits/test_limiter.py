"""Whose tries are counted together, what of them is given back, and where they are counted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.config import Settings
from app.database import Database
from app.exceptions import RateLimited
from app.limits.database import DatabaseStorage
from app.limits.limiter import Limiter, Trier, storage_of
from app.limits.memory import MemoryStorage
from app.limits.policy import Limit, Per, Rate, Rule
from app.limits.redis import RedisStorage
from tests.conftest import SECRET, settings_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, OTHER = UUID(int=1), UUID(int=2)
ONCE = (Rate(1, timedelta(seconds=90)),)


def limit_per(per: Per, *, pool: str = "pool", failures_only: bool = False) -> Limit:
    return Limit("once", (Rule(pool, per, ONCE, failures_only=failures_only),))


async def passes(limiter: Limiter, limit: Limit, trier: Trier) -> bool:
    try:
        await limiter.spend(limit, trier, now=NOW)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize(
    ("per", "triers", "expected"),
    [
        (Per.ADDRESS, [Trier("203.0.113.7"), Trier("::ffff:203.0.113.7"), Trier("203.0.113.8")], [True, False, True]),
        (Per.ADDRESS, [Trier("2001:db8::1"), Trier("2001:db8::ffff:1"), Trier("2001:db8:0:1::1")], [True, False, True]),
        (Per.ADDRESS, [Trier("fe80::1%eth0"), Trier("fe80::1%eth1")], [True, False]),
        (Per.ADDRESS, [Trier(None), Trier("nonsense"), Trier("")], [True, False, False]),
        (Per.ACCOUNT, [Trier("192.0.2.1", "a@b.c"), Trier("192.0.2.2", "a@b.c"), Trier(None, "b@b.c")], [True, False, True]),
        (Per.ACCOUNT, [Trier(None, "a@b.c"), Trier(None, "a@b.c", device=ONE)], [True, True]),
        (Per.ACCOUNT, [Trier(None, "a@b.c", device=ONE), Trier(None, "a@b.c", device=ONE)], [True, False]),
        (Per.ACCOUNT, [Trier(None, "a@b.c", device=ONE), Trier(None, "a@b.c", device=OTHER)], [True, True]),
        (Per.ACCOUNT, [Trier(None), Trier(None)], [True, True]),
        (Per.OWN_DEVICES, [Trier(None, "a@b.c"), Trier(None, "a@b.c"), Trier(None, device=ONE)], [True, True, True]),
        (Per.OWN_DEVICES, [Trier(None, "a@b.c", device=ONE), Trier(None, "a@b.c", device=OTHER)], [True, False]),
        (Per.OWN_DEVICES, [Trier(None, "a@b.c", device=ONE), Trier(None, "b@b.c", device=ONE)], [True, True]),
        (Per.CALLER, [Trier(None, caller=ONE), Trier("192.0.2.1", caller=ONE), Trier(None, caller=OTHER)], [True, False, True]),
    ],
)  # fmt: skip
async def test_who_shares_tries_with_whom(per: Per, triers: Sequence[Trier], expected: list[bool]) -> None:
    """3.6-07, 3.7-04, 3.7-08."""
    limiter = Limiter(MemoryStorage(), secret=SECRET)
    assert [await passes(limiter, limit_per(per), trier) for trier in triers] == expected


async def test_pools_count_apart_whatever_the_name_of_the_limit() -> None:
    limiter, trier = Limiter(MemoryStorage(), secret=SECRET), Trier("203.0.113.7")
    for pool, expected in (("one", True), ("two", True), ("one", False)):
        assert await passes(limiter, limit_per(Per.ADDRESS, pool=pool), trier) is expected


@pytest.mark.parametrize("failures_only", [True, False])
async def test_a_success_is_given_back_where_failures_are_counted(*, failures_only: bool) -> None:
    """3.7-06."""
    limiter, limit = Limiter(MemoryStorage(), secret=SECRET), limit_per(Per.ADDRESS, failures_only=failures_only)
    await limiter.give_back(await limiter.spend(limit, Trier(None), now=NOW))
    assert await passes(limiter, limit, Trier(None)) is failures_only


async def test_the_longest_wait_is_told() -> None:
    """PD-03: whoever waits that long gets through."""
    rates = (Rate(1, timedelta(seconds=3)), Rate(2, timedelta(milliseconds=61_001)))
    limiter, limit = Limiter(MemoryStorage(), secret=SECRET), Limit("two", (Rule("p", Per.ADDRESS, rates),))
    await limiter.spend(limit, Trier(None), now=NOW)
    with pytest.raises(RateLimited) as first:
        await limiter.spend(limit, Trier(None), now=NOW)
    assert first.value.headers["RateLimit"] == '"two";r=0;t=3'
    await limiter.spend(limit, Trier(None), now=NOW + timedelta(seconds=3))
    with pytest.raises(RateLimited) as second:
        await limiter.spend(limit, Trier(None), now=NOW + timedelta(seconds=3))
    assert second.value.headers["RateLimit-Policy"] == '"two";q=2;w=123'
    wait = int(second.value.headers["Retry-After"])
    assert wait == 59
    await limiter.spend(limit, Trier(None), now=NOW + timedelta(seconds=3 + wait))


async def test_a_refusal_is_news_once_a_minute_for_each_bucket() -> None:
    limiter, limit = Limiter(MemoryStorage(), secret=SECRET), limit_per(Per.ADDRESS)
    told = []
    for seconds, address in (
        (0, "192.0.2.1"),
        (0, "192.0.2.2"),
        (1, "192.0.2.1"),
        (1, "192.0.2.2"),
        (2, "192.0.2.1"),
        (62, "192.0.2.1"),
    ):
        try:
            await limiter.spend(limit, Trier(address), now=NOW + timedelta(seconds=seconds))
        except RateLimited as no:
            told.append(no.is_news)
    assert told == [True, True, False, True]


async def test_another_server_secret_makes_other_keys() -> None:
    """What stands in a shared storage says nothing to who has not the secret."""
    storage = MemoryStorage()
    for secret in (SECRET, SECRET[::-1]):
        assert await passes(Limiter(storage, secret=secret), limit_per(Per.ADDRESS), Trier("203.0.113.7"))
    assert b"203.0.113.7" not in b"".join(storage._full_at)


async def test_limits_that_are_switched_off_count_nothing() -> None:
    limiter = Limiter(MemoryStorage(), secret=SECRET, enabled=False)
    assert [await passes(limiter, limit_per(Per.ADDRESS), Trier(None)) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, MemoryStorage),
        ({"WORKERS": 2}, DatabaseStorage),
        ({"WORKERS": 2, "LIMITS_STORAGE": "memory"}, MemoryStorage),
        ({"LIMITS_STORAGE": "database"}, DatabaseStorage),
        ({"LIMITS_STORAGE": "redis://127.0.0.1:1/0"}, RedisStorage),
        ({"LIMITS_STORAGE": "valkey://user:password@127.0.0.1:1/0"}, RedisStorage),
        ({"LIMITS_STORAGE": "rediss://127.0.0.1:1/0"}, RedisStorage),
    ],
    ids=["one worker", "several", "memory", "database", "redis", "valkey", "tls"],
)
async def test_where_tries_are_counted(changes: dict[str, object], expected: type) -> None:
    """3.7-03: several workers share one count unless somebody says otherwise."""
    settings: Settings = settings_for("sqlite:///nothing.db", **changes)
    database = Database(settings)
    storage = storage_of(settings, database)
    assert isinstance(storage, expected)
    await storage.close()
    await database.close()

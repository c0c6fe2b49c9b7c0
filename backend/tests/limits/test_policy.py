"""The figures of `limits/policy.py`, as whoever guesses and whoever mistypes feels them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from app.exceptions import RateLimited
from app.limits.limiter import Limiter, Trier
from app.limits.memory import MemoryStorage
from app.limits.policy import LADDER, LIMITS, Limit, Per, Rate
from app.limits.storage import Demand
from tests.conftest import SECRET

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
EVERY_LIMIT = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)


def demands(rates: tuple[Rate, ...]) -> list[Demand]:
    return [
        Demand(bytes([n]) * 16, rate.burst, rate.every // timedelta(milliseconds=1)) for n, rate in enumerate(rates)
    ]


async def tries_as_soon_as_possible(rates: tuple[Rate, ...], until: timedelta) -> list[float]:
    """Return when, in seconds from the beginning, somebody gets through who tries again as soon as they may."""
    storage, now, times = MemoryStorage(), NOW, []
    end = NOW + until // timedelta(milliseconds=1)
    while now < end:
        waits = await storage.spend(demands(rates), now=now)
        if waits:
            now += max(waits.values())
        else:
            times.append((now - NOW) / 1000)
    return times


async def test_failures_at_an_account_slow_down() -> None:
    """PW-07, S36: five are free, then the pauses grow to 5, 15 and 60 seconds and to a quarter of an hour, and no longer."""
    times = await tries_as_soon_as_possible(LADDER, timedelta(hours=24))
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[:4] == [0] * 4
    assert pauses[4] == 5
    assert sorted(pauses[:30]) == pauses[:30]
    assert {5, 15, 60, 900} <= set(pauses)
    assert max(pauses) == 900


async def test_a_hundred_failures_take_most_of_a_day() -> None:
    """PW-07: NIST's hundred is not reached before twenty hours of guessing without a pause."""
    times = await tries_as_soon_as_possible(LADDER, timedelta(hours=48))
    assert times[99] > timedelta(hours=19, minutes=45).total_seconds()
    assert len([time for time in times if time < 3600]) <= 25


async def test_a_day_of_guessing_from_one_address_stays_below_two_thousand() -> None:
    """V6.3.1: what one address can try at all accounts together."""
    [rule] = [rule for rule in LIMITS["sign-in"].rules if rule.per is Per.ADDRESS]
    assert len(await tries_as_soon_as_possible(rule.rates, timedelta(hours=24))) <= 1700


@EVERY_LIMIT
async def test_nobody_is_ever_told_to_wait_longer_than_a_quarter_of_an_hour(limit: Limit) -> None:
    """3.7-08: a limit is no lock."""
    assert max(rate.every for rule in limit.rules for rate in rule.rates) <= timedelta(minutes=15)


@EVERY_LIMIT
def test_of_the_rates_of_a_rule_none_is_in_vain(limit: Limit) -> None:
    """A rate that lets more through at once lets less through later."""
    for rule in limit.rules:
        for sooner, later in pairwise(rule.rates):
            assert sooner.burst < later.burst
            assert sooner.every < later.every


def test_every_guess_at_an_account_shares_the_same_tries() -> None:
    """3.7-07: no way in is a way around the limit of another one."""
    pools = {(rule.pool, rule.rates) for limit in LIMITS.values() for rule in limit.rules if rule.per is Per.ACCOUNT}
    sending = {f"mail: {what}" for what in ("code", "reset", "verification")}
    assert {pool for pool, _ in pools} == {"guesses", *sending}
    assert ("guesses", LADDER) in pools
    assert len(pools) == 4


async def test_gathered_devices_have_a_hundred_tries_and_then_few() -> None:
    """PW-07: whoever has signed in on forty devices cannot multiply guesses, and a handful of devices never notices."""
    limiter, tried = Limiter(MemoryStorage(), secret=SECRET), 0
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    for now in (midnight, midnight + timedelta(hours=1)):
        for number in range(40 * LADDER[0].burst):
            trier = Trier(f"203.0.113.{number}", "ada@example.com", device=UUID(int=number % 40))
            with suppress(RateLimited):
                await limiter.spend(LIMITS["sign-in"], trier, now=now)
                tried += 1
        assert tried == (100 if now == midnight else 112)
    await limiter.spend(LIMITS["sign-in"], Trier("198.51.100.1", "ada@example.com"), now=midnight)


@pytest.mark.parametrize("name", ["sign-in", "mailed-code"])
def test_whatever_counts_devices_apart_counts_guesses_on_all_of_them_together(name: str) -> None:
    """PW-07, 3.7-07."""
    assert [rule.pool for rule in LIMITS[name].rules if rule.per is Per.OWN_DEVICES] == ["guesses"]

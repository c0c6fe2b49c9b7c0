"""JW-18: which key signs and which count, by the clock alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.rotation import KeyDates, KeyState, Timetable

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEPT_FOR = timedelta(hours=24)
LEAD = timedelta(hours=1)
LIFETIME = timedelta(days=90)
TICK = timedelta(microseconds=1)
NEXT, CURRENT, FORMER, RETIRED = KeyState


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def key(generation: int, *, signs_from: float, retired_at: float | None = None, algorithm: str = "ES256") -> KeyDates:
    """Return the dates of a key; times are hours after the start."""
    retired = None if retired_at is None else at(retired_at)
    return KeyDates(f"key-{generation}", algorithm, generation, at(signs_from), at(signs_from), retired)


def states(*keys: KeyDates, now: datetime) -> list[KeyState]:
    times = Timetable(keys, KEPT_FOR)
    return [times.state(each, now) for each in keys]


def test_a_key_is_next_then_current_then_former_then_retired() -> None:
    """JW-18: published before use, kept until the last token ended, then refused; to the microsecond."""
    first, second = key(1, signs_from=0), key(2, signs_from=10)
    assert states(first, second, now=at(10) - TICK) == [CURRENT, NEXT]
    assert states(first, second, now=at(10)) == [FORMER, CURRENT]
    assert states(first, second, now=at(34) - TICK) == [FORMER, CURRENT]
    assert states(first, second, now=at(34)) == [RETIRED, CURRENT]


def test_a_key_counts_from_when_the_first_of_its_successors_took_over() -> None:
    """JW-18: the next rotations prolong nothing."""
    keys = key(1, signs_from=0), key(2, signs_from=10), key(3, signs_from=20)
    assert states(*keys, now=at(34)) == [RETIRED, FORMER, CURRENT]
    assert states(*keys, now=at(44)) == [RETIRED, RETIRED, CURRENT]


def test_the_only_key_signs_for_ever() -> None:
    assert states(key(1, signs_from=0), now=at(10**6)) == [CURRENT]


def test_without_keys_nothing_signs() -> None:
    assert Timetable([], KEPT_FOR).current(START) is None
    assert Timetable([], KEPT_FOR).next_change(START) is None


def test_of_two_keys_that_sign_from_the_same_moment_the_later_generation_does() -> None:
    assert states(key(1, signs_from=0), key(2, signs_from=0), now=at(0)) == [FORMER, CURRENT]


def test_a_key_that_was_overtaken_before_its_turn_never_signs() -> None:
    """The lead was shortened between two rotations."""
    keys = key(1, signs_from=0), key(2, signs_from=10), key(3, signs_from=5)
    assert states(*keys, now=at(4)) == [CURRENT, NEXT, NEXT]
    assert states(*keys, now=at(11)) == [FORMER, FORMER, CURRENT]


def test_a_retired_key_counts_no_more_from_that_moment() -> None:
    times = Timetable([key(1, signs_from=0, retired_at=3)], KEPT_FOR)
    assert times.state(times.keys[0], at(3)) is RETIRED
    assert times.counts_until(times.keys[0]) == at(3)


def test_what_was_superseded_never_signs_again() -> None:
    """A leaked key is retired: the one before it does not come back, and nothing signs until a new one is made."""
    first, leaked = key(1, signs_from=0), key(2, signs_from=10, retired_at=12)
    assert states(first, leaked, now=at(13)) == [FORMER, RETIRED]
    assert Timetable([first, leaked], KEPT_FOR).current(at(13)) is None
    assert Timetable([first, leaked], KEPT_FOR).counts_until(first) == at(34)


def test_a_key_that_was_retired_before_its_turn_took_over_from_nobody() -> None:
    """Otherwise the tokens of the key that went on signing would be refused too early."""
    first, unborn, third = key(1, signs_from=0), key(2, signs_from=10, retired_at=9), key(3, signs_from=50)
    assert states(first, unborn, third, now=at(49)) == [CURRENT, RETIRED, NEXT]
    assert Timetable([first, unborn, third], KEPT_FOR).counts_until(first) == at(74)


def is_due(*keys: KeyDates, now: datetime, algorithm: str = "ES256", lifetime: timedelta | None = LIFETIME) -> bool:
    return Timetable(keys, KEPT_FOR).successor_is_due(now, algorithm=algorithm, lead=LEAD, lifetime=lifetime)


def test_a_successor_is_published_so_early_that_the_lifetime_is_kept() -> None:
    first, end = key(1, signs_from=0), START + LIFETIME - LEAD
    assert not is_due(first, now=end - TICK)
    assert is_due(first, now=end)


def test_while_one_waits_no_other_is_published() -> None:
    assert not is_due(key(1, signs_from=0), key(2, signs_from=10**6), now=START + LIFETIME)


def test_without_a_lifetime_only_people_rotate() -> None:
    assert not is_due(key(1, signs_from=0), now=at(10**6), lifetime=None)
    assert is_due(now=START, lifetime=None), "but there must be a first key"


def test_another_algorithm_is_a_reason_to_rotate() -> None:
    """The change is published ahead as every other, and the newest key decides, whatever a worker is told to prefer."""
    first = key(1, signs_from=0)
    assert is_due(first, now=at(1), algorithm="EdDSA")
    assert not is_due(first, key(2, signs_from=2, algorithm="EdDSA"), now=at(1), algorithm="EdDSA")
    assert states(first, key(2, signs_from=2, algorithm="EdDSA"), now=at(2)) == [FORMER, CURRENT]


HOURS = st.integers(min_value=0, max_value=200)
KEYS = st.lists(st.tuples(HOURS, st.none() | HOURS), max_size=6).map(
    lambda times: [key(number, signs_from=start, retired_at=end) for number, (start, end) in enumerate(times, start=1)]
)


@settings(deadline=None)
@given(keys=KEYS, hours=HOURS)
def test_at_any_moment_at_most_one_key_signs(keys: list[KeyDates], hours: int) -> None:
    """JW-18"""
    assert states(*keys, now=at(hours)).count(CURRENT) <= 1


@settings(deadline=None)
@given(keys=KEYS, hours=HOURS)
def test_between_two_changes_nothing_changes(keys: list[KeyDates], hours: int) -> None:
    """What a worker has worked out stays true until the moment that it has worked out as well."""
    until = Timetable(keys, KEPT_FOR).next_change(at(hours)) or at(hours) + timedelta(days=1000)
    assert until > at(hours)
    assert states(*keys, now=until - TICK) == states(*keys, now=at(hours))


@settings(deadline=None)
@given(keys=KEYS, hours=HOURS, later=st.integers(min_value=0, max_value=23))
def test_what_signed_within_the_last_day_still_counts_unless_it_was_retired(
    keys: list[KeyDates], hours: int, later: int
) -> None:
    """JW-18: no rotation makes a token void that has not ended."""
    signer = Timetable(keys, KEPT_FOR).current(at(hours))
    if signer is not None and signer.retired_at is None:
        (state,) = [s for each, s in zip(keys, states(*keys, now=at(hours + later)), strict=True) if each == signer]
        assert state in {CURRENT, FORMER}


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_the_order_of_rows_does_not_matter(generation: int) -> None:
    keys = [key(1, signs_from=0), key(2, signs_from=10), key(3, signs_from=20)]
    shuffled = keys[generation:] + keys[:generation]
    for hours in (0, 15, 25, 40, 50):
        assert dict(zip(keys, states(*keys, now=at(hours)), strict=True)) == dict(
            zip(shuffled, states(*shuffled, now=at(hours)), strict=True)
        )

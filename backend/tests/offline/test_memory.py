from datetime import UTC, datetime, timedelta

import pytest

from app.offline.memory import Memory
from app.offline.parameters import Declined, read_destination, read_request
from app.offline.provider import CODE_TTL, MOST_PEOPLE, Browser, OfflineProvider, SignedIn
from app.offline.testing import ADA, Faults, KeyPairs, Person
from tests.offline.flows import CLIENT, REDIRECT_URI, VERIFIER, parameters

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_full_memory_forgets_what_came_first() -> None:
    """V2.4.1: nobody can fill it."""
    memory: Memory[int] = Memory(most=3, ttl=timedelta(minutes=1))
    keys = [memory.add(number, now=NOW) for number in range(5)]
    assert [memory.find(key, now=NOW) for key in keys] == [None, None, 2, 3, 4]
    assert len(memory) == 3


def test_a_memory_forgets_in_time() -> None:
    memory: Memory[str] = Memory(most=3, ttl=timedelta(minutes=1))
    key = memory.add("thing", now=NOW)
    assert memory.find(key, now=NOW + timedelta(seconds=59)) == "thing"
    assert memory.find(key, now=NOW + timedelta(seconds=60)) is None


def test_what_is_kept_again_counts_as_new() -> None:
    memory: Memory[int] = Memory(most=2, ttl=timedelta(minutes=1))
    for key, thing in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        memory.keep(key, thing, now=NOW)
    assert [memory.find(key, now=NOW) for key in "abc"] == [3, None, 4]
    memory.forget("a")
    memory.forget("never kept")
    assert memory.find("a", now=NOW) is None


def test_keys_cannot_be_guessed() -> None:
    memory: Memory[int] = Memory(most=100, ttl=timedelta(minutes=1))
    keys = {memory.add(1, now=NOW) for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}


def test_a_browser_remembers_so_many_people() -> None:
    browser = Browser()
    people = [Person(email=f"ada{number}@example.com", name="Ada") for number in range(MOST_PEOPLE + 1)]
    for person in [*people[:-1], people[0], people[-1]]:
        browser.sign_in(person, now=NOW)
    assert len(browser.people) == MOST_PEOPLE
    assert {people[0].subject, people[-1].subject} <= browser.people.keys()
    assert people[1].subject not in browser.people


@pytest.mark.parametrize(("age", "counts"), [(CODE_TTL - timedelta(seconds=1), True), (CODE_TTL, False)])
async def test_a_code_counts_for_a_minute(provider_keys: KeyPairs, age: timedelta, counts: bool) -> None:
    """OA-23: and is spent by the attempt, even when it comes too late."""
    provider = OfflineProvider(
        issuer="http://127.0.0.1:1", clients=[CLIENT], name="Google", faults=Faults(), keys=provider_keys
    )
    request = read_request(parameters(), read_destination(parameters(), provider.clients))
    code = provider.issue_code(request, SignedIn(ADA, NOW), now=NOW)
    form = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
    if counts:
        assert (await provider.redeem(CLIENT, form, now=NOW + age)).refresh_token is None
    for _ in range(2):
        with pytest.raises(Declined) as declined:
            await provider.redeem(CLIENT, form, now=NOW + age)
        assert declined.value.code == "invalid_grant"

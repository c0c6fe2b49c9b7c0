"""One's own sessions: where one is signed in, and how to end that."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.auth.identifiers import new_id
from app.models import Session
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, field_error_of, problem_of
from tests.rows import change_session, find_session, let_time_pass, living_sessions, write
from tests.statements import recorded_statements
from tests.tokens import session_id_of
from tests.visitors import FIREFOX_ON_LINUX, HOME, visiting

PLACES = {
    "wrong length": base64.urlsafe_b64encode(b"x" * 15).decode(),
    "too long for one": "A" * 65,
    "no base64": "!" * 22,
    "not ASCII": "é" * 22,
    "a UUID as people write it": str(new_id()),
    "SQL": "' OR 1=1 --",
    "empty": "",
    "padding alone": "==",
    "a number": "7",
    CANARY: CANARY,
}


async def listed(person: Person, **params: object) -> list[dict[str, Any]]:
    """Return what a person's list of sessions says."""
    response = await person.get("/sessions/", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def end(person: Person, session_id: object) -> httpx2.Response:
    return await person.call("DELETE", f"/sessions/{session_id}")


async def add_sessions(runtime: Runtime, person: Person, number: int) -> None:
    """Add living sessions as sign-ins would, without the cost of their hashes."""
    now = datetime.now(UTC)
    common = {
        "user_id": UUID(person.id),
        "transport": "bearer",
        "secret_digest": b"unused",
        "methods": "pwd",
        "counter": 0,
        **dict.fromkeys(("created_at", "authenticated_at", "refreshed_at", "last_seen_at"), now),
        **dict.fromkeys(("idle_expires_at", "expires_at"), now + timedelta(days=1)),
    }
    await write(runtime, insert(Session).values([{"id": new_id(), **common} for _ in range(number)]))


# What is listed.


async def test_the_list_says_where_one_is_signed_in(app: FastAPI, accounts: Accounts) -> None:
    """SE-02: device, place and method, and not a word of what the row keeps of the secret."""
    ada = await accounts.register()
    async with visiting(app, ada, address=HOME, user_agent=FIREFOX_ON_LINUX) as at_home:
        session = await at_home.sign_in()
        (item,) = await listed(session)
    assert item["id"] == str(session_id_of(session))
    assert item["is_current"] is True
    assert item["device"] == "Firefox on Linux"
    assert (item["client_address"], item["last_address"]) == (HOME, HOME)
    assert (item["transport"], item["methods"]) == ("bearer", ["pwd"])
    assert item["created_at"] == item["authenticated_at"] == item["last_seen_at"]
    assert (item["ended_at"], item["end_cause"]) == (None, None)
    expected = {"id", "is_current", "transport", "device", "client_address", "last_address", "methods", "created_at"}
    expected |= {"authenticated_at", "last_seen_at", "idle_expires_at", "expires_at", "ended_at", "end_cause"}
    assert set(item) == expected


async def test_this_session_is_marked_and_the_newest_comes_first(accounts: Accounts) -> None:
    first = await accounts.signed_in()
    second, third = await first.sign_in(), await first.sign_in()
    expected = [str(session_id_of(person)) for person in (third, second, first)]
    for person in (first, second, third):
        items = await listed(person)
        assert [item["id"] for item in items] == expected
        assert [item["id"] for item in items if item["is_current"]] == [str(session_id_of(person))]


async def test_the_list_holds_nobody_elses_sessions(accounts: Accounts) -> None:
    """3.5-09, S12: an administrator's own list, too."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    for person in (admin, ada):
        assert [item["id"] for item in await listed(person)] == [str(session_id_of(person))]


async def test_ended_sessions_are_listed_on_request_with_their_cause(accounts: Accounts, runtime: Runtime) -> None:
    """The four ways to end by oneself, and both limits of time, which leave no trace in the row."""
    ada = await accounts.signed_in()
    logout, idle, absolute, both = [await ada.sign_in() for _ in range(4)]
    await logout.post("/auth/logout")
    past, long_past = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) - timedelta(hours=2)
    await change_session(runtime, session_id_of(idle), idle_expires_at=past)
    await change_session(runtime, session_id_of(absolute), expires_at=past)
    await change_session(runtime, session_id_of(both), expires_at=past, idle_expires_at=long_past)
    assert [item["id"] for item in await listed(ada)] == [str(session_id_of(ada))]
    ended = {UUID(item["id"]): item for item in await listed(ada, ended=True)}
    assert ended[session_id_of(logout)]["end_cause"] == "logout"
    assert ended[session_id_of(idle)]["end_cause"] == "idle_timeout"
    assert ended[session_id_of(absolute)]["end_cause"] == "absolute_timeout"
    assert ended[session_id_of(ada)]["end_cause"] is None
    assert datetime.fromisoformat(ended[session_id_of(idle)]["ended_at"]) == past
    assert (await find_session(runtime, session_id_of(idle))).ended_at is None


async def test_a_session_that_idled_out_first_is_not_said_to_have_reached_its_absolute_end(
    accounts: Accounts, runtime: Runtime
) -> None:
    """The cause and the time of the end belong together, however late somebody asks."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    idle, absolute = datetime.now(UTC) - timedelta(days=20), datetime.now(UTC) - timedelta(days=1)
    await change_session(runtime, session_id_of(other), idle_expires_at=idle, expires_at=absolute)
    ended = {UUID(item["id"]): item for item in await listed(ada, ended=True)}[session_id_of(other)]
    assert (datetime.fromisoformat(ended["ended_at"]), ended["end_cause"]) == (idle, "idle_timeout")


# Page by page.


async def test_pages_hold_every_session_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-03."""
    ada = await accounts.signed_in()
    await add_sessions(runtime, ada, 11)
    whole = [item["id"] for item in await listed(ada)]
    assert len(whole) == 12
    paged, cursor = [], None
    for _ in range(3):
        page = (await ada.get("/sessions/", params={"limit": 5, **({"cursor": cursor} if cursor else {})})).json()
        paged.append([item["id"] for item in page["items"]])
        cursor = page["next_cursor"]
    assert [len(page) for page in paged] == [5, 5, 2]
    assert [session_id for page in paged for session_id in page] == whole
    assert cursor is None


async def test_a_full_last_page_has_no_next_one(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await add_sessions(runtime, ada, 3)
    assert (await ada.get("/sessions/", params={"limit": 4})).json()["next_cursor"] is None


async def test_a_cursor_opens_nobody_elses_list(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-04, 3.5-09: it is a place in a list, and no right to it."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    await add_sessions(runtime, ada, 3)
    cursor = (await ada.get("/sessions/", params={"limit": 1})).json()["next_cursor"]
    theirs = {item["id"] for item in await listed(bob, cursor=cursor)}
    assert theirs <= {str(session_id_of(bob))}


@pytest.mark.parametrize("place", PLACES)
async def test_a_cursor_that_is_none_is_refused(accounts: Accounts, place: str) -> None:
    """3.8-04, PD-02."""
    ada = await accounts.signed_in()
    for path in ("/sessions/", "/users/"):
        caller = ada if path == "/sessions/" else await accounts.administrator()
        response = await caller.get(path, params={"cursor": PLACES[place]})
        problem_of(response, 422, "VALIDATION_FAILED")
        assert field_error_of(response)[0].endswith("cursor")
        check_nothing_repeated(response)


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"limit": -1}, {"limit": "x"}, {"ended": "maybe"}])
async def test_other_wishes_are_refused(accounts: Accounts, params: dict[str, object]) -> None:
    """3.8-03."""
    problem_of(await (await accounts.signed_in()).get("/sessions/", params=params), 422, "VALIDATION_FAILED")


async def test_a_long_list_costs_as_many_statements_as_a_short_one(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    costs = []
    for number in (0, 200):
        await add_sessions(runtime, ada, number) if number else None
        with recorded_statements(runtime) as seen:
            assert len(await listed(ada, limit=100)) == min(number + 1, 100)
        costs.append(len(seen))
    assert costs == [2, 2]


# How one ends.


async def test_one_of_several_ends_and_the_others_live(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, 3.5-02, S53."""
    ada = await accounts.signed_in()
    other, third = await ada.sign_in(), await ada.sign_in()
    response = await end(ada, session_id_of(other))
    assert (response.status_code, response.content) == (204, b"")
    for refusal in (await other.get("/auth/me"), await other.refresh()):
        assert problem_of(refusal, 401, "SESSION_ENDED")["cause"] == "ended_by_user"
    assert await living_sessions(runtime, ada) == {session_id_of(ada), session_id_of(third)}


async def test_to_end_this_very_session_is_a_sign_out(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    assert (await end(ada, session_id_of(ada))).status_code == 204
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "logout"


async def test_to_end_twice_is_fine_and_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """The first cause stays."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    await other.post("/auth/logout")
    before = await find_session(runtime, session_id_of(other))
    for _ in range(2):
        assert (await end(ada, session_id_of(other))).status_code == 204
    assert (await ada.post("/auth/logout/others")).status_code == 204
    after = await find_session(runtime, session_id_of(other))
    assert (after.end_cause, after.ended_at) == ("logout", before.ended_at)


@pytest.mark.parametrize(
    ("column", "cause"),
    [(Session.idle_expires_at, "idle_timeout"), (Session.expires_at, "absolute_timeout")],
    ids=["idle", "absolute"],
)
async def test_no_later_end_rewrites_a_time_out(accounts: Accounts, runtime: Runtime, column: Any, cause: str) -> None:
    """SE-01: what time ended has ended then, and by time; afterwards nothing can prolong it."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    await let_time_pass(runtime, session_id_of(other), column, by=timedelta(days=31))
    await end(ada, session_id_of(other))
    await ada.post("/auth/logout/others")
    await ada.post("/auth/logout/all")
    row = await find_session(runtime, session_id_of(other))
    assert (row.ended_at, row.end_cause) == (getattr(row, column.key), cause)


async def test_what_is_somebody_elses_is_not_there(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09, S13: the answer is that for an id that never was, by the letter."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    for session_id in (session_id_of(bob), new_id()):
        for method in ("GET", "DELETE"):
            refusal = problem_of(await ada.call(method, f"/sessions/{session_id}"), 404, "NOT_FOUND")
            assert refusal["detail"] == "Session not found"
    problem_of(await ada.get(f"/users/{bob.id}/sessions"), 403, "PERMISSION_DENIED")
    problem_of(await ada.call("DELETE", f"/users/{bob.id}/sessions"), 403, "PERMISSION_DENIED")
    assert await living_sessions(runtime, bob) == {session_id_of(bob)}


@pytest.mark.parametrize("path", ["418", "x", "%00", "00000000-0000-0000-0000-00000000000g", "*"])
async def test_what_is_no_id_is_refused(accounts: Accounts, path: str) -> None:
    ada = await accounts.signed_in()
    for method in ("GET", "DELETE"):
        problem_of(await ada.call(method, f"/sessions/{path}"), 422, "VALIDATION_FAILED")


async def test_a_sign_out_of_the_others_spares_this_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, S54: and those of everybody else."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    others = [await ada.sign_in() for _ in range(3)]
    assert (await ada.post("/auth/logout/others")).status_code == 204
    for other in others:
        assert problem_of(await other.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "logout_others"
        assert problem_of(await other.refresh(), 401, "SESSION_ENDED")["cause"] == "logout_others"
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}
    assert await living_sessions(runtime, bob) == {session_id_of(bob)}
    assert (await ada.refresh()).status_code == 200


async def test_without_a_session_nothing_is_listed_or_ended(accounts: Accounts, client: httpx2.AsyncClient) -> None:
    """3.5-16."""
    ada = await accounts.signed_in()
    calls = [("GET", "/sessions/"), ("GET", f"/sessions/{session_id_of(ada)}"), ("POST", "/auth/logout/others")]
    calls += [("DELETE", f"/sessions/{session_id_of(ada)}"), ("DELETE", f"/users/{ada.id}/sessions")]
    for method, path in calls:
        problem_of(await client.request(method, f"/api/v1{path}"), 401, "NOT_AUTHENTICATED")

"""Refresh: rotation, the grace for the direct parent, and what a replay, time or a forgery leads to."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.auth.tokens import first_refresh_token
from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.instances import instance
from tests.rows import change_session, everything, find_session, let_time_pass, living_sessions
from tests.statements import recorded_statements
from tests.tokens import access_claims, at_counter, refresh_content, refresh_key, session_id_of

REFRESH = f"{API}/auth/refresh"
LONGER_THAN_THE_GRACE = timedelta(seconds=31)


async def refused(person: Person, token: str) -> str | None:
    """Return the cause with which a refresh is refused, or None for a token that is simply not valid."""
    response = await person.refresh(token)
    if response.json().get("code") == "SESSION_ENDED":
        return str(problem_of(response, 401, "SESSION_ENDED")["cause"])
    problem_of(response, 401, "REFRESH_TOKEN_INVALID")
    return None


async def end_the_grace(runtime: Runtime, person: Person) -> None:
    await let_time_pass(runtime, session_id_of(person), Session.refreshed_at, by=LONGER_THAN_THE_GRACE)


async def test_a_refresh_hands_out_the_next_pair_of_the_same_session(accounts: Accounts) -> None:
    """S07, S53, S56, OA-22."""
    ada = await accounts.signed_in()
    before = dict(ada.tokens)
    response = await ada.refresh()
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert "no-store" in response.headers["cache-control"]
    assert ada.tokens["refresh_token"] != before["refresh_token"]
    old, new = access_claims(before["access_token"]), access_claims(ada.tokens["access_token"])
    assert old["jti"] != new["jti"]
    same = ("iss", "aud", "sub", "sid", "client_id", "auth_time", "amr")
    assert {name: old[name] for name in same} == {name: new[name] for name in same}
    assert (await ada.get("/auth/me")).status_code == 200


async def test_the_direct_parent_gets_the_same_child_within_the_grace(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-03: a second tab, or a lost answer, signs nobody out and forks nothing."""
    ada = await accounts.signed_in()
    parent = ada.tokens["refresh_token"]
    children = [(await ada.refresh(parent)).json()["refresh_token"] for _ in range(3)]
    assert len(set(children)) == 1
    assert (await find_session(runtime, session_id_of(ada))).counter == 1
    assert (await ada.refresh(children[0])).status_code == 200


async def test_a_repeated_child_does_not_prolong_the_grace(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-03: or whoever holds the parent could keep it alive for ever."""
    ada = await accounts.signed_in()
    parent = ada.tokens["refresh_token"]
    await ada.refresh(parent)
    before = await find_session(runtime, session_id_of(ada))
    await ada.refresh(parent)
    after = await find_session(runtime, session_id_of(ada))
    assert (after.refreshed_at, after.idle_expires_at) == (before.refreshed_at, before.idle_expires_at)


async def test_a_replayed_refresh_token_ends_its_session(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """S53, OA-11, OA-13: after the grace the old token is theft; the newest token and the access token are dead too."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    parent = ada.tokens["refresh_token"]
    await ada.refresh()
    await end_the_grace(runtime, ada)
    assert await refused(ada, parent) == "refresh_token_reused"
    assert await refused(ada, ada.tokens["refresh_token"]) == "refresh_token_reused"
    ended = problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")
    assert ended["cause"] == "refresh_token_reused"
    async with instance(settings) as second:
        assert await refused(second.serves(ada), ada.tokens["refresh_token"]) == "refresh_token_reused"
    assert (await other.refresh()).status_code == 200, "a session of another device goes on"


async def test_a_grandparent_ends_the_session_even_within_the_grace(accounts: Accounts) -> None:
    """3.4-03, OA-11: only the direct parent may be repeated."""
    ada = await accounts.signed_in()
    grandparent = ada.tokens["refresh_token"]
    await ada.refresh()
    await ada.refresh()
    assert await refused(ada, grandparent) == "refresh_token_reused"
    assert await refused(ada, ada.tokens["refresh_token"]) == "refresh_token_reused"
    problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")


@pytest.mark.settings(REFRESH_GRACE_SECONDS=0)
async def test_without_a_grace_the_parent_is_theft_at_once(accounts: Accounts) -> None:
    """OA-11."""
    ada = await accounts.signed_in()
    parent = ada.tokens["refresh_token"]
    await ada.refresh()
    assert await refused(ada, parent) == "refresh_token_reused"


async def test_a_replay_after_a_restart_ends_the_session(settings: Settings) -> None:
    """3.4-04: what was used is known to the database, not to the memory of a process."""
    async with instance(settings) as first:
        ada = await Accounts(first.http, first.runtime).signed_in()
        parent = ada.tokens["refresh_token"]
        await ada.refresh()
        await end_the_grace(first.runtime, ada)
    async with instance(settings) as second:
        ada = second.serves(ada)
        assert await refused(ada, parent) == "refresh_token_reused"
        problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")


async def test_the_grace_outlives_a_restart(settings: Settings) -> None:
    """3.4-04: a deployment between two tabs signs nobody out."""
    async with instance(settings) as first:
        ada = await Accounts(first.http, first.runtime).signed_in()
        parent = ada.tokens["refresh_token"]
        await ada.refresh()
        child = ada.tokens["refresh_token"]
    async with instance(settings) as second:
        assert (await second.serves(ada).refresh(parent)).json()["refresh_token"] == child


async def test_a_token_ahead_of_its_session_is_refused_and_ends_nothing(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.4-03: a count that was never reached, as after a restored backup, is no proof of theft."""
    ada = await accounts.signed_in()
    before = await everything(runtime)
    for counter in (1, 2, 1_000_000):
        assert await refused(ada, at_counter(settings, ada.tokens["refresh_token"], counter)) is None
    assert await everything(runtime) == before
    assert (await ada.refresh()).status_code == 200


async def test_the_server_secret_alone_makes_no_refresh_token(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """S46, S53: the session's own secret is missing, and guessing it ends nothing."""
    ada = await accounts.signed_in()
    await ada.refresh()
    before = await everything(runtime)
    guess = first_refresh_token(session_id_of(ada))
    for counter in (0, 1):
        assert await refused(ada, guess.at(counter).encode(refresh_key(settings))) is None
    assert await everything(runtime) == before


async def test_a_forged_token_costs_no_statement(accounts: Accounts, runtime: Runtime, settings: Settings) -> None:
    """S53: what we did not make is refused before the database hears of it."""
    ada = await accounts.signed_in()
    genuine = ada.tokens["refresh_token"]
    content = refresh_content(settings, genuine)
    forged = [
        "",
        CANARY,
        genuine[:-1],
        genuine + "A",
        genuine[:-1] + ("A" if genuine[-1] != "A" else "B"),
        genuine[:20] + ("A" if genuine[20] != "A" else "B") + genuine[21:],
        genuine.removeprefix("ost_rt_"),
        genuine.replace("ost_rt_", "ost_at_"),
        genuine.replace("ost_rt_", "OST_RT_"),
        " " + genuine,
        genuine + "\n",
        genuine[:50] + "é" + genuine[51:],
        content.encode(b"another key of another server...."),
        "ost_rt_" + "A" * 112,
        "ost_rt_" + "=" * 112,
        ada.tokens["access_token"],
        "x" * 4096,
    ]
    with recorded_statements(runtime) as statements:
        for token in forged:
            response = await ada.http.post(REFRESH, json={"refresh_token": token})
            problem_of(response, 401, "REFRESH_TOKEN_INVALID")
            check_nothing_repeated(response)
    assert statements == []
    with recorded_statements(runtime) as statements:
        assert (await ada.refresh(genuine)).status_code == 200
    assert statements, "a genuine one does cost a statement, so the count counts"


async def test_a_token_longer_than_any_of_ours_is_refused_by_its_length(client: httpx2.AsyncClient) -> None:
    """S61."""
    response = await client.post(REFRESH, json={"refresh_token": CANARY * 1000})
    problem_of(response, 422, "VALIDATION_FAILED")
    check_nothing_repeated(response)


async def test_one_kind_of_token_does_not_do_for_the_other(accounts: Accounts) -> None:
    """S52, JW-13: the cross-use of access and refresh tokens is refused both ways."""
    ada = await accounts.signed_in()
    assert await refused(ada, ada.tokens["access_token"]) is None
    swapped = {"Authorization": f"Bearer {ada.tokens['refresh_token']}"}
    problem_of(await ada.http.get(f"{API}/auth/me", headers=swapped), 401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("column", "cause"),
    [(Session.idle_expires_at, "idle_timeout"), (Session.expires_at, "absolute_timeout")],
    ids=["idle", "absolute"],
)
async def test_time_ends_a_session_with_its_cause(
    accounts: Accounts, runtime: Runtime, column: object, cause: str
) -> None:
    """S62, OA-13: refresh token and access token end alike."""
    ada = await accounts.signed_in()
    name = "idle_expires_at" if column is Session.idle_expires_at else "expires_at"
    await change_session(runtime, session_id_of(ada), **{name: datetime.now(UTC)})
    assert await refused(ada, ada.tokens["refresh_token"]) == cause
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == cause


async def test_a_refresh_prolongs_the_idle_limit_and_never_the_absolute_one(
    accounts: Accounts, runtime: Runtime
) -> None:
    """S62, SE-01."""
    ada = await accounts.signed_in()
    session_id = session_id_of(ada)
    began = await find_session(runtime, session_id)
    assert began.idle_expires_at - began.created_at == timedelta(days=7)
    assert began.expires_at - began.created_at == timedelta(days=30)
    await let_time_pass(runtime, session_id, Session.idle_expires_at, by=timedelta(days=6))
    await ada.refresh()
    later = await find_session(runtime, session_id)
    assert later.idle_expires_at >= began.idle_expires_at
    assert later.expires_at == began.expires_at


async def test_no_limit_and_no_access_token_reaches_beyond_the_absolute_end(
    accounts: Accounts, runtime: Runtime
) -> None:
    """S62, OA-13."""
    ada = await accounts.signed_in()
    end = datetime.now(UTC) + timedelta(minutes=5)
    await change_session(runtime, session_id_of(ada), expires_at=end)
    await ada.refresh()
    assert (await find_session(runtime, session_id_of(ada))).idle_expires_at == end
    assert int(ada.tokens["expires_in"]) <= 5 * 60
    assert access_claims(ada.tokens["access_token"])["exp"] <= end.timestamp()


async def test_the_first_cause_of_an_end_stays(accounts: Accounts, runtime: Runtime) -> None:
    """A replay after a sign-out is told that the session was signed out, and rewrites no history."""
    ada = await accounts.signed_in()
    parent = ada.tokens["refresh_token"]
    await ada.refresh()
    await ada.post("/auth/logout")
    ended = await find_session(runtime, session_id_of(ada))
    await end_the_grace(runtime, ada)
    assert await refused(ada, parent) == "logout"
    again = await find_session(runtime, session_id_of(ada))
    assert (again.end_cause, again.ended_at) == ("logout", ended.ended_at)


async def test_a_session_that_ended_gets_no_access_token_from_a_parent_in_the_grace(
    accounts: Accounts, runtime: Runtime
) -> None:
    """OA-13: the grace repeats a child of a living session only."""
    ada = await accounts.signed_in()
    parent = ada.tokens["refresh_token"]
    await ada.refresh()
    await ada.post("/auth/logout/all")
    assert await refused(ada, parent) == "logout_all"
    assert await living_sessions(runtime, ada) == set()

"""The sessions of others: who may see them, who may end them, and whose nobody may."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.auth.identifiers import new_id
from app.config import Settings
from app.models import User
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.answers import problem_of
from tests.contention import uncommitted, waiting_for_a_lock
from tests.instances import instance
from tests.rows import add_role, change_user, find_session, living_sessions
from tests.tokens import session_id_of
from tests.visitors import ABROAD, HOME, visiting

End = Callable[[Person, Person], Awaitable[httpx2.Response]]
ENDS: dict[str, End] = {
    "one": lambda actor, target: actor.call("DELETE", f"/sessions/{session_id_of(target)}"),
    "all": lambda actor, target: actor.call("DELETE", f"/users/{target.id}/sessions"),
}
BOTH_WAYS = pytest.mark.parametrize("way", ENDS)


@pytest.fixture
async def watcher(accounts: Accounts, runtime: Runtime) -> Person:
    """Somebody who may see users and do nothing to them."""
    await add_role(runtime, "watcher", "users:read", rank=50)
    return await with_role(accounts, "watcher")


async def with_role(accounts: Accounts, role: str) -> Person:
    person = await accounts.register()
    await accounts.set_role(person, role)
    return await person.sign_in()


async def test_whoever_may_read_users_sees_their_sessions(accounts: Accounts, watcher: Person) -> None:
    """S13: the ended ones on request, with their stories; none of them is marked as this one."""
    ada = await accounts.signed_in()
    ended = await ada.sign_in()
    await ended.post("/auth/logout")
    living = (await watcher.get(f"/users/{ada.id}/sessions")).json()
    assert [(item["id"], item["is_current"]) for item in living["items"]] == [(str(session_id_of(ada)), False)]
    everything = (await watcher.get(f"/users/{ada.id}/sessions?ended=true")).json()
    assert [item["end_cause"] for item in everything["items"]] == ["logout", None]
    story = (await watcher.get(f"/sessions/{session_id_of(ended)}")).json()
    assert [entry["event"] for entry in story["timeline"]] == ["signed_in", "ended"]
    own = (await watcher.get(f"/users/{watcher.id}/sessions")).json()
    assert [item["is_current"] for item in own["items"]] == [True]


async def test_where_an_administrator_was_is_told_to_administrators_alone(app: FastAPI, accounts: Accounts) -> None:
    """V14.2.6: the owner learns who ended it, and not from where; of their own addresses they learn all."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    async with visiting(app, ada, address=HOME) as home:
        other = await home.sign_in()
    async with visiting(app, admin, address=ABROAD) as abroad:
        assert (await ENDS["one"](abroad, other)).status_code == 204
    for teller, address in ((ada, None), (admin, ABROAD)):
        first, *_, end = (await teller.get(f"/sessions/{session_id_of(other)}")).json()["timeline"]
        assert (end["event"], end["actor_id"], end["client_address"]) == ("ended", admin.id, address)
        assert (first["event"], first["client_address"]) == ("signed_in", HOME)


async def test_whoever_may_change_users_sees_the_sessions_that_they_may_end(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """S13: without the right to read users; where another administrator was, they are not told."""
    await add_role(runtime, "janitor", "users:write", rank=50)
    janitor, admin, ada = (
        await with_role(accounts, "janitor"),
        await accounts.administrator(),
        await accounts.signed_in(),
    )
    other = await ada.sign_in()
    async with visiting(app, admin) as abroad:
        assert (await ENDS["one"](abroad, other)).status_code == 204
    timeline = (await janitor.get(f"/sessions/{session_id_of(other)}")).json()["timeline"]
    assert (timeline[-1]["actor_id"], timeline[-1]["client_address"]) == (admin.id, None)
    assert (await ENDS["one"](janitor, ada)).status_code == 204
    assert await living_sessions(runtime, ada) == set()


@BOTH_WAYS
async def test_whoever_may_only_read_users_ends_nothing(
    accounts: Accounts, watcher: Person, runtime: Runtime, way: str
) -> None:
    """3.5-09, S13."""
    ada = await accounts.signed_in()
    problem_of(await ENDS[way](watcher, ada), 403, "PERMISSION_DENIED")
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


async def test_whoever_may_only_read_users_ends_their_own(watcher: Person, runtime: Runtime) -> None:
    other = await watcher.sign_in()
    assert (await ENDS["one"](watcher, other)).status_code == 204
    assert (await find_session(runtime, session_id_of(other))).end_cause == "ended_by_user"


async def test_an_administrator_ends_one_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, 3.5-02: it is dead with the answer."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    other = await ada.sign_in()
    assert (await ENDS["one"](admin, other)).status_code == 204
    for refusal in (await other.get("/auth/me"), await other.refresh()):
        assert problem_of(refusal, 401, "SESSION_ENDED")["cause"] == "ended_by_administrator"
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


async def test_an_administrator_ends_all_sessions_of_a_user(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-01, 3.5-02: on every worker, of this user alone; the account itself may sign in again."""
    admin, ada, bob = await accounts.administrator(), await accounts.signed_in(), await accounts.signed_in()
    sessions = [ada, await ada.sign_in()]
    async with instance(settings) as second:
        assert (await ENDS["all"](admin, ada)).status_code == 204
        for session in sessions:
            refusal = await second.serves(session).get("/auth/me")
            assert problem_of(refusal, 401, "SESSION_ENDED")["cause"] == "ended_by_administrator"
    assert await living_sessions(runtime, bob) == {session_id_of(bob)}
    assert (await ada.sign_in()).tokens


@BOTH_WAYS
async def test_nobody_ends_sessions_of_a_higher_role(accounts: Accounts, runtime: Runtime, way: str) -> None:
    """3.5-09: of an equal one they may."""
    await add_role(runtime, "manager", "users:read", "users:write", rank=50)
    manager, colleague = await with_role(accounts, "manager"), await with_role(accounts, "manager")
    admin = await accounts.administrator()
    problem_of(await ENDS[way](manager, admin), 403, "PERMISSION_DENIED")
    assert await living_sessions(runtime, admin) == {session_id_of(admin)}
    assert (await ENDS[way](manager, colleague)).status_code == 204
    assert await living_sessions(runtime, colleague) == set()


async def test_a_session_that_had_ended_keeps_its_first_cause(accounts: Accounts, runtime: Runtime) -> None:
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    await ada.post("/auth/logout")
    for end in ENDS.values():
        assert (await end(admin, ada)).status_code == 204
    assert (await find_session(runtime, session_id_of(ada))).end_cause == "logout"


async def test_a_user_who_is_not_there_has_no_sessions(accounts: Accounts) -> None:
    admin = await accounts.administrator()
    for method in ("GET", "DELETE"):
        problem_of(await admin.call(method, f"/users/{new_id()}/sessions"), 404, "NOT_FOUND")
    for method in ("GET", "DELETE"):
        problem_of(await admin.call(method, f"/sessions/{new_id()}"), 404, "NOT_FOUND")


async def test_a_cursor_of_another_list_shows_nobody_elses_sessions(accounts: Accounts) -> None:
    """3.8-04."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    await ada.sign_in()
    cursor = (await admin.get(f"/users/{ada.id}/sessions?limit=1")).json()["next_cursor"]
    own = (await admin.get("/sessions/", params={"cursor": cursor})).json()["items"]
    assert {item["id"] for item in own} <= {str(session_id_of(admin))}
    problem_of(await admin.get(f"/users/{ada.id}/sessions?cursor=x"), 422, "VALIDATION_FAILED")


@BOTH_WAYS
@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_target_who_is_promoted_meanwhile_is_out_of_reach(
    accounts: Accounts, runtime: Runtime, way: str
) -> None:
    """3.5-09: what counts is the rank after the wait."""
    await add_role(runtime, "manager", "users:read", "users:write", rank=50)
    manager, ada = await with_role(accounts, "manager"), await accounts.signed_in()
    promotion = update(User).where(User.id == UUID(ada.id)).values(role_name="admin")
    async with uncommitted(runtime, promotion):
        late = await waiting_for_a_lock(runtime, _run(ENDS[way](manager, ada)))
    problem_of(await late, 403, "PERMISSION_DENIED")
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


async def _run(call: Awaitable[httpx2.Response]) -> httpx2.Response:
    return await call


@BOTH_WAYS
async def test_a_demoted_administrator_ends_nothing_any_more(
    accounts: Accounts, runtime: Runtime, settings: Settings, way: str
) -> None:
    """3.5-01: from the very next request on, on every worker."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    async with instance(settings) as second:
        await change_user(runtime, admin, role_name="user")
        response = await ENDS[way](second.serves(admin), ada)
    assert response.status_code == (404 if way == "one" else 403)
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}

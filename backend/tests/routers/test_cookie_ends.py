"""How a session in a cookie ends while the browser does nothing: by somebody elsewhere, and by time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import InstrumentedAttribute

from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.cookies import Browser, id_of, signed_in
from tests.instances import instance
from tests.rows import find_session, let_time_pass

NEW_PASSWORD = "a brand new passphrase"


@dataclass(frozen=True)
class Scene:
    """Ada is signed in with tokens, and in a browser of her own that does nothing while her session there ends."""

    accounts: Accounts
    runtime: Runtime
    ada: Person
    session_id: UUID


@dataclass(frozen=True)
class End:
    """Something that ends the session in the browser."""

    name: str
    happens: Callable[[Scene], Awaitable[object]]
    cause: str | None
    """None: the account is gone, and its sessions with it."""


def _time_passes(column: InstrumentedAttribute[Any], days: int) -> Callable[[Scene], Awaitable[object]]:
    return lambda scene: let_time_pass(scene.runtime, scene.session_id, column, by=timedelta(days=days))


async def _is_disabled(scene: Scene) -> None:
    await (await scene.accounts.administrator()).patch(f"/users/{scene.ada.id}", json={"is_active": False})


async def _is_ended_by_an_administrator(scene: Scene) -> None:
    await (await scene.accounts.administrator()).call("DELETE", f"/sessions/{scene.session_id}")


async def _is_signed_out_by_an_administrator(scene: Scene) -> None:
    await (await scene.accounts.administrator()).call("DELETE", f"/users/{scene.ada.id}/sessions")


PASSWORDS = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
ENDS = [
    End("others", lambda scene: scene.ada.post("/auth/logout/others"), "logout_others"),
    End("all", lambda scene: scene.ada.post("/auth/logout/all"), "logout_all"),
    End("this one", lambda scene: scene.ada.call("DELETE", f"/sessions/{scene.session_id}"), "ended_by_user"),
    End("password", lambda scene: scene.ada.post("/auth/me/password", json=PASSWORDS), "password_changed"),
    End("deletion", lambda scene: scene.ada.post("/auth/me/delete", json={"password": PASSWORD}), None),
    End("disabling", _is_disabled, "user_disabled"),
    End("one by an administrator", _is_ended_by_an_administrator, "ended_by_administrator"),
    End("all by an administrator", _is_signed_out_by_an_administrator, "ended_by_administrator"),
    End("idleness", _time_passes(Session.idle_expires_at, 7), "idle_timeout"),
    End("age", _time_passes(Session.expires_at, 30), "absolute_timeout"),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
async def test_a_cookie_is_dead_with_whatever_ends_its_session(accounts: Accounts, runtime: Runtime, end: End) -> None:
    """3.5-01, 3.5-02, OA-13, S53, S54, S55: at the next request, with the cause, whatever is asked for."""
    ada = await accounts.signed_in()
    browser = await signed_in(ada)
    assert (await browser.get("/auth/me")).status_code == 200
    await end.happens(Scene(accounts, runtime, ada, id_of(runtime, browser)))
    for response in (
        await browser.get("/auth/me"),
        await browser.call("PATCH", "/auth/me", json={"full_name": "Ada"}),
        await browser.post("/auth/reauthenticate", {"password": PASSWORD}),
        await browser.post("/auth/logout"),
    ):
        if end.cause is None:
            problem_of(response, 401, "TOKEN_INVALID")
        else:
            assert problem_of(response, 401, "SESSION_ENDED")["cause"] == end.cause


async def test_a_cookie_is_dead_on_every_worker(accounts: Accounts, settings: Settings) -> None:
    """3.5-02: with the answer, not a moment later."""
    browser = await signed_in(await accounts.register())
    async with instance(settings) as second:
        there = Browser(second.http, browser.cookie)
        assert (await there.get("/auth/me")).status_code == 200
        await browser.post("/auth/logout")
        assert problem_of(await there.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "logout"


async def test_use_keeps_a_cookie_session_alive(accounts: Accounts, runtime: Runtime) -> None:
    """SE-01, OA-13: idleness counts from the last use, to within five minutes, as nobody refreshes a cookie."""
    browser = await signed_in(await accounts.register())
    session_id = id_of(runtime, browser)
    for _ in range(3):
        used = (Session.last_seen_at, Session.idle_expires_at)
        await let_time_pass(runtime, session_id, *used, by=timedelta(days=6, hours=23))
        assert (await browser.get("/auth/me")).status_code == 200
        await runtime.uses.settle()
        session = await find_session(runtime, session_id)
        assert session.idle_expires_at - session.last_seen_at == timedelta(days=7)
    before = await find_session(runtime, session_id)
    assert (await browser.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    assert (await find_session(runtime, session_id)).last_seen_at == before.last_seen_at


async def test_no_use_keeps_a_session_alive_past_its_end(accounts: Accounts, runtime: Runtime) -> None:
    """SE-01, OA-13: neither does it come back once idleness has ended it."""
    ada = await accounts.register()
    old, idle = await signed_in(ada), await signed_in(ada)
    times = (Session.last_seen_at, Session.idle_expires_at)
    await let_time_pass(runtime, id_of(runtime, old), Session.expires_at, by=timedelta(days=28))
    await let_time_pass(runtime, id_of(runtime, old), *times, by=timedelta(days=6))
    assert (await old.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    session = await find_session(runtime, id_of(runtime, old))
    assert session.idle_expires_at == session.expires_at
    await let_time_pass(runtime, id_of(runtime, idle), *times, by=timedelta(days=7))
    before = await find_session(runtime, id_of(runtime, idle))
    problem_of(await idle.get("/auth/me"), 401, "SESSION_ENDED")
    await runtime.uses.settle()
    after = await find_session(runtime, id_of(runtime, idle))
    assert (after.idle_expires_at, after.last_seen_at) == (before.idle_expires_at, before.last_seen_at)


async def test_a_refused_request_keeps_no_session_alive(accounts: Accounts, runtime: Runtime) -> None:
    """CK-03: what a foreign page sends is no use."""
    browser = await signed_in(await accounts.register())
    session_id = id_of(runtime, browser)
    await let_time_pass(runtime, session_id, Session.last_seen_at, Session.idle_expires_at, by=timedelta(days=6))
    before = await find_session(runtime, session_id)
    foreign = Browser(browser.http, browser.cookie, page={"Sec-Fetch-Site": "cross-site"})
    problem_of(await foreign.post("/auth/logout"), 403, "CROSS_SITE_REQUEST")
    await runtime.uses.settle()
    assert (await find_session(runtime, session_id)).idle_expires_at == before.idle_expires_at


async def test_use_does_not_keep_a_session_with_tokens_alive(accounts: Accounts, runtime: Runtime) -> None:
    """OA-13: there a refresh does, and its own token would otherwise never have to be shown."""
    ada = await accounts.signed_in()
    session_id = UUID((await ada.get("/sessions/")).json()["items"][0]["id"])
    await let_time_pass(runtime, session_id, Session.last_seen_at, Session.idle_expires_at, by=timedelta(days=6))
    before = await find_session(runtime, session_id)
    assert (await ada.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    after = await find_session(runtime, session_id)
    assert after.last_seen_at > before.last_seen_at
    assert after.idle_expires_at == before.idle_expires_at

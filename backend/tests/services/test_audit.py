"""What the audit log says: who did what to whom, from where, and with what outcome; a refusal leaves its line too."""

from uuid import UUID

import pytest
from fastapi import FastAPI

from app.exceptions import ConflictError, DatabaseUnavailable, WrongPassword
from app.models import AuditEvent, AuditKind, Outcome, User
from app.models.role import ADMINISTRATOR
from app.runtime import Runtime
from app.services import audit
from app.services.audit import MOST_REFUSALS
from tests.accounts import API, CLIENT, PASSWORD, Accounts, Person
from tests.audit import all_events, event_of, events_of
from tests.rows import active_administrators, add_role, change_session, change_user, count
from tests.tokens import session_id_of
from tests.visitors import ABROAD, FIREFOX_ON_LINUX, visiting

NEW_PASSWORD = "another fine day at sea"


def id_of(person: Person) -> UUID:
    return UUID(person.id)


async def test_a_sign_in_is_recorded_with_who_where_and_how(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """S92, V16.2.1: when, who, from where, with what, in which request."""
    ada = await accounts.register()
    async with visiting(app, ada) as abroad:
        signed_in = await abroad.sign_in()
    event = await event_of(runtime, AuditKind.SESSION_CREATED)
    assert (event.actor_id, event.target_id, event.session_id) == (id_of(ada), id_of(ada), session_id_of(signed_in))
    assert (event.client_address, event.user_agent) == (ABROAD, FIREFOX_ON_LINUX)
    assert (event.outcome, event.cause) == (Outcome.SUCCESS, None)
    assert event.detail == {"methods": ["pwd"], "transport": "bearer", "news": []}
    assert len(event.request_id) == 32


@pytest.mark.parametrize(
    ("email", "cause"),
    [
        ("ada@example.com", "wrong_password"),
        ("nobody@example.com", "unknown_address"),
        ("no password@@", "unknown_address"),
    ],
    ids=["known", "unknown", "no address"],
)
async def test_a_wrong_password_leaves_a_row(accounts: Accounts, runtime: Runtime, email: str, cause: str) -> None:
    """S92, 3.7-06, V16.3.1: the answer is the same, the log tells apart, and holds nothing that was typed."""
    ada = await accounts.register("ada@example.com")
    await refused_sign_in(ada, email, "wrong wrong wrong")
    event = await event_of(runtime, AuditKind.SIGN_IN_FAILED)
    assert (event.outcome, event.cause, event.actor_id) == (Outcome.REFUSED, cause, None)
    assert event.target_id == (id_of(ada) if cause == "wrong_password" else None)
    assert event.subject == ("***" if "@@" in email else f"{email[0]}***@example.com")


async def test_a_disabled_account_is_refused_with_its_cause(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.register()
    await change_user(runtime, ada, is_active=False)
    await refused_sign_in(ada, ada.email, PASSWORD)
    assert (await event_of(runtime, AuditKind.SIGN_IN_FAILED)).cause == "user_disabled"


async def test_a_replayed_refresh_token_leaves_a_row(accounts: Accounts, runtime: Runtime) -> None:
    """OA-11, S53, V16.3.1: once for the end of the session, and again whenever it is shown afterwards."""
    ada = await accounts.signed_in()
    stolen, session_id = ada.tokens["refresh_token"], session_id_of(ada)
    await ada.refresh()
    await ada.refresh()
    for _ in range(2):
        assert (await ada.refresh(stolen)).status_code == 401
    ended, again = await event_of(runtime, AuditKind.SESSION_ENDED), await refresh_refused(runtime)
    for event in (ended, again):
        assert (event.outcome, event.cause) == (Outcome.REFUSED, "refresh_token_reused")
        assert (event.actor_id, event.target_id, event.session_id) == (None, id_of(ada), session_id)
    assert ended.detail == {"counter": 0}


async def test_a_token_with_a_right_mac_and_a_wrong_secret_leaves_a_row(accounts: Accounts, runtime: Runtime) -> None:
    """S53: only a thief of the server secret can make one. Its refusal undoes the transaction, and the row stays."""
    ada = await accounts.signed_in()
    await change_session(runtime, session_id_of(ada), secret_digest=b"x" * 32)
    assert (await ada.refresh()).json()["code"] == "REFRESH_TOKEN_INVALID"
    event = await refresh_refused(runtime)
    assert (event.cause, event.session_id) == ("REFRESH_TOKEN_INVALID", session_id_of(ada))


async def test_a_forged_token_costs_no_row(accounts: Accounts, runtime: Runtime) -> None:
    """3.9-04: what anybody can make by the million is in the log, and in no table."""
    ada = await accounts.signed_in()
    before = await count(runtime, AuditEvent)
    await ada.refresh("ost_rt_forged")
    await ada.http.get(f"{API}/auth/me", headers={"Authorization": "Bearer forged"})
    assert await count(runtime, AuditEvent) == before


async def test_a_denied_permission_leaves_a_row(accounts: Accounts, runtime: Runtime) -> None:
    """V16.3.2, 3.5-16: who tried what."""
    ada = await accounts.signed_in()
    assert (await ada.patch(f"/users/{ada.id}", json={"role": "admin"})).status_code == 403
    event = await event_of(runtime, AuditKind.PERMISSION_DENIED)
    assert (event.outcome, event.cause, event.actor_id) == (Outcome.REFUSED, "PERMISSION_DENIED", id_of(ada))
    assert event.detail == {"permission": "users:write", "method": "PATCH", "route": f"{API}/users/{{user_id}}"}
    assert event.session_id == session_id_of(ada)


async def test_a_forbidden_act_of_an_administrator_leaves_a_row_and_changes_nothing(
    accounts: Accounts, runtime: Runtime
) -> None:
    """V16.3.2: on somebody of a higher role, on the last administrator, and on a session of a higher role."""
    await add_role(runtime, "support", "users:read", "users:write", rank=50)
    root, helper = await accounts.administrator(), await accounts.register()
    await accounts.set_role(helper, "support")
    helper = await helper.sign_in()
    assert (await helper.patch(f"/users/{root.id}", json={"is_active": False})).status_code == 403
    assert (await root.patch(f"/users/{root.id}", json={"role": "user"})).status_code == 409
    assert (await helper.call("DELETE", f"/sessions/{session_id_of(root)}")).status_code == 403
    forbidden, last = await events_of(runtime, AuditKind.USER_CHANGE_REFUSED)
    assert (forbidden.actor_id, forbidden.target_id) == (id_of(helper), id_of(root))
    assert (forbidden.cause, forbidden.detail) == ("PERMISSION_DENIED", {"is_active": False})
    assert (last.cause, last.detail) == ("LAST_ADMINISTRATOR", {"role": "user"})
    ended = await event_of(runtime, AuditKind.SESSION_END_REFUSED)
    assert (ended.actor_id, ended.target_id, ended.cause) == (id_of(helper), id_of(root), "PERMISSION_DENIED")
    assert await active_administrators(runtime) == 1


async def test_an_administrator_s_acts_name_both(accounts: Accounts, runtime: Runtime) -> None:
    """V16.3.1: who did what to whom."""
    root, ada = await accounts.administrator(), await accounts.signed_in()
    await root.patch(f"/users/{ada.id}", json={"is_active": False})
    changed, ended = await event_of(runtime, AuditKind.USER_CHANGED), await event_of(runtime, AuditKind.SESSION_ENDED)
    for event in (changed, ended):
        assert (event.actor_id, event.target_id, event.outcome) == (id_of(root), id_of(ada), Outcome.SUCCESS)
    assert (changed.session_id, ended.session_id) == (session_id_of(root), session_id_of(ada))
    assert (changed.detail, ended.cause) == ({"is_active": False}, "user_disabled")


async def test_what_somebody_does_to_their_own_account_is_recorded(accounts: Accounts, runtime: Runtime) -> None:
    """S92, V16.3.1, V16.3.3: from the registration to the end, and what went wrong on the way. The trace outlives it."""
    ada = await accounts.signed_in("ada@example.com")
    await ada.http.post(f"{API}/auth/register", json={"email": "ADA@example.com", "password": PASSWORD})
    await ada.patch("/auth/me", json={"full_name": "Ada Lovelace"})
    await ada.post("/auth/reauthenticate", json={"password": PASSWORD})
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await ada.post("/auth/me/password", json=change)
    await ada.post("/auth/me/delete", json={"password": PASSWORD})
    await ada.post("/auth/me/delete", json={"password": NEW_PASSWORD})
    assert await count(runtime, User) == 0
    told = [(e.kind, e.outcome) for e in await all_events(runtime) if e.kind != AuditKind.SIGNING_KEY_ADDED]
    assert told == [
        (AuditKind.USER_REGISTERED, Outcome.SUCCESS),
        (AuditKind.SESSION_CREATED, Outcome.SUCCESS),
        (AuditKind.USER_REGISTRATION_REFUSED, Outcome.REFUSED),
        (AuditKind.USER_PROFILE_CHANGED, Outcome.SUCCESS),
        (AuditKind.SESSION_REAUTHENTICATED, Outcome.SUCCESS),
        (AuditKind.USER_PASSWORD_CHANGED, Outcome.SUCCESS),
        (AuditKind.USER_PASSWORD_REFUSED, Outcome.REFUSED),
        (AuditKind.USER_DELETED, Outcome.SUCCESS),
    ]


async def test_a_sign_out_everywhere_is_one_row_a_session(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    sessions = {session_id_of(ada), *[session_id_of(await ada.sign_in()) for _ in range(3)]}
    await ada.post("/auth/logout/all")
    ended = await events_of(runtime, AuditKind.SESSION_ENDED)
    assert {event.session_id for event in ended} == sessions
    assert {(event.cause, event.actor_id) for event in ended} == {("logout_all", id_of(ada))}


async def test_a_wrong_set_up_code_leaves_a_row_and_makes_nobody(accounts: Accounts, runtime: Runtime) -> None:
    """V16.3.3: somebody tries to become the administrator."""
    ada = await accounts.register()
    form = {"code": "wrong", "email": "eve@example.com", "password": PASSWORD}
    assert (await ada.http.post("/setup", data=form)).status_code == 403
    event = await event_of(runtime, AuditKind.SETUP_REFUSED)
    assert (event.cause, event.subject, event.outcome) == ("SETUP_CODE_INVALID", "e***@example.com", Outcome.REFUSED)
    assert await count(runtime, User, User.role_name == ADMINISTRATOR) == 0


async def test_what_is_undone_leaves_no_success_behind(runtime: Runtime) -> None:
    """V16.3.1: of what was recorded on the way to a refusal that undoes everything, the refusal alone stays."""
    with pytest.raises(ConflictError):
        await end_with(runtime, ConflictError())
    assert await marks(runtime) == (0, 1)


@pytest.mark.parametrize("accident", [RuntimeError(), DatabaseUnavailable()], ids=["accident", "database"])
async def test_an_accident_leaves_nothing(runtime: Runtime, accident: Exception) -> None:
    """V16.5.3: nobody said no; the log has the accident."""
    with pytest.raises(type(accident)):
        await end_with(runtime, accident)
    assert await marks(runtime) == (0, 0)


async def test_a_refusal_keeps_both(runtime: Runtime) -> None:
    """V16.3.1: what it changed, and that it said no, in one transaction."""
    with pytest.raises(WrongPassword):
        await end_with(runtime, WrongPassword())
    assert await marks(runtime) == (1, 1)


async def test_a_savepoint_takes_its_successes_along_and_no_refusal(runtime: Runtime) -> None:
    async with runtime.database.begin(CLIENT) as work:
        savepoint = await work.db.begin_nested()
        await audit.record(work, AuditKind.USER_CHANGED)
        audit.refuse(work, AuditKind.USER_CHANGE_REFUSED, cause="X")
        await savepoint.rollback()
    assert await marks(runtime) == (0, 1)


async def test_nobody_fills_the_table_with_refusals(runtime: Runtime) -> None:
    """3.9-04: of one kind, from one address, in one minute; other kinds and other addresses are not crowded out."""
    async with runtime.database.begin(CLIENT) as work:
        for _ in range(MOST_REFUSALS + 5):
            audit.refuse(work, AuditKind.SETUP_REFUSED, cause="X")
        audit.refuse(work, AuditKind.SIGN_IN_FAILED, cause="X")
    assert await count(runtime, AuditEvent, AuditEvent.kind == AuditKind.SETUP_REFUSED) == MOST_REFUSALS
    assert await count(runtime, AuditEvent, AuditEvent.kind == AuditKind.SIGN_IN_FAILED) == 1


async def test_texts_of_any_length_fit(accounts: Accounts, runtime: Runtime) -> None:
    """V16.2.1: a client chooses what it calls itself."""
    ada = await accounts.register()
    headers = {"User-Agent": "x" * 5000}
    form = {"username": "a" * 200 + "@example.com", "password": "wrong wrong wrong"}
    assert (await ada.http.post(f"{API}/auth/login", data=form, headers=headers)).status_code == 401
    assert (await event_of(runtime, AuditKind.SIGN_IN_FAILED)).user_agent == "x" * 400


async def end_with(runtime: Runtime, error: Exception) -> None:
    """Record something that was done and something that was refused, and end like this."""
    async with runtime.database.begin(CLIENT) as work:
        await audit.record(work, AuditKind.USER_CHANGED)
        audit.refuse(work, AuditKind.USER_CHANGE_REFUSED, cause="X")
        raise error


async def marks(runtime: Runtime) -> tuple[int, int]:
    """Return how much of both is there."""
    done, refused = AuditKind.USER_CHANGED, AuditKind.USER_CHANGE_REFUSED
    return len(await events_of(runtime, done)), len(await events_of(runtime, refused))


async def refresh_refused(runtime: Runtime) -> AuditEvent:
    return await event_of(runtime, AuditKind.SESSION_REFRESH_REFUSED)


async def refused_sign_in(person: Person, username: str, password: str) -> None:
    answer = await person.http.post(f"{API}/auth/login", data={"username": username, "password": password})
    assert answer.status_code == 401

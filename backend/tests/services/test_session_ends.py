"""What ends sessions, against every credential that hangs on them: dead with the answer, and on every worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest

from app.config import Settings
from app.models import EndCause, Session
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.instances import Instance, instance
from tests.rows import count, living_sessions

NEW_PASSWORD = "a brand new passphrase"


@dataclass(frozen=True)
class Event:
    """Something that ends sessions of Ada's: who does it how, and the cause that her other session is told."""

    name: str
    happens: Callable[[Person, Person], Awaitable[httpx2.Response]]
    cause: EndCause | None
    """None: the account is gone, and its sessions with it."""
    spares_its_own: bool = False


EVENTS = [
    Event("sign-out everywhere", lambda ada, _: ada.post("/auth/logout/all"), EndCause.LOGOUT_ALL),
    Event(
        "password change",
        lambda ada, _: ada.post("/auth/me/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        EndCause.PASSWORD_CHANGED,
        spares_its_own=True,
    ),
    Event(
        "disabling",
        lambda ada, admin: admin.patch(f"/users/{ada.id}", json={"is_active": False}),
        EndCause.USER_DISABLED,
    ),
    Event(
        "sign-out of the others",
        lambda ada, _: ada.post("/auth/logout/others"),
        EndCause.LOGOUT_OTHERS,
        spares_its_own=True,
    ),
    Event(
        "sign-out by an administrator",
        lambda ada, admin: admin.call("DELETE", f"/users/{ada.id}/sessions"),
        EndCause.ENDED_BY_ADMINISTRATOR,
    ),
    Event("deletion", lambda ada, _: ada.post("/auth/me/delete", json={"password": PASSWORD}), None),
]


async def check_dead(person: Person, cause: EndCause | None) -> None:
    """Assert that neither the access token nor the refresh token of a session does anything any more."""
    for path in ("/auth/me", f"/users/{person.id}", "/users/"):
        _check_refusal(await person.get(path), cause, gone="TOKEN_INVALID")
    _check_refusal(await person.post("/auth/logout"), cause, gone="TOKEN_INVALID")
    _check_refusal(await person.refresh(), cause, gone="REFRESH_TOKEN_INVALID")


def _check_refusal(response: httpx2.Response, cause: EndCause | None, *, gone: str) -> None:
    if cause is None:
        problem_of(response, 401, gone)
    else:
        assert problem_of(response, 401, "SESSION_ENDED")["cause"] == cause.value


async def check_alive(person: Person) -> None:
    assert (await person.get("/auth/me")).status_code == 200
    assert (await person.refresh()).status_code == 200


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
async def test_every_credential_is_dead_with_the_answer_and_on_every_worker(
    accounts: Accounts, settings: Settings, event: Event
) -> None:
    """3.5-01, 3.5-02, 3.8-07, S17, S53, S54, S55, OA-13."""
    admin, ada, bystander = await accounts.administrator(), await accounts.signed_in(), await accounts.signed_in()
    elsewhere = await ada.sign_in()
    await elsewhere.refresh()
    async with instance(settings) as second:
        await check_alive(second.serves(elsewhere))
        response = await event.happens(ada, admin)
        assert response.status_code in {200, 204}, response.text
        await _check_after(event, ada, elsewhere, second)
        await check_alive(bystander)
        await check_alive(second.serves(bystander))


async def _check_after(event: Event, ada: Person, elsewhere: Person, second: Instance) -> None:
    for session in (elsewhere, second.serves(elsewhere)):
        await check_dead(session, event.cause)
    for session in (ada, second.serves(ada)):
        if event.spares_its_own:
            assert (await session.get("/auth/me")).status_code == 200
        else:
            await check_dead(session, event.cause)


async def test_a_sign_out_is_dead_on_every_worker_and_spares_the_others(accounts: Accounts, settings: Settings) -> None:
    """3.5-01, 3.5-02, S53, S54."""
    ada = await accounts.signed_in()
    elsewhere = await ada.sign_in()
    async with instance(settings) as second:
        await check_alive(second.serves(ada))
        assert (await ada.post("/auth/logout")).status_code == 204
        await check_dead(second.serves(ada), EndCause.LOGOUT)
        await check_dead(ada, EndCause.LOGOUT)
        await check_alive(second.serves(elsewhere))


async def test_enabling_an_account_again_revives_no_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, S37, S54."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    for is_active in (False, True):
        await admin.patch(f"/users/{ada.id}", json={"is_active": is_active})
    await check_dead(ada, EndCause.USER_DISABLED)
    assert await living_sessions(runtime, ada) == set()
    await check_alive(await ada.sign_in())


async def test_a_deletion_leaves_no_session_row(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-07, S17, S100: the cascade works on both databases, for every session there ever was."""
    ada = await accounts.signed_in()
    elsewhere = await ada.sign_in()
    await elsewhere.post("/auth/logout")
    await ada.post("/auth/me/delete", json={"password": PASSWORD})
    assert await count(runtime, Session, Session.user_id == UUID(ada.id)) == 0


async def test_another_role_or_name_ends_no_session(accounts: Accounts) -> None:
    """What is read afresh on every request needs no new session."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    await ada.patch("/auth/me", json={"full_name": "Ada"})
    await admin.patch(f"/users/{ada.id}", json={"role": "admin"})
    await check_alive(ada)

"""Every route that can end in a session, found in the application itself, with every policy and every kind of account."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import delete, insert, select

from app.auth.dependencies import get_handover
from app.config import Settings
from app.main import create_app
from app.models import Identity, OutgoingMail, PendingSignIn, Session, TotpAuthenticator
from app.offline.testing import RunningProvider, Visitor, http_client
from app.routes import _calls
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.authenticator import Authenticator
from tests.conftest import BASE_URL
from tests.contract import DocumentedErrors
from tests.cookies import set_cookies
from tests.factors import Guarded, add_passkey, code_of, enrol_app, finish, forget_last_step, page_of, pending_of
from tests.federation.conftest import google, other_provider, provider_keys, provider_sites, settings
from tests.rows import change_user, find_user, write
from tests.second_factors.pathways import (
    ENROLMENT,
    EXPECTED,
    FINISHING,
    HELD,
    ONE_FACTOR,
    POLICIES,
    REFUSED,
    RENEWING,
    SESSION,
    Driver,
    Someone,
    World,
    passkey_that_verifies_nobody,
)
from tests.second_factors.reach import BEGIN_SESSION, Reach, routes_that_reach

__all__ = ["google", "other_provider", "provider_keys", "provider_sites", "settings"]

_ANSWERS = {"TokenResponse", "AccessTokenResponse", "CookieSessionResponse"}
_WITH_MAIL = pytest.mark.settings(MAIL_SIGN_IN="on")


# What there is.


def _schemas_in(document: dict[str, Any], part: object) -> set[str]:
    """Return the name of every schema that a part of an OpenAPI document leads to."""
    names, due = set[str](), [part]
    while due:
        each = due.pop()
        if isinstance(each, dict):
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name and name not in names:
                names.add(name)
                due.append(document["components"]["schemas"][name])
            due += each.values()
        elif isinstance(each, list):
            due += each
    return names


def _that_answer_with_a_session(app: FastAPI) -> set[str]:
    document = app.openapi()
    return {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and _schemas_in(document, answer.get("content")) & _ANSWERS
    }


def _that_hand_over(app: FastAPI) -> set[str]:
    return {
        f"{method} {context.path_format}"
        for context in iter_route_contexts(app.routes)
        if get_handover in set(_calls(getattr(context, "dependant", None)))
        for method in context.methods or ()
    }


@_WITH_MAIL
@pytest.mark.only("sqlite")
async def test_every_route_that_can_end_in_a_session_is_driven_here(app: FastAPI) -> None:
    """3.5-03: a new way in that nobody drives fails here by name, whether it says what it answers or not."""
    begin = routes_that_reach(app, Reach.of_application(), BEGIN_SESSION)
    assert begin == ONE_FACTOR.keys() | FINISHING.keys(), "drive it in tests/second_factors/pathways.py"
    hand_over = _that_answer_with_a_session(app) | _that_hand_over(app)
    assert hand_over - begin == RENEWING.keys(), "drive it, or say why it begins none"


async def test_what_renews_a_session_adds_none(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03: refresh and fresh proofs go on in the session that there is."""
    ada = Guarded(await accounts.signed_in())
    before = await sessions_of(runtime, ada)
    ada = await enrol_app(ada.person)
    await forget_last_step(runtime)
    await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    await add_passkey(ada.person, Authenticator(page_of(runtime)))
    assert (await ada.person.refresh()).status_code == 200
    for path in ("/auth/logout/others", "/auth/logout"):
        assert (await ada.person.post(path)).status_code == 204
    assert (await sessions_of(runtime, ada)).keys() == before.keys()


# What becomes of a sign-in.


@pytest.fixture
async def people(accounts: Accounts, runtime: Runtime, google: RunningProvider) -> AsyncIterator[dict[str, Someone]]:
    """One account of each kind, made while second factors were optional, each with proved address and Google identity."""
    async with AsyncExitStack() as stack:
        found = {}
        for kind in EXPECTED["off"]:
            visitor = Visitor(await stack.enter_async_context(http_client()))
            someone = Someone(kind, Guarded(await accounts.signed_in()), visitor)
            await _equip(someone, runtime)
            await _link(runtime, google, someone)
            found[kind] = someone
        yield found


async def _equip(someone: Someone, runtime: Runtime) -> None:
    person, device = someone.guarded.person, Authenticator(page_of(runtime))
    if someone.kind in {"app", "both", "remembered"}:
        someone.guarded = await enrol_app(person)
    if someone.kind in {"passkey", "both", "remembered"}:
        added = await add_passkey(person, device)
        someone.guarded.device = device
        someone.guarded.recovery_codes += added["recovery_codes"] or []
    if someone.kind == "must enrol":
        await change_user(runtime, person, must_enrol_factor=True)
    if someone.kind == "remembered":
        await forget_last_step(runtime)
        pending = await pending_of(person.http, person)
        code = code_of(someone.guarded.secret)
        done = await finish(person.http, pending, method="totp", code=code, remember_device=True)
        someone.remembered = {cookie.name: cookie.value for cookie in set_cookies(done)}["__Host-ostiary-remembered"]


async def _link(runtime: Runtime, google: RunningProvider, someone: Someone) -> None:
    user, at = await find_user(runtime, someone.guarded.person), datetime.now(UTC)
    values = {
        "user_id": user.id,
        "issuer": google.issuer,
        "subject": someone.at_google.subject,
        "email": user.email,
        "email_verified": True,
        "created_at": at,
        "last_used_at": at,
    }
    await write(runtime, insert(Identity).values(values))
    await change_user(runtime, someone.guarded.person, email_verified_at=user.created_at)


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> str:
    """A name of `POLICIES`, as the test is parametrised."""
    return str(request.param)


@pytest.fixture
async def world(settings: Settings, policy: str, google: RunningProvider) -> AsyncIterator[World]:
    """The same installation, started anew with another policy."""
    changed = settings.model_copy(update=POLICIES[policy])
    app = create_app(changed)
    client = httpx2.AsyncClient(transport=DocumentedErrors(app), base_url=BASE_URL)
    async with app.router.lifespan_context(app), client as http:
        yield World(http, app.state.runtime, google, policy)


async def sessions_of(runtime: Runtime, guarded: Guarded) -> dict[UUID, str]:
    """Return how each session of an account began, or was proved since."""
    statement = select(Session.id, Session.methods).where(Session.user_id == UUID(guarded.person.id))
    return {row.id: row.methods for row in await runtime.database.read.all(statement)}


async def _take_app(runtime: Runtime, who: Someone) -> None:
    """Take away the app that a sign-in has just added: the account has to add one again."""
    app = delete(TotpAuthenticator).where(TotpAuthenticator.user_id == UUID(who.guarded.person.id))
    await write(runtime, app)
    must = who.kind == "must enrol"
    await change_user(runtime, who.guarded.person, has_second_factor=False, must_enrol_factor=must)


async def take_stage(runtime: Runtime, who: Someone) -> str | None:
    """Return what the sign-in that is kept of an account lacks. It is kept no longer, nor what counts mails for the cap."""
    mine = PendingSignIn.user_id == UUID(who.guarded.person.id)
    row = await runtime.database.read.first(select(PendingSignIn.stage).where(mine))
    await write(runtime, delete(PendingSignIn).where(mine), delete(OutgoingMail))
    return row.stage if row else None


def has_session(answer: httpx2.Response) -> bool:
    """Whether an answer holds what opens a session: tokens, or the cookie."""
    cookies = {cookie.name: cookie.value for cookie in set_cookies(answer)}
    return '"access_token"' in answer.text or '"refresh_token"' in answer.text or bool(cookies.get("__Host-ostiary"))


def asks_for_more(answer: httpx2.Response) -> bool:
    """Whether an answer says that a factor is missing: by its code, in the next address, or as a page."""
    if answer.status_code == 303:
        return "error=SECOND_FACTOR_REQUIRED" in answer.headers["location"]
    return answer.status_code == 403 and ("SECOND_FACTOR_REQUIRED" in answer.text or "<html" in answer.text)


@_WITH_MAIL
@pytest.mark.only("sqlite")
@pytest.mark.parametrize("policy", POLICIES, indirect=True)
async def test_no_way_in_leads_past_the_gate(people: dict[str, Someone], world: World) -> None:
    """3.5-03, V6.3.4: pathway by policy by account; what counts is the row of the session, whatever is answered."""
    await _try_every_way(people, world)


@_WITH_MAIL
@pytest.mark.only("postgresql")
@pytest.mark.parametrize("policy", ["required for the role"], indirect=True)
async def test_nor_does_one_over_postgresql(people: dict[str, Someone], world: World) -> None:
    """3.5-03, V6.3.4: the policy under which every kind of answer is seen; the others differ by no statement."""
    await _try_every_way(people, world)


async def _try_every_way(people: dict[str, Someone], world: World) -> None:
    for route, drivers in ONE_FACTOR.items():
        for driver in drivers:
            for who in people.values():
                if who.guarded.device or not route.endswith("/auth/passkey"):
                    await _try_to_come_in(world, who, driver)
    for driver, stage in FINISHING.values():
        for who in people.values():
            await _try_to_finish(world, who, driver, stage)


async def _try_to_come_in(world: World, who: Someone, driver: Driver) -> None:
    """One cell: with one factor what is expected, with a passkey that verifies its user a session."""
    is_two = driver.__name__ == "passkey"
    expected = SESSION if is_two else EXPECTED[world.policy][who.kind]
    if driver is passkey_that_verifies_nobody and world.policy == "off":
        expected = REFUSED  # It would be the only proof, and one that can be found in the street.
    before = await sessions_of(world.runtime, who.guarded)
    answer = await driver(world, who)
    cell = f"{driver.__name__}, {world.policy}, {who.kind}: {answer.status_code} {answer.text[:300]}"
    after = await sessions_of(world.runtime, who.guarded)
    added = [methods for key, methods in after.items() if key not in before]
    stage = await take_stage(world.runtime, who)
    assert len(added) == (expected == SESSION), cell
    assert stage == (expected if expected in {HELD, ENROLMENT} else None), cell
    assert (has_session(answer), asks_for_more(answer)) == (bool(added), bool(stage)), cell
    assert all(("mfa" in methods.split()) is is_two for methods in added), cell


async def _try_to_finish(world: World, who: Someone, driver: Driver, stage: str) -> None:
    """One cell: it goes on at its own stage alone; where nothing is held, there is nothing to go on with (3.5-04, 3.5-14)."""
    expected, before = EXPECTED[world.policy][who.kind], await sessions_of(world.runtime, who.guarded)
    answer = await driver(world, who)
    cell = f"{driver.__name__}, {world.policy}, {who.kind}: {answer.status_code} {answer.text[:300]}"
    await take_stage(world.runtime, who)
    is_due = expected == stage
    if is_due and stage == ENROLMENT:
        await _take_app(world.runtime, who)
    assert has_session(answer) is is_due, cell
    if expected == SESSION:
        return  # The first factor has begun one.
    after = await sessions_of(world.runtime, who.guarded)
    added = [methods for key, methods in after.items() if key not in before]
    assert [("mfa" in methods.split()) for methods in added] == ([True] if is_due else []), cell

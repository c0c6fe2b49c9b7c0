"""The gate stands where sessions begin: what it lets through, what it keeps of who is held, and that nobody begins one beside it."""

import ast
from datetime import UTC, datetime
from typing import cast

import httpx2
import pytest
from sqlalchemy import insert, select

from app.auth.second_factors import Demand, Factor, Stage, offered, stage_for, with_second_factor
from app.models import AuditKind, Identity, PendingSignIn
from app.offline.testing import ADA, RunningProvider
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.architecture.sources import Function, parsed_modules
from tests.audit import event_of, events_of
from tests.factors import begin_sign_in, enrol_app, finish, pending_of, with_app
from tests.federation.browsers import SESSION, Browser, error_of
from tests.federation.conftest import browser, google, other_provider, provider_keys, provider_sites, settings, visitor
from tests.rows import change_user, find_user, write
from tests.second_factors.reach import BEGIN_SESSION, COMPLETE, GATE, Reach
from tests.tokens import access_claims

__all__ = ["browser", "google", "other_provider", "provider_keys", "provider_sites", "settings", "visitor"]

_SESSION = "app.models.session.Session"


# Nobody begins one beside it.


def _calls(tree: ast.AST, reach: Reach, module: str) -> list[tuple[str, ast.Call]]:
    """Return every call below a node, with what is called and where that is defined."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(reach.meant(module, call.func), call) for call in calls]


def test_one_function_alone_adds_a_session() -> None:
    """3.5-03: as an object or by a statement."""
    reach, found = Reach.of_application(), set()
    for module, tree in parsed_modules().items():
        for node in tree.body:
            for called, call in _calls(node, reach, module):
                adds = called == _SESSION or (
                    called.rpartition(".")[2] == "insert"
                    # As a class, or as its table.
                    and any(f"{reach.meant(module, argument)}.".startswith(f"{_SESSION}.") for argument in call.args)
                )
                if adds:
                    found.add(f"{module}.{getattr(node, 'name', '?')}")
    assert found == {BEGIN_SESSION}


def test_no_session_is_added_in_another_way() -> None:
    """3.5-03: nothing takes hold of the table, or adds rows in bulk, where the test above would not see it."""
    reach = Reach.of_application()
    for module, tree in parsed_modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert reach.meant(module, node) != f"{_SESSION}.__table__", module
                assert not node.attr.startswith("bulk_"), module


def test_one_function_alone_calls_it() -> None:
    """3.5-03: so every way in passes through the gates of `complete`, and then through this one."""
    assert Reach.of_application().users_of(BEGIN_SESSION) == {COMPLETE}


def test_it_asks_before_there_is_a_session() -> None:
    """3.5-03: at its top level, where no condition leads around it, and before the row is made."""
    module, _, name = BEGIN_SESSION.rpartition(".")
    reach, tree = Reach.of_application(), parsed_modules()[module]
    begin = next(node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == name)
    asks = [
        number
        for number, node in enumerate(cast("Function", begin).body)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Await)
        and isinstance(node.value.value, ast.Call)
        and reach.meant(module, node.value.value.func) == GATE
    ]
    makes = [n for n, node in enumerate(begin.body) if _SESSION in {name for name, _ in _calls(node, reach, module)}]
    assert len(asks) == len(makes) == 1
    assert asks < makes


# What it decides.


@pytest.mark.parametrize("has_factor", [True, False])
@pytest.mark.parametrize("must_enrol", [True, False])
@pytest.mark.parametrize("policy", ["off", "optional", "required"])
@pytest.mark.parametrize(
    "methods", [("pwd",), ("fed",), ("email",), ("swk",), ("hwk",), ("pwd", "email"), ("swk", "uv")]
)
def test_one_factor_is_enough_where_none_is_demanded_and_none_is_there(
    *, policy: str, has_factor: bool, must_enrol: bool, methods: tuple[str, ...]
) -> None:
    """V6.3.4: only `mfa` passes, which the gate itself and a passkey that verified its user write."""
    stage = stage_for(Demand(policy, has_factor, must_enrol), methods)
    if policy == "off":
        assert stage is None
    elif has_factor:
        assert stage is Stage.SECOND_FACTOR
    else:
        assert stage is (Stage.ENROLMENT if must_enrol or policy == "required" else None)
    assert stage_for(Demand(policy, has_factor, must_enrol), with_second_factor(methods, "otp")) is None


@pytest.mark.parametrize("methods", [("pwd",), ("fed",), ("email",), ("swk",), ("hwk",)])
def test_nothing_follows_itself(methods: tuple[str, ...]) -> None:
    """3.5-03: a password beside a password, or a bare passkey beside a bare passkey, is one factor."""
    is_key = methods[0] in {"swk", "hwk"}
    following = offered(frozenset(Factor), methods)
    assert (Factor.PASSKEY in following) is not is_key
    assert (Factor.PASSWORD in following) is is_key
    assert {Factor.TOTP, Factor.RECOVERY_CODE} <= set(following)
    assert offered(frozenset(), methods) == ()


# What it leaves behind.


async def test_who_is_held_is_noted_once(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """A password that was right is no failed sign-in, and no session."""
    ada = await with_app(accounts, runtime)
    await begin_sign_in(client, ada.person)
    event = await event_of(runtime, AuditKind.SIGN_IN_HELD)
    assert (str(event.target_id), event.cause) == (ada.person.id, "SECOND_FACTOR_REQUIRED")
    assert event.detail == {"methods": ["pwd"], "stage": "second_factor"}
    assert await events_of(runtime, AuditKind.SIGN_IN_FAILED) == []


async def test_a_session_says_by_what_it_began(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """RFC 8176: both factors, and that there were two."""
    ada = await with_app(accounts, runtime)
    done = await finish(client, await pending_of(client, ada.person), method="totp", code=ada.code())
    claims = access_claims(done.json()["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "aal2")


async def test_a_stranger_learns_nothing_of_second_factors(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-15: a wrong password is answered alike, whatever the account has."""
    ada, grace = await with_app(accounts, runtime), await accounts.register()
    answers = []
    for person in (ada.person, grace):
        form = {"username": person.email, "password": "not this one"}
        answer = await client.post(f"{API}/auth/login", data=form)
        answers.append((answer.status_code, {**answer.json(), "request_id": ""}))
    assert answers[0] == answers[1]
    assert await runtime.database.read.all(select(PendingSignIn.id)) == []


async def test_a_sign_in_through_a_provider_that_is_held_changes_nothing(
    browser: Browser, accounts: Accounts, runtime: Runtime, google: RunningProvider
) -> None:
    """3.5-03 (Kratos): no identity more or less, and the browser goes back to the front end with what is needed to go on."""
    ada = await enrol_app(await accounts.signed_in(ADA.email))
    await change_user(runtime, ada.person, email_verified_at=datetime.now(UTC))
    assert error_of(await browser.open(await browser.come_back(ADA, transport="cookie"))) == "LINK_REQUIRED"
    assert await runtime.database.read.all(select(Identity.id)) == []
    user, at = await find_user(runtime, ada.person), datetime.now(UTC)
    row = {"user_id": user.id, "issuer": google.issuer, "subject": ADA.subject, "email": ADA.email}
    times = {"created_at": at, "last_used_at": at, "email_verified": True}
    await write(runtime, insert(Identity).values({**row, **times}))
    assert error_of(await browser.open(await browser.come_back(ADA, transport="cookie"))) == "SECOND_FACTOR_REQUIRED"
    assert browser.jar.keys() == {"__Host-ostiary-pending"}
    (identity,) = await runtime.database.read.entities(select(Identity))
    assert (identity.user_id, identity.subject) == (user.id, ADA.subject)
    body = {"method": "recovery_code", "code": ada.recovery_codes[0]}
    done = await browser.post("/auth/second-factor?transport=cookie", body)
    assert done.status_code == 200, done.text
    assert SESSION in browser.jar
    assert "__Host-ostiary-pending" not in browser.jar


async def test_an_account_whose_factors_were_reset_gets_another_one_first(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: also where second factors are optional; then it is asked for as any other."""
    ada, admin = await with_app(accounts, runtime), await accounts.administrator()
    body = {"reason": "Lost the phone"}
    assert (await admin.post(f"/users/{ada.person.id}/factors/reset", json=body)).status_code == 204
    held = await begin_sign_in(client, ada.person)
    assert (held.status_code, held.json()["stage"], held.json()["factors"]) == (403, "enrolment", [])

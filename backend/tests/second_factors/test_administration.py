"""An administrator takes the second factors from somebody who has lost them."""

from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from app.auth.identifiers import new_id
from app.config import Settings
from app.models import (
    AuditKind,
    Passkey,
    PendingSignIn,
    RecoveryCode,
    RememberedDevice,
    Session,
    TotpAuthenticator,
    User,
)
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.audit import event_of
from tests.authenticator import Authenticator
from tests.conftest import settings_for
from tests.factors import (
    Guarded,
    add_passkey,
    begin_sign_in,
    code_of,
    enrol_app,
    finish,
    page_of,
    pending_of,
    sign_in_with_passkey,
    with_app,
)
from tests.instances import instance
from tests.mailed.inbox import letters
from tests.rows import add_role, change_user, count, everything, find_user, let_time_pass, living_sessions
from tests.tokens import session_id_of

REASON = "Lost the phone; identity checked by video call"


async def reset(administrator: Person, user_id: str, reason: str = REASON) -> httpx2.Response:
    return await administrator.post(f"/users/{user_id}/factors/reset", json={"reason": reason})


async def equipped(accounts: Accounts, runtime: Runtime) -> Guarded:
    """Return somebody with an app, a passkey, recovery codes, a remembered browser and a sign-in under way."""
    ada = await with_app(accounts, runtime)
    ada.device = Authenticator(page_of(runtime))
    await add_passkey(ada.person, ada.device)
    pending = await pending_of(ada.person.http, ada.person)
    done = await finish(ada.person.http, pending, method="totp", code=ada.code(), remember_device=True)
    assert done.status_code == 200, done.text
    await pending_of(ada.person.http, ada.person)
    await change_user(runtime, ada.person, email_verified_at=(await find_user(runtime, ada.person)).created_at)
    return ada


async def test_a_reset_takes_every_factor_and_every_session(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04, SE-05, 3.5-09: its user is told, and the audit log has who did it and why."""
    administrator, ada = await accounts.administrator(), await equipped(accounts, runtime)
    assert (await reset(administrator, ada.person.id)).status_code == 204
    mine = UUID(ada.person.id)
    for table in (TotpAuthenticator, Passkey, RecoveryCode, PendingSignIn, RememberedDevice):
        assert await count(runtime, table, table.user_id == mine) == 0
    assert await living_sessions(runtime, ada.person) == set()
    ended = problem_of(await ada.person.get("/auth/me"), 401, "SESSION_ENDED")
    assert ended["cause"] == "factors_reset"
    [notice] = [mail for mail in await letters(runtime, ada.person.email) if "administrator" in mail.text]
    assert notice.has_link
    event = await event_of(runtime, AuditKind.FACTORS_RESET)
    assert (event.actor_id, event.target_id, event.outcome) == (UUID(administrator.id), mine, "success")
    assert event.detail == {"reason": REASON}


@pytest.mark.parametrize("policy", ["optional", "required"])
async def test_the_next_sign_in_adds_an_app_first_whatever_the_policy(
    accounts: Accounts, runtime: Runtime, settings: Settings, policy: str
) -> None:
    """3.5-03: else a reset would leave an account to whoever knows its password."""
    administrator, ada = await accounts.administrator(), await equipped(accounts, runtime)
    assert ada.device
    assert (await reset(administrator, ada.person.id)).status_code == 204
    async with instance(settings_for(settings.DATABASE_URL.get_secret_value(), SECOND_FACTOR=policy)) as other:
        held = problem_of(await begin_sign_in(other.http, ada.person), 403, "SECOND_FACTOR_REQUIRED")
        assert (held["stage"], held["factors"]) == ("enrolment", [])
        problem_of(await sign_in_with_passkey(other.http, ada.device), 403, "PASSKEY_REFUSED")
        offered = await other.http.post(f"{API}/auth/second-factor/totp", json={"pending": held["pending"]})
        body = {"pending": held["pending"], "code": code_of(offered.json()["secret"])}
        enrolled = await other.http.post(f"{API}/auth/second-factor/totp/confirm", json=body)
        assert enrolled.status_code == 200, enrolled.text
        assert len(enrolled.json()["recovery_codes"]) == 10
        assert not (await find_user(runtime, ada.person)).must_enrol_factor
        again = problem_of(await begin_sign_in(other.http, ada.person), 403, "SECOND_FACTOR_REQUIRED")
        assert again["stage"] == "second_factor"


async def test_who_lacks_the_permission_resets_nobody(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09, 3.8-01: not by the permission to change users either."""
    await add_role(runtime, "support", "users:read", "users:write", rank=10)
    helper, ada = await accounts.register(), await equipped(accounts, runtime)
    await accounts.set_role(helper, "support")
    helper = await helper.sign_in()
    before = await everything(runtime)
    for caller in (helper, ada.person):
        problem_of(await reset(caller, ada.person.id), 403, "PERMISSION_DENIED")
    assert await everything(runtime) == before


async def test_nobody_resets_who_ranks_above_them(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-01, 3.5-09: with their rank as it is once the lock is there."""
    await add_role(runtime, "support", "users:read", "users:reset_factors", rank=10)
    helper, chief = await accounts.register(), await with_app(accounts, runtime)
    await accounts.set_role(helper, "support")
    await accounts.set_role(chief.person, "admin")
    problem_of(await reset(await helper.sign_in(), chief.person.id), 403, "PERMISSION_DENIED")
    assert await count(runtime, TotpAuthenticator) == 1
    event = await event_of(runtime, AuditKind.FACTORS_RESET_REFUSED)
    assert (event.actor_id, event.target_id, event.cause) == (
        UUID(helper.id),
        UUID(chief.person.id),
        "PERMISSION_DENIED",
    )


async def test_nobody_resets_their_own(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: a stolen session of an administrator would lose its second factor."""
    administrator = await enrol_app(await accounts.administrator())
    problem_of(await reset(administrator.person, administrator.person.id), 403, "PERMISSION_DENIED")
    assert await count(runtime, TotpAuthenticator) == 1


async def test_a_reset_wants_a_fresh_proof(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: of a second factor, where the administrator has one."""
    administrator, ada = await accounts.administrator(), await equipped(accounts, runtime)
    await let_time_pass(runtime, session_id_of(administrator), Session.authenticated_at, by=timedelta(minutes=11))
    await administrator.refresh()
    problem_of(await reset(administrator, ada.person.id), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert await count(runtime, TotpAuthenticator) == 1


async def test_an_unknown_user_is_not_found(accounts: Accounts) -> None:
    """3.5-09."""
    administrator = await accounts.administrator()
    problem_of(await reset(administrator, str(new_id())), 404, "NOT_FOUND")


async def test_who_has_no_factor_gets_one_at_the_next_sign_in_as_well(
    accounts: Accounts, client: httpx2.AsyncClient
) -> None:
    administrator, ada = await accounts.administrator(), await accounts.signed_in()
    assert (await reset(administrator, ada.id)).status_code == 204
    held = problem_of(await begin_sign_in(client, ada), 403, "SECOND_FACTOR_REQUIRED")
    assert held["stage"] == "enrolment"


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("ost_pf_" + "k" * 43, id="a pending sign-in"),
        pytest.param("otpauth://totp/Ostiary:ada?secret=GEZDGNBVGY3TQOJQ&issuer=Ostiary", id="a seed"),
        pytest.param("7k3m-q0tz-9xwe-4hvb", id="a recovery code"),
    ],
)
async def test_a_reason_that_holds_a_secret_does_not_keep_it(accounts: Accounts, runtime: Runtime, secret: str) -> None:
    """SE-04, V16.2.5: people paste what they should not."""
    administrator, ada = await accounts.administrator(), await accounts.register()
    assert (await reset(administrator, ada.id, f"They sent me {secret} by mail")).status_code == 204
    event = await event_of(runtime, AuditKind.FACTORS_RESET)
    assert event.detail == {"reason": "They sent me [redacted] by mail"}


@pytest.mark.parametrize("reason", ["", "x", "x" * 201, "two\nlines", "\x00\x00\x00"])
async def test_a_reset_says_why_in_one_line(accounts: Accounts, runtime: Runtime, reason: str) -> None:
    administrator, ada = await accounts.administrator(), await accounts.register()
    problem_of(await reset(administrator, ada.id, reason), 422, "VALIDATION_FAILED")
    assert await count(runtime, User, User.must_enrol_factor) == 0

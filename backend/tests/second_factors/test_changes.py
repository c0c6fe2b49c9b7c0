"""What takes second factors from an account, and what leaves them alone: nothing of a stranger's stays, and nothing of one's own goes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from app.models import AuditKind, Passkey, PendingSignIn, RecoveryCode, RememberedDevice, TotpAuthenticator
from app.models.role import ADMINISTRATOR
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import problem_of
from tests.audit import event_of
from tests.authenticator import Authenticator
from tests.factors import (
    Guarded,
    add_passkey,
    begin_sign_in,
    code_of,
    enrol_app,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
    with_app,
    with_passkey,
)
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import (
    ADA,
    NEW,
    NEW_PASSWORD,
    NOTICE,
    can_sign_in,
    disown,
    forgotten,
    move,
    proved,
    reset,
)
from tests.mailed.registering import Tab
from tests.mailed.test_invitations import accept, invited
from tests.mailed_codes import ask
from tests.mailed_codes import code_of as mailed_code_of
from tests.rows import change_user, count, every_row, find_user, write
from tests.squatting import OWNED, nobody_comes_back, nothing_is_left, squatting

OPTIONAL = pytest.mark.settings(EMAIL_VERIFICATION="optional")


async def prove_by_link(http: httpx2.AsyncClient, runtime: Runtime) -> None:
    answer = await Tab(http).confirm(token=(await newest(runtime, ADA, "verify_address")).token)
    assert answer.status_code == 200, answer.text


async def prove_by_reset(http: httpx2.AsyncClient, runtime: Runtime) -> None:
    assert (await http.post(f"{API}/auth/password/forgot", json={"email": ADA})).status_code == 202
    answer = await reset(http, token=(await newest(runtime, ADA, "reset_password")).token)
    assert answer.status_code == 204, answer.text


async def prove_by_code(http: httpx2.AsyncClient, runtime: Runtime) -> None:
    asked = await ask(http, ADA)
    answer = await asked.type(await mailed_code_of(runtime))
    assert answer.status_code == 200, answer.text


@OPTIONAL
@pytest.mark.parametrize("prove", [prove_by_link, prove_by_reset, prove_by_code])
async def test_a_squatter_s_factors_go_with_the_first_proof_of_the_address(
    client: httpx2.AsyncClient,
    runtime: Runtime,
    prove: Callable[[httpx2.AsyncClient, Runtime], Awaitable[None]],
) -> None:
    """3.3-03, 3.3-05, 3.5-09: whoever came first has put an app and a passkey there; the owner meets no gate of theirs."""
    squatter = await squatting(client, runtime)
    pending = await pending_of(client, squatter.person)
    await prove(client, runtime)
    await nothing_is_left(runtime, squatter.person)
    await nobody_comes_back(client, squatter, pending)


@OPTIONAL
async def test_a_squatter_s_factors_go_with_an_invitation_that_is_accepted(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-03, 3.5-09: the account gets the role of the invitation, and keeps nothing by which its maker could come back."""
    root = await accounts.signed_in()
    await change_user(runtime, root, role_name=ADMINISTRATOR)
    squatter = await squatting(client, runtime)
    pending = await pending_of(client, squatter.person)
    token = await invited(root, runtime, role=ADMINISTRATOR)
    accepted = await accept(client, token, password="a brand new passphrase")  # Its owner's.
    assert accepted.status_code == 201, accepted.text
    await nothing_is_left(runtime, squatter.person)
    await nobody_comes_back(client, squatter, pending)


async def kept(runtime: Runtime) -> object:
    """Return the rows of what somebody has proved to hold."""
    rows = await every_row(runtime)
    return rows["passkeys"], rows["recovery_codes"], [row.seed_encrypted for row in rows["totp_authenticators"]]


async def fully_guarded(accounts: Accounts, runtime: Runtime) -> Guarded:
    """Return somebody whose address is proved, with an app, a passkey and a remembered browser."""
    ada = await with_app(accounts, runtime, ADA)
    ada.device = Authenticator(page_of(runtime))
    await add_passkey(ada.person, ada.device)
    await change_user(runtime, ada.person, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))
    await forget_last_step(runtime)
    pending = await pending_of(ada.person.http, ada.person)
    done = await finish(ada.person.http, pending, method="totp", code=ada.code(), remember_device=True)
    assert done.status_code == 200, done.text
    assert await count(runtime, RememberedDevice) == 1
    return ada


async def test_a_reset_of_the_password_takes_no_factor_from_its_owner(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03, V6.4.3: whoever reads the mail has one factor, and still needs the other; no browser is trusted any more."""
    ada = await fully_guarded(accounts, runtime)
    before = await kept(runtime)
    mail = await forgotten(runtime, ada.person)
    assert (await reset(ada.person.http, token=mail.token)).status_code == 204
    assert await kept(runtime) == before
    assert await count(runtime, RememberedDevice) == await count(runtime, PendingSignIn) == 0
    ada.person.password = NEW_PASSWORD
    problem_of(await begin_sign_in(ada.person.http, ada.person), 403, "SECOND_FACTOR_REQUIRED")


async def test_a_new_password_takes_no_factor_and_trusts_no_browser(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09."""
    ada = await fully_guarded(accounts, runtime)
    before = await kept(runtime)
    await pending_of(ada.person.http, ada.person)
    body = {"current_password": ada.person.password, "new_password": NEW_PASSWORD}
    assert (await ada.person.post("/auth/me/password", json=body)).status_code == 204
    assert await kept(runtime) == before
    assert await count(runtime, RememberedDevice) == await count(runtime, PendingSignIn) == 0


async def test_another_address_takes_no_factor(accounts: Accounts, runtime: Runtime) -> None:
    ada = await fully_guarded(accounts, runtime)
    before = await kept(runtime)
    await move(runtime, ada.person, NEW)
    assert await kept(runtime) == before
    assert (await find_user(runtime, ada.person)).has_second_factor


async def test_who_says_this_was_not_me_keeps_the_factors_from_before(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-05, 3.3-05: those of the thief go, also the recovery codes and the browser; the owner's own stay asked for."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    await change_user(runtime, ada.person, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    await write(runtime, update(Passkey).values(created_at=long_ago), update(RecoveryCode).values(created_at=long_ago))
    await add_passkey(ada.person, thiefs := Authenticator(page_of(runtime)), name="Thief")
    await enrol_app(ada.person)
    first = next(mail for mail in await letters(runtime, ada.person.email, NOTICE) if "Thief" in mail.text)
    assert (await disown(client, first)).status_code == 204
    (left,) = await runtime.database.read.entities(select(Passkey))
    assert left.name == "Device"
    assert await count(runtime, TotpAuthenticator) == 0
    assert await count(runtime, RecoveryCode) == 10
    problem_of(await sign_in_with_passkey(client, thiefs), 403, "PASSKEY_REFUSED")
    assert (await sign_in_with_passkey(client, ada.device)).status_code == 200


async def test_an_app_that_was_offered_before_the_notice_goes_with_what_the_notice_tells_of(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-05: the mail says that an app was added; whoever says "this wasn't me" is not left with it."""
    ada = await proved(accounts, runtime)
    offer = await ada.post("/auth/me/totp")
    ten_minutes_ago = datetime.now(UTC) - timedelta(minutes=10)
    await write(runtime, update(TotpAuthenticator).values(created_at=ten_minutes_ago))
    confirmed = await ada.post("/auth/me/totp/confirm", json={"code": code_of(offer.json()["secret"])})
    assert confirmed.status_code == 200, confirmed.text
    assert (await disown(client, await newest(runtime, ADA, NOTICE))).status_code == 204
    await nothing_is_left(runtime, ada)


async def test_an_app_that_was_replaced_is_asked_for_again_by_whoever_reads_the_mail(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.5-06, SE-05: "this wasn't me" opens no account to the mailbox: the app of before, and its recovery codes, are needed again."""
    ada = await with_app(accounts, runtime, ADA)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    await change_user(runtime, ada.person, email_verified_at=long_ago)
    apps = update(TotpAuthenticator).values(confirmed_at=long_ago, created_at=long_ago)
    await write(runtime, apps, update(RecoveryCode).values(created_at=long_ago))
    thief = await enrol_app(ada.person)
    notice = await newest(runtime, ADA, NOTICE)
    again = await enrol_app(ada.person)
    assert (await disown(client, notice)).status_code == 204
    assert await count(runtime, TotpAuthenticator) == 1
    event = await event_of(runtime, AuditKind.FACTOR_RESTORED)
    assert (event.detail or {})["factor"] == "totp"
    mail = await forgotten(runtime, ada.person)
    assert (await reset(client, token=mail.token)).status_code == 204
    ada.person.password = NEW_PASSWORD
    for guarded in (thief, again):
        pending = await pending_of(client, ada.person)
        problem_of(await finish(client, pending, method="totp", code=guarded.code()), 403, "SECOND_FACTOR_WRONG")
    await forget_last_step(runtime)
    answer = await finish(client, await pending_of(client, ada.person), method="totp", code=ada.code())
    assert answer.status_code == 200, answer.text
    code = ada.recovery_codes[0]
    answer = await finish(client, await pending_of(client, ada.person), method="recovery_code", code=code)
    assert answer.status_code == 200, answer.text


async def test_an_app_that_is_taken_away_takes_along_the_one_that_it_replaced(
    accounts: Accounts, runtime: Runtime
) -> None:
    """TO-05: what its owner has removed is kept nowhere."""
    ada = await with_app(accounts, runtime, ADA)
    await enrol_app(ada.person)
    assert await count(runtime, TotpAuthenticator) == 2
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204
    assert await count(runtime, TotpAuthenticator) == 0


async def test_an_app_that_is_only_offered_goes_as_well(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-05, TO-06: a thief cannot prepare one before, to confirm it afterwards."""
    ada = await proved(accounts, runtime)
    assert (await ada.post("/auth/me/totp")).status_code == 200
    await write(runtime, update(TotpAuthenticator).values(created_at=datetime.now(UTC) - timedelta(minutes=10)))
    body = {"current_password": ada.password, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    assert (await disown(client, await newest(runtime, ADA, NOTICE))).status_code == 204
    assert await count(runtime, TotpAuthenticator) == 0


async def test_with_the_last_factor_the_recovery_codes_go(accounts: Accounts, runtime: Runtime) -> None:
    """WA-16, SE-04: codes of an account that asks for none would wait for whoever finds them."""
    ada = await fully_guarded(accounts, runtime)
    assert ada.device
    (passkey,) = (await ada.person.get("/auth/me/passkeys")).json()
    assert (await ada.person.call("DELETE", f"/auth/me/passkeys/{passkey['id']}")).status_code == 204
    assert await count(runtime, RecoveryCode) == 10
    assert await count(runtime, RememberedDevice) == 0
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204
    await nothing_is_left(runtime, ada.person)
    assert await can_sign_in(ada.person.http, ADA, ada.person.password)


async def test_a_removed_factor_has_every_browser_asked_again(accounts: Accounts, runtime: Runtime) -> None:
    ada = await fully_guarded(accounts, runtime)
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204
    assert await count(runtime, RememberedDevice) == 0
    assert await count(runtime, RecoveryCode) == 10
    problem_of(await begin_sign_in(ada.person.http, ada.person), 403, "SECOND_FACTOR_REQUIRED")


async def test_with_an_account_everything_of_its_factors_goes(accounts: Accounts, runtime: Runtime) -> None:
    """V14.2.7: what is left of a deleted account is nothing."""
    ada = await fully_guarded(accounts, runtime)
    await pending_of(ada.person.http, ada.person)
    answer = await ada.person.post("/auth/me/delete", json={"password": ada.person.password})
    assert answer.status_code == 204, answer.text
    assert [await count(runtime, table) for table in OWNED] == [0] * len(OWNED)

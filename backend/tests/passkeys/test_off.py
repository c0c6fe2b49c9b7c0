"""Passkeys where second factors are off: they sign in by themselves, so each of them verifies its user."""

import httpx2
import pytest

from app.models import AuditKind, RecoveryCode
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.audit import events_of
from tests.authenticator import UV, Authenticator, Quirks
from tests.factors import add_passkey, begin_sign_in, page_of, sign_in_with_passkey
from tests.passkeys.asking import PASSKEYS, asked_again, asked_to_register, asked_to_sign_in, passkeys_of, sign_in
from tests.rows import count, living_sessions

pytestmark = pytest.mark.settings(SECOND_FACTOR="off")


async def test_passkeys_sign_in_where_no_second_factor_is_asked_for(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """One can be added and removed, and nothing else is asked of whoever has one. Codes that nothing asks for are not made."""
    ada = await accounts.signed_in()
    device = Authenticator(page_of(runtime))
    assert (await add_passkey(ada, device))["recovery_codes"] is None
    assert await count(runtime, RecoveryCode) == 0
    assert (await sign_in_with_passkey(client, device)).status_code == 200
    assert (await begin_sign_in(client, ada)).status_code == 200
    (row,) = await passkeys_of(runtime)
    assert [each["id"] for each in (await ada.get(PASSKEYS)).json()] == [str(row.id)]
    assert (await ada.call("DELETE", f"{PASSKEYS}/{row.id}")).status_code == 204


async def test_where_nothing_else_is_asked_for_a_passkey_verifies_its_user(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-05: browsers are told so, and what counts is what the device has signed. The audit log learns the reason."""
    ada, device = await accounts.signed_in(), Authenticator(page_of(runtime))
    to_register = await asked_to_register(ada)
    assert to_register.options["authenticatorSelection"]["userVerification"] == "required"
    unverified = to_register.body(device, Quirks(clear_flags=UV), name="Key")
    problem_of(await ada.post(PASSKEYS, json=unverified), 403, "PASSKEY_REFUSED")
    await add_passkey(ada, device)
    begun, before = await asked_to_sign_in(client), await living_sessions(runtime, ada)
    again = await asked_again(ada)
    assert begun.options["userVerification"] == again.options["userVerification"] == "required"
    problem_of(await sign_in(client, begun.body(device, Quirks(clear_flags=UV))), 403, "PASSKEY_REFUSED")
    stepped = await ada.post("/auth/reauthenticate", json=again.body(device, Quirks(clear_flags=UV), method="passkey"))
    problem_of(stepped, 403, "PASSKEY_REFUSED")
    assert await living_sessions(runtime, ada) == before
    for kind in (AuditKind.FACTOR_REFUSED, AuditKind.SIGN_IN_FAILED):
        assert (await events_of(runtime, kind))[-1].cause == "user_verification"
    assert (await sign_in(client, begun.body(device))).status_code == 200


async def test_an_administrator_takes_a_stolen_passkey_away_where_second_factors_are_off(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-16: nothing is asked for afterwards, and the password signs in."""
    admin, ada, device = await accounts.administrator(), await accounts.signed_in(), Authenticator(page_of(runtime))
    await add_passkey(ada, device)
    reset = await admin.post(f"/users/{ada.id}/factors/reset", json={"reason": "Her laptop was stolen."})
    assert reset.status_code == 204, reset.text
    assert await passkeys_of(runtime, ada) == []
    problem_of(await sign_in_with_passkey(client, device), 403, "PASSKEY_REFUSED")
    assert (await begin_sign_in(client, ada)).status_code == 200

"""Who proves the first factor and is asked for a second one has not failed."""

from datetime import UTC, datetime

import httpx2
import pytest

from app.runtime import Runtime
from tests.accounts import Accounts
from tests.authenticator import Authenticator
from tests.factors import begin_sign_in, page_of, sign_in_with_passkey, with_app, with_passkey
from tests.rows import change_user

ON = pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database")


@ON
async def test_right_passwords_before_a_second_factor_use_up_no_tries(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """PW-07: as often as they like, from wherever."""
    ada = await with_app(accounts, runtime)
    answers = [await begin_sign_in(client, ada.person) for _ in range(10)]
    assert {answer.json()["code"] for answer in answers} == {"SECOND_FACTOR_REQUIRED"}


@ON
async def test_wrong_passwords_of_an_account_with_a_second_factor_do(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """PW-07."""
    ada = await with_app(accounts, runtime)
    ada.person.password = "not the right one"
    codes = [(await begin_sign_in(client, ada.person)).json()["code"] for _ in range(7)]
    assert codes == ["INVALID_CREDENTIALS"] * 5 + ["RATE_LIMITED"] * 2


@ON
async def test_passkeys_that_verify_nobody_use_up_no_tries(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_passkey(accounts, runtime, Authenticator(page_of(runtime), verifies_user=False))
    await change_user(runtime, ada.person, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert ada.device
    answers = [await sign_in_with_passkey(client, ada.device) for _ in range(10)]
    assert {answer.json()["code"] for answer in answers} == {"SECOND_FACTOR_REQUIRED"}


@ON
async def test_a_password_that_is_no_fresh_proof_uses_up_no_tries(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: nobody looks at it where the account has a second factor, which is then let through."""
    ada = await with_app(accounts, runtime)
    for _ in range(7):
        refused = await ada.person.post("/auth/reauthenticate", json={"password": ada.person.password})
        assert refused.json()["code"] == "INSUFFICIENT_USER_AUTHENTICATION"
    proved = await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    assert proved.status_code == 200, proved.text

"""Whose account a mailed code opens, and what becomes of it."""

from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI

from app.runtime import Runtime
from tests import gatehouse
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.mailed_codes import WRONG, ask, code_of
from tests.rows import change_user, everything, find_user, living_sessions


@pytest.mark.parametrize("column", ["email_normal", "is_active"])
async def test_an_account_that_has_changed_is_not_signed_in_to(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, column: str
) -> None:
    """3.3-16, 3.3-17: the mail went to the address of before; a disabled account stays shut."""
    ada = await accounts.register()
    asked = await ask(client, ada.email)
    if column == "email_normal":
        await change_user(runtime, ada, email="new@example.com", email_normal="new@example.com")
        problem_of(await asked.type(await code_of(runtime)), 400, WRONG)
    else:
        await change_user(runtime, ada, is_active=False)
        problem_of(await asked.type(await code_of(runtime)), 401, "INVALID_CREDENTIALS")
    assert await living_sessions(runtime, ada) == set()


async def test_the_first_proof_of_an_address_keeps_nothing_that_somebody_else_has_put_there(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-01, 3.6-08, ID-04: who has registered somebody else's address is out when its owner comes."""
    mallory = await accounts.signed_in("ada@example.com", name="Your parcel 4711 is held")
    asked = await ask(client, "ada@example.com")
    ada = Person(client, mallory.id, mallory.email, "", (await asked.type(await code_of(runtime))).json())
    assert (await mallory.get("/auth/me")).status_code == 401
    form = {"username": mallory.email, "password": mallory.password}
    problem_of(await client.post(f"{API}/auth/login", data=form), 401, "INVALID_CREDENTIALS")
    assert (await ada.get("/auth/me")).status_code == 200
    user = await find_user(runtime, ada)
    assert user.email_verified_at is not None
    assert (user.full_name, user.search_text) == (None, "ada@example.com")


@pytest.mark.parametrize("known", ["a proved address", "a role"])
async def test_an_account_that_is_known_to_be_its_users_stays_as_it_is(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, known: str
) -> None:
    """3.3-01: a proof of before, or an administrator's word."""
    ada = await accounts.signed_in()
    changes = {"role_name": "admin"} if known == "a role" else {"email_verified_at": datetime.now(UTC)}
    await change_user(runtime, ada, **changes)
    asked = await ask(client, ada.email)
    assert (await asked.type(await code_of(runtime))).status_code == 200
    await ada.sign_in()
    assert len(await living_sessions(runtime, ada)) == 3
    assert (await find_user(runtime, ada)).email_verified_at is not None


@pytest.mark.settings(EMAIL_VERIFICATION="required")
async def test_a_mailed_code_proves_the_address_where_that_is_required(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """The gate that asks for a proof is open to whoever brings one."""
    body = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post(f"{API}/auth/register", json=body)).status_code == 202
    asked = await ask(client, "ada@example.com")
    assert (await asked.type(await code_of(runtime))).status_code == 200


@pytest.mark.settings(EXTENSIONS=[gatehouse.NAME])
async def test_a_closed_gate_keeps_out_whoever_brings_a_code(
    app: FastAPI, client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-07, 3.5-03: no way in is a way around a further demand, and nothing of the account changes."""
    ada = await accounts.register("unpaid@example.com")
    asked = await ask(client, ada.email)
    before = await everything(runtime)
    # A client without the check that every error is documented: this one is the product's.
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE_URL) as http:
        asked.http = http
        problem_of(await asked.type(await code_of(runtime)), 409, "GATEHOUSE_DUES_UNPAID")
    assert await everything(runtime) == before


async def test_the_account_has_no_password_to_guess_and_signs_in_all_the_same(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await accounts.register()
    await change_user(runtime, ada, password_hash=None)
    asked = await ask(client, ada.email)
    assert (await asked.type(await code_of(runtime))).status_code == 200
    assert (await find_user(runtime, ada)).password_hash is None

"""A sign-in that needs two factors, and what an account gets with its first second one."""

import httpx2

from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.authenticator import Authenticator
from tests.factors import (
    add_passkey,
    begin_sign_in,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
    with_app,
    with_passkey,
)


async def test_a_password_alone_is_not_enough_where_there_is_an_app(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03, TO-06: the answer names what may follow, and is no session."""
    ada = await with_app(accounts, runtime)
    assert len(ada.recovery_codes) == 10
    answer = await begin_sign_in(client, ada.person)
    assert answer.status_code == 403
    body = answer.json()
    assert (body["code"], body["stage"]) == ("SECOND_FACTOR_REQUIRED", "second_factor")
    assert body["factors"] == ["totp", "recovery_code"]
    assert body["expires_in"] == 600
    assert "access_token" not in body
    assert not answer.headers.get_list("set-cookie")


async def test_a_code_of_the_app_finishes_the_sign_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    done = await finish(client, await pending_of(client, ada.person), method="totp", code=ada.code())
    assert done.status_code == 200, done.text
    headers = {"Authorization": f"Bearer {done.json()['access_token']}"}
    assert (await client.get(f"{API}/auth/me", headers=headers)).json()["email"] == ada.person.email


async def test_a_recovery_code_finishes_it_once(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-04."""
    ada = await with_app(accounts, runtime)
    code = ada.recovery_codes[3].upper().replace("-", " ")
    first = await finish(client, await pending_of(client, ada.person), method="recovery_code", code=code)
    assert first.status_code == 200, first.text
    again = await finish(client, await pending_of(client, ada.person), method="recovery_code", code=code)
    assert (again.status_code, again.json()["code"]) == (403, "SECOND_FACTOR_WRONG")
    left = await ada.person.get("/auth/me/factors")
    assert left.json()["recovery_codes_left"] == 9


async def test_a_passkey_that_verifies_its_user_signs_in_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    done = await sign_in_with_passkey(client, ada.device)
    assert done.status_code == 200, done.text


async def test_a_passkey_follows_a_password(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    pending = await pending_of(client, ada.person)
    begun = (await client.post(f"{API}/auth/second-factor/passkey/options", json={"pending": pending})).json()
    credential = ada.device.get(begun["publicKey"])
    done = await finish(client, pending, method="passkey", ceremony=begun["ceremony"], credential=credential)
    assert done.status_code == 200, done.text


async def test_a_passkey_that_verifies_nobody_needs_something_beside_it(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-05: the flag of the answer decides, whatever the page asked for."""
    ada = await with_passkey(accounts, runtime, Authenticator(page_of(runtime), verifies_user=False))
    assert ada.device
    held = await sign_in_with_passkey(client, ada.device)
    assert (held.status_code, held.json()["factors"]) == (403, ["recovery_code", "password"])
    done = await finish(client, held.json()["pending"], method="password", password=ada.person.password)
    assert done.status_code == 200, done.text


async def test_a_browser_that_is_remembered_is_asked_for_the_password_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    done = await finish(client, pending, method="totp", code=ada.code(), remember_device=True)
    assert done.status_code == 200, done.text
    kept = next(c for c in done.headers.get_list("set-cookie") if c.startswith("__Host-ostiary-remembered="))
    headers = {"Cookie": kept.partition(";")[0]}
    form = {"username": ada.person.email, "password": ada.person.password}
    again = await client.post(f"{API}/auth/login", data=form, headers=headers)
    assert again.status_code == 200, again.text
    ((listed),) = (await ada.person.get("/auth/me/factors")).json()["remembered_devices"]
    gone = await ada.person.call("DELETE", f"/auth/me/remembered-devices/{listed['id']}")
    assert gone.status_code == 204
    assert (await client.post(f"{API}/auth/login", data=form, headers=headers)).status_code == 403


async def test_a_second_factor_is_the_fresh_proof_of_who_has_one(accounts: Accounts, runtime: Runtime) -> None:
    ada = await with_app(accounts, runtime)
    refused = await ada.person.post("/auth/reauthenticate", json={"password": ada.person.password})
    assert (refused.status_code, refused.json()["methods"]) == (401, ["totp", "recovery_code"])
    proved = await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    assert proved.status_code == 200, proved.text
    await add_passkey(ada.person, Authenticator(page_of(runtime)))
    await forget_last_step(runtime)
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204

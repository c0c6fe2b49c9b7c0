"""A fresh proof within a session: of a second factor, where the account has one, whatever the session began with."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.auth.dependencies import FreshGuard
from app.auth.identifiers import new_id
from app.config import Settings
from app.main import create_app
from app.models import AuditKind, Session
from app.routes import route_map
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.audit import events_of
from tests.authenticator import Authenticator
from tests.conftest import BASE_URL
from tests.contract import DocumentedErrors
from tests.cookies import signed_in
from tests.factors import Guarded, add_passkey, enrol_app, finish, forget_last_step, page_of, pending_of
from tests.rows import everything, living_sessions, write
from tests.second_factors.steps import WRONG, said
from tests.tokens import access_claims

INSUFFICIENT = (401, "INSUFFICIENT_USER_AUTHENTICATION")
FACTORS = ["totp", "passkey", "recovery_code"]


async def with_older_session(accounts: Accounts, runtime: Runtime, *, role: str = "user") -> tuple[Guarded, Person]:
    """Return somebody with an app, and a session of theirs from before they had it: with the password alone."""
    person = await accounts.register()
    await accounts.set_role(person, role)
    older = await person.sign_in()
    ada = await enrol_app(await person.sign_in())
    await forget_last_step(runtime)
    return ada, older


async def prove_by_passkey(person: Person, device: Authenticator) -> httpx2.Response:
    begun = (await person.post("/auth/reauthenticate/passkey/options")).json()
    credential = device.get(begun["publicKey"])
    body = {"method": "passkey", "ceremony": begun["ceremony"], "credential": credential}
    return await person.post("/auth/reauthenticate", json=body)


async def test_a_password_opens_no_sensitive_route_of_who_has_a_second_factor(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: each route that asks for a fresh proof, found in the application, however new the session is."""
    _, older = await with_older_session(accounts, runtime, role="admin")
    found = [entry for entry in route_map(app) if any(isinstance(guard, FreshGuard) for guard in entry.guards)]
    assert len(found) >= 12
    before = await everything(runtime)
    for entry in found:
        path = entry.path.replace("{provider}", "google")
        while "{" in path:
            path = path[: path.index("{")] + str(new_id()) + path[path.index("}") + 1 :]
        body = {"password": PASSWORD, "current_password": PASSWORD, "new_password": "nine pale lanterns hum"}
        headers = {**older.headers, "Sec-Fetch-Site": "same-origin"}
        answer = await older.http.request(entry.methods, path, headers=headers, json=body)
        assert said(answer) == INSUFFICIENT, (entry.path, answer.text)
        assert answer.json()["methods"] == FACTORS
    assert await everything(runtime) == before


async def test_the_password_is_no_fresh_proof_there(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03: neither in a session with one factor nor in one with two."""
    ada, older = await with_older_session(accounts, runtime)
    for person in (older, ada.person):
        refused = await person.post("/auth/reauthenticate", json={"password": PASSWORD})
        assert (said(refused), refused.json()["methods"]) == (INSUFFICIENT, ["totp", "recovery_code"])


@pytest.mark.parametrize("method", ["totp", "recovery_code", "passkey"])
async def test_any_second_factor_is_one(accounts: Accounts, runtime: Runtime, method: str) -> None:
    """RFC 9470: for the access token that comes with it. The session itself learns of it nothing that a refresh shows."""
    ada, older = await with_older_session(accounts, runtime)
    device = Authenticator(page_of(runtime))
    await add_passkey(ada.person, device)
    codes = {"totp": ada.code(), "recovery_code": ada.recovery_codes[0]}
    if method == "passkey":
        proved = await prove_by_passkey(older, device)
    else:
        proved = await older.post("/auth/reauthenticate", json={"method": method, "code": codes[method]})
    assert proved.status_code == 200, proved.text
    claims = access_claims(proved.json()["access_token"])
    assert (claims["amr"][0], claims["amr"][-1], claims["acr"]) == ("pwd", "mfa", "aal2")
    assert said(await older.post("/auth/me/recovery-codes")) == INSUFFICIENT
    older.tokens["access_token"] = proved.json()["access_token"]
    assert (await older.post("/auth/me/recovery-codes")).status_code == 200
    await older.refresh()
    assert said(await older.post("/auth/me/recovery-codes")) == INSUFFICIENT


async def test_the_same_passkey_twice_is_one_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03, WA-05: who has found a key that asks for no PIN, and a browser that is remembered, has no second factor."""
    device = Authenticator(page_of(runtime), verifies_user=False)
    ada = Guarded(await accounts.signed_in(), device=device)
    ada.recovery_codes = (await add_passkey(ada.person, device))["recovery_codes"]
    pending = await pending_of(client, ada.person)
    code = ada.recovery_codes.pop()
    done = await finish(client, pending, method="recovery_code", code=code, remember_device=True)
    kept = next(c for c in done.headers.get_list("set-cookie") if c.startswith("__Host-ostiary-remembered="))
    begun = (await client.post(f"{API}/auth/passkey/options")).json()
    body = {"ceremony": begun["ceremony"], "credential": device.get(begun["publicKey"])}
    found = await client.post(f"{API}/auth/passkey", json=body, headers={"Cookie": kept.partition(";")[0]})
    assert found.status_code == 200, found.text
    finder = Person(client, ada.person.id, ada.person.email, "", found.json())
    assert access_claims(finder.tokens["access_token"])["amr"] == ["swk"]
    assert said(await prove_by_passkey(finder, device)) == WRONG
    refused = (await events_of(runtime, AuditKind.SESSION_PROOF_REFUSED))[-1]
    assert (refused.cause, str(refused.target_id)) == ("SECOND_FACTOR_WRONG", ada.person.id)
    device.verifies_user = True
    assert (await prove_by_passkey(finder, device)).status_code == 200
    device.verifies_user = False
    beside = {"method": "recovery_code", "code": ada.recovery_codes.pop()}
    assert (await finder.post("/auth/reauthenticate", json=beside)).status_code == 200


async def test_a_passkey_that_verifies_nobody_is_a_proof_beside_a_password(
    accounts: Accounts, runtime: Runtime
) -> None:
    ada, older = await with_older_session(accounts, runtime)
    device = Authenticator(page_of(runtime), verifies_user=False)
    await add_passkey(ada.person, device)
    assert (await prove_by_passkey(older, device)).status_code == 200


@pytest.mark.parametrize("method", ["totp", "recovery_code"])
async def test_who_has_no_second_factor_proves_none(accounts: Accounts, method: str) -> None:
    """3.5-14."""
    ada = await accounts.signed_in()
    code = "123456" if method == "totp" else "0000-0000-0000-0000"
    assert said(await ada.post("/auth/reauthenticate", json={"method": method, "code": code})) == WRONG
    assert (await ada.post("/auth/reauthenticate", json={"password": PASSWORD})).status_code == 200


async def test_a_proof_of_two_factors_grows_old_as_well(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 9470: after ten minutes, and another one makes it new; in the session of a browser that says so itself."""
    person = await accounts.register()
    browser = await signed_in(person)
    ada = await enrol_app(await person.sign_in())
    await forget_last_step(runtime)
    assert said(await browser.post("/auth/me/recovery-codes")) == INSUFFICIENT
    proved = await browser.post("/auth/reauthenticate", {"method": "totp", "code": ada.code()})
    assert proved.status_code == 200, proved.text
    assert (await browser.post("/auth/me/recovery-codes")).status_code == 200
    past = datetime.now(UTC) - timedelta(minutes=10, seconds=1)
    await write(runtime, update(Session).values(authenticated_at=past))
    assert said(await browser.post("/auth/me/recovery-codes")) == INSUFFICIENT
    await forget_last_step(runtime)
    assert (await browser.post("/auth/reauthenticate", {"method": "totp", "code": ada.code()})).status_code == 200
    assert (await browser.post("/auth/me/recovery-codes")).status_code == 200


async def test_a_proof_is_for_the_own_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-14: an ended session gets none, and a proof begins none."""
    ada, older = await with_older_session(accounts, runtime)
    before = await living_sessions(runtime, ada.person)
    assert (await ada.person.post("/auth/logout/others")).status_code == 204
    refused = await older.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    assert refused.status_code == 401
    statement = select(Session.id).where(Session.user_id == UUID(ada.person.id))
    assert {row.id for row in await runtime.database.read.all(statement)} == before
    proved = await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    assert proved.status_code == 200, proved.text


async def test_where_second_factors_are_off_the_password_is_enough(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """Whatever was enrolled before: nobody is asked for what no route takes."""
    ada, _ = await with_older_session(accounts, runtime)
    app = create_app(settings.model_copy(update={"SECOND_FACTOR": "off"}))
    client = httpx2.AsyncClient(transport=DocumentedErrors(app), base_url=BASE_URL)
    async with app.router.lifespan_context(app), client as http:
        person = await Person(http, ada.person.id, ada.person.email, PASSWORD).sign_in()
        assert access_claims(person.tokens["access_token"])["amr"] == ["pwd"]
        assert (await person.post("/auth/reauthenticate", json={"password": PASSWORD})).status_code == 200
        assert (await person.get("/auth/me/factors")).status_code == 404
        assert (await finish(http, "ost_pf_x", method="totp", code="123456")).status_code == 404
        changed = {"current_password": PASSWORD, "new_password": "nine pale lanterns hum"}
        assert (await person.post("/auth/me/password", json=changed)).status_code == 204

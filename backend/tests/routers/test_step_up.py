"""A fresh proof for sensitive acts: what asks for one, how it is given, and which credential knows of it (RFC 9470)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.auth.dependencies import fresh
from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from app.services.sessions.issue import IssuedAccess
from tests import storefront
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.contention import hashing_held, queued_for_hashing
from tests.instances import instance
from tests.mailed_codes import ask, code_of
from tests.rows import change_session, change_user, find_session, let_time_pass
from tests.tokens import access_claims, session_id_of

STORE = pytest.mark.settings(EXTENSIONS=[storefront.NAME])
LIMIT = timedelta(minutes=5)
A_WHILE = LIMIT + timedelta(seconds=2)


async def prove(person: Person, password: str = PASSWORD) -> httpx2.Response:
    return await person.post("/auth/reauthenticate", json={"password": password})


def with_access(person: Person, response: httpx2.Response) -> Person:
    """Return the same person with the access token of a fresh proof."""
    assert response.status_code == 200, response.text
    return Person(person.http, person.id, person.email, person.password, {**person.tokens, **response.json()})


async def grow_stale(runtime: Runtime, person: Person, *, by: timedelta = A_WHILE) -> None:
    """Let the last proof be longer ago, and get a token that knows it."""
    await let_time_pass(runtime, session_id_of(person), Session.authenticated_at, by=by)
    assert (await person.refresh()).status_code == 200


def refusal_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the refusal of somebody whose proof is too old: it says in header and body what would do."""
    problem = problem_of(response, 401, "INSUFFICIENT_USER_AUTHENTICATION")
    header = response.headers["www-authenticate"]
    assert header.startswith("Bearer ")
    assert 'error="insufficient_user_authentication"' in header
    assert 'max_age="300"' in header
    assert problem["max_age"] == 300
    return problem


# How a proof is given.


async def test_a_fresh_proof_gives_an_access_token_alone(accounts: Accounts, runtime: Runtime) -> None:
    """Within the same session; the refresh token that the client has goes on."""
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    response = await prove(ada)
    assert set(response.json()) == {"access_token", "token_type", "expires_in"}
    assert "no-store" in response.headers["cache-control"]
    old, new = access_claims(ada.tokens["access_token"]), access_claims(response.json()["access_token"])
    assert new["sid"] == old["sid"]
    assert new["jti"] != old["jti"]
    assert new["auth_time"] >= old["auth_time"] + A_WHILE.seconds
    assert new["auth_time"] == new["iat"]
    assert (new["acr"], new["amr"]) == ("aal1", ["pwd"])
    assert (await with_access(ada, response).get("/auth/me")).status_code == 200
    assert (await ada.get("/auth/me")).status_code == 200
    assert (await ada.refresh()).status_code == 200


async def test_a_refreshed_token_says_when_the_sign_in_was(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 9470: of a proof with tokens only the access token that came back knows; the session's row does not."""
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    before = await find_session(runtime, session_id_of(ada))
    proved = with_access(ada, await prove(ada))
    assert (await proved.refresh()).status_code == 200
    after = await find_session(runtime, session_id_of(ada))
    assert (after.authenticated_at, after.methods) == (before.authenticated_at, before.methods)
    claims = access_claims(proved.tokens["access_token"])
    assert (claims["auth_time"], claims["amr"]) == (int(before.authenticated_at.timestamp()), ["pwd"])


async def test_a_wrong_password_proves_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """403, and not 401, which would tell a front end that it is signed out."""
    ada = await accounts.signed_in()
    before = await find_session(runtime, session_id_of(ada))
    for wrong in (CANARY, "", PASSWORD.upper(), f"{PASSWORD} ", "x" * 256):
        response = await prove(ada, wrong)
        problem_of(response, 403, "WRONG_PASSWORD")
        check_nothing_repeated(response)
    after = await find_session(runtime, session_id_of(ada))
    assert after.authenticated_at == before.authenticated_at
    assert (await ada.get("/auth/me")).status_code == 200


async def test_the_password_of_somebody_else_proves_nothing(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    await accounts.register("bob@example.com", password="the passphrase of bob")
    problem_of(await prove(ada, "the passphrase of bob"), 403, "WRONG_PASSWORD")


async def test_an_account_without_a_password_cannot_prove_one(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await change_user(runtime, ada, password_hash=None)
    problem_of(await prove(ada), 403, "WRONG_PASSWORD")


async def test_a_session_that_ended_gives_no_token(accounts: Accounts) -> None:
    """3.5-01."""
    ada = await accounts.signed_in()
    await ada.post("/auth/logout")
    problem_of(await prove(ada), 401, "SESSION_ENDED")


async def test_a_session_that_ends_while_the_password_is_checked_gives_no_token(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02."""
    ada = await accounts.signed_in()
    async with instance(settings) as second:
        async with hashing_held(runtime):
            late = await queued_for_hashing(runtime, prove(ada))
            assert (await second.serves(ada).post("/auth/logout")).status_code == 204
        assert problem_of(await late, 401, "SESSION_ENDED")["cause"] == "logout"
    assert (await find_session(runtime, session_id_of(ada))).end_cause == "logout"


async def test_a_password_that_is_changed_meanwhile_proves_nothing(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02: nor does it tell the client, whose session lives, that it is signed out."""
    ada = await accounts.signed_in()
    before = await find_session(runtime, session_id_of(ada))
    async with instance(settings) as second:
        async with hashing_held(runtime):
            late = await queued_for_hashing(runtime, prove(ada))
            body = {"current_password": PASSWORD, "new_password": "a brand new passphrase"}
            assert (await second.serves(ada).post("/auth/me/password", json=body)).status_code == 204
        response = await late
    assert (await find_session(runtime, session_id_of(ada))).authenticated_at == before.authenticated_at
    assert (await ada.get("/auth/me")).status_code == 200
    problem_of(response, 403, "WRONG_PASSWORD")


async def test_a_proof_prolongs_no_session(accounts: Accounts, runtime: Runtime) -> None:
    """SE-01, OA-13."""
    ada = await accounts.signed_in()
    before = await find_session(runtime, session_id_of(ada))
    assert (await prove(ada)).status_code == 200
    after = await find_session(runtime, session_id_of(ada))
    assert (after.idle_expires_at, after.expires_at) == (before.idle_expires_at, before.expires_at)
    assert (after.counter, after.refreshed_at) == (before.counter, before.refreshed_at)


# What asks for one.


@STORE
async def test_a_sign_in_is_proof_enough_until_the_limit(accounts: Accounts, runtime: Runtime) -> None:
    """ST-01: then the challenge of RFC 9470, section 3, with `max_age`."""
    ada = await accounts.signed_in()
    assert (await ada.post(storefront.PAYOUTS)).status_code == 200
    await grow_stale(runtime, ada, by=LIMIT - timedelta(seconds=30))
    assert (await ada.post(storefront.PAYOUTS)).status_code == 200
    await grow_stale(runtime, ada, by=timedelta(seconds=32))
    assert refusal_of(await ada.post(storefront.PAYOUTS))["methods"] == ["pwd"]
    assert (await ada.get("/auth/me")).status_code == 200


@STORE
async def test_an_account_without_a_password_is_told_so(accounts: Accounts, runtime: Runtime) -> None:
    """No front end asks for a password that nobody has: signing in again always does, by mail too."""
    ada = await accounts.signed_in()
    await change_user(runtime, ada, password_hash=None)
    await grow_stale(runtime, ada)
    assert refusal_of(await ada.post(storefront.PAYOUTS))["methods"] == ["fed", "email"]
    asked = await ask(ada.http, ada.email)
    again = Person(ada.http, ada.id, ada.email, "", (await asked.type(await code_of(runtime))).json())
    assert (await again.post(storefront.PAYOUTS)).status_code == 200


@pytest.mark.settings(EXTENSIONS=[storefront.NAME], MAIL_SIGN_IN="off")
async def test_nobody_is_sent_to_a_way_that_is_switched_off(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await change_user(runtime, ada, password_hash=None)
    await grow_stale(runtime, ada)
    assert refusal_of(await ada.post(storefront.PAYOUTS))["methods"] == ["fed"]


@STORE
async def test_the_new_token_suffices_and_the_old_one_does_not(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 9470, section 6.2: a thief of an access token gains nothing by the proof that its owner gives."""
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    refusal_of(await ada.post(storefront.PAYOUTS))
    proved = with_access(ada, await prove(ada))
    assert (await proved.post(storefront.PAYOUTS)).status_code == 200
    refusal_of(await ada.post(storefront.PAYOUTS))


@STORE
async def test_a_copied_refresh_token_does_not_gain_its_owners_proof(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 9470, 3.4-03: neither copied before the proof nor after, neither presented first nor within the grace."""
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    thief = replace(ada, tokens=dict(ada.tokens))
    proved = with_access(ada, await prove(ada))
    assert proved.tokens["refresh_token"] == thief.tokens["refresh_token"]
    for holder in (thief, ada):
        assert (await holder.refresh()).status_code == 200
        refusal_of(await holder.post(storefront.PAYOUTS))
    assert (await proved.post(storefront.PAYOUTS)).status_code == 200
    refusal_of(await ada.post(storefront.PAYOUTS))


@STORE
async def test_a_proof_grows_old(accounts: Accounts, runtime: Runtime) -> None:
    """Whatever else the token still is good for."""
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    proved = with_access(ada, await prove(ada))
    claims = await runtime.tokens.read_access(proved.tokens["access_token"], now=datetime.now(UTC))
    aged = replace(claims, issued_at=claims.issued_at - A_WHILE, authenticated_at=claims.authenticated_at - A_WHILE)
    token = (await runtime.tokens.sign_access(IssuedAccess(claims=aged))).access_token
    proved.tokens["access_token"] = token
    refusal_of(await proved.post(storefront.PAYOUTS))
    assert (await proved.get("/auth/me")).status_code == 200


@STORE
async def test_a_proof_in_one_session_is_none_in_another(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    await grow_stale(runtime, other)
    assert (await prove(ada)).status_code == 200
    assert (await other.refresh()).status_code == 200
    refusal_of(await other.post(storefront.PAYOUTS))


@STORE
async def test_a_refused_proof_helps_nobody(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await grow_stale(runtime, ada)
    problem_of(await prove(ada, "a wrong passphrase"), 403, "WRONG_PASSWORD")
    assert (await ada.refresh()).status_code == 200
    refusal_of(await ada.post(storefront.PAYOUTS))


@STORE
async def test_routes_are_told_how_the_caller_of_this_token_signed_in(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 8176: the token's own methods, whatever its row says by now."""
    ada = await accounts.signed_in()
    claims = await runtime.tokens.read_access(ada.tokens["access_token"], now=datetime.now(UTC))
    await change_session(runtime, session_id_of(ada), methods="pwd otp")
    caller = await runtime.callers.find_by_token(claims, now=datetime.now(UTC))
    assert (caller.user.methods, caller.user.authenticated_at) == (("pwd",), claims.authenticated_at)


@STORE
async def test_without_a_session_a_proof_is_not_what_is_missing(client: httpx2.AsyncClient) -> None:
    """3.5-16."""
    problem_of(await client.post(f"/api/v1{storefront.PAYOUTS}"), 401, "NOT_AUTHENTICATED")


@STORE
async def test_the_row_is_not_asked_for_the_proof_of_a_token(accounts: Accounts, runtime: Runtime) -> None:
    """RFC 9470: what a token says of its proof was true when it was signed, and it alone counts."""
    ada = await accounts.signed_in()
    await let_time_pass(runtime, session_id_of(ada), Session.authenticated_at, by=timedelta(days=1))
    assert (await ada.post(storefront.PAYOUTS)).status_code == 200
    claims = access_claims(ada.tokens["access_token"])
    assert datetime.fromtimestamp(claims["auth_time"], UTC) > datetime.now(UTC) - LIMIT


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_guard_that_nobody_could_pass_is_refused(minutes: int) -> None:
    """At the start of the product, and not at its first request."""
    with pytest.raises(ValueError, match="less than a minute"):
        fresh(minutes=minutes)


@STORE
async def test_the_route_says_what_it_asks_for(client: httpx2.AsyncClient) -> None:
    """V8.1.1: in the API document, as every guard does."""
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"][f"/api/v1{storefront.PAYOUTS}"]["post"]
    assert operation["x-guard"] == "proved within 5 minutes"
    (media,) = operation["responses"]["401"]["content"].values()
    assert "INSUFFICIENT_USER_AUTHENTICATION" in media["examples"]

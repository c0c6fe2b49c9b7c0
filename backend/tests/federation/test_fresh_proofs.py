"""A sign-in through a provider as a fresh proof, and what people without a password need one for."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import update

from app.models import Session, SignInCode, User
from app.offline.testing import ADA
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.federation.browsers import Browser, bearer, error_of, parameters_of, with_parameters
from tests.federation.linking import as_person, link
from tests.rows import count, everything, everything_but_stories, write
from tests.tokens import access_claims

NEW_PASSWORD = "nine pale lanterns hum"


async def google_alone(browser: Browser, http: httpx2.AsyncClient, fresh: str = "false") -> Person:
    """Return somebody who has Google as the only way in."""
    return as_person(http, await browser.sign_in(fresh=fresh))


def stale(response: httpx2.Response) -> None:
    """Check that a fresh proof is asked for, and which one."""
    assert problem_of(response, 401, "INSUFFICIENT_USER_AUTHENTICATION")["methods"] == ["fed", "email"]


# What counts as one.


@pytest.mark.parametrize("provider", ["google", "acme"])
async def test_a_sign_in_of_which_nobody_knows_when_is_no_fresh_proof(browser: Browser, provider: str) -> None:
    """ID-06, OA-24: it may have passed without a click."""
    tokens = await browser.sign_in(provider=provider)
    assert access_claims(tokens["access_token"])["auth_time"] == 0
    stale(await browser.post(f"/auth/{provider}/link", {}, **bearer(tokens)))


async def test_a_cookie_session_is_no_fresher(browser: Browser) -> None:
    await browser.land(transport="cookie")
    stale(await browser.post("/auth/google/link", {}))
    await browser.land(transport="cookie", fresh="true")
    assert (await browser.post("/auth/google/link", {})).status_code == 200


async def test_the_cookie_before_a_proof_gains_nothing_by_the_sign_in(accounts: Accounts, browser: Browser) -> None:
    """RFC 9470: within its grace it is as fresh as the sign-in was, and a silent one was not."""
    owner = await accounts.signed_in()
    await link(browser, owner)
    await browser.land(transport="cookie")
    former = browser.copy()
    assert (await browser.post("/auth/reauthenticate", {"password": owner.password})).status_code == 200
    assert (await browser.post("/auth/google/link", {})).status_code == 200
    refused = await former.post("/auth/google/link", {})
    assert problem_of(refused, 401, "INSUFFICIENT_USER_AUTHENTICATION")["methods"] == ["pwd"]


async def test_google_has_its_user_choose_and_agree(browser: Browser) -> None:
    """Nobody passes these two without a click, and Google knows no stronger question."""
    question = parameters_of(await browser.begin(fresh="true"))
    assert question["prompt"] == "select_account consent"
    assert "max_age" not in question
    tokens = await browser.sign_in(fresh="true")
    assert access_claims(tokens["access_token"])["auth_time"] > 0
    assert (await browser.post("/auth/google/link", {}, **bearer(tokens))).status_code == 200


async def test_a_page_that_could_change_the_question_gets_no_fresh_proof_of_google(browser: Browser) -> None:
    """A script that reads the address could drop the prompt, and Google would answer without a word to its user."""
    refused = await browser.post("/auth/google/start?fresh=true")
    assert "/auth/google/login?fresh=true" in problem_of(refused, 400, "INVALID_REQUEST")["detail"]


async def test_another_provider_says_when(browser: Browser, runtime: Runtime) -> None:
    """OpenID Connect Core 1.0, section 3.1.2.1. What it says is what the session knows, not when the code was traded."""
    question = parameters_of(await browser.begin("acme", fresh="true"))
    assert (question["prompt"], question["max_age"]) == ("login", "0")
    landing = await browser.land(provider="acme", fresh="true")
    earlier = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=9)
    assert await count(runtime, SignInCode, SignInCode.authenticated_at > earlier) == 1
    await write(runtime, update(SignInCode).values(authenticated_at=earlier))
    tokens = (await browser.exchange(landing)).json()
    assert access_claims(tokens["access_token"])["auth_time"] == int(earlier.timestamp())
    assert (await browser.post("/auth/acme/link", {}, **bearer(tokens))).status_code == 200


async def test_who_takes_the_question_away_gets_no_session(browser: Browser, runtime: Runtime) -> None:
    """3.3-08: the browser carries the question; the answer is what is checked."""
    question = await browser.begin("acme", fresh="true")
    before = await everything(runtime)
    callback = await browser.visitor.sign_in(with_parameters(question, max_age=None, prompt=None), ADA)
    assert error_of(await browser.open(callback)) == "ID_TOKEN_INVALID"
    assert await everything(runtime) == before


# What people without a password do with one.


async def test_a_first_password_takes_a_fresh_sign_in(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """A copied token sets none, and every other session ends as with any change of the password."""
    ada = await google_alone(browser, client)
    new = {"new_password": NEW_PASSWORD}
    stale(await ada.post("/auth/me/password", json=new))
    assert await count(runtime, User, User.password_hash.is_not(None)) == 0
    proved = await google_alone(browser, client, fresh="true")
    problem_of(await proved.post("/auth/me/password", json={**new, "current_password": "x"}), 403, "WRONG_PASSWORD")
    assert (await proved.post("/auth/me/password", json=new)).status_code == 204
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "password_changed"
    form = {"username": ADA.email, "password": NEW_PASSWORD}
    assert (await client.post(f"{API}/auth/login", data=form)).status_code == 200
    problem_of(await proved.post("/auth/me/password", json=new), 403, "WRONG_PASSWORD")


async def test_who_has_no_password_deletes_the_account_after_a_fresh_sign_in(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    ada = await google_alone(browser, client)
    stale(await ada.post("/auth/me/delete", json={}))
    assert await count(runtime, User) == 1
    proved = await google_alone(browser, client, fresh="true")
    assert (await proved.post("/auth/me/delete", json={})).status_code == 204
    assert await count(runtime, User) == await count(runtime, Session) == 0


async def test_who_has_a_password_must_send_it(accounts: Accounts, runtime: Runtime) -> None:
    """S08: however fresh the sign-in."""
    ada = await accounts.signed_in()
    before = await everything_but_stories(runtime)
    for body in ({}, {"password": None}):
        problem_of(await ada.post("/auth/me/delete", json=body), 403, "WRONG_PASSWORD")
    problem_of(await ada.post("/auth/me/password", json={"new_password": NEW_PASSWORD}), 403, "WRONG_PASSWORD")
    assert await everything_but_stories(runtime) == before


async def test_a_code_in_the_fragment_reaches_no_server(browser: Browser) -> None:
    """OA-19, 3.3-10: whoever wrote the link that began may hold the verifier, and must not see the code."""
    landing = await browser.land(return_to="/in?a=b#c", code_challenge="A" * 43)
    page, _, fragment = landing.partition("#")
    assert page == "http://localhost:3000/in?a=b"
    assert fragment.startswith("code=ost_ec_")

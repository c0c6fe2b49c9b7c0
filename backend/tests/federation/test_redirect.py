"""Door (a): the browser goes to the provider, comes back to the callback, and on to the front end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from app.auth import base64url
from app.auth.sealing import seal
from app.config import Settings
from app.models import Identity, Session, SignInCode, SpentFlow, User
from app.offline.testing import ADA
from app.runtime import Runtime
from app.services.federation.errands import open_errand, seal_errand
from tests.accounts import API
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.contention import at_once
from tests.cookies import set_cookies
from tests.federation.browsers import (
    FLOW,
    FRONT_END,
    PROOF,
    SESSION,
    VERIFIER,
    Browser,
    bearer,
    challenge,
    error_of,
    landing_of,
    parameters_of,
    with_parameters,
)
from tests.instances import instance
from tests.rows import count, every_row, everything, write
from tests.tokens import access_claims


async def test_somebody_new_signs_in_with_google(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """S06, S65, S71, OA-01, ID-03: door (a) from end to end, with an account, an identity and a session at its end."""
    landing = await browser.land(return_to="/welcome?from=button")
    assert landing.startswith(f"{FRONT_END}/welcome?from=button#code=ost_ec_")
    response = await browser.exchange(landing)
    assert response.status_code == 200, response.text
    tokens = response.json()
    assert access_claims(tokens["access_token"])["amr"] == ["fed"]
    assert access_claims(tokens["access_token"])["acr"] == "aal1"
    me = (await client.get(f"{API}/auth/me", headers=bearer(tokens))).json()
    assert (me["email"], me["full_name"], me["role"]) == (ADA.email, ADA.name, "user")
    assert await count(runtime, Identity, Identity.subject == ADA.subject) == 1
    assert await count(runtime, User, User.password_hash.is_(None), User.email_verified_at.is_not(None)) == 1
    assert await count(runtime, SignInCode) == 0
    assert browser.jar == {}


async def test_who_was_here_before_comes_to_the_same_account(browser: Browser, runtime: Runtime) -> None:
    """ID-03."""
    first, second = await browser.sign_in(), await browser.sign_in()
    assert access_claims(first["access_token"])["sub"] == access_claims(second["access_token"])["sub"]
    assert await count(runtime, User) == await count(runtime, Identity) == 1


async def test_with_a_cookie_session_there_is_no_code(browser: Browser, runtime: Runtime) -> None:
    """CK-01: the session begins in the callback, and the address on the way back holds nothing."""
    assert await browser.land(return_to="/home", transport="cookie") == f"{FRONT_END}/home"
    assert list(browser.jar) == [SESSION]
    assert await count(runtime, SignInCode) == 0
    response = await browser.send("GET", f"{BASE_URL}{API}/auth/me", browser.page)
    assert response.json()["email"] == ADA.email


async def test_a_cookie_session_that_the_browser_had_is_replaced(browser: Browser, runtime: Runtime) -> None:
    """3.5-11: never taken over."""
    for _ in range(2):
        await browser.land(transport="cookie")
    assert await count(runtime, Session, Session.end_cause == "signed_in_again") == 1
    assert await count(runtime, Session, Session.ended_at.is_(None)) == 1


async def test_the_question_has_everything_that_protects_the_answer(browser: Browser) -> None:
    """S63, S64, S65, OA-01, OA-02: code, PKCE S256, state and nonce; fresh each time, and none of them repeated."""
    first, second = parameters_of(await browser.begin()), parameters_of(await browser.begin())
    assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
    assert first["redirect_uri"] == f"{BASE_URL}{API}/auth/google/callback"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    assert len({first[name] for name in ("state", "nonce", "code_challenge")}) == 3


async def test_beginning_writes_nothing(browser: Browser, runtime: Runtime) -> None:
    """What anonymous visitors do must not fill a table."""
    before = await everything(runtime)
    for _ in range(6):
        await browser.begin()
    await browser.post("/auth/google/start")
    await browser.post("/auth/google/nonce")
    assert await everything(runtime) == before


async def test_nothing_of_the_answer_goes_on_to_the_front_end(browser: Browser) -> None:
    """S71, OA-19: the provider's code stands in one address, which answers with a redirect and no Referer."""
    callback = await browser.come_back()
    response = await browser.open(callback)
    landing = landing_of(response)
    for value in (parameters_of(callback)["code"], parameters_of(callback)["state"]):
        assert value not in landing
        assert value not in str(response.headers)
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


# Once, and in the browser that began.


async def test_the_state_of_one_browser_is_worth_nothing_in_another(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """S63, OA-02, 3.3-10: login CSRF. An attacker's own answer does nothing in the victim's browser."""
    callback = await browser.come_back()
    await second_browser.begin()
    before = await everything(runtime)
    problem_of(await second_browser.open(callback), 400, "FLOW_INVALID")
    assert await everything(runtime) == before
    assert parameters_of(landing_of(await browser.open(callback))).keys() == {"code"}


async def test_without_its_state_an_answer_is_none(browser: Browser, runtime: Runtime) -> None:
    """OA-03, 3.3-11: absent is refused like wrong."""
    answer = await browser.come_back()
    before = await everything(runtime)
    for state in (None, "", "x", "a" * 43):
        callback = with_parameters(answer, state=state)
        problem_of(await browser.open(callback), 400, "FLOW_INVALID")
        problem_of(await Browser(browser.http, browser.visitor).open(callback), 400, "FLOW_INVALID")
    assert await everything(runtime) == before


async def test_the_same_answer_twice_signs_in_once(browser: Browser, runtime: Runtime) -> None:
    """OA-02: the cookie is gone after the first; and whoever kept it is refused as well."""
    callback, kept = await browser.come_back(), browser.copy()
    await browser.open(callback)
    problem_of(await browser.open(callback), 400, "FLOW_INVALID")
    kept.jar = {**kept.jar, **browser.jar}
    assert error_of(await kept.open(callback)) in {"PROVIDER_FAILED", "FLOW_INVALID"}
    assert await count(runtime, SignInCode) == 1


async def test_the_same_answer_twenty_times_at_once_gives_one_session(browser: Browser, runtime: Runtime) -> None:
    """OA-02, 3.4-01."""
    callback = await browser.come_back(transport="cookie")
    responses = await at_once(20, lambda: browser.copy().open(callback))
    assert [response.status_code for response in responses] == [303] * 20
    assert await count(runtime, Session) == await count(runtime, SpentFlow) == await count(runtime, User) == 1


@pytest.mark.parametrize("how", ["a success", "a refusal"])
async def test_every_answer_of_the_callback_takes_the_cookie_away(browser: Browser, how: str) -> None:
    """CK-05: with the attributes that it was set with."""
    callback = await browser.come_back()
    (name,) = browser.flows
    if how == "a refusal":
        callback = with_parameters(callback, code=None, error="access_denied")
    gone = [cookie for cookie in set_cookies(await browser.open(callback)) if cookie.name == name]
    assert [(cookie.value, dict(cookie.attributes)) for cookie in gone] == [
        ("", {"Max-Age": "0", "Path": "/", "Secure": None, "HttpOnly": None, "SameSite": "Lax"})
    ]


async def test_two_tabs_do_not_undo_each_other(browser: Browser) -> None:
    first = await browser.come_back()
    second = await browser.come_back()
    assert len(browser.flows) == 2
    for callback in (first, second):
        assert parameters_of(landing_of(await browser.open(callback))).keys() == {"code"}
    assert browser.flows == []


async def test_tabs_that_begin_at_once_share_a_few_cookies(browser: Browser) -> None:
    """OA-02: a window that is restored opens them all before the first answer, and none knows of the others."""
    address = f"{BASE_URL}{API}/auth/google/login"
    names = {cookie.name for _ in range(12) for cookie in set_cookies(await browser.copy().open(address))}
    assert 1 < len(names) <= 3


async def test_an_answer_at_the_wrong_place_spends_nothing(browser: Browser) -> None:
    """OA-05: whoever sends it there cannot undo the sign-in that is under way."""
    callback = await browser.come_back()
    problem_of(await browser.open(callback.replace("/google/", "/acme/")), 400, "FLOW_INVALID")
    assert parameters_of(landing_of(await browser.open(callback))).keys() == {"code"}


async def test_a_browser_keeps_a_few_flows_at_most(browser: Browser) -> None:
    """Cookies fill every request: too many of them, and a server refuses it."""
    for _ in range(12):
        await browser.begin(return_to="/" + "a" * 480, code_challenge=challenge())
        assert len(browser.flows) <= 3
        assert sum(len(f"{name}={value}; ") for name, value in browser.jar.items()) < 6000
    assert len([name for name in browser.flows if name.startswith(FLOW)]) >= 1


# The one-time code.


async def test_the_code_counts_only_in_the_browser_that_came_back(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """3.3-10: neither can a code be stolen from an address, nor an attacker's code be slipped to somebody."""
    landing = await browser.land()
    assert list(browser.jar) == [PROOF]
    problem_of(await second_browser.exchange(landing), 400, "FLOW_INVALID")
    problem_of(await second_browser.exchange(landing, code_verifier=VERIFIER), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == 0
    assert (await browser.exchange(landing)).status_code == 200


async def test_a_front_end_on_another_site_shows_its_verifier(browser: Browser, second_browser: Browser) -> None:
    """OA-08: its page cannot make the browser send our cookie, so the code is bound to what the page keeps."""
    landing = await browser.land(code_challenge=challenge())
    assert browser.jar == {}
    second_browser.page = {"Sec-Fetch-Site": "cross-site", "Origin": FRONT_END}
    problem_of(await second_browser.exchange(landing), 400, "FLOW_INVALID")
    problem_of(await second_browser.exchange(landing, code_verifier="w" * 43), 400, "FLOW_INVALID")
    assert (await second_browser.exchange(landing, code_verifier=VERIFIER)).status_code == 200
    problem_of(await second_browser.exchange(landing, code_verifier=VERIFIER), 400, "FLOW_INVALID")


async def test_a_code_is_traded_once_however_many_try(browser: Browser, runtime: Runtime) -> None:
    """3.4-01."""
    landing = await browser.land()
    responses = await at_once(20, lambda: browser.copy().exchange(landing))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 19
    assert await count(runtime, Session) == 1


# What else stands between a proof and a session.


async def test_no_redirect_of_ours_carries_a_fragment_on(browser: Browser) -> None:
    """OA-23: a browser takes its fragment along to an address that has none, and a code may stand in it."""
    begun = await browser.open(f"{BASE_URL}{API}/auth/google/login")
    refused = await browser.open(await browser.visitor.sign_in(await browser.begin(), ADA, decision="deny"))
    landed = await browser.open(await browser.come_back(transport="cookie"))
    for response in (begun, landed, refused):
        assert response.status_code == 303
        assert response.headers["location"].endswith("#")


@pytest.mark.parametrize(
    "page", ["/api/v1/auth/acme/login", "/%61pi/v1/auth/acme/login", "/API/v1/health", "/dev/google/authorize"]
)
async def test_a_route_of_ours_is_no_page_to_return_to(browser: Browser, page: str) -> None:
    """3.6-01: some send the browser on to a provider, with the code in its hands."""
    refused = await browser.open(f"{BASE_URL}{API}/auth/google/login?{urlencode({'return_to': BASE_URL + page})}")
    problem_of(refused, 400, "RETURN_TO_REFUSED")


async def test_a_flow_ends_after_ten_minutes(browser: Browser, runtime: Runtime) -> None:
    """OA-02, OA-23: a cookie that a browser keeps for longer is none."""
    callback = await browser.come_back()
    (name,) = browser.flows
    keys = runtime.federation.flow_keys
    errand = open_errand(browser.jar[name], keys, datetime.now(UTC))
    begun_at = errand.flow.begun_at - timedelta(minutes=10)
    browser.jar[name] = seal_errand(replace(errand, flow=replace(errand.flow, begun_at=begun_at)), keys)
    problem_of(await browser.open(callback), 400, "FLOW_INVALID")
    assert await count(runtime, User) == 0


async def test_a_one_time_code_ends_after_a_minute(browser: Browser, runtime: Runtime) -> None:
    """OA-23."""
    landing = await browser.land()
    await write(runtime, update(SignInCode).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    problem_of(await browser.exchange(landing), 400, "FLOW_INVALID")


async def test_nothing_secret_is_in_the_database(browser: Browser, runtime: Runtime) -> None:
    """ID-11: neither the provider's tokens, nor the one-time code, nor what the flow was tied with."""
    callback = await browser.come_back()
    (name,) = browser.flows
    flow = open_errand(browser.jar[name], runtime.federation.flow_keys, datetime.now(UTC)).flow
    landing = landing_of(await browser.open(callback))
    stored = repr(await every_row(runtime))
    code, proof = parameters_of(landing)["code"], browser.jar[PROOF]
    for secret in (code, proof, flow.state, flow.nonce, flow.verifier, parameters_of(callback)["code"], "eyJ"):
        assert secret not in stored


@pytest.mark.parametrize("broken", ["cut", "changed", "twice", "of another place"])
async def test_a_flow_cookie_that_is_not_ours_is_none(browser: Browser, runtime: Runtime, broken: str) -> None:
    """OA-03, CK-05."""
    callback = await browser.come_back()
    (name,) = browser.flows
    value = browser.jar[name]
    browser.jar[name] = {
        "cut": value[:-4],
        "changed": value[:40] + ("A" if value[40] != "A" else "B") + value[41:],
        "twice": f"{value}; {name}={value}",
        "of another place": base64url.encode(
            seal(b"[]", key=runtime.federation.flow_keys[0], place="signing_keys/name/ES256/1")
        ),
    }[broken]
    problem_of(await browser.open(callback), 400, "FLOW_INVALID")
    assert await count(runtime, User) == 0


async def test_a_flow_goes_on_under_a_new_server_secret(browser: Browser, settings: Settings) -> None:
    """V13.3.4: a change of SECRET_KEY ends nobody's sign-in, as long as the former one is kept."""
    secret = settings.SECRET_KEY.get_secret_value()
    callback = await browser.come_back()
    changed = settings.model_copy(
        update={"SECRET_KEY": SecretStr(secret[::-1]), "SECRET_KEY_PREVIOUS": SecretStr(secret)}
    )
    async with instance(changed) as other:
        browser.http = other.http
        assert parameters_of(landing_of(await browser.open(callback))).keys() == {"code"}


async def test_what_is_no_one_time_code_gives_nothing(browser: Browser, runtime: Runtime) -> None:
    """3.4-09: nor does a value of another kind."""
    for code in ("", "x", "ost_ec_", "ost_ec_" + "A" * 43, "ost_rt_" + "A" * 43, "é"):
        for further in ({}, {"code_verifier": VERIFIER}):
            problem_of(await browser.post("/auth/exchange", {"code": code, **further}), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == 0

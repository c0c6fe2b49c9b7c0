"""Doors (b) and (c): a page hands over the code that it was called with, or an ID token of One Tap or an app."""

from typing import Any

import httpx2
import pytest

from app.models import Session, User
from app.offline.testing import ADA, Client, RunningProvider
from app.runtime import Runtime
from tests.accounts import API
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.contention import at_once
from tests.federation.browsers import SESSION, Browser, bearer, parameters_of
from tests.federation.handing_over import PAGE, answer_of, called_page, credential_of
from tests.rows import count, everything
from tests.tokens import access_claims


@pytest.fixture
def browser(browser: Browser) -> Browser:
    """A browser with a page of the front end, on another port of this host."""
    browser.page = PAGE
    return browser


@pytest.fixture
async def known(browser: Browser) -> dict[str, Any]:
    """The tokens of Ada's first sign-in, after which the provider knows her browser."""
    return await browser.sign_in()


# Door (b).


@pytest.mark.parametrize("provider", ["google", "acme"])
async def test_a_page_signs_in_with_the_code_that_it_was_called_with(
    browser: Browser, client: httpx2.AsyncClient, provider: str
) -> None:
    """OA-01, OA-05: with state, nonce and verifier as by redirect, and an address for each provider."""
    response = await browser.post(f"/auth/{provider}/code", answer_of(await called_page(browser, provider)))
    assert response.status_code == 200, response.text
    me = await client.get(f"{API}/auth/me", headers=bearer(response.json()))
    assert me.json()["email"] == ADA.email
    assert access_claims(response.json()["access_token"])["amr"] == ["fed"]
    assert browser.jar == {}


async def test_a_page_of_the_same_site_may_have_a_cookie(browser: Browser) -> None:
    """CK-01."""
    answer = answer_of(await called_page(browser))
    response = await browser.post("/auth/google/code?transport=cookie", answer)
    assert response.status_code == 200, response.text
    assert "token" not in response.text
    assert list(browser.jar) == [SESSION]


async def test_a_page_cannot_hand_over_an_answer_of_another_browser(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """S63, OA-02, 3.3-10."""
    answer = answer_of(await called_page(browser))
    second_browser.page = PAGE
    await second_browser.post("/auth/google/start")
    before = await everything(runtime)
    problem_of(await second_browser.post("/auth/google/code", answer), 400, "FLOW_INVALID")
    problem_of(await browser.post("/auth/google/code", {**answer, "state": "x"}), 400, "FLOW_INVALID")
    problem_of(await browser.post("/auth/acme/code", answer), 400, "FLOW_INVALID")
    assert await everything(runtime) == before


async def test_a_code_is_handed_over_once(browser: Browser, runtime: Runtime) -> None:
    """OA-02, 3.4-01: twenty at once, and once more afterwards."""
    answer = answer_of(await called_page(browser))
    responses = await at_once(20, lambda: browser.copy().post("/auth/google/code", answer))
    assert sorted({response.status_code for response in responses}) in ([200, 400], [200, 502], [200, 400, 502])
    assert [response.status_code for response in responses].count(200) == 1
    assert await count(runtime, Session) == 1


async def test_an_answer_belongs_to_the_door_that_it_was_asked_for_at(browser: Browser) -> None:
    """OA-02: what the callback waits for is nothing to a page, and the other way round."""
    callback = await browser.come_back()
    problem_of(await browser.copy().post("/auth/google/code", answer_of(parameters_of(callback))), 400, "FLOW_INVALID")
    page = await called_page(browser)
    address = httpx2.URL(f"{BASE_URL}{API}/auth/google/callback", params=page)
    problem_of(await browser.copy().open(str(address)), 400, "FLOW_INVALID")


async def test_a_page_that_hands_over_a_no_is_told_so(browser: Browser) -> None:
    response = await browser.post("/auth/google/start")
    address = await browser.visitor.sign_in(response.json()["authorization_url"], ADA, decision="deny")
    refused = await browser.post("/auth/google/code", answer_of(parameters_of(address)))
    assert problem_of(refused, 403, "PROVIDER_REFUSED")["reason"] == "access_denied"
    assert browser.flows == []


async def test_a_page_that_leaves_the_issuer_out_is_refused(browser: Browser) -> None:
    """OA-05: the provider names itself in every answer, so an answer without it is another's."""
    answer = answer_of(await called_page(browser))
    del answer["iss"]
    problem_of(await browser.post("/auth/google/code", answer), 400, "FLOW_INVALID")


async def test_the_address_of_a_person_is_not_taken_from_the_page(browser: Browser) -> None:
    """3.3-04: what is not asked for is refused."""
    answer = {**answer_of(await called_page(browser)), "email": "root@example.com"}
    problem_of(await browser.post("/auth/google/code", answer), 422, "VALIDATION_FAILED")


# Door (c).


async def test_an_id_token_signs_in(browser: Browser, google: RunningProvider, known: dict[str, Any]) -> None:
    response = await browser.post("/auth/google/id-token", await credential_of(browser, google))
    assert response.status_code == 200, response.text
    claims = [access_claims(tokens["access_token"]) for tokens in (known, response.json())]
    assert claims[0]["sub"] == claims[1]["sub"]
    assert claims[0]["sid"] != claims[1]["sid"]


@pytest.mark.usefixtures("known")
async def test_an_id_token_is_taken_once(browser: Browser, google: RunningProvider, runtime: Runtime) -> None:
    """OA-02, 3.4-04: it stands in scripts and logs, and lives for an hour."""
    body = await credential_of(browser, google)
    responses = await at_once(20, lambda: browser.copy().post("/auth/google/id-token", body))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 19
    problem_of(await browser.copy().post("/auth/google/id-token", body), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == 2


@pytest.mark.usefixtures("known")
async def test_an_id_token_counts_for_its_nonce_only(
    browser: Browser, second_browser: Browser, google: RunningProvider, runtime: Runtime
) -> None:
    """OA-02, ID-02: a token that an attacker got for another nonce, or in another browser, is nothing here."""
    stolen = await credential_of(browser, google)
    own = (await browser.post("/auth/google/nonce")).json()["nonce"]
    second_browser.page = PAGE
    before = await everything(runtime)
    problem_of(await second_browser.post("/auth/google/id-token", stolen), 400, "FLOW_INVALID")
    swapped = {**stolen, "nonce": own}
    problem_of(await browser.post("/auth/google/id-token", swapped), 400, "ID_TOKEN_INVALID")
    problem_of(await browser.post("/auth/acme/id-token", stolen), 400, "FLOW_INVALID")
    assert await everything(runtime) == before


@pytest.mark.usefixtures("known")
@pytest.mark.settings(GOOGLE_OTHER_CLIENT_IDS=["the-app"])
@pytest.mark.parametrize(("client_id", "taken"), [("the-app", True), ("shop", False)])
async def test_the_ids_of_our_own_apps_are_taken_and_no_other(
    browser: Browser, google: RunningProvider, client_id: str, taken: bool
) -> None:
    """S66, ID-01: a token that was made for somebody else's application is no sign-in here."""
    google.register(Client(client_id=client_id, client_secret="", redirect_uris=()))
    response = await browser.post("/auth/google/id-token", await credential_of(browser, google, client_id))
    if taken:
        assert response.status_code == 200, response.text
    else:
        problem_of(response, 400, "ID_TOKEN_INVALID")


@pytest.mark.parametrize("credential", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
async def test_what_is_no_id_token_signs_nobody_in(browser: Browser, runtime: Runtime, credential: str) -> None:
    """S66, ID-01: an access token, or nothing that anybody signed."""
    nonce = (await browser.post("/auth/google/nonce")).json()["nonce"]
    body = {"credential": credential, "nonce": nonce}
    problem_of(await browser.post("/auth/google/id-token", body), 400, "ID_TOKEN_INVALID")
    assert await count(runtime, User) == 0

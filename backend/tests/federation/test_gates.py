"""What a product's gates say counts after a provider as after a password, at every door."""

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.models import Session, SignInCode, User
from app.offline.testing import ADA, Person, RunningProvider
from app.runtime import Runtime
from tests import gatehouse
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.federation.browsers import FRONT_END, Browser, error_of, parameters_of
from tests.rows import count, write

pytestmark = pytest.mark.settings(EXTENSIONS=[gatehouse.NAME])

BARRED = Person(email="barred@example.com", name="Barred")


@pytest.fixture
def browser(app: FastAPI, browser: Browser) -> Browser:
    """A browser on a page of the front end. The product's own refusals stand in no document of ours."""
    browser.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE_URL)
    browser.page = {"Sec-Fetch-Site": "same-site", "Origin": FRONT_END}
    return browser


@pytest.mark.parametrize("transport", ["bearer", "cookie"])
async def test_who_is_barred_leaves_the_callback_with_nothing(
    browser: Browser, runtime: Runtime, transport: str
) -> None:
    """ID-08, 3.5-03: neither a session nor a code for one."""
    callback = await browser.come_back(BARRED, transport=transport)
    assert error_of(await browser.open(callback)) == "GATEHOUSE_BARRED"
    assert await count(runtime, Session) == await count(runtime, SignInCode) == 0


@pytest.mark.parametrize(("transport", "times"), [("cookie", 1), ("bearer", 2)])
async def test_every_gate_is_asked_once_in_each_transaction(
    browser: Browser, runtime: Runtime, transport: str, times: int
) -> None:
    """ID-08: a gate may count, or spend something. For tokens there are two: where the code is made, and where it is traded."""
    landing = await browser.land(ADA, transport=transport)
    if transport == "bearer":
        assert (await browser.exchange(landing)).status_code == 200
    (user,) = await runtime.database.read.entities(select(User))
    assert user.search_text.count("porter:fed") == user.search_text.count("treasurer") == times


async def test_a_gate_that_closes_after_the_callback_is_closed_at_the_exchange(
    browser: Browser, runtime: Runtime
) -> None:
    """ID-08, 3.5-03."""
    landing = await browser.land(ADA)
    await write(runtime, update(User).values(email=BARRED.email))
    problem_of(await browser.exchange(landing), 403, "GATEHOUSE_BARRED")
    assert await count(runtime, Session) == 0


async def test_who_is_barred_is_let_in_by_no_page(browser: Browser, runtime: Runtime) -> None:
    """ID-08, 3.5-03: door (b)."""
    response = await browser.post("/auth/google/start")
    address = await browser.visitor.sign_in(response.json()["authorization_url"], BARRED)
    answer = {name: value for name, value in parameters_of(address).items() if name in {"state", "code", "iss"}}
    problem_of(await browser.post("/auth/google/code", answer), 403, "GATEHOUSE_BARRED")
    assert await count(runtime, Session) == 0


async def test_who_is_barred_is_let_in_by_no_id_token(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-08, 3.5-03: door (c)."""
    await browser.come_back(BARRED)  # From here on the provider knows the browser, as One Tap wants it.
    begun = (await browser.post("/auth/google/nonce")).json()
    form = {"client_id": begun["client_id"], "nonce": begun["nonce"]}
    issued = await browser.visitor.http.post(f"{google.issuer}/id-token", data=form)
    handed = {"credential": issued.json()["credential"], "nonce": begun["nonce"]}
    problem_of(await browser.post("/auth/google/id-token", handed), 403, "GATEHOUSE_BARRED")
    assert await count(runtime, Session) == 0

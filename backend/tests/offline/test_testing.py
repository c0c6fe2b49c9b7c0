"""What a product's own tests get: the provider on a socket, people, settings, faults. Nothing that serves knows it."""

import subprocess
import sys

import httpx2
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.offline.testing import ADA, Fault, Person, RunningProvider, Visitor, http_client, running_provider, visiting
from app.offline.testing.fixtures import google, other_provider
from tests.accounts import API
from tests.conftest import settings_for

__all__ = ["google", "other_provider"]

PUBLIC_URL = "https://shop.example"
FRONTEND_URL = "https://www.shop.example"
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def settings(
    database_url: str, request: pytest.FixtureRequest, google: RunningProvider, other_provider: RunningProvider
) -> Settings:
    """Settings as a product's tests have them: both providers know the server by its public name."""
    values = {"PUBLIC_URL": PUBLIC_URL, "FRONTEND_URL": FRONTEND_URL, **google.settings(PUBLIC_URL, FRONTEND_URL)}
    entries = [provider.entry(name, PUBLIC_URL) for name, provider in (("acme", other_provider), ("again", google))]
    marker = request.node.get_closest_marker("settings")
    return settings_for(database_url, **{**values, "OIDC_PROVIDERS": entries, **(marker.kwargs if marker else {})})


def login(name: str) -> str:
    return f"{API}/auth/{name}/login?transport=cookie&return_to=/in"


async def email_of(visitor: Visitor) -> str | None:
    """Return who is signed in in this browser, as the server sees it."""
    response = await visitor.http.get(f"{API}/auth/me")
    email: str | None = response.json().get("email")
    return email


@pytest.mark.parametrize("name", ["google", "acme", "again"])
async def test_people_come_in_through_every_provider(app: FastAPI, name: str) -> None:
    """S06: by the session cookie, with nothing taken from the server for the test's sake."""
    grace = Person(email="grace@gmail.com", name="Grace Hopper")
    async with visiting(app) as visitor, visiting(app) as somebody_else:
        assert await visitor.come_in(login(name), grace) == f"{FRONTEND_URL}/in"
        assert await email_of(visitor) == grace.email
        assert await email_of(somebody_else) is None
        # The second time nobody has to agree.
        assert await visitor.come_in(login(name), grace) == f"{FRONTEND_URL}/in"


@pytest.mark.only("sqlite")
async def test_who_says_no_and_who_meets_a_fault_stays_outside(app: FastAPI, google: RunningProvider) -> None:
    async with visiting(app) as visitor:
        landed = await visitor.come_in(login("google"), decision="deny")
        assert landed == f"{FRONTEND_URL}/in?error=PROVIDER_REFUSED"
        with google.faults.having(Fault.EXPIRED):
            landed = await visitor.come_in(login("google"), ADA)
        assert landed == f"{FRONTEND_URL}/in?error=ID_TOKEN_INVALID"
        assert await email_of(visitor) is None


@pytest.mark.only("sqlite")
@pytest.mark.settings(GOOGLE_OTHER_CLIENT_IDS=["phone"])
@pytest.mark.parametrize(
    ("client_id", "fault", "status"),
    [("phone", None, 200), ("ostiary", None, 200), ("ostiary", Fault.WRONG_NONCE, 400), ("tablet", None, 400)],
)
async def test_an_id_token_is_what_an_app_hands_over(
    app: FastAPI, google: RunningProvider, client_id: str, fault: Fault | None, status: int
) -> None:
    """ID-01, ID-02: for the client that is named, with the faults that are switched on."""
    page = {"Origin": PUBLIC_URL}
    google.faults.switch_on(*([fault] if fault else []))
    async with visiting(app) as visitor:
        nonce = (await visitor.http.post(f"{API}/auth/google/nonce", headers=page)).json()["nonce"]
        credential = await google.id_token(ADA, nonce=nonce, client_id=client_id)
        body = {"credential": credential, "nonce": nonce}
        response = await visitor.http.post(f"{API}/auth/google/id-token", json=body, headers=page)
    assert response.status_code == status, response.text


@pytest.mark.only("sqlite")
async def test_a_link_that_leads_nowhere_shows_what_came_instead(app: FastAPI) -> None:
    async with visiting(app) as visitor:
        with pytest.raises(AssertionError, match="404"):
            await visitor.come_in(login("nobody"))
        with pytest.raises(AssertionError, match="Another page"):
            await visitor.sign_in(f"{API}/auth/me")


@pytest.mark.only("sqlite")
@pytest.mark.settings(PUBLIC_URL="http://127.0.0.1:8000")
async def test_a_server_whose_cookies_would_be_lost_is_refused_at_once(app: FastAPI) -> None:
    with pytest.raises(ValueError, match="https"):
        async with visiting(app):
            raise AssertionError("nobody comes so far")


async def test_a_provider_runs_for_the_length_of_a_block_several_at_once() -> None:
    async with http_client() as http:
        with running_provider() as first, running_provider(name="The other one") as second:
            for provider in (first, second):
                document = (await http.get(provider.issuer + DISCOVERY)).json()
                assert document["issuer"] == provider.issuer
        for provider in (first, second):
            with pytest.raises(httpx2.ConnectError):
                await http.get(provider.issuer + DISCOVERY)


def python(code: str) -> str:
    """Run a piece of code in an interpreter of its own, and return what it printed."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_what_serves_knows_neither_the_tests_nor_their_tools() -> None:
    """V15.2.3: production has no pytest, and no way to a provider that goes wrong."""
    found = "[n for n in sys.modules if n.startswith(('pytest', '_pytest', 'app.offline.testing'))]"
    assert python(f"import sys, app.main, app.cli.main; print({found})") == "[]"


def test_without_pytest_there_is_everything_but_the_fixtures() -> None:
    code = "import sys; sys.modules['pytest'] = None; from app.offline.testing import running_provider as r; print(r)"
    assert "running_provider" in python(code)

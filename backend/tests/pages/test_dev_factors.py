"""The page of development for second factors: on this machine alone, by any of its names, and without a script of anybody else's."""

import re

import httpx2
import pytest
from fastapi import FastAPI

from app.auth.credentials import COOKIE_NAME as SESSION
from app.auth.second_factor_cookies import PENDING_COOKIE
from app.main import create_app
from app.routes import route_map
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.conftest import settings_for
from tests.pages.html import Page
from tests.rows import everything

PATH = "/dev/factors"
ON_THIS_MACHINE = {"PUBLIC_URL": "http://127.0.0.1:8000"}
LOOPBACK = pytest.mark.settings(**ON_THIS_MACHINE)


def served(**changes: object) -> bool:
    app = create_app(settings_for("sqlite:///nothing.db", **changes))
    return any(entry.path == PATH for entry in route_map(app))


async def test_the_page_loads_our_own_files_only(client: httpx2.AsyncClient) -> None:
    """S83, V3.4.3, V3.6.1: and no form of it can send anything by itself, such as a password into an address."""
    response = await client.get(PATH)
    page = Page(response.text)
    assert response.status_code == 200
    assert page.inline == []
    own = [address for address in page.addresses if address.startswith("/assets/")]
    assert own
    for address in own:
        assert (await client.get(address)).status_code == 200
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none'" in policy
    assert response.headers["cache-control"] == "no-store"


async def test_every_module_that_a_script_asks_for_is_there(client: httpx2.AsyncClient) -> None:
    """With nosniff, a wrong media type would leave the page empty."""
    found, todo = set(), {"page.js"}
    while todo:
        name = todo.pop()
        found.add(name)
        response = await client.get(f"/assets/dev_factors/{name}")
        assert response.headers["content-type"].startswith("text/javascript"), name
        todo |= set(re.findall(r'from "\./([\w.]+)"', response.text)) - found
    assert found == {"page.js", "parts.js", "account.js", "api.js", "passkeys.js"}


async def test_looking_at_it_changes_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    before = await everything(runtime)
    assert (await client.get(PATH)).status_code == 200
    assert await everything(runtime) == before


@pytest.mark.only("sqlite")
@LOOPBACK
async def test_under_a_network_address_it_says_where_passkeys_are(app: FastAPI) -> None:
    """WA-03: browsers take none there. The names that others could give themselves do not find the page."""
    for host, says_where in (("127.0.0.1:8000", True), ("[::1]:8000", True), ("localhost:8000", False)):
        response = await ask(app, host)
        assert response.status_code == 200
        assert ("http://localhost:8000/dev/factors" in Page(response.text).addresses) is says_where
    for host in ("localhost", "localhost:80", "localhost:8001", "127.0.0.2:8000", "rebound.example:8000"):
        assert (await ask(app, host)).status_code in {404, 421, 400}


async def ask(app: FastAPI, host: str, *, peer: str = "127.0.0.1", **headers: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app, client=(peer, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
        return await http.get(PATH, headers=headers)


@pytest.mark.only("sqlite")
@LOOPBACK
@pytest.mark.parametrize("peer", ["192.168.1.7", "2001:db8::1", "testclient", ""])
async def test_whoever_is_not_on_this_machine_does_not_find_it(app: FastAPI, peer: str) -> None:
    """V13.4.2, V15.2.3."""
    assert (await ask(app, "localhost:8000", peer=peer)).status_code == 404


@pytest.mark.only("sqlite")
@LOOPBACK
@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "Via"])
async def test_who_comes_through_a_proxy_does_not_find_it(app: FastAPI, header: str) -> None:
    """V13.4.2: a proxy's visitors come from anywhere, and look like this machine."""
    assert (await ask(app, "localhost:8000", **{header: "127.0.0.1"})).status_code == 404


@pytest.mark.only("sqlite")
@LOOPBACK
async def test_a_page_at_localhost_signs_in_where_the_server_calls_itself_by_its_network_address(
    app: FastAPI, accounts: Accounts
) -> None:
    """3.6-13, V3.5.1: its browser says that the page is of the same origin. What only says its origin is not believed."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    origin = {"Origin": "http://localhost:8000"}
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
        path = f"{API}/auth/login?transport=cookie"
        own = await http.post(path, data=form, headers={**origin, "Sec-Fetch-Site": "same-origin"})
        assert own.status_code == 200
        for site in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            refused = await http.post(path, data=form, headers={**origin, **site})
            assert (refused.status_code, refused.json()["code"]) == (403, "CROSS_SITE_REQUEST")


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ({}, set()),
        ({SESSION: "any"}, {"data-has-session"}),
        ({PENDING_COOKIE: "any"}, {"data-has-pending"}),
        ({SESSION: "any", PENDING_COOKIE: "any"}, {"data-has-session", "data-has-pending"}),
    ],
    ids=["neither", "session", "pending", "both"],
)
async def test_the_page_knows_how_far_the_browser_has_come(
    client: httpx2.AsyncClient, kept: dict[str, str], told: set[str]
) -> None:
    """What its scripts cannot read, because the cookies are HttpOnly. Whether they count is for the API to say."""
    cookies = "; ".join(f"{name}={value}" for name, value in kept.items())
    response = await client.get(PATH, headers={"Cookie": cookies} if cookies else {})
    assert how_far(response.text) == told
    assert "any" not in re.findall(r'="(\w+)"', response.text)


def how_far(text: str) -> set[str]:
    return set(re.findall(r"data-has-\w+", text))


@pytest.mark.parametrize(
    "changes",
    [
        {"ENVIRONMENT": "production", "PUBLIC_URL": "https://localhost"},
        {"PUBLIC_URL": "https://accounts.example.com", "GOOGLE_CLIENT_ID": "x", "GOOGLE_CLIENT_SECRET": "x"},
        {"HOST": "0.0.0.0"},  # noqa: S104  # Not served is what it is.
        {"SECOND_FACTOR": "off"},
    ],
    ids=["production", "a public name", "every interface", "no second factors"],
)
def test_it_exists_in_development_on_this_machine_alone(changes: dict[str, object]) -> None:
    """V13.4.2, V15.2.3."""
    assert served()
    assert not served(**changes)

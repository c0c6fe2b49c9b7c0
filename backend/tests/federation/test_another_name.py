"""A sign-in that begins under another name of this server than PUBLIC_URL: it would never end, so it moves there first."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from tests.accounts import API
from tests.conftest import BASE_URL
from tests.federation.browsers import Browser, parameters_of

LOGIN = f"{API}/auth/google/login"
QUERY = {"return_to": "/a?b=c&d=ä#e", "transport": "cookie"}


async def begin(client: httpx2.AsyncClient, host: str, query: str = urlencode(QUERY)) -> httpx2.Response:
    return await client.get(f"{LOGIN}?{query}", headers={"Host": host})


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST:8000", "[::1]:8000", "localhost"])
async def test_the_browser_is_sent_to_the_public_name_with_all_it_asked_for(
    client: httpx2.AsyncClient, host: str
) -> None:
    """OA-19: to PUBLIC_URL and nowhere else, without the fragment that the browser came with, and with no cookie."""
    response = await begin(client, host)
    location = response.headers["location"]
    assert (response.status_code, location.partition("?")[0]) == (303, f"{BASE_URL}{LOGIN}")
    assert location.endswith("#")
    assert parameters_of(location.removesuffix("#")) == {**QUERY, "moved": "1"}
    assert "set-cookie" not in response.headers


async def test_a_sign_in_that_began_under_another_name_ends_at_the_public_one(browser: Browser) -> None:
    """S06."""
    moved = await browser.open(f"{BASE_URL}{LOGIN}?transport=cookie", Host="localhost:8000")
    begun = await browser.open(moved.headers["location"])
    landed = await browser.open(await browser.visitor.sign_in(begun.headers["location"].removesuffix("#")))
    assert landed.headers["location"] == "http://localhost:3000/#"
    assert "__Host-ostiary" in browser.jar


async def test_behind_a_proxy_that_changes_the_name_nobody_is_sent_in_a_circle(client: httpx2.AsyncClient) -> None:
    first = await begin(client, "localhost:9999", "transport=cookie")
    again = await begin(client, "localhost:9999", urlsplit(first.headers["location"]).query)
    assert parameters_of(again.headers["location"].removesuffix("#")).keys() >= {"state", "nonce"}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.0.0.1", "127.0.0.1:9999"])
async def test_under_the_public_name_the_sign_in_begins_at_once_whatever_the_port(
    client: httpx2.AsyncClient, host: str
) -> None:
    """Proxies leave the port out, or put theirs in."""
    assert "state" in parameters_of((await begin(client, host, "")).headers["location"].removesuffix("#"))


@pytest.mark.settings(ALLOWED_HOSTS=["*"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example/x?", "[", "a b", ""])
async def test_no_name_of_the_caller_s_stands_in_the_address(client: httpx2.AsyncClient, host: str) -> None:
    """OA-19: nor in anything that they wrote, in the query."""
    response = await begin(client, host, "return_to=%0d%0aX:1&return_to=//evil.example&x=%ff%00#evil")
    location = response.headers["location"]
    assert location.startswith(f"{BASE_URL}{LOGIN}?")
    assert "evil.example" not in location.replace("%2F%2Fevil.example", "")
    assert location.isascii()
    assert dict(parse_qsl(urlsplit(location).query))["x"] == "\ufffd\0"

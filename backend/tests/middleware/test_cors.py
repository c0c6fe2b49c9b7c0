import pytest
from fastapi import FastAPI

from app.config import ConfigurationError
from tests.conftest import settings_for
from tests.middleware import product
from tests.middleware.asgi import HOST, Answer, ask

pytestmark = pytest.mark.only("sqlite")  # What is decided here is decided before any database is asked.

FRONTEND = "https://app.example.com"
SECOND = "https://admin.example.com:8443"
STRANGERS = [
    "https://evil.example",
    "null",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://evil.app.example.com",
    "https://example.com",
    "https://app.example.com/",
    "https://app.example.com@evil.example",
    "https://APP.example.com",
    "https://app.example.co",
    "https://app_example.com",
    "https://app.example.com, https://evil.example",
    "app.example.com",
    "*",
    "",
]
TWO_ORIGINS = pytest.mark.settings(FRONTEND_URL=FRONTEND, ALLOWED_ORIGINS=[SECOND], EXTENSIONS=[product.NAME])
ANY_ORIGIN = pytest.mark.settings(ALLOWED_ORIGINS=["*"])
TARGETS = ["/health", "/api/v1/auth/me", "/nothing", "/api/v1/product/explosion", "/api/v1/product/status/418"]
"""An answer, a refusal, no route, an accident, a refusal of the product's."""


async def from_origin(app: FastAPI, origin: str, target: str = "/health") -> Answer:
    return await ask(app, target, headers=[HOST, ("Origin", origin)])


async def preflight(app: FastAPI, origin: str, method: str = "POST", headers: str = "") -> Answer:
    asked = [("Access-Control-Request-Headers", headers)] if headers else []
    given = [HOST, ("Origin", origin), ("Access-Control-Request-Method", method), *asked]
    return await ask(app, "/api/v1/auth/login", method="OPTIONS", headers=given)


@TWO_ORIGINS
@pytest.mark.parametrize("target", TARGETS)
async def test_a_listed_origin_may_read_every_answer(app: FastAPI, target: str) -> None:
    """V3.4.2, PD-01: an error that a front end may not read is an error nobody understands."""
    for origin in (FRONTEND, SECOND):
        answer = await from_origin(app, origin, target)
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert "X-Request-ID" in (answer.header("Access-Control-Expose-Headers") or "")
        # A cache must not hand one origin's permission to another.
        assert "Origin" in (answer.header("Vary") or "")


@TWO_ORIGINS
async def test_a_host_that_is_not_served_is_refused_readably(app: FastAPI) -> None:
    """V3.4.2, S85: middleware that refuses stands inside what adds headers."""
    answer = await ask(app, "/setup", headers=[("Host", "evil.example"), ("Origin", FRONTEND)])
    assert answer.status == 400
    assert answer.header("Access-Control-Allow-Origin") == FRONTEND


@TWO_ORIGINS
async def test_a_strange_origin_may_read_nothing(app: FastAPI) -> None:
    """3.6-12, S81, V3.4.2: no reflection, no twin, no sub-domain, no `null`."""
    for origin in STRANGERS:
        for target in TARGETS:
            answer = await from_origin(app, origin, target)
            assert answer.header("Access-Control-Allow-Origin") is None, (origin, target)


@TWO_ORIGINS
async def test_a_strange_origin_gets_no_permission_in_advance(app: FastAPI) -> None:
    """3.6-12, S81, V3.5.2: without it no browser sends the request."""
    for origin in STRANGERS:
        answer = await preflight(app, origin)
        assert answer.status >= 400, origin
        assert answer.header("Access-Control-Allow-Origin") is None, origin


@TWO_ORIGINS
async def test_only_listed_origins_may_send_credentials_of_the_browser(app: FastAPI) -> None:
    """3.6-12, S81, S99, CK-06: the session cookie is for our own pages; nobody else may read what it opens."""
    for origin in (FRONTEND, SECOND):
        for answer in (await from_origin(app, origin), await preflight(app, origin)):
            assert answer.header("Access-Control-Allow-Credentials") == "true"
            assert answer.header("Access-Control-Allow-Origin") == origin
    for origin in STRANGERS:
        for answer in (await from_origin(app, origin), await preflight(app, origin)):
            # Without the first header a browser heeds no other.
            assert answer.header("Access-Control-Allow-Origin") is None, origin


@ANY_ORIGIN
async def test_where_every_origin_may_call_none_may_send_credentials(app: FastAPI) -> None:
    """S81: with both, every page on the net could act as whoever visits it."""
    for origin in (FRONTEND, *STRANGERS):
        for answer in (await from_origin(app, origin), await preflight(app, origin)):
            assert answer.header("Access-Control-Allow-Credentials") is None, origin


@TWO_ORIGINS
async def test_a_listed_origin_may_send_what_the_api_takes(app: FastAPI) -> None:
    """S82."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = await preflight(app, FRONTEND, method, "authorization, content-type, x-request-id")
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == FRONTEND
        assert method in (answer.header("Access-Control-Allow-Methods") or "")


@TWO_ORIGINS
@pytest.mark.parametrize(
    ("method", "header"),
    [("TRACE", ""), ("CONNECT", ""), ("POST", "x-evil"), ("POST", "cookie"), ("POST", "x-forwarded-for")],
)
async def test_a_listed_origin_may_send_nothing_else(app: FastAPI, method: str, header: str) -> None:
    """S82: neither every method nor every header."""
    answer = await preflight(app, FRONTEND, method, header)
    assert answer.status == 400
    assert "*" not in (answer.header("Access-Control-Allow-Methods") or "")
    assert header == "" or header not in (answer.header("Access-Control-Allow-Headers") or "").lower()


@ANY_ORIGIN
async def test_development_may_let_every_origin_in_without_credentials(app: FastAPI) -> None:
    """S81: `*` is never reflected as the origin itself, which would allow credentials."""
    answer = await from_origin(app, "https://evil.example")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_production_does_not_start_with_every_origin() -> None:
    """S81, 3.6-12, V3.4.2."""
    production = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"}
    with pytest.raises(ConfigurationError, match="ALLOWED_ORIGINS: is '\\*'"):
        settings_for("sqlite:///nothing.db", **production, ALLOWED_ORIGINS=["*"])


@pytest.mark.settings(FRONTEND_URL="https://App.Example.com")
async def test_the_origin_of_a_front_end_is_found_as_a_browser_writes_it(app: FastAPI) -> None:
    assert (await from_origin(app, FRONTEND)).header("Access-Control-Allow-Origin") == FRONTEND


@pytest.mark.settings(FRONTEND_URL="https://app.example.com:443")
async def test_the_port_that_a_browser_leaves_out_may_be_written(app: FastAPI) -> None:
    """An Origin header never names the port that belongs to the scheme (RFC 6454, section 6.2)."""
    assert (await from_origin(app, FRONTEND)).header("Access-Control-Allow-Origin") == FRONTEND

import re

import pytest
from fastapi import FastAPI

from app.routes import route_map
from tests.accounts import Accounts
from tests.middleware import product
from tests.middleware.asgi import HOST, Answer, ask

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
ORIGIN = ("Origin", "http://localhost:3000")
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
EXTENDED = pytest.mark.settings(EXTENSIONS=[product.NAME])
IN_PRODUCTION = pytest.mark.settings(
    ENVIRONMENT="production", PUBLIC_URL="https://accounts.example.com", DOCS_ENABLED=True
)
WITHOUT_HTTPS = pytest.mark.settings(ENVIRONMENT="development", PUBLIC_URL="http://accounts.example.com")
PUBLIC_HOST = ("Host", "accounts.example.com")
FOR_EVERYBODY = "/.well-known/jwks.json"
"""The public keys: the one thing that any page may read."""


def targets(app: FastAPI) -> list[tuple[str, str]]:
    """Return a request for every route that there is, with something in place of each parameter."""
    filled = [(entry.methods, re.sub(r"{[^}]*}", "418", entry.path)) for entry in route_map(app)]
    return [(method, path) for methods, path in filled for method in methods.split(",")]


def check_headers(answer: Answer, *, readers: str = "same-origin") -> None:
    """Assert that a browser is told everything that it must not do."""
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert answer.header("Cross-Origin-Resource-Policy") == readers
    assert answer.header("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.header("Permissions-Policy")
    assert answer.header("Cache-Control")
    policy = dict(part.strip().split(" ", 1) for part in (answer.header("Content-Security-Policy") or "").split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] in {"'none'", "'self'"}
    # No header tells what runs here (V13.4.6).
    assert answer.all("Server") == answer.all("X-Powered-By") == []


def readers_of(path: str) -> str:
    """Return whose pages may embed the answer of a path."""
    return "cross-origin" if path == FOR_EVERYBODY else "same-origin"


async def test_every_route_answers_with_the_security_headers(app: FastAPI) -> None:
    """S84, V3.4.3, V3.4.4, V3.4.5, V3.4.6, V3.4.8, OA-18, OA-19, S101, V13.4.6: refused or not, page or JSON."""
    requests = targets(app)
    assert len(requests) >= 27
    for method, path in requests:
        check_headers(await ask(app, path, method=method), readers=readers_of(path))


@IN_PRODUCTION
async def test_every_route_answers_with_the_security_headers_in_production(app: FastAPI) -> None:
    """S84, V3.4.*: as it is run for real."""
    for method, path in targets(app):
        answer = await ask(app, path, method=method, headers=[PUBLIC_HOST])
        check_headers(answer, readers=readers_of(path))


async def test_an_answer_with_somebodys_data_has_the_headers_and_is_never_stored(accounts: Accounts) -> None:
    """S84, S56, OA-22, V14.3.2: no cache keeps an account or a token."""
    person = await accounts.administrator()
    for path in ("/auth/me", "/users/", f"/users/{person.id}"):
        response = await person.get(path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"] == API_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"


@EXTENDED
async def test_every_kind_of_refusal_has_the_headers(app: FastAPI) -> None:
    """S84, V3.4.4: errors are answers too."""
    refresh, text = "/api/v1/auth/refresh", ("Content-Type", "text/plain")
    answers = {
        404: await ask(app, "/nothing"),
        405: await ask(app, "/health", method="TRACE"),
        400: await ask(app, "/setup", headers=[("Host", "evil.example")]),
        401: await ask(app, "/api/v1/auth/me"),
        409: await ask(app, "/api/v1/product/refusal"),
        413: await ask(app, refresh, method="POST", headers=[HOST, JSON], body=[b"[" + b" " * 70_000 + b"]"]),
        415: await ask(app, refresh, method="POST", headers=[HOST, text], body=[b"{}"]),
        418: await ask(app, "/api/v1/product/status/418"),
        422: await ask(app, "/setup", method="POST", headers=[HOST, FORM], body=[b"code=x"]),
        500: await ask(app, "/api/v1/product/explosion"),
    }
    for status, answer in answers.items():
        assert answer.status == status, answer.body
        check_headers(answer)


async def test_a_preflight_has_the_headers(app: FastAPI) -> None:
    """S84."""
    headers = [HOST, ORIGIN, ("Access-Control-Request-Method", "POST")]
    answer = await ask(app, "/api/v1/auth/login", method="OPTIONS", headers=headers)
    assert answer.status == 200
    check_headers(answer)


@pytest.mark.parametrize("path", ["/setup", "/docs"])
async def test_a_page_has_a_policy_that_takes_our_own_files_only(app: FastAPI, path: str) -> None:
    """S83, V3.4.3, V3.6.1: scripts come from this server, and none stands in the page."""
    policy = (await ask(app, path)).header("Content-Security-Policy") or ""
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    assert "*" not in policy


@IN_PRODUCTION
async def test_browsers_are_told_to_stay_with_https(app: FastAPI) -> None:
    """S84, S85, V3.4.1: on every answer, refusals too, for at least a year and for sub-domains."""
    for method, path in [*targets(app), ("GET", "/nothing")]:
        value = (await ask(app, path, method=method, headers=[PUBLIC_HOST])).header("Strict-Transport-Security") or ""
        seconds, _, rest = value.removeprefix("max-age=").partition("; ")
        assert int(seconds) >= 31_536_000
        assert rest == "includeSubDomains"


@pytest.mark.parametrize("path", ["/health", "/setup", "/nothing"])
async def test_browsers_are_not_told_to_stay_with_https_where_there_is_none(app: FastAPI, path: str) -> None:
    """V3.4.1: the header would lock a developer out of everything else on this host."""
    assert (await ask(app, path)).header("Strict-Transport-Security") is None


@WITHOUT_HTTPS
async def test_a_forged_scheme_brings_no_https_header(app: FastAPI) -> None:
    """V4.1.3: what the settings say decides, not what a client says of itself."""
    headers = [("Host", "accounts.example.com"), ("X-Forwarded-Proto", "https"), ("Forwarded", "proto=https")]
    answer = await ask(app, "/setup", headers=headers)
    assert answer.status == 200
    assert answer.header("Strict-Transport-Security") is None

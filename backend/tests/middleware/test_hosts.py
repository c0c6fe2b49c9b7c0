import json

import pytest
from fastapi import FastAPI

from tests.middleware.asgi import ask

pytestmark = pytest.mark.only("sqlite")  # What is decided here is decided before any database is asked.

TARGET = "/api/v1/auth/me"
"""Answers 401 to a stranger: whoever gets that far has passed the check of the host."""

REFUSED = [
    "evil.example",
    "evil.example:8000",
    "x/admin?",
    "127.0.0.1/x?",
    "127.0.0.1:8000/x",
    "127.0.0.1#",
    "127.0.0.1\\x",
    "127.0.0.1 ",
    "127.0.0.1.",
    "127.0.0.1.evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1, evil.example",
    "127.0.0.1:8000:9000",
    "127.0.0.1:",
    "127.0.0.1:http",
    "127.0.0.1:-1",
    "127.0.0.1:\u00b2",
    "127.0.0.2",
    "localhost.evil.example",
    "evil-localhost",
    "local\u00a0host",
    "::1",
    "[::1",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",  # noqa: S104
    "2130706433",
    "*",
    ".",
    "",
]
SERVED = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.0.0.1:1",
    "localhost",
    "LOCALHOST:8000",
    "LocalHost",
    "[::1]",
    "[::1]:8000",
]
FORGED = [
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Host",
    "X-HTTP-Host-Override",
    "X-Original-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Forwarded",
]
PRODUCTION = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"}
IN_PRODUCTION = pytest.mark.settings(**PRODUCTION)
WITH_A_WILDCARD = pytest.mark.settings(**PRODUCTION, ALLOWED_HOSTS=["*.example.com", "Other.Example"])


async def code_for(app: FastAPI, *hosts: str) -> str:
    """Return the code that a stranger gets with these Host headers."""
    answer = await ask(app, TARGET, headers=[("Host", host) for host in hosts])
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    return str(problem["code"])


async def test_only_the_hosts_of_this_installation_are_served(app: FastAPI) -> None:
    """S85, 3.2-11: whatever is odd about a Host header, it is refused, and never cleaned up."""
    codes = {host: await code_for(app, host) for host in REFUSED}
    assert {host: code for host, code in codes.items() if code != "HOST_NOT_ALLOWED"} == {}


async def test_the_own_hosts_are_served_in_every_spelling(app: FastAPI) -> None:
    """S85: case and port do not matter (RFC 9110, section 4.2.3)."""
    codes = {host: await code_for(app, host) for host in SERVED}
    assert {host: code for host, code in codes.items() if code != "NOT_AUTHENTICATED"} == {}


async def test_no_host_and_two_hosts_are_refused(app: FastAPI) -> None:
    """S85, 3.2-11: two parsers would pick one each (RFC 9112, section 3.2)."""
    assert await code_for(app) == "HOST_NOT_ALLOWED"
    assert await code_for(app, "127.0.0.1", "evil.example") == "HOST_NOT_ALLOWED"
    assert await code_for(app, "127.0.0.1", "127.0.0.1") == "HOST_NOT_ALLOWED"


async def test_the_guard_holds_under_a_host_that_rewrites_paths(app: FastAPI) -> None:
    """3.2-11: the path that the guard belongs to comes from the request line alone."""
    for host in ("127.0.0.1/health?", "127.0.0.1/health#", "x/health?"):
        answer = await ask(app, "/api/v1/users/", headers=[("Host", host)])
        assert answer.status == 400
        assert json.loads(answer.body)["code"] == "HOST_NOT_ALLOWED"


async def test_a_refused_host_is_not_repeated(app: FastAPI) -> None:
    """PD-02."""
    answer = await ask(app, TARGET, headers=[("Host", "canary7Zq1Xw.example")])
    assert answer.status == 400
    assert b"canary" not in answer.body
    assert "canary" not in str(answer.headers)


@pytest.mark.parametrize("target", ["/health", "/health/ready"])
async def test_health_probes_may_come_under_any_host_and_learn_nothing_from_it(app: FastAPI, target: str) -> None:
    """S85: a supervisor asks by address."""
    answer = await ask(app, target, headers=[("Host", "10.1.2.3:8000")])
    assert answer.status == 200
    assert b"10.1.2.3" not in answer.body


@pytest.mark.parametrize("target", ["/health/", "//health", "/health/../setup", "/Health", "/health%2f", "/health;x"])
async def test_only_the_exact_paths_of_probes_are_let_through(app: FastAPI, target: str) -> None:
    """3.2-15."""
    answer = await ask(app, target, headers=[("Host", "evil.example")])
    assert json.loads(answer.body)["code"] == "HOST_NOT_ALLOWED"


@pytest.mark.parametrize("header", FORGED)
async def test_a_forged_host_in_another_header_opens_nothing(app: FastAPI, header: str) -> None:
    """3.6-05, OA-25, V4.1.3: no header but Host is asked, so none can stand in for it."""
    value = "host=127.0.0.1" if header == "Forwarded" else "127.0.0.1"
    answer = await ask(app, TARGET, headers=[("Host", "evil.example"), (header, value)])
    assert json.loads(answer.body)["code"] == "HOST_NOT_ALLOWED"


@pytest.mark.parametrize("header", FORGED)
async def test_a_forged_host_in_another_header_changes_nothing(app: FastAPI, header: str) -> None:
    """3.6-05, OA-25, V4.1.3: pages and documents are the same with it and without it."""
    for target in ("/setup", "/docs", "/openapi.json", "/health"):
        plain = await ask(app, target)
        forged = await ask(app, target, headers=[("Host", "127.0.0.1:8000"), (header, "evil.example")])
        assert (forged.status, forged.body) == (plain.status, plain.body)
        assert "evil.example" not in str(forged.headers)


@IN_PRODUCTION
async def test_production_serves_its_public_host_alone(app: FastAPI) -> None:
    """S85: what serves a developer does not serve the world."""
    assert await code_for(app, "accounts.example.com") == "NOT_AUTHENTICATED"
    assert await code_for(app, "ACCOUNTS.example.com:443") == "NOT_AUTHENTICATED"
    for host in (
        "localhost",
        "127.0.0.1",
        "[::1]",
        "example.com",
        "a.accounts.example.com",
        "accounts.example.com.evil",
    ):
        assert await code_for(app, host) == "HOST_NOT_ALLOWED", host


@WITH_A_WILDCARD
async def test_a_wildcard_serves_sub_domains_and_nothing_that_only_ends_alike(app: FastAPI) -> None:
    """S85, 3.6-02: a suffix is compared label by label."""
    for host in ("a.example.com", "A.Example.Com:443", "a.b.example.com", "accounts.example.com", "other.example"):
        assert await code_for(app, host) == "NOT_AUTHENTICATED", host
    for host in ("example.com", "evilexample.com", "a.example.com.evil", "a.other.example", "example.com.evil"):
        assert await code_for(app, host) == "HOST_NOT_ALLOWED", host


@WITH_A_WILDCARD
@pytest.mark.parametrize(
    "host",
    [
        "x/admin?.example.com",
        "evil.example@a.example.com",
        "evil.example#.example.com",
        ".example.com",
        "a b.example.com",
    ],
)
async def test_a_wildcard_takes_names_only(app: FastAPI, host: str) -> None:
    """3.2-11, S85: what stands before the suffix must be a name as well."""
    assert await code_for(app, host) == "HOST_NOT_ALLOWED"


@pytest.mark.settings(ALLOWED_HOSTS=["*"])
async def test_development_may_serve_every_host(app: FastAPI) -> None:
    """S85: for tunnels; production refuses to start with it."""
    assert await code_for(app, "some-tunnel.example") == "NOT_AUTHENTICATED"


@pytest.mark.settings(PUBLIC_URL="http://[2001:db8::1]:8000")
async def test_an_installation_may_live_at_an_ipv6_address(app: FastAPI) -> None:
    assert await code_for(app, "[2001:db8::1]:8000") == "NOT_AUTHENTICATED"
    assert await code_for(app, "[2001:DB8::1]") == "NOT_AUTHENTICATED"
    assert await code_for(app, "[2001:db8::2]:8000") == "HOST_NOT_ALLOWED"

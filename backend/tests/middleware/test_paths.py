import json
import re

import pytest
from fastapi import FastAPI

from app.routes import route_map
from tests.accounts import Accounts
from tests.middleware.asgi import HOST, ask

SPELLINGS = {
    "a slash twice in front": "/{path}",
    "a slash twice inside": "{double}",
    "a dot": "/.{path}",
    "two dots": "/x/..{path}",
    "two dots, escaped": "/x/%2e%2e{path}",
    "an escaped slash": "{escaped}",
    "everything escaped": "{all_escaped}",
    "another slash at the end": "{path}/",
    "no slash at the end": "{bare}",
    "an escaped slash at the end": "{path}%2f",
    "a dot at the end": "{path}/.",
    "a semicolon": "{path};jsessionid=1",
    "a null byte": "{path}%00",
    "a blank at the end": "{path}%20",
    "capital letters": "{upper}",
    "a backslash": "{backslash}",
    "a suffix": "{path}.json",
    "an escaped question mark": "{path}%3Fx",
    "a query": "{path}?x=1",
    "a double escape": "{double_escaped}",
    "a fullwidth letter": "{fullwidth}",
}


OWN_PAGE = ("Origin", "http://localhost:3000")
"""Some routes are for pages of our own alone: the guard of who is signed in is to answer."""


def spelt(path: str, pattern: str) -> str:
    """Return a path in another spelling."""
    return pattern.format(
        path=path,
        double=path.replace("/v1", "//v1"),
        escaped=path.replace("/v1/", "/v1%2f"),
        all_escaped="/" + "".join(f"%{ord(character):02x}" for character in path[1:]),
        bare=path.rstrip("/"),
        upper=path.upper(),
        backslash=path.replace("/v1/", "/v1\\"),
        double_escaped=path.replace("/v1/", "/v1%252f"),
        fullwidth=path.replace("v1", "%EF%BD%961"),
    )


def guarded_routes(app: FastAPI) -> list[tuple[str, str]]:
    """Return a request for each route that not everybody may call."""
    some_id = "0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c"
    entries = [entry for entry in route_map(app) if entry.guard != "public"]
    return [(entry.methods, re.sub(r"{[^}]*}", some_id, entry.path)) for entry in entries]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_another_spelling_of_a_guarded_path_meets_the_guard_or_nothing(app: FastAPI, spelling: str) -> None:
    """3.2-15, 3.2-11, S103: never an answer without the guard, and never a redirect, which would repeat the body."""
    requests = guarded_routes(app)
    assert len(requests) >= 9
    for method, path in requests:
        target = spelt(path, SPELLINGS[spelling])
        answer = await ask(app, target, method=method, headers=[HOST, OWN_PAGE])
        assert answer.status in {401, 404, 405}, target
        assert answer.header("Location") is None
        if not (path.startswith("/mail/") and answer.status == 401):  # A page says it as a page.
            assert json.loads(answer.body)["status"] == answer.status


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_another_spelling_raises_nobody_above_their_role(app: FastAPI, accounts: Accounts, spelling: str) -> None:
    """3.2-15, S13: an ordinary user gets no list of users however the path is spelt."""
    person = await accounts.signed_in()
    headers = [HOST, ("Authorization", person.headers["Authorization"])]
    answer = await ask(app, spelt("/api/v1/users/", SPELLINGS[spelling]), headers=headers)
    assert answer.status in {403, 404, 405, 422}
    assert answer.header("Location") is None
    assert b"items" not in answer.body


@pytest.mark.parametrize("target", ["/api/v1/users", "/api/v1/auth/me/", "/health/", "/setup/", "/docs/", "/"])
async def test_a_missing_or_additional_slash_is_another_path(app: FastAPI, target: str) -> None:
    """S103, V4.1.2: a redirect would send the body again, over http behind most proxies."""
    answer = await ask(app, target)
    assert answer.status == 404
    assert answer.header("Location") is None
    assert json.loads(answer.body)["code"] == "NOT_FOUND"


async def test_another_method_is_refused_and_the_right_ones_are_named(app: FastAPI) -> None:
    """PD-03, V4.1.4, V13.4.4: TRACE and its like, on every path."""
    entries = [(entry, re.sub(r"{[^}]*}", "418", entry.path)) for entry in route_map(app)]
    for path in dict.fromkeys(path for _, path in entries):
        # `/invitations/accept` reads as the invitation of this name as well.
        fitting = [entry for entry, _ in entries if re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", entry.path), path)]
        allowed = {method for entry in fitting for method in entry.methods.split(",")}
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"} - allowed:
            answer = await ask(app, path, method=method)
            assert answer.status == 405, (method, path)
            assert set((answer.header("Allow") or "").split(", ")) <= allowed
            assert answer.header("Allow")


@pytest.mark.parametrize(
    "target",
    ["/.env", "/.git/config", "/alembic.ini", "/metrics", "/redoc", "/admin", "/api/v1", "/api/v1/", "/app/main.py"],
)
async def test_what_scanners_ask_for_is_not_there(app: FastAPI, target: str) -> None:
    """V13.4.1, V13.4.5, V13.4.7."""
    answer = await ask(app, target)
    assert answer.status == 404
    assert json.loads(answer.body)["code"] == "NOT_FOUND"

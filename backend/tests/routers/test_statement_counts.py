"""How many statements each route sends, written down: one more, or one less, is to be seen by whoever changes a route.

Each number is that of one representative, successful request (`*_visits.py` say which), with limits and jobs switched off,
so that only the route's own statements count. What begins and ends a transaction is none of them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import compile_path

from app.config import Settings
from app.main import create_app
from app.offline.testing import RunningProvider
from app.offline.testing.fixtures import other_provider, provider_keys, provider_sites
from app.routes import route_map
from app.runtime import Runtime
from tests.accounts import API
from tests.conftest import BASE_URL, settings_for
from tests.routers import account_visits, factor_visits, mail_visits, page_visits, provider_visits
from tests.routers.statement_visits import Asked, Place, Visit, asked_last, of_some, open_to_visitors
from tests.statements import recorded_statements

__all__ = ["other_provider", "provider_keys", "provider_sites"]


class On(NamedTuple):
    """Numbers that differ, nearly always by locks: SQLite's one writer needs none to look into a mailbox and to write to it."""

    sqlite: int
    postgresql: int


Count = int | On

STATEMENTS: dict[str, Count] = {
    "GET /.well-known/jwks.json": 0,
    "GET /api/v1/audit/events": 2,
    "GET /api/v1/audit/events.jsonl": 3,
    "POST /api/v1/auth/code/request": On(sqlite=6, postgresql=8),
    "POST /api/v1/auth/code/sign-in": 7,
    "POST /api/v1/auth/email/veto": On(sqlite=25, postgresql=26),
    "POST /api/v1/auth/exchange": 5,
    "POST /api/v1/auth/login": 4,
    "POST /api/v1/auth/logout": 4,
    "POST /api/v1/auth/logout/all": 5,
    "POST /api/v1/auth/logout/others": 5,
    "GET /api/v1/auth/me": 1,
    "PATCH /api/v1/auth/me": 5,
    "POST /api/v1/auth/me/delete": 8,
    "POST /api/v1/auth/me/email": On(sqlite=14, postgresql=17),
    "POST /api/v1/auth/me/email/confirm": On(sqlite=18, postgresql=22),
    "GET /api/v1/auth/me/events": 2,
    "GET /api/v1/auth/me/factors": 5,
    "GET /api/v1/auth/me/identities": 2,
    "DELETE /api/v1/auth/me/identities/{identity_id}": On(sqlite=14, postgresql=16),
    "GET /api/v1/auth/me/passkeys": 2,
    "POST /api/v1/auth/me/passkeys": On(sqlite=18, postgresql=20),
    "POST /api/v1/auth/me/passkeys/options": 5,
    "DELETE /api/v1/auth/me/passkeys/{passkey_id}": On(sqlite=17, postgresql=19),
    "PATCH /api/v1/auth/me/passkeys/{passkey_id}": 6,
    "POST /api/v1/auth/me/password": On(sqlite=17, postgresql=19),
    "POST /api/v1/auth/me/recovery-codes": On(sqlite=11, postgresql=13),
    "DELETE /api/v1/auth/me/remembered-devices": 5,
    "DELETE /api/v1/auth/me/remembered-devices/{device_id}": 5,
    "DELETE /api/v1/auth/me/totp": On(sqlite=14, postgresql=16),
    "POST /api/v1/auth/me/totp": 5,
    "POST /api/v1/auth/me/totp/confirm": On(sqlite=18, postgresql=20),
    "POST /api/v1/auth/passkey": 6,
    "POST /api/v1/auth/passkey/options": 0,
    "POST /api/v1/auth/password/forgot": On(sqlite=6, postgresql=8),
    "POST /api/v1/auth/password/reset": On(sqlite=17, postgresql=19),
    "POST /api/v1/auth/reauthenticate": 7,
    "POST /api/v1/auth/reauthenticate/passkey/options": 2,
    "POST /api/v1/auth/refresh": 1,
    "POST /api/v1/auth/register": 2,
    "POST /api/v1/auth/second-factor": 10,
    "POST /api/v1/auth/second-factor/passkey/options": 3,
    "POST /api/v1/auth/second-factor/status": 2,
    "POST /api/v1/auth/second-factor/totp": 5,
    "POST /api/v1/auth/second-factor/totp/confirm": On(sqlite=20, postgresql=22),
    "POST /api/v1/auth/undo": On(sqlite=25, postgresql=26),
    "POST /api/v1/auth/verification/confirm": 5,
    "POST /api/v1/auth/verification/resend": On(sqlite=6, postgresql=8),
    "GET /api/v1/auth/{provider}/callback": 8,
    "POST /api/v1/auth/{provider}/code": 10,
    "POST /api/v1/auth/{provider}/id-token": 10,
    "POST /api/v1/auth/{provider}/link": 1,
    "GET /api/v1/auth/{provider}/login": 0,
    "POST /api/v1/auth/{provider}/nonce": 0,
    "POST /api/v1/auth/{provider}/start": 0,
    "GET /api/v1/invitations/": 2,
    "POST /api/v1/invitations/": On(sqlite=11, postgresql=13),
    "POST /api/v1/invitations/accept": 5,
    "DELETE /api/v1/invitations/{invitation_id}": 4,
    "GET /api/v1/sessions/": 2,
    "DELETE /api/v1/sessions/{session_id}": 5,
    "GET /api/v1/sessions/{session_id}": 3,
    "GET /api/v1/users/": 2,
    "GET /api/v1/users/{user_id}": 2,
    "PATCH /api/v1/users/{user_id}": 11,
    "POST /api/v1/users/{user_id}/factors/reset": On(sqlite=22, postgresql=24),
    "DELETE /api/v1/users/{user_id}/sessions": 8,
    "GET /api/v1/users/{user_id}/sessions": 3,
    "GET /assets/{name}": 0,
    "GET,HEAD /dev/factors": 0,
    "GET /dev/google/.well-known/openid-configuration": 0,
    "GET,POST /dev/google/authorize": 0,
    "POST /dev/google/authorize/consent": 0,
    "POST /dev/google/authorize/person": 0,
    "POST /dev/google/id-token": 0,
    "GET /dev/google/jwks.json": 0,
    "GET /dev/google/page.css": 0,
    "POST /dev/google/revoke": 0,
    "POST /dev/google/token": 0,
    "GET,POST /dev/google/userinfo": 0,
    "GET,HEAD /dev/mailbox": 1,
    "GET,HEAD /dev/mailbox/{mail_id}": 1,
    "GET,HEAD /dev/mailbox/{mail_id}/html": 1,
    "GET,HEAD /docs": 0,
    "GET /health": 0,
    "HEAD /health": 0,
    "GET /health/ready": On(sqlite=1, postgresql=2),
    "HEAD /health/ready": On(sqlite=1, postgresql=2),
    "POST /mail/change": On(sqlite=19, postgresql=23),
    "POST /mail/forgot": On(sqlite=6, postgresql=8),
    "POST /mail/invitation": 5,
    "POST /mail/reset": On(sqlite=18, postgresql=20),
    "POST /mail/sign-in": 7,
    "POST /mail/sign-in/mail": On(sqlite=6, postgresql=8),
    "GET,HEAD /mail/sign-in/second-factor": 2,
    "POST /mail/sign-in/second-factor": 12,
    "POST /mail/sign-in/second-factor/app": 5,
    "POST /mail/sign-in/second-factor/app/confirm": On(sqlite=22, postgresql=24),
    "POST /mail/undo": On(sqlite=25, postgresql=26),
    "POST /mail/verify": 17,
    "POST /mail/verify/mail": On(sqlite=6, postgresql=8),
    "POST /mail/veto": On(sqlite=25, postgresql=26),
    "GET,HEAD /mail/{name}": 0,
    "GET,HEAD /openapi.json": 0,
    "GET,HEAD /setup": 0,
    "POST /setup": 4,
}
WHERE_REQUIRED: dict[str, Count] = {
    "POST /api/v1/auth/login": 4,
    "POST /api/v1/auth/register": On(sqlite=7, postgresql=9),
}
"""With EMAIL_VERIFICATION=required, as in production: who signs in is asked about their address, who registers gets a mail."""
BARS = {"GET /api/v1/auth/me": 1, "POST /api/v1/auth/refresh": 2, "POST /api/v1/auth/login": 4}
"""What is asked all the time may not cost more than this, whatever stands above."""
MANY = 20
AT_ONCE, SHARED = 16, 3

MODULES = (account_visits, factor_visits, mail_visits, page_visits, provider_visits)
OF_MANY = {route: visit for module in MODULES for route, visit in module.OF_MANY.items()}
VISITS: dict[str, dict[str, Visit]] = {
    module.__name__.rpartition(".")[2]: {
        **module.VISITS,
        **{route: of_some(visit, 1) for route, visit in module.OF_MANY.items()},
    }
    for module in MODULES
}
EVERYTHING: dict[str, object] = {"MAIL_SIGN_IN": "on", "SECOND_FACTOR": "optional", "EMAIL_VERIFICATION": "off"}
"""What there is that can be switched on, in development on one machine: Google, the mailbox and the documents are there then."""
required = pytest.mark.settings(EMAIL_VERIFICATION="required")


@pytest.fixture
def settings(database_url: str, request: pytest.FixtureRequest, other_provider: RunningProvider) -> Settings:
    """Settings with everything switched on, and a provider; `@pytest.mark.settings(NAME=value)` changes some."""
    marker = request.node.get_closest_marker("settings")
    provider = {"OIDC_PROVIDERS": [other_provider.entry("acme", BASE_URL)]}
    quiet = {"JOBS": "apart", "LIMITS_ENABLED": False}
    return settings_for(database_url, **{**EVERYTHING, **provider, **quiet, **(marker.kwargs if marker else {})})


@pytest.fixture
async def place(app: FastAPI, other_provider: RunningProvider) -> AsyncIterator[Place]:
    async with open_to_visitors(app, other_provider) as opened:
        yield opened


def number_of(count: Count, database_kind: str) -> int:
    """Return a number as it is on one of the databases."""
    return count if isinstance(count, int) else int(getattr(count, database_kind))


async def differences(
    place: Place, visits: Mapping[str, Visit], expected: Mapping[str, Count], database_kind: str
) -> list[str]:
    """Make every visit, and say which routes have sent another number of statements than expected, and which these are."""
    found = []
    for route, visit in visits.items():
        asked, number = await asked_last(place, visit), number_of(expected[route], database_kind)
        check_it_was(route, asked)
        if len(asked.statements) != number:
            found.append("\n  ".join(told(route, asked, number)))
    return found


def check_it_was(route: str, asked: Asked) -> None:
    """See that a visit has come to the route that it is for, and has got what it wanted there."""
    methods, _, path = route.partition(" ")
    assert asked.method in methods.split(","), (route, asked)
    assert compile_path(path)[0].match(asked.path), (route, asked)
    assert asked.status < 400, (route, asked)


def told(route: str, asked: Asked, number: int) -> Iterator[str]:
    yield f"{route} sends {len(asked.statements)} statements, and not {number}:"
    yield from (" ".join(statement.split())[:200] for statement in asked.statements)


def test_every_route_stands_in_the_table() -> None:
    """A new one is to be counted, and visited in `*_visits.py`; one that is gone is to be taken out."""
    app = create_app(settings_for("sqlite:///nothing.db", **EVERYTHING))
    served = {f"{entry.methods} {entry.path}" for entry in route_map(app)}
    visited = set[str]().union(mail_visits.WHERE_REQUIRED, *VISITS.values())
    assert served - STATEMENTS.keys() == set(), "not counted"
    assert STATEMENTS.keys() - served == set(), "gone"
    assert STATEMENTS.keys() == visited


def test_every_list_is_asked_for_with_many_rows() -> None:
    """Found by what the API document says that a route answers, unless it asks the database nothing."""
    document = create_app(settings_for("sqlite:///nothing.db", **EVERYTHING)).openapi()
    lists = {f"GET {path}" for path, operations in document["paths"].items() if has_list(document, operations)}
    assert len(lists) >= 10
    assert {route for route in lists if STATEMENTS[route]} <= OF_MANY.keys()


def has_list(document: dict[str, Any], operations: dict[str, Any]) -> bool:
    """Whether a path answers GET with a list, or with one beside other things."""
    content = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
    return "array" in {part.get("type") for part in (schema, *named.get("properties", {}).values())}


def test_what_is_asked_all_the_time_stays_below_its_bar() -> None:
    """Who is calling is one statement; a refresh is at most two, a sign-in with a password at most four."""
    for route, bar in BARS.items():
        assert max(number_of(STATEMENTS[route], kind) for kind in On._fields) <= bar, route


@pytest.mark.parametrize("group", VISITS)
async def test_every_route_sends_as_many_statements_as_written_down(
    place: Place, database_kind: str, group: str
) -> None:
    found = await differences(place, VISITS[group], STATEMENTS, database_kind)
    assert not found, "\n".join(found)


@required
async def test_so_does_every_route_that_proves_an_address(place: Place, database_kind: str) -> None:
    found = await differences(place, mail_visits.WHERE_REQUIRED, STATEMENTS, database_kind)
    assert not found, "\n".join(found)


@required
async def test_signing_up_and_in_where_an_address_must_be_proved_sends_as_many_as_written_down(
    place: Place, database_kind: str
) -> None:
    found = await differences(place, mail_visits.DEARER_WHERE_REQUIRED, WHERE_REQUIRED, database_kind)
    assert not found, "\n".join(found)


async def test_no_route_sends_a_statement_for_each_row(place: Place, database_kind: str) -> None:
    """Whatever lists rows, or ends, changes or removes them, sends for twenty what is written down for one."""
    visits = {route: of_some(visit, MANY) for route, visit in OF_MANY.items()}
    found = await differences(place, visits, STATEMENTS, database_kind)
    assert not found, "\n".join(found)


async def test_callers_who_come_at_once_share_their_statements(
    place: Place, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """Each with a session of their own."""
    ada = await place.registered()
    sessions = [await ada.sign_in() for _ in range(AT_ONCE)]
    await runtime.keys.reload()
    with recorded_statements(runtime) as seen:
        answers = await asyncio.gather(*(client.get(f"{API}/auth/me", headers=each.headers) for each in sessions))
    assert {answer.status_code for answer in answers} == {200}
    assert 1 <= len(seen) <= SHARED, seen

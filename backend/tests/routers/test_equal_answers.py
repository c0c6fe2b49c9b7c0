"""Who has an account is told to nobody who does not read its mail: the same answer, by the same work.

Each route that takes somebody's address is asked about an address that nobody has, and about accounts in every state.
Time itself is compared by `bench/equal_answers.py`.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.conftest import BASE_URL
from tests.contract import DocumentedErrors
from tests.instances import instance
from tests.outbox import mails_of
from tests.rows import change_user
from tests.statements import recorded_statements

# JOBS=apart: what is counted is the work of the requests alone.
pytestmark = pytest.mark.settings(EMAIL_VERIFICATION="required", JOBS="apart")

STATES: dict[str, dict[str, object]] = {
    "proved": {"email_verified_at": datetime(2026, 1, 2, tzinfo=UTC)},
    "not proved": {"email_verified_at": None},
    "disabled": {"is_active": False, "email_verified_at": datetime(2026, 1, 2, tzinfo=UTC)},
    "disabled and not proved": {"is_active": False},
    "without a password": {"password_hash": None, "email_verified_at": datetime(2026, 1, 2, tzinfo=UTC)},
}
_VALUE = re.compile(r"(?<=[=\"])[A-Za-z0-9_-]{43}(?=[;\"])")
"""A random value of 256 bits, in a body or a cookie."""
_STATEMENT = re.compile(r"(SELECT|INSERT INTO|UPDATE|DELETE FROM|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT)\b")
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE) \"?(\w+)")


@dataclass(frozen=True)
class Route:
    """A route that takes an address, and by whom it is called."""

    path: str
    body: dict[str, str] = field(default_factory=dict)
    caller: str = ""
    """Whoever is signed in: `person` or `administrator`."""
    mails: frozenset[str] = frozenset()
    """The kinds of mail that the owner of a proved address gets."""
    status: int = 202


ROUTES = {
    "register": Route(
        "/auth/register", {"password": PASSWORD, "full_name": "Ada Lovelace"}, mails=frozenset({"already_registered"})
    ),
    "verification again": Route("/auth/verification/resend"),
    "forgotten password": Route("/auth/password/forgot", mails=frozenset({"reset_password"})),
    "sign-in code": Route("/auth/code/request", mails=frozenset({"sign_in_code"})),
    "sign-in code in a browser": Route("/auth/code/request?transport=cookie", mails=frozenset({"sign_in_code"})),
    "change of address": Route("/auth/me/email", caller="person", mails=frozenset({"already_registered"})),
    "invitation": Route("/invitations/", caller="administrator", mails=frozenset({"already_registered"})),
}


@dataclass(frozen=True)
class Seen:
    """What an answer shows to whoever asked, and what it cost."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]]
    hashes: int
    statements: Sequence[str]
    """Not in their order: of two mails the one whose recipient has the lower digest is written first."""


@pytest.fixture
async def everybody(settings: Settings) -> AsyncIterator[dict[str, Person]]:
    """Somebody in each state, and two who are signed in."""
    async with instance(settings.model_copy(update={"EMAIL_VERIFICATION": "off", "JOBS": "inside"})) as before:
        accounts = Accounts(before.http, before.runtime)
        people = {state: await accounts.register(f"{state.replace(' ', '-')}@example.com") for state in STATES}
        people |= {"person": await accounts.signed_in(), "administrator": await accounts.administrator()}
        for name, person in people.items():
            await change_user(before.runtime, person, **STATES.get(name, STATES["proved"]))
        yield people


async def ask(app: FastAPI, route: Route, email: str, caller: Person | None) -> Seen:
    """Ask about an address, as somebody who was never here."""
    runtime: Runtime = app.state.runtime
    headers = {**(caller.headers if caller else {}), "Sec-Fetch-Site": "same-origin"}
    async with httpx2.AsyncClient(transport=DocumentedErrors(app), base_url=BASE_URL, headers=headers) as http:
        before = runtime.hashing.computed
        with recorded_statements(runtime) as statements:
            response = await http.post(API + route.path, json={"email": email, **route.body})
    shown = [(name, _VALUE.sub("…", value)) for name, value in response.headers.items() if name != "x-request-id"]
    body = _VALUE.sub("…", response.text).encode()
    return Seen(response.status_code, body, shown, runtime.hashing.computed - before, sorted(map(shape, statements)))


def shape(statement: str) -> str:
    """Return what a statement does to which table; which columns it names may differ."""
    verb, table = _STATEMENT.search(statement), _TABLE.search(statement)
    return f"{verb[0] if verb else statement} {table[1] if table else ''}".strip()


@pytest.mark.parametrize("name", ROUTES)
async def test_an_answer_does_not_tell_who_has_an_account(
    app: FastAPI, runtime: Runtime, everybody: dict[str, Person], name: str
) -> None:
    """3.7-01, 3.7-02, S23, V6.3.8: byte for byte the same, by as many hashes and the same statements.

    And not because nothing happens: the mail tells.
    """
    route = ROUTES[name]
    caller = everybody.get(route.caller)
    # The first request of all reads the signing keys.
    await ask(app, route, "first@example.com", caller)
    stranger = await ask(app, route, "nobody@example.com", caller)
    assert stranger.status == route.status, stranger.body
    for state in STATES:
        assert await ask(app, route, everybody[state].email, caller) == stranger, state
    proved = everybody["proved"].email
    assert {mail.kind for mail in await mails_of(runtime) if mail.recipient == proved} == route.mails

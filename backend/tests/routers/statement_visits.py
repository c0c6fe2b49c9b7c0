"""An application that says which statements each request sends, and people who visit its routes.

A visit prepares what it needs, and its last request is the one that counts.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.offline.people import Person as ProviderPerson
from app.offline.testing import RunningProvider, Visitor, http_client
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.conftest import BASE_URL
from tests.contract import DocumentedErrors
from tests.federation.browsers import Browser
from tests.rows import change_user
from tests.statements import recorded_statements

_BEGINS_OR_PREPARES = re.compile(r"\s*(BEGIN|COMMIT|PRAGMA)\b")


@dataclass(frozen=True)
class Asked:
    """A request, and the statements that it took. What begins or ends a transaction is none of them; a savepoint is."""

    method: str
    path: str
    status: int
    statements: tuple[str, ...]


@dataclass
class Place:
    """An application, and what its visitors need."""

    counting: "Counting"
    http: httpx2.AsyncClient
    provider: RunningProvider
    """Known to the application as `acme`."""
    visitor: Visitor
    """A browser as providers see it."""

    @property
    def runtime(self) -> Runtime:
        return self.counting.runtime

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.http, self.runtime)

    async def registered(self, role: str | None = None) -> Person:
        """Return somebody new who has proved their address, as people have in production, and not signed in."""
        person = await self.accounts.register()
        values = {"role_name": role} if role else {}
        await change_user(self.runtime, person, email_verified_at=datetime.now(UTC), **values)
        return person

    async def person(self) -> Person:
        """Return the same with a session."""
        return await (await self.registered()).sign_in()

    async def administrator(self) -> Person:
        return await (await self.registered("admin")).sign_in()

    def browser(self) -> Browser:
        """Return a browser that keeps nothing yet."""
        return Browser(self.http, self.visitor)


Visit = Callable[[Place], Awaitable[object]]
VisitOfMany = Callable[[Place, int], Awaitable[object]]
"""A visit to a route that is about so many rows."""


class Counting(DocumentedErrors):
    """Notes the last request. Whenever one begins the signing keys have just been read, as for nearly every request."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(app)
        self.runtime: Runtime = app.state.runtime
        self.last = Asked("", "", 0, ())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self.runtime.keys.reload()
        with recorded_statements(self.runtime) as seen:
            response = await super().handle_async_request(request)
        sent = tuple(each for each in seen if not _BEGINS_OR_PREPARES.match(each))
        self.last = Asked(request.method, request.url.path, response.status_code, sent)
        return response


@asynccontextmanager
async def open_to_visitors(app: FastAPI, provider: RunningProvider) -> AsyncIterator[Place]:
    """Yield a running application with its counting client."""
    counting = Counting(app)
    client = httpx2.AsyncClient(transport=counting, base_url=BASE_URL)
    async with client as http, http_client() as outside:
        yield Place(counting, http, provider, Visitor(outside))


async def asked_last(place: Place, visit: Visit) -> Asked:
    """Make a visit, and return its last request."""
    await visit(place)
    return place.counting.last


def of_some(visit: VisitOfMany, number: int) -> Visit:
    """Return a visit with so many rows."""

    async def visit_some(place: Place) -> object:
        return await visit(place, number)

    return visit_some


def of_anybody(method: str, path: str) -> Visit:
    """Return the visit of a stranger, who sends nothing. The path is whole."""

    async def ask(place: Place) -> object:
        return await place.http.request(method, path)

    return ask


async def submit(browser: Browser, path: str, **fields: str) -> httpx2.Response:
    """Send a form from a page of ours."""
    return await browser.send("POST", BASE_URL + path, browser.page, data=fields)


def new_address() -> str:
    return f"{new_id().hex}@example.com"


def new_comer() -> ProviderPerson:
    """Return somebody whom no provider has met."""
    return ProviderPerson(email=new_address(), name="Ada Lovelace")

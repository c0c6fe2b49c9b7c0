"""Two servers over one database, each with its own process, socket, connections and memory, and callers of both."""

import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import httpx2

from app.auth.assurance import PASSWORD as BY_PASSWORD
from app.auth.transports import Transport
from app.config import Settings
from app.runtime import Runtime
from app.services.second_factors.gate import Carrier
from app.services.sessions.issue import Issued, begin_session
from app.services.sign_in.attempt import Attempt
from app.services.tokens import SignedTokens
from tests.accounts import CLIENT, Accounts, Person
from tests.conftest import SECRET, settings_for
from tests.journeys.server import NO_TLS, Server, running

ISSUER = "http://127.0.0.1:8000"
"""Both servers say that they are here, as they would behind one load balancer."""


@dataclass(frozen=True)
class Pair:
    """Two running servers, and the settings that they share."""

    first: Server
    second: Server
    settings: Settings


@dataclass(frozen=True)
class Stage:
    """A client of each server, and what the test process itself holds: the same secret and the same database."""

    first: httpx2.AsyncClient
    second: httpx2.AsyncClient
    runtime: Runtime

    @property
    def accounts(self) -> Accounts:
        """Makes people who call the first server."""
        return Accounts(self.first, self.runtime)


def at(http: httpx2.AsyncClient, person: Person) -> Person:
    """Return the same person, with the same credentials, as a caller of this server."""
    return replace(person, http=http)


def served_by(url: str, **changes: str) -> dict[str, str]:
    """Return the environment of a server whose tokens the test process can make: all of it that matters is said."""
    return {
        "ENVIRONMENT": "development",
        "SECRET_KEY": SECRET,
        "PUBLIC_URL": ISSUER,
        "DATABASE_URL": url,
        "DATABASE_POOL_SIZE": "4",
        "ACCESS_LOG": "false",
        "LOG_LEVEL": "warning",
        "LIMITS_ENABLED": "false",
        **changes,
    }


@contextmanager
def running_pair(folder: Path, url: str) -> Iterator[Pair]:
    """Start both servers, one after the other; both stop with the block."""
    with running(folder, **served_by(url)) as first, running(folder, **served_by(url)) as second:
        yield Pair(first, second, settings_for(url, PUBLIC_URL=ISSUER))


@asynccontextmanager
async def staged(pair: Pair) -> AsyncIterator[Stage]:
    """Connect clients to both servers for one test."""
    async with client_of(pair.first) as first, client_of(pair.second) as second, held(pair.settings) as runtime:
        yield Stage(first, second, runtime)


def client_of(server: Server) -> httpx2.AsyncClient:
    """Return a client of a server. It waits long, so that what a test sees is the server's patience and not its own."""
    return httpx2.AsyncClient(base_url=server.url, timeout=30, verify=NO_TLS)


@asynccontextmanager
async def held(settings: Settings) -> AsyncIterator[Runtime]:
    """Hold in the test process what a server holds: to look at rows, to make time pass, to make sessions."""
    runtime = Runtime.build(settings)
    try:
        yield runtime
    finally:
        await runtime.close()


async def begin_sessions(runtime: Runtime, users: Sequence[UUID], number: int) -> list[SignedTokens]:
    """Begin sessions in one transaction, by turns for these users, by the service and without the cost of passwords."""
    async with runtime.database.begin(CLIENT) as work:
        begun = [
            await begin_session(
                work,
                attempt=Attempt(users[turn % len(users)], (BY_PASSWORD,)),
                carrier=Carrier(Transport.BEARER),
            )
            for turn in range(number)
        ]
    return [await runtime.tokens.sign(each.issued) for each in begun if isinstance(each.issued, Issued)]


def copy_of(template: Path, folder: Path) -> str:
    """Return the URL of a copy of a migrated SQLite file."""
    path = folder / "journey.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"

"""The two databases that are compared, small and large, each with a server of its own; and what is asked of them."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims
from app.auth.tokens import RefreshToken
from app.config import Settings
from app.database import Client
from app.logs import configure_logging
from app.runtime import Runtime
from app.services.cursors import encode_cursor
from app.services.first_administrator import promote
from app.services.sessions.issue import Issued
from app.services.sign_in.password import Credentials, sign_in_with_password
from app.services.sign_in.stages import SignInContext
from app.services.tokens import SignedTokens
from bench import growth_fill
from bench.client import API, answers, login_form, post_form, post_json
from bench.load import LoadFailed
from bench.people import PASSWORD, People
from bench.servers import Server, ostiary, scratch_directory
from tests.postgres import PostgresServer
from tests.statements import recorded_statements

ADMINISTRATOR = "administrator@example.com"
SMALL, LARGE = "small", "large"
_SETTINGS = {"SESSION_MAX_DAYS": "700", "REFRESH_TOKEN_EXPIRE_DAYS": "300"}
"""Sessions live so long that those of a whole year can be used, wherever they stand in the table."""
_CLIENT = Client(address=None, user_agent=None, request_id="bench-growth")
_SPARE = 2
"""How many times as many rows are drawn as are wanted, so that chance leaves enough."""


@dataclass(frozen=True)
class Side:
    """One database and its server. `size` is the number of users, and of sessions."""

    name: str
    size: int
    server: Server
    people: People

    @property
    def url(self) -> str:
        """The database."""
        return self.server.environment["DATABASE_URL"]

    async def drawn_sessions(self, number: int) -> list[asyncpg.Record]:
        """Return sessions from everywhere in the table, in random order: id, user_id, counter and times."""
        # Those alone whose secret is known: a sign-in of the load has one that nobody here has seen.
        known = "secret_digest = sha256(sha256(convert_to(id::text, 'UTF8')))"
        return await self._drawn("sessions", "id, user_id, counter, authenticated_at", known, number)

    async def drawn_addresses(self, number: int) -> list[str]:
        """Return addresses of people from everywhere in the table, in random order."""
        return [row["email_normal"] for row in await self._drawn("users", "email_normal", "role_name = 'user'", number)]

    async def _drawn(self, table: str, columns: str, condition: str, number: int) -> list[asyncpg.Record]:
        part = min(100.0, 100 * _SPARE * number / self.size)
        statement = f"SELECT {columns} FROM {table} TABLESAMPLE BERNOULLI ({part}) WHERE {condition}"  # noqa: S608
        async with self.connection() as connection:
            rows = await connection.fetch(statement)
        return random.sample(rows, min(number, len(rows)))

    async def tokens(self, number: int) -> list[SignedTokens]:
        """Return so many different access tokens, and what refreshes them, as the server makes them.

        They belong to as many different sessions; where there are fewer, to each in turn.
        """
        now = datetime.now(UTC)
        drawn = await self.drawn_sessions(number)
        async with self.runtime() as runtime:
            return [
                await runtime.tokens.sign(_issued(drawn[index % len(drawn)], runtime.settings, now))
                for index in range(number)
            ]

    async def administrators_token(self) -> str:
        """Sign the administrator in and return the access token."""
        form = post_form(f"{API}/auth/login", login_form(ADMINISTRATOR, PASSWORD))
        return str((await answers(self.server.port, [form]))[0]["access_token"])

    async def cursor(self, part: float) -> str:
        """Return the cursor of a page of users that begins after such a part of all."""
        async with self.connection() as connection:
            statement = "SELECT id FROM users ORDER BY id OFFSET $1 LIMIT 1"
            return encode_cursor(UUID(str(await connection.fetchval(statement, int(part * self.size)))))

    async def database_seconds(self) -> float:
        """Return the processor time that PostgreSQL has spent on this database, on the connections that are open."""
        async with self.connection() as connection:
            statement = (
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return sum(processor_seconds(row["pid"]) for row in await connection.fetch(statement))

    async def megabytes(self) -> int:
        """Return the size of the database on disk."""
        async with self.connection() as connection:
            return round(int(await connection.fetchval("SELECT pg_database_size(current_database())")) / 1e6)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection of one's own to the database."""
        connection = await asyncpg.connect(self.url, ssl=False)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def runtime(self) -> AsyncIterator[Runtime]:
        """Lend the application's own tools, with the settings and the keys of the server."""
        values = {name: value for name, value in self.server.environment.items() if name in Settings.model_fields}
        settings = Settings.load(**values, LOG_LEVEL="error")
        configure_logging(settings)
        runtime = Runtime.build(settings)
        try:
            yield runtime
        finally:
            await runtime.close()


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process that has one thread, such as one of PostgreSQL's; 0 when it has gone."""
    with suppress(OSError):
        return int(Path("/proc", str(pid), "schedstat").read_text().split()[0]) / 1e9
    return 0.0


def _issued(session: asyncpg.Record, settings: Settings, now: datetime) -> Issued:
    """Return what the server hands out for a session that was filled in."""
    session_id, counter = UUID(str(session["id"])), int(session["counter"])
    claims = AccessClaims(
        subject=UUID(str(session["user_id"])),
        session_id=session_id,
        token_id=new_id().hex,
        issued_at=now,
        expires_at=now + settings.access_token_ttl,
        authenticated_at=session["authenticated_at"],
        methods=("pwd",),
    )
    return Issued(claims=claims, refresh=RefreshToken(session_id, counter, growth_fill.secret_of(session_id)))


async def look_up_statement(side: Side) -> str:
    """Return the statement by which a sign-in finds an account, as the application sends it: one sign-in is watched.

    Raises `LoadFailed` when there is none.
    """
    async with side.runtime() as runtime:
        with recorded_statements(runtime) as seen:
            async with runtime.database.begin(_CLIENT) as work:
                credentials = Credentials(ADMINISTRATOR, PASSWORD)
                await sign_in_with_password(work, runtime.hashing, SignInContext(), credentials=credentials)
    found = [statement for statement in seen if "email_normal = " in statement]
    if not found:
        raise LoadFailed("a sign-in looks nobody up by the address any more")
    return found[0]


@contextmanager
def sides(*, small: int, large: int, workers: int, shared_buffers_mb: int) -> Iterator[Sequence[Side]]:
    """Start both servers on one PostgreSQL and fill their databases."""
    with ExitStack() as running:
        postgres = running.enter_context(PostgresServer(durable=True))
        asyncio.run(_set_shared_buffers(postgres, shared_buffers_mb))
        yield [
            running.enter_context(_side(postgres, name, size, workers))
            for name, size in ((SMALL, small), (LARGE, large))
        ]


async def _set_shared_buffers(postgres: PostgresServer, megabytes: int) -> None:
    """Give PostgreSQL so much memory of its own for pages, which takes a restart."""
    connection = await asyncpg.connect(postgres.url(), ssl=False)
    try:
        await connection.execute(f"ALTER SYSTEM SET shared_buffers = '{megabytes}MB'")
    finally:
        await connection.close()
    postgres.stop()
    postgres.start_again()


@contextmanager
def _side(postgres: PostgresServer, name: str, size: int, workers: int) -> Iterator[Side]:
    asyncio.run(postgres.create_database(name))
    with (
        scratch_directory() as scratch,
        ostiary(postgres.url(name), scratch=scratch, workers=workers, changes=_SETTINGS) as server,
    ):
        side = Side(name, size, server, People(server.port, [], scratch))
        began = time.monotonic()
        asyncio.run(_furnish(side))
        described = f"{name}: {size:,} users and sessions in {time.monotonic() - began:.0f} s"
        print(f"{described}, {asyncio.run(side.megabytes()):,} MB", file=sys.stderr, flush=True)
        yield side


async def _furnish(side: Side) -> None:
    """Register an administrator as anybody would, and add everybody else with the same password."""
    account = {"email": ADMINISTRATOR, "password": PASSWORD}
    await answers(side.server.port, [post_json(f"{API}/auth/register", account)])
    async with side.runtime() as runtime, runtime.database.begin(_CLIENT) as work:
        password_hash = str((await promote(work, email=ADMINISTRATOR)).password_hash)
    await growth_fill.fill(side.url, number=side.size, password_hash=password_hash)

"""PostgreSQL goes away under load and comes back: "not now" meanwhile, nobody signed out or let in, no hand needed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from app.models import EndCause
from app.services.sessions.end import end_session
from tests.accounts import CLIENT
from tests.conftest import settings_for
from tests.journeys.load import ENOUGH, Load, Seen, under_load
from tests.journeys.pair import ISSUER, begin_sessions, client_of, held, served_by
from tests.journeys.refreshing import check_account, crowd_of
from tests.journeys.server import Server, running
from tests.postgres import PostgresServer
from tests.rows import add_users
from tests.tokens import access_claims

LIVING, ENDED = 12, 4
CLIENTS, REFRESHES = 12, 25
KILLS = 10
OUR_CONNECTIONS = "FROM pg_stat_activity WHERE application_name = 'ostiary'"


@pytest.fixture(scope="module")
def postgres_of_our_own() -> Iterator[PostgresServer]:
    """A database server that no other test uses, for it goes away."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres_of_our_own: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives its database a second for each statement. It stays up through all tests here."""
    folder: Path = tmp_path_factory.mktemp("restarted")
    with running(folder, **served_by(postgres_of_our_own.url(), DATABASE_TIMEOUT_SECONDS="1")) as one:
        yield one


@asynccontextmanager
async def loaded(server: Server, postgres: PostgresServer) -> AsyncIterator[Load]:
    """Load the server for as long as the block lasts, which is to leave the database in order.

    Afterwards the server must have recovered by itself, and all that was ever answered must have been right.
    """
    living, ended = await sessions_of_both_kinds(postgres)
    async with under_load(server.url, living=living, ended=ended) as load:
        yield load
        await load.calm()
        recovered = len(load.seen)
        await load.until(lambda seen: len(seen) >= ENOUGH)
    assert all(one.is_good for one in load.seen[recovered:])
    for one in load.seen:
        check_right(one)


async def sessions_of_both_kinds(postgres: PostgresServer) -> tuple[list[str], list[str]]:
    """Return access tokens of sessions that live, and of others that were logged out."""
    async with held(settings_for(postgres.url(), PUBLIC_URL=ISSUER)) as runtime:
        made = await begin_sessions(runtime, await add_users(runtime, 1), LIVING + ENDED)
        tokens = [each.access_token for each in made]
        async with runtime.database.begin(CLIENT) as work:
            for token in tokens[LIVING:]:
                await end_session(work, session_id=UUID(access_claims(token)["sid"]), cause=EndCause.LOGOUT)
    return tokens[:LIVING], tokens[LIVING:]


def check_right(seen: Seen) -> None:
    """Assert that an answer is the one of a quiet day, or "not now" in a form that clients can act on."""
    content = seen.answer.content
    if seen.status == 503:
        assert content["code"] == "DATABASE_UNAVAILABLE"
        assert int(seen.answer.headers["retry-after"]) >= 1
        return
    assert seen.is_good, seen
    assert seen.living or (content["code"], content["cause"]) == ("SESSION_ENDED", "logout")
    assert not (seen.living and seen.in_outage), "nobody could know that this session was alive"


def refused_for_now(number: int) -> Callable[[Sequence[Seen]], bool]:
    """Whether so many people with living sessions have got "not now"."""
    return lambda seen: sum(one.status == 503 and one.living for one in seen) >= number


async def test_a_restart_of_postgresql_costs_nobody_the_session(
    server: Server, postgres_of_our_own: PostgresServer
) -> None:
    """V16.5.2, 3.5-15: while it is down everybody is told "not now", the signed-out never "welcome"."""
    async with loaded(server, postgres_of_our_own) as load:
        await asyncio.to_thread(postgres_of_our_own.stop)
        try:
            with load.away():
                await load.until(refused_for_now(ENOUGH))
        finally:
            await asyncio.to_thread(postgres_of_our_own.start_again)


async def test_killed_connections_cost_nobody_the_session(server: Server, postgres_of_our_own: PostgresServer) -> None:
    """V16.5.2: a connection that broke in the middle of a statement says nothing of a session."""
    async with loaded(server, postgres_of_our_own) as load:
        for _ in range(KILLS):
            assert await kill_connections(postgres_of_our_own) >= 1
            # More than were under way at the kill: some were answered over new connections.
            await load.until(lambda seen: sum(one.status == 200 for one in seen) > LIVING)


async def test_connections_killed_among_refreshes_cost_nobody_the_session(
    server: Server, postgres_of_our_own: PostgresServer
) -> None:
    """3.4-02, 3.4-04, V16.5.2: also when it broke between a commit and the word that it was done."""
    settings = settings_for(postgres_of_our_own.url(), PUBLIC_URL=ISSUER)
    async with client_of(server) as http:
        async with held(settings) as runtime:
            crowd = await crowd_of(CLIENTS, runtime, http)
        async with crowd.refreshing(REFRESHES):
            for _ in range(KILLS):
                await crowd.after(CLIENTS * REFRESHES // (2 * KILLS))
                await kill_connections(postgres_of_our_own)
        async with held(settings) as runtime:
            await check_account(runtime, crowd)
    assert set(crowd.failures) == {503}


async def kill_connections(postgres: PostgresServer) -> int:
    """Kill every connection of the server, and return how many there were."""
    async with superuser(postgres) as connection:
        killed: int = await connection.fetchval(f"SELECT count(pg_terminate_backend(pid)) {OUR_CONNECTIONS}")
    return killed


async def test_a_stalled_statement_ends_in_time_and_costs_nobody_the_session(
    server: Server, postgres_of_our_own: PostgresServer
) -> None:
    """V16.5.2, S80: whoever cannot be answered in time is told "not now"; validity is not answered from memory."""
    async with loaded(server, postgres_of_our_own) as load, sessions_locked(postgres_of_our_own):
        with load.away():
            await load.until(refused_for_now(2 * LIVING))


@asynccontextmanager
async def sessions_locked(postgres: PostgresServer) -> AsyncIterator[None]:
    """Make every statement that reads or writes sessions wait for as long as the block lasts."""
    async with superuser(postgres) as connection, connection.transaction():
        await connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def superuser(postgres: PostgresServer) -> AsyncIterator["asyncpg.Connection"]:
    """Connect as somebody who may do everything, and who is not the server under test."""
    connection = await asyncpg.connect(postgres.url(), ssl=False)
    try:
        yield connection
    finally:
        await connection.close()

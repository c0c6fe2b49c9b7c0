"""How one process holds the keys: how soon it learns of a change, and what it does without a database."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Executable, Row, text

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims, sign_access_token
from app.auth.keys import generate_key_pair
from app.auth.tokens import first_refresh_token
from app.config import Settings
from app.database import Reader
from app.exceptions import DatabaseUnavailable, TokenExpired, TokenInvalid
from app.runtime import Runtime
from app.services.key_store import OLDEST_SECONDS, PAUSE_SECONDS, KeyStore
from app.services.sessions.issue import Issued
from app.services.tokens import TokenIssuer
from tests.accounts import CLIENT
from tests.auth.forge import ring_of
from tests.conftest import settings_for
from tests.contention import at_once, uncommitted, until_one_waits
from tests.instances import instance
from tests.keys import retire, rotate

NOBODY_LISTENS = "postgresql://nobody:a-secret@127.0.0.1:1/nothing"


class Clock:
    """A clock at the edge of the process, which a test moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class CountingReader(Reader):
    """Reads as the application does, and counts how often."""

    count = 0

    async def all(self, statement: Executable, values: Mapping[str, object] | None = None) -> Sequence[Row[Any]]:
        self.count += 1
        return await super().all(statement, values)


@dataclass
class Worker:
    """What another worker of the same installation holds, with a clock that stands still."""

    keys: KeyStore
    tokens: TokenIssuer
    reader: CountingReader
    clock: Clock

    def readings(self) -> int:
        """Return how often the keys were read since the last question."""
        count, self.reader.count = self.reader.count, 0
        return count


def worker(runtime: Runtime) -> Worker:
    reader, clock = CountingReader(runtime.database.reading), Clock()
    keys = KeyStore(runtime.settings, reader, clock)
    return Worker(keys, TokenIssuer(runtime.settings, keys), reader, clock)


def issued(*, ttl: timedelta = timedelta(minutes=5)) -> Issued:
    now, session_id = datetime.now(UTC), new_id()
    claims = AccessClaims(
        subject=new_id(),
        session_id=session_id,
        token_id=new_id().hex,
        issued_at=now,
        expires_at=now + ttl,
        authenticated_at=now,
        methods=("pwd",),
    )
    return Issued(claims=claims, refresh=first_refresh_token(session_id))


async def is_taken(tokens: TokenIssuer, token: str) -> bool:
    try:
        await tokens.read_access(token, now=datetime.now(UTC))
    except TokenInvalid:
        return False
    return True


async def test_keys_are_read_once_in_five_seconds_however_many_ask(runtime: Runtime) -> None:
    other = worker(runtime)
    await at_once(50, lambda: other.keys.ring(datetime.now(UTC)))
    other.clock.seconds += OLDEST_SECONDS
    await at_once(50, lambda: other.keys.ring(datetime.now(UTC)))
    assert other.readings() == 1
    other.clock.seconds += 0.001
    await at_once(50, lambda: other.keys.ring(datetime.now(UTC)))
    assert other.readings() == 1


async def test_a_retired_key_is_refused_by_the_first_request_after_five_seconds(runtime: Runtime) -> None:
    """JW-18: a token that was remembered as checked is refused like any other."""
    other = worker(runtime)
    signed = await other.tokens.sign(issued())
    assert await is_taken(other.tokens, signed.access_token)
    await retire(runtime, (await runtime.keys.ring(datetime.now(UTC))).current.kid)
    assert OLDEST_SECONDS <= 5
    other.clock.seconds += OLDEST_SECONDS + 0.001
    assert not await is_taken(other.tokens, signed.access_token)


async def test_a_token_of_a_key_that_this_worker_has_not_seen_is_looked_up(runtime: Runtime) -> None:
    """JW-18: another worker already signs with the key that took over from a retired one."""
    other = worker(runtime)
    await other.tokens.sign(issued())
    await retire(runtime, (await runtime.keys.ring(datetime.now(UTC))).current.kid)
    await runtime.keys.reload()
    theirs = await runtime.tokens.sign(issued())
    assert await is_taken(other.tokens, theirs.access_token)


async def test_a_thousand_unknown_keys_cost_one_look_at_the_database(runtime: Runtime) -> None:
    """JW-14: nobody keeps the database busy with invented names."""
    other = worker(runtime)
    await other.keys.ring(datetime.now(UTC))
    forged = [forged_token() for _ in range(20)]
    assert other.readings() == 1
    for number in range(1000):
        assert not await is_taken(other.tokens, forged[number % 20])
    assert not any(await at_once(50, lambda: is_taken(other.tokens, forged[0])))
    assert other.readings() == 1
    other.clock.seconds += PAUSE_SECONDS + 0.001
    assert not any(await at_once(50, lambda: is_taken(other.tokens, forged[0])))
    assert other.readings() == 1


def forged_token() -> str:
    """Return a token that names a key which nobody has."""
    ring = ring_of([generate_key_pair("EdDSA")])
    return sign_access_token(issued().claims, ring=ring, issuer="http://127.0.0.1:8000", audience="http://127.0.0.1")


async def test_a_worker_changes_keys_by_the_clock_without_another_reading(runtime: Runtime) -> None:
    """JW-18: what it has read once says who signs when."""
    second = await rotate(runtime)
    other, now = worker(runtime), datetime.now(UTC)
    first = (await other.keys.ring(now)).current.kid
    times = [now + timedelta(minutes=minutes) for minutes in (0, 59, 61, 59, 61, 24 * 60, 26 * 60)]
    rings = [await other.keys.ring(moment) for moment in times]
    assert [ring.current.kid for ring in rings] == [first, first, second, first, second, second, second]
    assert [first in ring.accepted for ring in rings] == [True, True, True, True, True, True, False]
    assert other.readings() == 1


async def test_a_checked_token_is_not_checked_again_and_ends_in_time(runtime: Runtime) -> None:
    """JW-11: remembering prolongs nothing."""
    tokens = worker(runtime).tokens
    signed, now = await tokens.sign(issued()), datetime.now(UTC)
    first = await tokens.read_access(signed.access_token, now=now)
    assert await tokens.read_access(signed.access_token, now=now) is first
    with pytest.raises(TokenExpired):
        await tokens.read_access(signed.access_token, now=now + timedelta(minutes=6))


# Without a database.


async def test_without_keys_and_without_a_database_nothing_is_refused_for_ever() -> None:
    """V16.5.2, RV-04: "not now", for a good token as for a forged one."""
    runtime = Runtime.build(settings_for(NOBODY_LISTENS))
    with pytest.raises(DatabaseUnavailable):
        await runtime.tokens.sign(issued())
    with pytest.raises(DatabaseUnavailable):
        await runtime.tokens.read_access(forged_token(), now=datetime.now(UTC))
    with pytest.raises(DatabaseUnavailable):
        await runtime.keys.published(datetime.now(UTC))
    await runtime.close()


async def test_shared_keys_need_no_database_but_unknown_ones_do() -> None:
    """V16.5.2, RV-04: a token of a key pair may be a good one."""
    runtime = Runtime.build(settings_for(NOBODY_LISTENS, ALGORITHM="HS256"))
    signed = await runtime.tokens.sign(issued())
    assert await is_taken(runtime.tokens, signed.access_token)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await runtime.tokens.read_access(forged_token(), now=datetime.now(UTC))
    await runtime.close()


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1)
async def test_a_worker_goes_on_with_its_keys_while_the_database_is_busy(runtime: Runtime) -> None:
    """V16.5.2: what was read stays good; one attempt a second looks for news."""
    other = worker(runtime)
    signed = await other.tokens.sign(issued())
    async with runtime.database.connection():
        other.clock.seconds += 3600
        assert all(await at_once(20, lambda: is_taken(other.tokens, signed.access_token)))
        assert await is_taken(other.tokens, signed.access_token)
        assert other.readings() == 2
        with pytest.raises(DatabaseUnavailable):
            await other.tokens.read_access(forged_token(), now=datetime.now(UTC))
    other.readings()
    other.clock.seconds += PAUSE_SECONDS + 0.001
    assert await is_taken(other.tokens, signed.access_token)
    assert other.readings() == 1


async def test_a_request_that_hangs_up_while_it_reads_the_keys_harms_no_other(runtime: Runtime) -> None:
    """V15.4.1"""
    other = worker(runtime)
    calls = [asyncio.ensure_future(other.keys.ring(datetime.now(UTC))) for _ in range(10)]
    await asyncio.sleep(0)
    calls[0].cancel()
    rings = await asyncio.gather(*calls[1:])
    assert calls[0].cancelled()
    assert len({ring.current.kid for ring in rings}) == 1
    assert other.readings() == 1


@pytest.mark.only("sqlite")
async def test_signing_inside_a_transaction_waits_for_no_other_connection_that_writes(runtime: Runtime) -> None:
    """SQLite has one connection that writes: whoever needed a second one would wait for itself."""
    other = worker(runtime)
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(text("UPDATE users SET full_name = NULL"))
        assert (await other.tokens.sign(issued())).access_token


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1)
async def test_signing_inside_a_transaction_does_not_starve_the_pool(settings: Settings) -> None:
    """Who signs holds the only connection already, so the keys come over one that no transaction takes."""
    async with instance(settings):
        fresh = Runtime.build(settings)
        async with fresh.database.begin(CLIENT) as work:
            await work.db.execute(text("SELECT 1"))
            assert (await fresh.tokens.sign(issued())).access_token
        await fresh.close()


# While another request reads.


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=30)
async def test_a_request_goes_on_with_keys_of_up_to_ten_seconds_while_another_reads(runtime: Runtime) -> None:
    """JW-18: one waits for the database, the others do not; but with older keys they wait as well."""
    other = worker(runtime)
    now = datetime.now(UTC)
    known = await other.keys.ring(now)
    async with uncommitted(runtime, text("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE")):
        other.clock.seconds += 2 * OLDEST_SECONDS
        reading = asyncio.create_task(other.keys.ring(now))
        await asyncio.sleep(0)
        assert (await other.keys.ring(now)).current == known.current
        assert not reading.done()
        other.clock.seconds += 0.001
        waiting = asyncio.create_task(other.keys.ring(now))
        await until_one_waits(runtime)
        assert not any(call.done() for call in (reading, waiting))
    assert (await reading).current == (await waiting).current == known.current
    assert other.readings() == 2


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=30)
async def test_a_key_that_was_retired_counts_for_nobody_after_ten_seconds(runtime: Runtime) -> None:
    """JW-18: not even for a request that came while another was still reading the keys."""
    other = worker(runtime)
    signed = await other.tokens.sign(issued())
    await retire(runtime, (await runtime.keys.ring(datetime.now(UTC))).current.kid)
    assert 2 * OLDEST_SECONDS <= 10
    async with uncommitted(runtime, text("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE")):
        other.clock.seconds += 2 * OLDEST_SECONDS + 0.001
        calls = [asyncio.create_task(is_taken(other.tokens, signed.access_token)) for _ in range(5)]
        await until_one_waits(runtime)
        assert not any(call.done() for call in calls)
    assert await asyncio.gather(*calls) == [False] * 5


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=30)
async def test_who_settles_waits_for_the_reading_that_is_under_way(runtime: Runtime) -> None:
    """Else a server that stops would close the connection under it."""
    other = worker(runtime)
    await other.keys.settle()
    async with uncommitted(runtime, text("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE")):
        call = asyncio.create_task(other.keys.ring(datetime.now(UTC)))
        await until_one_waits(runtime)
        call.cancel()
        settling = asyncio.create_task(other.keys.settle())
        await asyncio.sleep(0)
        assert not settling.done()
    await settling
    assert other.readings() == 1
    assert (await other.keys.ring(datetime.now(UTC))).current.kid
    assert other.readings() == 0

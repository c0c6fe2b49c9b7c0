"""Statements that are asked all the time: who gets a connection, what becomes of it, and what is asked on which database."""

import asyncio
from typing import Any, NamedTuple

import pytest
from sqlalchemy import bindparam, func, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Database
from app.driver import DriverConnections, HotStatement
from app.exceptions import DatabaseUnavailable
from app.models import User
from app.runtime import Runtime
from tests.accounts import Accounts

ON_POSTGRESQL = pytest.mark.only("postgresql")


class Found(NamedTuple):
    """A user's address, and a constant."""

    email: str | None
    constant: str


class One(NamedTuple):
    """One number."""

    number: int


BY_ADDRESS = HotStatement(
    select(User.email, func.coalesce("constant", "")).where(User.email_normal == bindparam("address")),
    "address",
    row=Found,
)
RENAME: HotStatement[Any] = HotStatement(
    update(User)
    .where(User.email_normal == bindparam("address"))
    .values(email=bindparam("email"))
    .returning(literal_column("1")),
    "email",
    "address",
    row=One,
)
SLEEP: HotStatement[Any] = HotStatement(text("SELECT 1 AS number FROM pg_sleep(0.3)"), row=One)


def connections(engine: AsyncEngine, *, number: int = 1, kept: int = 1, seconds: float = 5) -> DriverConnections:
    return DriverConnections(engine, number=number, kept=kept, seconds=seconds)


async def test_what_is_asked_becomes_a_tuple_on_either_database(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.register()
    assert await runtime.database.read.ask(BY_ADDRESS, ada.email) == [Found(ada.email, "constant")]
    assert await runtime.database.read.ask(BY_ADDRESS, "nobody@example.com") == []


async def test_a_single_statement_that_writes_is_committed_when_it_returns(
    accounts: Accounts, runtime: Runtime
) -> None:
    ada = await accounts.register()
    assert await runtime.database.once.first(RENAME, "ADA@example.com", ada.email) == One(1)
    assert await runtime.database.read.ask(BY_ADDRESS, ada.email) == [Found("ADA@example.com", "constant")]
    assert await runtime.database.once.first(RENAME, "Grace", "nobody@example.com") is None


@ON_POSTGRESQL
async def test_more_who_ask_than_connections_are_all_answered(runtime: Runtime) -> None:
    hot = connections(runtime.database.reading, number=2)
    assert await asyncio.gather(*(hot.ask(SLEEP) for _ in range(6))) == [[One(1)]] * 6
    await hot.close()


@ON_POSTGRESQL
async def test_whoever_waits_too_long_is_told_not_now(runtime: Runtime) -> None:
    hot = connections(runtime.database.reading, seconds=0.05)
    answers = await asyncio.gather(hot.ask(SLEEP), hot.ask(SLEEP), return_exceptions=True)
    assert answers[0] == [One(1)]
    assert isinstance(answers[1], DatabaseUnavailable)
    await hot.close()


@ON_POSTGRESQL
@pytest.mark.parametrize("when", ["while its statement runs", "while it waits"])
async def test_whoever_gives_up_takes_no_connection_along(runtime: Runtime, when: str) -> None:
    hot = connections(runtime.database.reading)
    first, second = asyncio.create_task(hot.ask(SLEEP)), asyncio.create_task(hot.ask(SLEEP))
    await asyncio.sleep(0.05)
    leaving, staying = (first, second) if when.startswith("while its") else (second, first)
    leaving.cancel()
    assert await staying == [One(1)]
    assert await hot.ask(SLEEP) == [One(1)]
    await hot.close()
    assert pool_is_whole(runtime.database)


@ON_POSTGRESQL
async def test_connections_beyond_the_kept_ones_are_given_back(runtime: Runtime) -> None:
    hot = connections(runtime.database.reading, number=3, kept=1)
    await asyncio.gather(*(hot.ask(SLEEP) for _ in range(3)))
    assert checked_out(runtime.database) == 1
    await hot.close()
    assert pool_is_whole(runtime.database)


@ON_POSTGRESQL
async def test_a_connection_that_was_held_for_somebody_who_left_is_given_back(runtime: Runtime) -> None:
    hot = connections(runtime.database.reading, number=1, kept=0)
    first = asyncio.create_task(hot.ask(SLEEP))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(hot.ask(SLEEP))
    first.add_done_callback(lambda _: second.cancel())
    await asyncio.wait([first, second])
    assert pool_is_whole(runtime.database)
    await hot.close()


@ON_POSTGRESQL
@pytest.mark.parametrize("asking", [2, 5])
async def test_what_is_lent_at_once_comes_back_when_nobody_asks(runtime: Runtime, asking: int) -> None:
    hot = connections(runtime.database.reading, number=3, kept=0)
    await asyncio.gather(*(hot.ask(SLEEP) for _ in range(asking)))
    assert pool_is_whole(runtime.database)


@ON_POSTGRESQL
@pytest.mark.settings(DATABASE_POOL_SIZE=1)
async def test_one_connection_is_enough_for_everything(accounts: Accounts) -> None:
    """What is kept for hot statements is not missing elsewhere."""
    ada = await accounts.signed_in()
    for _ in range(2):
        response = await ada.http.post("/api/v1/auth/refresh", json={"refresh_token": ada.tokens["refresh_token"]})
        assert response.status_code == 200
    assert (await accounts.register("grace@example.com")).email == "grace@example.com"


def checked_out(database: Database) -> int:
    """How many connections of the pool are lent."""
    pool: Any = database.engine.sync_engine.pool
    return int(pool.checkedout())


def pool_is_whole(database: Database) -> bool:
    return checked_out(database) == 0

"""Engines, short reads, and the unit of work: the only commit in the application.

Two ways lead to the database. `Reader` runs one statement outside any transaction and gives the connection back at
once: nothing is held while a password is hashed. `Database.begin` opens a unit of work: one transaction, committed
by the door that opened it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import structlog
from sqlalchemy import CursorResult, DateTime, Dialect, Executable, MetaData, Row, Select, TypeDecorator, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.auth.tokens import DeviceToken
from app.config import Settings
from app.database_errors import translate_errors
from app.driver import DriverConnections, Found, HotStatement, patience
from app.exceptions import AppException, DatabaseUnavailable, Refusal

log = structlog.get_logger()

Entity = TypeVar("Entity", bound="Base")

SQLITE_READERS = 4
IDENTIFYING_STATEMENTS = 2
"""How many statements ask at once who is calling, in each worker; each answers all who asked by then."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always aware and in UTC. SQLite would forget the zone otherwise."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: its meaning would depend on the machine."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The parent of every table. Constraints have predictable names, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime()}


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, as far as the connection itself tells."""

    address: str | None
    user_agent: str | None
    request_id: str
    device: DeviceToken | None = None
    """What its device cookie says, if that is genuine: whose device it once was. Whether it still is, others judge."""


class Reader:
    """Runs single read statements in AUTOCOMMIT: no transaction, and no connection held between two of them."""

    def __init__(self, engine: AsyncEngine, hot: DriverConnections | None = None) -> None:
        self._engine = engine
        self._hot = hot

    async def ask(self, hot: HotStatement[Found], *values: object) -> list[Found]:
        """Return every row of a statement that is asked all the time, the shortest way. Raises `DatabaseUnavailable`."""
        if self._hot is not None:
            return await self._hot.ask(hot, *values)
        return hot.made(await self.all(hot.statement, dict(zip(hot.parameters, values, strict=True))))

    async def all(self, statement: Executable, values: Mapping[str, object] | None = None) -> Sequence[Row[Any]]:
        """Return every row. `values` fill the statement's bound parameters.

        Raises `DatabaseUnavailable` when the database does not answer.
        """
        async with patience(), self._engine.connect() as connection:
            return (await connection.execute(statement, values)).all()

    async def first(self, statement: Executable, values: Mapping[str, object] | None = None) -> Row[Any] | None:
        """Return the first row, or None. `values` fill the statement's bound parameters.

        Raises `DatabaseUnavailable` when the database does not answer.
        """
        async with patience(), self._engine.connect() as connection:
            return (await connection.execute(statement, values)).first()

    async def entities(self, statement: Select[Entity]) -> Sequence[Entity]:
        """Return every model that the statement selects, detached. Raises `DatabaseUnavailable`."""
        async with patience(), AsyncSession(self._engine, expire_on_commit=False) as session:
            return (await session.execute(statement)).scalars().all()


class Once:
    """Runs single statements that write, each a transaction of its own: one way to the database and back."""

    def __init__(self, engine: AsyncEngine, hot: DriverConnections | None) -> None:
        self._engine = engine
        self._hot = hot

    async def first(self, hot: HotStatement[Found], *values: object) -> Found | None:
        """Run the statement and return its first row, or None. Raises `DatabaseUnavailable`, and then nobody knows."""
        if self._hot is not None:
            return next(iter(await self._hot.ask(hot, *values)), None)
        async with patience(), self._engine.begin() as writing:
            result = await writing.execute(hot.statement, dict(zip(hot.parameters, values, strict=True)))
            return next(iter(hot.made(result.all())), None)


@dataclass(frozen=True, slots=True)
class Trace:
    """A statement that tells of a refusal."""

    statement: Executable
    values: Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """One unit of work: what a service needs from its door. Nothing in it acts by itself."""

    engine: AsyncEngine
    read: Reader
    once: Once
    """For what one statement decides, before the first statement on `db`: it takes a connection of its own."""
    settings: Settings
    now: datetime
    client: Client
    traces: list[Trace] = field(default_factory=list)
    """What tells of refusals. It is written last in this transaction, or after its undoing: a "no" leaves its trace."""
    wakes: set[str] = field(default_factory=set)
    """The jobs of this process that have something to do once this is committed."""

    @cached_property
    def db(self) -> AsyncSession:
        """The transaction. It begins with its first statement and is committed by the door, never by a service.

        Made when it is asked for: what needs none is spared 100 µs.
        """
        return AsyncSession(self.engine, expire_on_commit=False)

    @property
    def has_begun(self) -> bool:
        """Whether there is something to commit, or to undo."""
        return "db" in self.__dict__ or bool(self.traces)

    async def execute(self, statement: Executable, values: Mapping[str, object] | None = None) -> CursorResult[Any]:
        """Run a statement about tables, not models, in this transaction. It takes half of the time of `db.execute`.

        What somebody has added to `db` is written first, as there.
        """
        if self.db.new or self.db.dirty or self.db.deleted:
            await self.db.flush()
        return await (await self.db.connection()).execute(statement, values)


class Database:
    """The engines of one process."""

    def __init__(self, settings: Settings, *, patient: bool = False) -> None:
        """Prepare the engines; nothing connects yet.

        `patient` is for migrations: no statement time-out, and on SQLite no foreign keys, because a table that is
        changed by copying it would take along what hangs on the old one.
        """
        self.url = driver_url(settings.DATABASE_URL.get_secret_value())
        self._settings = settings
        if self.is_sqlite:
            self.engine, self.reading = _sqlite_engines(self.url, settings, patient=patient)
            self.identifying = self.reading
        else:
            self.engine, self.reading = _postgresql_engines(self.url, settings, patient=patient)
            # One more, for the keys: the others are not given back. What they ask is planned once: planning it took longer
            # than answering it (255 µs of PostgreSQL's time for 16 callers, 105 without).
            identifying = _postgresql_engine(
                self.url,
                settings,
                patient=patient,
                pool_size=IDENTIFYING_STATEMENTS + 1,
                plan_cache_mode="force_generic_plan",
            )
            self.identifying = identifying.execution_options(isolation_level="AUTOCOMMIT")
        self.bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By the names of jobs: set by each commit after which a job has something to do."""
        self.hot = self._hot_connections(self.identifying, IDENTIFYING_STATEMENTS, kept=IDENTIFYING_STATEMENTS)
        size = settings.DATABASE_POOL_SIZE
        self.hot_pool = self._hot_connections(self.reading, size - 2, kept=size // 5)
        """Of the connections that there are anyway; two stay for units of work, however many such statements wait."""
        self.read = Reader(self.reading, self.hot_pool)
        self.once = Once(self.engine, self.hot_pool)
        self.identify = Reader(self.identifying, self.hot)
        """For the question who is calling, which must not queue behind everything else for a connection."""

    def _hot_connections(self, engine: AsyncEngine, number: int, *, kept: int) -> DriverConnections | None:
        if self.is_sqlite or number < 1:
            return None
        return DriverConnections(engine, number=number, kept=kept, seconds=self._settings.DATABASE_TIMEOUT_SECONDS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this machine, and no PostgreSQL server."""
        return self.url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def begin(self, client: Client) -> AsyncIterator[Work]:
        """Open a unit of work and commit it when the block ends well, or with a `Refusal`.

        Any other exception undoes everything; of one in the catalogue the traces are kept all the same. Raises
        `DatabaseUnavailable` when the database does not answer.
        """
        work = Work(
            engine=self.engine,
            read=self.read,
            once=self.once,
            settings=self._settings,
            now=datetime.now(UTC),
            client=client,
        )
        async with patience(), _closing(work):
            try:
                yield work
            except Refusal:
                await _finish(work)
                self._wake(work)
                raise
            except BaseException as error:
                await _undo(work, error)
                raise
            else:
                await _finish(work)
                self._wake(work)

    def _wake(self, work: Work) -> None:
        for name in work.wakes:
            self.bells[name].set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a reading connection, for what is no single statement. Raises `DatabaseUnavailable`."""
        async with patience(), self.reading.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        for hot in filter(None, (self.hot, self.hot_pool)):
            await hot.close()
        for engine in (self.engine, self.reading, self.identifying):
            await engine.dispose()


@asynccontextmanager
async def _closing(work: Work) -> AsyncIterator[None]:
    """Give the connection back at the end, if there is one."""
    try:
        yield
    finally:
        if work.has_begun:
            async with work.db:
                pass


async def _undo(work: Work, error: BaseException) -> None:
    """Undo everything but the traces of an exception of the catalogue."""
    if not work.has_begun:
        return
    await work.db.rollback()
    if work.traces and isinstance(error, AppException) and not isinstance(error, DatabaseUnavailable):
        await _keep_traces(work)


async def _finish(work: Work) -> None:
    """Write the traces and commit. When that fails the connection is thrown away: SQLite would keep the lock."""
    if not work.has_begun:
        return
    try:
        for trace in work.traces:
            await work.db.execute(trace.statement, trace.values)
        await work.db.commit()
    except BaseException:
        await work.db.invalidate()
        raise


async def _keep_traces(work: Work) -> None:
    """Write the traces alone. A "no" stays the same "no" when the database does not take them; the log has them."""
    try:
        await _finish(work)
    except DatabaseUnavailable:
        log.warning("database.traces_lost", count=len(work.traces))


def driver_url(text: str) -> URL:
    """Return the URL with the driver that we chose: asyncpg or aiosqlite. `sslmode` becomes asyncpg's `ssl`."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def _postgresql_engines(url: URL, settings: Settings, *, patient: bool) -> tuple[AsyncEngine, AsyncEngine]:
    engine = _postgresql_engine(url, settings, patient=patient, pool_size=settings.DATABASE_POOL_SIZE)
    return engine, engine.execution_options(isolation_level="AUTOCOMMIT")


def _postgresql_engine(
    url: URL, settings: Settings, *, patient: bool, pool_size: int, plan_cache_mode: str = "auto"
) -> AsyncEngine:
    milliseconds = "0" if patient else str(int(settings.DATABASE_TIMEOUT_SECONDS * 1000))
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=settings.DATABASE_TIMEOUT_SECONDS,
        # An error's text would repeat addresses and password hashes otherwise, and end in the log.
        hide_parameters=True,
        connect_args={
            "timeout": settings.DATABASE_TIMEOUT_SECONDS,
            "command_timeout": None if patient else settings.DATABASE_TIMEOUT_SECONDS + 1,
            "server_settings": {
                "application_name": "ostiary",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": "60000",
                "timezone": "UTC",
                "plan_cache_mode": plan_cache_mode,
            },
        },
    )
    translate_errors(engine)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, *_: object) -> None:
    """Have the pool connect anew when the server has closed this connection while nobody used it.

    The driver knows it from the socket, so that this asks nobody and costs nothing; a restart of the database is
    felt by those alone whose statement it interrupts.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def _sqlite_engines(url: URL, settings: Settings, *, patient: bool) -> tuple[AsyncEngine, AsyncEngine]:
    """One connection writes, a few read: SQLite takes one writer at a time, and waiting for it in the pool is fair."""
    timeout = settings.DATABASE_TIMEOUT_SECONDS
    writing = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=timeout, hide_parameters=True)
    reading = create_async_engine(
        url,
        pool_size=SQLITE_READERS,
        max_overflow=0,
        pool_timeout=timeout,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )
    for engine in (writing, reading):
        translate_errors(engine)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite(int(timeout * 1000), foreign_keys=not patient))
    event.listen(writing.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return writing, reading


def _prepare_sqlite(busy_milliseconds: int, *, foreign_keys: bool) -> Any:
    def prepare(connection: Any, _: object) -> None:
        # The driver's own transaction handling is switched off: it would begin a deferred one, which fails
        # with "database is locked" at its first write instead of waiting for its turn.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {busy_milliseconds}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    return prepare

"""Engines, short reads, and the unit of work: the only commit in the application.

Two ways lead to the database. `Reader` runs one statement outside any transaction and gives the connection back at
once: nothing is held while a password is hashed. `Database.begin` opens a unit of work: one transaction, committed
by the door that opened it.
"""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

import structlog
from sqlalchemy import DateTime, Dialect, Executable, MetaData, Row, Select, TypeDecorator, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.auth.tokens import DeviceToken
from app.config import Settings
from app.exceptions import AppException, ConflictError, DatabaseUnavailable, InvalidRequest, Refusal

log = structlog.get_logger()

Entity = TypeVar("Entity", bound="Base")

SQLITE_READERS = 4
IDENTIFYING_STATEMENTS = 2
"""How many statements ask at once who is calling, in each worker; each answers all who asked by then."""
AWAY_STATES = {"57014", "57P01", "57P02", "57P03", "53100", "53200", "53300", "55P03", "40P01", "40001", "25006"}
"""PostgreSQL's "not now": statement time-out, shutting down, starting up, disk or memory full, too many connections,
locked, deadlock, read-only since another server took over."""
_CONTRADICTIONS = {"23503", "23505"}
"""PostgreSQL's foreign key and unique violations."""
_UNSTORABLE_TEXT = "22021"
"""PostgreSQL's answer to NUL in a text. Our own requests refuse it earlier; an extension's may not."""


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

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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


@dataclass(frozen=True, slots=True)
class Trace:
    """A statement that tells of a refusal."""

    statement: Executable
    values: Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """One unit of work: what a service needs from its door. Nothing in it acts by itself."""

    db: AsyncSession
    """The transaction. It begins with its first statement and is committed by the door, never by a service."""
    read: Reader
    settings: Settings
    now: datetime
    client: Client
    traces: list[Trace] = field(default_factory=list)
    """What tells of refusals. It is written last in this transaction, or after its undoing: a "no" leaves its trace."""
    wakes: set[str] = field(default_factory=set)
    """The jobs of this process that have something to do once this is committed."""


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
        self.read = Reader(self.reading)
        self.identify = Reader(self.identifying)
        """For the question who is calling, which must not queue behind everything else for a connection."""

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
        async with patience(), AsyncSession(self.engine, expire_on_commit=False) as session:
            work = Work(db=session, read=self.read, settings=self._settings, now=datetime.now(UTC), client=client)
            try:
                yield work
            except Refusal:
                await _finish(work)
                self._wake(work)
                raise
            except BaseException as error:
                await session.rollback()
                if work.traces and isinstance(error, AppException) and not isinstance(error, DatabaseUnavailable):
                    await _keep_traces(work)
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
        for engine in (self.engine, self.reading, self.identifying):
            await engine.dispose()


async def _finish(work: Work) -> None:
    """Write the traces and commit. When that fails the connection is thrown away: SQLite would keep the lock."""
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


@asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Turn "no connection became free in time" into `DatabaseUnavailable`."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable from error


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
    _translate_errors(engine)
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
        _translate_errors(engine)
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


def _translate_errors(engine: AsyncEngine) -> None:
    """Make "the database is away, or too slow" a `DatabaseUnavailable`, at its source and nowhere else."""

    def connect(dialect: Dialect, _: object, args: Any, options: Any) -> Any:
        try:
            return dialect.connect(*args, **options)
        except (OSError, TimeoutError, OperationalError, dialect.loaded_dbapi.Error) as error:
            raise DatabaseUnavailable from error

    def handle(context: ExceptionContext) -> BaseException | None:
        if getattr(context.original_exception, "sqlstate", None) == _UNSTORABLE_TEXT:
            return InvalidRequest("A text holds a character that cannot be stored")
        if _contradicts(context):
            log.warning("database.conflict", cause=type(context.original_exception).__name__)
            return ConflictError()
        return DatabaseUnavailable() if _is_away(context) else None

    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "handle_error", handle)


def _contradicts(context: ExceptionContext) -> bool:
    """Whether a row would be there twice, or point at one that has just gone: what a race makes of a check."""
    error = context.original_exception
    if isinstance(error, sqlite3.IntegrityError):
        return "UNIQUE" in str(error) or "FOREIGN KEY" in str(error)
    return getattr(error, "sqlstate", None) in _CONTRADICTIONS


def _is_away(context: ExceptionContext) -> bool:
    error = context.original_exception
    if not isinstance(error, Exception):
        # Somebody cancelled us, and must see that we end; SQLAlchemy calls it a broken connection, which it is as well.
        return False
    if context.is_disconnect or isinstance(error, OSError | TimeoutError):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return any(word in str(error) for word in ("locked", "busy", "unable to open", "disk", "readonly"))
    return getattr(error, "sqlstate", None) in AWAY_STATES

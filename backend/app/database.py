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
from sqlalchemy import CursorResult, DateTime, Dialect, Executable, MetaData, Row, Select, TypeDecorator
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, SessionTransaction

from app.auth.tokens import DeviceToken
from app.config import Settings
from app.driver import DriverConnections, Found, HotStatement, patience
from app.engines import driver_url, postgresql_engine, postgresql_engines, sqlite_engines
from app.exceptions import AppException, DatabaseUnavailable, Refusal

log = structlog.get_logger()

Entity = TypeVar("Entity", bound="Base")

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


class _Opening:
    """Makes a database session when it is first asked for. Many requests need none."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Remembered together: the one is valid while the session is in the other.
        self._connection: AsyncConnection | None = None
        self._transaction: SessionTransaction | None = None
        self.is_made = False

    @cached_property
    def session(self) -> AsyncSession:
        """The one session."""
        self.is_made = True
        return AsyncSession(self._engine, expire_on_commit=False)

    async def connection(self) -> AsyncConnection:
        """Return the connection of the session's transaction. Asking the session for it each time would take 30 µs.

        It is asked all the same within a savepoint, which begins thereby, and after a failure. Raises `PendingRollbackError`
        in a transaction that has failed.
        """
        session = self.session.sync_session
        transaction = session.get_transaction()
        is_same = transaction is not None and transaction is self._transaction and transaction.is_active
        if self._connection is None or not is_same or session.in_nested_transaction():
            self._connection = await self.session.connection()
            self._transaction = session.get_transaction()
        return self._connection


@dataclass(frozen=True)
class Work:
    """One unit of work: what a service needs from its door. Nothing in it acts by itself."""

    opening: "_Opening"
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

    @property
    def db(self) -> AsyncSession:
        """The transaction. It begins with its first statement and is committed by the door, never by a service."""
        return self.opening.session

    @property
    def has_begun(self) -> bool:
        """Whether there is something to commit, or to undo."""
        return self.opening.is_made or bool(self.traces)

    async def execute(self, statement: Executable, values: Mapping[str, object] | None = None) -> CursorResult[Any]:
        """Run a statement about tables, not models, in this transaction. It goes past the ORM, which takes longer.

        What somebody has added to `db` is written first, as there.
        """
        session = self.db.sync_session
        if session.new or session.dirty or session.deleted:
            await self.db.flush()
        return await (await self.opening.connection()).execute(statement, values)


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
            self.engine, self.reading = sqlite_engines(self.url, settings, patient=patient)
            self.identifying = self.reading
        else:
            self.engine, self.reading = postgresql_engines(self.url, settings, patient=patient)
            # One more, for the keys: the others are not given back. What they ask is planned once: planning it took longer
            # than answering it (255 µs of PostgreSQL's time for 16 callers, 105 without).
            identifying = postgresql_engine(
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
        self.hot_pool = self._hot_connections(self.reading, size - 2, kept=0)
        """Of the connections that there are anyway, for as long as somebody waits for one; two stay for units of work, however many such statements wait."""
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
            opening=_Opening(self.engine),
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

"""The engines of a database: how connections are opened, pooled and prepared."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.config import Settings
from app.database_errors import translate_errors

SQLITE_READERS = 4


def driver_url(text: str) -> URL:
    """Return the URL with the driver that we chose: asyncpg or aiosqlite. `sslmode` becomes asyncpg's `ssl`."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def postgresql_engines(url: URL, settings: Settings, *, patient: bool) -> tuple[AsyncEngine, AsyncEngine]:
    """Return the engine of units of work, and the same in AUTOCOMMIT: both lend connections of one pool."""
    engine = postgresql_engine(url, settings, patient=patient, pool_size=settings.DATABASE_POOL_SIZE)
    return engine, engine.execution_options(isolation_level="AUTOCOMMIT")


def postgresql_engine(
    url: URL, settings: Settings, *, patient: bool, pool_size: int, plan_cache_mode: str = "auto"
) -> AsyncEngine:
    """Return an engine with a pool of its own."""
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


def sqlite_engines(url: URL, settings: Settings, *, patient: bool) -> tuple[AsyncEngine, AsyncEngine]:
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

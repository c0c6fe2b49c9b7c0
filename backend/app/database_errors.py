"""Makes of what a driver raises an exception of our catalogue, at its source and nowhere else."""

import sqlite3
from typing import Any

import structlog
from sqlalchemy import Dialect, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.driver import AWAY_STATES
from app.exceptions import ConflictError, DatabaseUnavailable, InvalidRequest

log = structlog.get_logger()

_CONTRADICTIONS = {"23503", "23505"}
"""PostgreSQL's foreign key and unique violations."""
_UNSTORABLE_TEXT = "22021"
"""PostgreSQL's answer to NUL in a text. Our own requests refuse it earlier; an extension's may not."""


def translate_errors(engine: AsyncEngine) -> None:
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

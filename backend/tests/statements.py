"""Records the SQL statements that the application sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.runtime import Runtime


@contextmanager
def recorded_statements(runtime: Runtime) -> Iterator[list[str]]:
    """Yield a list that grows with every statement, whichever way to the database it takes."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    database = runtime.database
    engines = {engine.sync_engine for engine in (database.engine, database.reading, database.identifying)}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)

"""Records the SQL statements that the application sends for its callers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.jobs.periodic import TASK_NAME
from app.runtime import Runtime


@contextmanager
def recorded_statements(runtime: Runtime) -> Iterator[list[str]]:
    """Yield a list that grows with every statement, whichever way to the database it takes.

    Those of the jobs that run beside the requests are left out: when they come nobody can say.
    """
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        task = asyncio.current_task()
        if task is None or not task.get_name().startswith(TASK_NAME):
            seen.append(statement)

    database = runtime.database
    engines = {database.engine.sync_engine, database.identifying.sync_engine}
    if database.is_sqlite:
        # On PostgreSQL it is the first one with an option, whose listeners hear of its statements as well.
        engines.add(database.reading.sync_engine)
    hot = [each for each in (database.hot, database.hot_pool) if each]
    for each in hot:
        each.listeners.append(lambda statement: note(None, None, statement))
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    for each in hot:
        each.listeners.pop()

"""Notes beside the requests that sessions are used: no request waits for that, and none fails by it."""

import asyncio
from contextvars import Context
from datetime import datetime
from uuid import UUID

import structlog

from app.database import Client, Database
from app.services.callers import Caller
from app.services.sessions.use import NOTED_EVERY, note_use

log = structlog.get_logger()

MOST_AT_ONCE = 20
"""Notes under way in one process. One more is left out; the session's next request has another chance."""


class UseNotes:
    """Writes down now and then that a session is used. One for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._under_way: dict[UUID, asyncio.Task[None]] = {}

    def is_due(self, caller: Caller, *, now: datetime) -> bool:
        """Whether it is time to note that a session is used, and nobody here is doing so already."""
        if caller.last_seen_at + NOTED_EVERY > now:
            return False
        return caller.user.session_id not in self._under_way and len(self._under_way) < MOST_AT_ONCE

    def note(self, caller: Caller, client: Client) -> None:
        """Begin to note that a session is used. Call it only where `is_due` says so."""
        session_id = caller.user.session_id
        task = asyncio.get_running_loop().create_task(self._write(session_id, client), context=Context())
        self._under_way[session_id] = task
        task.add_done_callback(lambda done: self._end(session_id, done))

    async def settle(self) -> None:
        """Wait until everything that has begun is written."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _write(self, session_id: UUID, client: Client) -> None:
        async with self._database.begin(client) as work:
            await note_use(work, session_id=session_id)

    def _end(self, session_id: UUID, task: asyncio.Task[None]) -> None:
        del self._under_way[session_id]
        error = None if task.cancelled() else task.exception()
        if error:
            log.warning("session.use_not_noted", session_id=str(session_id), cause=repr(error))

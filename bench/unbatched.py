"""The same application without its batching reader: what `GET /auth/me` would be with one statement for each request."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from fastapi import FastAPI

from app import main
from app.batching import BatchingReader
from app.config import Settings
from app.database import Database
from app.runtime import Runtime
from app.services.callers import Callers, find_one
from app.services.sessions.known import Known


class OneByOne(BatchingReader[UUID, Known]):
    """Asks at once, for each question a statement of its own, on the connections that everything else uses."""

    def __init__(self, database: Database) -> None:
        super().__init__(self._nobody, statements=1, batch=1, deadline_seconds=1)
        self._database = database

    async def find(self, key: UUID) -> Known | None:
        """Return the session with this id."""
        return await find_one(self._database.read, session_id=key)

    async def _nobody(self, keys: Sequence[UUID]) -> Mapping[UUID, Known]:
        return {}


def create_app() -> FastAPI:
    """Return the application of production with this one difference."""
    app = main.create_app(Settings.load())
    runtime: Runtime = app.state.runtime
    callers = Callers(runtime.database, runtime.settings, sessions=OneByOne(runtime.database))
    app.state.runtime = replace(runtime, callers=callers)
    return app

"""A further instance of the application over the same database: another worker, or the same one after a restart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx2
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from app.runtime import Runtime
from tests.accounts import Person
from tests.contract import DocumentedErrors


@dataclass(frozen=True)
class Instance:
    """A running application with its own threads and connections, and a client of it."""

    app: FastAPI
    http: httpx2.AsyncClient

    @property
    def runtime(self) -> Runtime:
        held: Runtime = self.app.state.runtime
        return held

    def serves(self, person: Person) -> Person:
        """Return the same person, with the same tokens, as a caller of this instance."""
        return replace(person, http=self.http)


@asynccontextmanager
async def instance(settings: Settings) -> AsyncIterator[Instance]:
    """Start an instance; it stops with the block."""
    app = create_app(settings)
    lifespan = app.router.lifespan_context(app)
    await lifespan.__aenter__()
    try:
        async with httpx2.AsyncClient(transport=DocumentedErrors(app), base_url=settings.PUBLIC_URL) as http:
            yield Instance(app, http)
    finally:
        # A server tells the application to stop; it throws nothing into it, and so must not a test that fails.
        await lifespan.__aexit__(None, None, None)

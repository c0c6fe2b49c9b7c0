"""Two workers over one database, for tests that are not asynchronous themselves, such as Hypothesis's state machines.

One event loop runs in a thread of its own for as long as they do, as it would in a server.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from app.config import Settings
from tests.accounts import API
from tests.instances import Instance, instance

Result = TypeVar("Result")
NUMBERS = (0, 1)


@dataclass(frozen=True)
class Call:
    """One request to one of the workers, by the path below the API prefix."""

    worker: int
    method: str
    path: str
    access_token: str | None = None
    content: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the HTTP client, such as `json`."""

    async def send(self, http: httpx2.AsyncClient) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return await http.request(self.method, API + self.path, headers=headers, **self.content)


class Workers:
    """The running workers, by number. Made by `running_workers`."""

    def __init__(self, settings: Settings, portal: BlockingPortal) -> None:
        self._settings = settings
        self._portal = portal
        self._contexts: dict[int, AbstractContextManager[Instance]] = {}
        self.running: dict[int, Instance] = {}

    def start(self, number: int) -> None:
        # The portal enters and leaves a context in one task, and keeps that task alive in between.
        context = self._portal.wrap_async_context_manager(instance(self._settings))
        self.running[number] = context.__enter__()
        self._contexts[number] = context

    def stop(self, number: int) -> None:
        del self.running[number]
        self._contexts.pop(number).__exit__(None, None, None)

    def send(self, *calls: Call) -> Sequence[httpx2.Response]:
        """Send requests at once, and return their answers in the same order."""
        return self._portal.call(self._send, calls)

    def run(self, function: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
        """Await a function in the event loop of the workers."""
        return self._portal.call(function, *arguments)

    async def _send(self, calls: Sequence[Call]) -> Sequence[httpx2.Response]:
        return await asyncio.gather(*(call.send(self.running[call.worker].http) for call in calls))


@contextmanager
def running_workers(settings: Settings) -> Iterator[Workers]:
    """Start the workers; those that run then stop with the block."""
    with start_blocking_portal(backend_options={"use_uvloop": True}) as portal, ExitStack() as stopping:
        workers = Workers(settings, portal)
        for number in NUMBERS:
            workers.start(number)
            stopping.callback(workers.stop, number)
        yield workers

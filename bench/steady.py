"""A light client that asks at a low, steady rate and measures from the moment each request was due."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.client import Connection
from bench.tables import percentile

_CONNECTIONS = 16
_PATIENCE_SECONDS = 30
_OK = 200


@dataclass
class Answers:
    """How long the answers took, in milliseconds, and how many were no 200."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0

    def summary(self) -> dict[str, float]:
        """Return the percentiles in milliseconds, and the counts."""
        found = {f"p{percent}": round(percentile(self.milliseconds, percent), 2) for percent in (50, 99)}
        return {**found, "answers": len(self.milliseconds), "errors": self.errors}


class SteadyClient:
    """Sends requests in turn, each when it is due, whether the one before has been answered or not.

    So a server that stalls cannot hide it.
    """

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._port = port
        self._free = deque(Connection(port) for _ in range(_CONNECTIONS))
        self._found = Answers()

    async def ask(self, *, rate: int, seconds: int) -> Answers:
        """Ask so often a second, and return what came of it."""
        # Opening a connection is not what is measured.
        await asyncio.gather(*(connection.ask(self._requests[0]) for connection in self._free))
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), []
        for number in range(seconds * rate):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self._ask_once(self._requests[number % len(self._requests)], due)))
        await asyncio.gather(*tasks)
        for connection in self._free:
            connection.close()
        return self._found

    async def _ask_once(self, request: bytes, due: float) -> None:
        connection = self._free.popleft() if self._free else Connection(self._port)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                status, _ = await connection.ask(request)
        except (OSError, EOFError, TimeoutError):
            connection.close()
            status = 0
        self._free.append(connection)
        if status == _OK:
            self._found.milliseconds.append((asyncio.get_running_loop().time() - due) * 1000)
        else:
            self._found.errors += 1

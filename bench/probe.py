"""Responsiveness: how long others wait while two hundred people sign in at once.

A bare server beside ours, with nothing else to do, is asked just as often: its waits are the machine's own, and our
probe's.
"""

import asyncio
import math
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.client import API, Connection, get
from bench.load import Load, Plan, result, started
from bench.people import People
from bench.servers import Server

SIGN_INS = 200
BAR_MS = 20
"""The 99th percentile of GET /health and GET /auth/me stays below this."""
_A_SECOND = 50
_CONNECTIONS = 16
_PATIENCE_SECONDS = 30
_FILLING_SECONDS = 1
OK, BUSY = 200, 503
HEALTH, ME, FLOOR = "health", "me", "floor"


@dataclass
class Waits:
    """How long the answers to one kind of request took, in milliseconds, and how many were none."""

    milliseconds: list[float] = field(default_factory=list)
    busy: int = 0
    errors: int = 0

    def summary(self) -> dict[str, Any]:
        """Return percentiles over all rounds."""
        ordered = sorted(self.milliseconds) or [0.0]
        ranks = {f"p{percent}": ordered[math.ceil(len(ordered) * percent / 100) - 1] for percent in (50, 95, 99)}
        counts = {"answers": len(self.milliseconds), "busy": self.busy, "errors": self.errors}
        return {**{name: round(value, 2) for name, value in ranks.items()}, "max": round(ordered[-1], 2), **counts}


@dataclass
class Responsiveness:
    """The waits of each kind of request, with nothing else going on and during the sign-ins."""

    server: Server
    floor: Server
    idle: dict[str, Waits] = field(default_factory=lambda: defaultdict(Waits))
    loaded: dict[str, Waits] = field(default_factory=lambda: defaultdict(Waits))
    sign_ins: list[Load] = field(default_factory=list)

    def measure(self, people: People, plan: Plan) -> None:
        """Add one round."""
        tokens = [session["access_token"] for session in asyncio.run(people.sign_in(_CONNECTIONS))]
        asyncio.run(self._probe(tokens, plan.seconds, self.idle))
        crowd = Plan(plan.seconds + 2 * _FILLING_SECONDS, SIGN_INS, plan.threads)
        arguments = [people.write("forms", people.forms), str(plan.threads)]
        with started("login", self.server.url(f"{API}/auth/login"), arguments, crowd) as process:
            time.sleep(_FILLING_SECONDS)
            asyncio.run(self._probe(tokens, plan.seconds, self.loaded))
            self.sign_ins.append(result(process, crowd))

    async def _probe(self, tokens: list[str], seconds: int, waits: dict[str, Waits]) -> None:
        """Ask for everything at a low, steady rate."""
        me = [get(f"{API}/auth/me", token=token) for token in tokens]
        await asyncio.gather(
            _ask_steadily(self.floor.port, [get("/bare/health")], seconds, waits[FLOOR]),
            _ask_steadily(self.server.port, [get("/health")], seconds, waits[HEALTH]),
            _ask_steadily(self.server.port, me, seconds, waits[ME]),
        )

    def summary(self) -> dict[str, Any]:
        """Return what was found over all rounds."""
        return {
            "idle": {name: waits.summary() for name, waits in self.idle.items()},
            "loaded": {name: waits.summary() for name, waits in self.loaded.items()},
            "sign_ins": {
                "rate": round(sum(load.rate for load in self.sign_ins) / max(len(self.sign_ins), 1), 1),
                "busy": sum(load.busy for load in self.sign_ins),
                "errors": sum(load.errors for load in self.sign_ins),
            },
        }


async def _ask_steadily(port: int, requests: Sequence[bytes], seconds: int, waits: Waits) -> None:
    """Send a request every so often, whether the one before has been answered or not.

    Time counts from the moment at which a request was due, so a server that stalls cannot hide it.
    """
    free = deque(Connection(port) for _ in range(_CONNECTIONS))
    everybody = list(free)

    async def ask(request: bytes, due: float) -> None:
        connection = free.popleft() if free else Connection(port)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                status, _ = await connection.ask(request)
        except (OSError, EOFError, TimeoutError):
            connection.close()
            status = 0
        free.append(connection)
        if status == OK:
            waits.milliseconds.append((loop.time() - due) * 1000)
        waits.busy += status == BUSY
        waits.errors += status not in {OK, BUSY}

    # Opening a connection is not what is measured.
    await asyncio.gather(*(connection.ask(requests[0]) for connection in everybody))
    loop = asyncio.get_running_loop()
    began, tasks = loop.time(), []
    for number in range(seconds * _A_SECOND):
        due = began + number / _A_SECOND
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(asyncio.create_task(ask(requests[number % len(requests)], due)))
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()

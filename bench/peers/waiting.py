"""How long others wait while two hundred people sign in at once, of each contender.

As `bench.probe` measures it: a light client asks at a low, steady rate, and time counts from when each request was due. But
whoever is told to come back later does so: else a server that refuses would be asked thousands of times a second, and one
that keeps everybody waiting would not.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from bench.client import get
from bench.load import Load, Plan, result, started
from bench.peers.client import AnyConnection
from bench.peers.contenders import Running
from bench.peers.rows import WITH_DEFAULT_HASHES, rotated
from bench.peers.serving import wait_until_quiet
from bench.steady import Answers

SIGN_INS = 200
CONTENDERS = WITH_DEFAULT_HASHES
_A_SECOND = 50
_CONNECTIONS = 16
_PATIENCE_SECONDS = 30
_FILLING_SECONDS = 1


@dataclass
class Waits:
    """What was found of one contender, over all rounds."""

    me: Answers = field(default_factory=Answers)
    health: Answers = field(default_factory=Answers)
    sign_ins: list[Load] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """How many cores others used just before each round, when everybody measured here had nothing to do."""

    async def measure(self, running: Running, plan: Plan) -> None:
        """Add one round."""
        api, server = running.contender.api, running.server
        sessions = [api.credential(answer) for answer in await running.sign_in(_CONNECTIONS)]
        crowd = Plan(plan.seconds + 2 * _FILLING_SECONDS, SIGN_INS, plan.threads)
        arguments = [running.write("credentials", running.credentials), str(plan.threads)]
        wait_until_quiet([server.group])
        async with (
            SteadyClient(server.port, [api.ask_me(each) for each in sessions], b"@example.com", self.me) as me,
            SteadyClient(server.port, [get(api.health_path)], b"", self.health) as health,
        ):
            with started(f"{api.login_script}_patient", server.url(api.login_path), arguments, crowd) as process:
                await asyncio.sleep(_FILLING_SECONDS)
                await asyncio.gather(me.ask(plan.seconds), health.ask(plan.seconds))
                self.sign_ins.append(result(process, crowd))

    def summary(self) -> dict[str, Any]:
        """Return percentiles over all rounds."""
        rates = [load.rate for load in self.sign_ins]
        counts = {name: sum(getattr(load, name) for load in self.sign_ins) for name in ("errors", "busy")}
        return {
            "me": self.me.summary() | {"max": round(max(self.me.milliseconds, default=0.0), 2)},
            "health": self.health.summary() | {"max": round(max(self.health.milliseconds, default=0.0), 2)},
            "others": [round(cores, 2) for cores in self.others],
            "sign_ins": {"rate": round(sum(rates) / max(len(rates), 1), 1), **counts},
        }


@dataclass(frozen=True)
class Waiting:
    """The waits of every contender."""

    found: dict[str, Waits] = field(default_factory=lambda: defaultdict(Waits))

    def measure(self, running: Mapping[str, Running], plan: Plan, turn: int) -> None:
        """Add one round, of one contender after the other."""
        for key in rotated(CONTENDERS, turn):
            self.found[key].others.append(wait_until_quiet([each.server.group for each in running.values()]))
            asyncio.run(self.found[key].measure(running[key], plan))

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return what was found of each."""
        return {key: self.found[key].summary() for key in CONTENDERS if key in self.found}


class SteadyClient:
    """Sends requests in turn, each when it is due, whether the one before has been answered or not."""

    def __init__(self, port: int, requests: Sequence[bytes], expected: bytes, found: Answers) -> None:
        self._port = port
        self._requests = requests
        self._expected = expected
        self._found = found
        self._free = deque(AnyConnection(port) for _ in range(_CONNECTIONS))

    async def __aenter__(self) -> Self:
        # Opening a connection is not what is measured, and a server that stalls would keep us waiting for it.
        await asyncio.gather(*(connection.answer(self._requests[0]) for connection in self._free))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._free:
            connection.close()

    async def ask(self, seconds: int) -> None:
        """Ask for so long."""
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), []
        for number in range(seconds * _A_SECOND):
            due = began + number / _A_SECOND
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self._ask_once(self._requests[number % len(self._requests)], due)))
        await asyncio.gather(*tasks)

    async def _ask_once(self, request: bytes, due: float) -> None:
        connection = self._free.popleft() if self._free else AnyConnection(self._port)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await connection.answer(request)
                is_good = answer.is_success and self._expected in answer.body
        except (OSError, EOFError, TimeoutError):
            connection.close()
            is_good = False
        self._free.append(connection)
        if is_good:
            self._found.milliseconds.append((asyncio.get_running_loop().time() - due) * 1000)
        else:
            self._found.errors += 1

"""What must not take longer in a large database, and how each of it is measured once on one side."""

import asyncio
import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from statistics import fmean, median
from typing import Any

from bench import machine
from bench.client import API, login_form
from bench.growth_sides import Side, processor_seconds
from bench.load import LoadFailed, Plan, measure
from bench.people import PASSWORD

BAR = 1.15
"""How many times as long the large database may take."""
TOKENS = 4000
"""Different access tokens, refresh tokens and addresses in each round: more than are used twice."""
_LOOK_UPS = 2000
_EXPLAINED = 300
_DEEP = 0.9


@dataclass(frozen=True)
class Figure:
    """What was found on one side: `shown` in the unit of its row, and the milliseconds that one operation takes."""

    shown: float
    milliseconds: float
    processor_us: float
    """Of it, microseconds of processor time: the server's and PostgreSQL's together. 0 when nobody has looked."""


Measured = dict[str, Figure]
"""What was found on each side, by its name."""


@dataclass(frozen=True)
class Row:
    """One operation, and how it is measured once on each side in turn. Rows without a bar are there to be known."""

    title: str
    unit: str
    measure: Callable[[Sequence[Side], Plan], Measured]
    has_bar: bool = True


def rows(statement: str) -> dict[str, Row]:
    """Return everything that is measured, in the order of the table. `statement` is that of `look_up_statement`."""
    look_up = LookUp(statement)
    me, sign_in, refresh, users = (f"{API}{path}" for path in ("/auth/me", "/auth/login", "/auth/refresh", "/users/"))
    deep = Load("me", users, _administrator, _deep_page)
    return {
        "me": Row("GET /auth/me, any session", "req/s", Load("me", me, _access_tokens)),
        "sign_in": Row("sign-in, anybody", "req/s", Load("login", sign_in, _forms)),
        "look_up": Row("its look-up, with the round trip", "ms", look_up.round_trips),
        "look_up_execution": Row("the same, within PostgreSQL", "ms", look_up.executions, has_bar=False),
        "refresh": Row("refresh, any session", "req/s", Load("refresh", refresh, _refresh_tokens)),
        "first_page": Row("first page of GET /users/", "req/s", Load("me", users, _administrator)),
        "deep_page": Row(f"page after {_DEEP:.0%} of the users", "req/s", deep),
    }


@dataclass(frozen=True)
class Load:
    """One path under load: which script of wrk, what stands in its file, and what is asked for in the query."""

    script: str
    path: str
    lines: Callable[[Side], Coroutine[Any, Any, list[str]]]
    query: Callable[[Side], Coroutine[Any, Any, str]] | None = None

    def __call__(self, both: Sequence[Side], plan: Plan) -> Measured:
        """Load one side, twice the other, and the one again, so that a machine that gets slower meanwhile favours none.

        Raises `LoadFailed` unless every answer is a success.
        """
        half, found = replace(plan, seconds=math.ceil(plan.seconds / 2)), defaultdict[str, list[Figure]](list)
        for side in (*both, *reversed(both)):
            found[side.name].append(self._measure(side, half))
        return {name: _mean(figures) for name, figures in found.items()}

    def _measure(self, side: Side, plan: Plan) -> Figure:
        path = self.path + (asyncio.run(self.query(side)) if self.query else "")
        lines = side.people.write("lines", asyncio.run(self.lines(side)))
        before = asyncio.run(side.database_seconds())
        load, cost = measure(side.server, self.script, path, [lines], plan)
        if not load.rate or load.errors or load.busy:
            raise LoadFailed(f"{path} on the {side.name} side: {load}")
        spent = asyncio.run(side.database_seconds()) - before
        return Figure(load.rate, 1000 / load.rate, cost.cpu_us + spent / load.requests * 1e6)


def _mean(figures: Sequence[Figure]) -> Figure:
    return Figure(*(fmean(values) for values in zip(*map(astuple, figures), strict=True)))


async def _access_tokens(side: Side) -> list[str]:
    return [pair.access_token for pair in await side.tokens(TOKENS)]


async def _refresh_tokens(side: Side) -> list[str]:
    return [pair.refresh_token for pair in await side.tokens(min(TOKENS, side.size))]


async def _forms(side: Side) -> list[str]:
    return [login_form(email, PASSWORD) for email in await side.drawn_addresses(TOKENS)]


async def _administrator(side: Side) -> list[str]:
    # Each thread of wrk wants a line of its own.
    return [await side.administrators_token()] * machine.cores()


async def _deep_page(side: Side) -> str:
    return f"?cursor={await side.cursor(_DEEP)}"


@dataclass(frozen=True)
class _Asked:
    name: str
    connection: Any
    times: list[float]


@dataclass(frozen=True)
class LookUp:
    """The statement by which a sign-in finds an account, sent as the application sends it."""

    statement: str

    def round_trips(self, both: Sequence[Side], plan: Plan) -> Measured:
        """Return the medians of many, each with another address, as whoever asks waits for them."""
        return asyncio.run(self._medians(both, _LOOK_UPS, self._round_trip))

    def executions(self, both: Sequence[Side], plan: Plan) -> Measured:
        """Return the medians of what PostgreSQL itself says that it spent on each."""
        return asyncio.run(self._medians(both, _EXPLAINED, self._execution))

    async def _medians(
        self, both: Sequence[Side], number: int, once: Callable[[Any, str], Awaitable[float]]
    ) -> Measured:
        """Ask both sides in turn, so that what else the machine does falls on both."""
        async with AsyncExitStack() as open_now:
            asked = [_Asked(side.name, await open_now.enter_async_context(side.connection()), []) for side in both]
            addresses = [await side.drawn_addresses(number) for side in both]
            for each in asked:
                await _meet_all_pages(each.connection)
            processes = [each.connection.get_server_pid() for each in asked]
            before = [processor_seconds(pid) for pid in processes]
            with _on_one_core(0, *processes):
                for turn in range(number):
                    for each, known in zip(asked, addresses, strict=True):
                        each.times.append(await once(each.connection, known[turn % len(known)]))
            after = [processor_seconds(pid) for pid in processes]
        spent = [(then - now) / number * 1e6 for now, then in zip(before, after, strict=True)]
        return {
            each.name: Figure(median(each.times), median(each.times), used)
            for each, used in zip(asked, spent, strict=True)
        }

    async def _round_trip(self, connection: Any, address: str) -> float:
        began = time.perf_counter()
        # Prepared at the first time, and kept by the driver from then on.
        row = await connection.fetchrow(self.statement, address)
        if row is None:
            raise LoadFailed(f"nobody has the address {address}")
        return (time.perf_counter() - began) * 1000

    async def _execution(self, connection: Any, address: str) -> float:
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {self.statement}", address)
        return float(json.loads(plan)[0]["Execution Time"])


async def _meet_all_pages(connection: Any) -> None:
    """Read all users and all addresses once.

    The system maps a page of shared memory into a process at its first sight, which takes longer than a whole look-up. A
    server's connections last, and have seen all pages before long.
    """
    await connection.execute("SET max_parallel_workers_per_gather = 0")
    await connection.execute("SELECT count(password_hash) FROM users")
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SELECT count(email_normal) FROM users")
    await connection.execute("RESET enable_seqscan")


@contextmanager
def _on_one_core(*processes: int) -> Iterator[None]:
    """Keep processes on the same core meanwhile; 0 is this one.

    To wake a process on a core that sleeps takes as long as a look-up, and chance decides which of the two that meets.
    """
    cores = os.sched_getaffinity(0)
    for pid in processes:
        os.sched_setaffinity(pid, {min(cores)})
    try:
        yield
    finally:
        for pid in processes:
            os.sched_setaffinity(pid, cores)

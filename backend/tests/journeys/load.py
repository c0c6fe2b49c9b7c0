"""Requests without a pause, of people with living sessions and of people whose sessions have ended, and what they get."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from tests.journeys.line import Answer, connected

PATIENCE_SECONDS = 30
ENOUGH = 100


@dataclass(frozen=True)
class Seen:
    """An answer to somebody's request for their own account."""

    answer: Answer
    living: bool
    """Whether the session of the request is alive. It stays as it is while the load lasts."""
    in_outage: bool
    """Whether the database was away for all the time from the request to the answer."""

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def is_good(self) -> bool:
        """Whether it is the answer of a quiet day."""
        return self.status == (200 if self.living else 401)


@dataclass
class Load:
    """What the requests got so far, in the order of the answers."""

    seen: list[Seen] = field(default_factory=list)
    _outage: object | None = None
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Mark the time for which the database cannot answer."""
        self._outage = object()
        yield
        self._outage = None

    async def keep_asking(self, url: str, token: str, *, living: bool) -> None:
        """Ask for one's own account, again and again."""
        async with connected(url) as line:
            while True:
                outage = self._outage
                answer = await line.ask("GET", "/auth/me", token)
                in_outage = outage is not None and outage is self._outage
                self.seen.append(Seen(answer, living=living, in_outage=in_outage))
                self._answered.set()

    async def until(self, reached: Callable[[Sequence[Seen]], bool]) -> None:
        """Go on until the answers from now on are what was waited for."""
        begin = len(self.seen)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not reached(self.seen[begin:]):
                self._answered.clear()
                await self._answered.wait()

    async def calm(self) -> None:
        """Go on until the latest answers are all those of a quiet day, for both kinds of people."""
        await self.until(lambda seen: len(seen) >= ENOUGH and all(one.is_good for one in seen[-ENOUGH:]))


@asynccontextmanager
async def under_load(url: str, *, living: Sequence[str], ended: Sequence[str]) -> AsyncIterator[Load]:
    """Load a server, each access token on a connection of its own, for as long as the block lasts."""
    load = Load()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(load.keep_asking(url, token, living=True)) for token in living]
        asking += [group.create_task(load.keep_asking(url, token, living=False)) for token in ended]
        await load.calm()
        yield load
        for task in asking:
            task.cancel()

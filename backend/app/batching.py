"""Answers many questions with one statement: those that arrive while one is under way share the next.

Nothing is remembered. A question is only ever answered by a read that began after it was asked, so that what was
committed before is always seen.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from app.exceptions import DatabaseUnavailable

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

MOST_WAITING = 10_000
"""Questions that may wait at once; one more is refused. The deadline bounds how long they do."""


@dataclass(slots=True)
class _Patience:
    """Until when somebody waits. `future` is None once they have their answer."""

    until: float
    future: asyncio.Future[Any] | None


class BatchingReader(Generic[Key, Answer]):
    """Puts the questions of one process together, one event loop's worth at a time.

    `read` answers a batch of distinct keys in one statement; a key that it leaves out is answered None. At most
    `statements` reads are under way at once, each for at most `batch` questions.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Coroutine[Any, Any, Mapping[Key, Answer]]],
        *,
        statements: int,
        batch: int,
        deadline_seconds: float,
    ) -> None:
        self._read = read
        self._statements = statements
        self._batch = batch
        self._deadline = deadline_seconds
        self._waiting: deque[tuple[Key, asyncio.Future[Answer | None]]] = deque()
        self._under_way: set[asyncio.Task[Mapping[Key, Answer]]] = set()
        self._is_scheduled = False
        self._patience: deque[_Patience] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def find(self, key: Key) -> Answer | None:
        """Return the answer for a key, read after this call.

        Raises whatever the read raises, to each who waits for it, and `DatabaseUnavailable` past the deadline. Who
        gives up while waiting disturbs nobody else.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise DatabaseUnavailable
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | None] = loop.create_future()
        self._waiting.append((key, future))
        if not self._is_scheduled:
            # Not at once: requests that this turn of the loop has yet to read can then share the statement.
            self._is_scheduled = True
            loop.call_soon(self._start, context=Context())
        patience = self._wait(future, loop)
        try:
            return await future
        finally:
            patience.future = None

    async def close(self) -> None:
        """Wait until every question has been answered."""
        while self._under_way or self._waiting:
            self._start()
            await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, future: asyncio.Future[Answer | None], loop: asyncio.AbstractEventLoop) -> _Patience:
        """Have a question given up at its deadline. All wait equally long, so one timer, for the oldest, is enough."""
        patience = _Patience(loop.time() + self._deadline, future)
        while self._patience and self._patience[0].future is None:
            self._patience.popleft()
        self._patience.append(patience)
        if self._timer is None:
            self._timer = loop.call_at(patience.until, self._give_up, loop, context=Context())
        return patience

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._patience and (self._patience[0].future is None or self._patience[0].until <= loop.time()):
            future = self._patience.popleft().future
            if future is not None and not future.done():
                future.set_exception(DatabaseUnavailable())
        self._timer = None
        if self._patience:
            self._timer = loop.call_at(self._patience[0].until, self._give_up, loop, context=Context())

    def _start(self) -> None:
        self._is_scheduled = False
        while self._waiting and len(self._under_way) < self._statements:
            self._start_one(self._next_batch())

    def _next_batch(self) -> list[tuple[Key, asyncio.Future[Answer | None]]]:
        """Take those who still want an answer, in the order in which they came."""
        batch: list[tuple[Key, asyncio.Future[Answer | None]]] = []
        while self._waiting and len(batch) < self._batch:
            question = self._waiting.popleft()
            if not question[1].done():
                batch.append(question)
        return batch

    def _start_one(self, batch: list[tuple[Key, asyncio.Future[Answer | None]]]) -> None:
        if not batch:
            return
        keys = list(dict.fromkeys(key for key, _ in batch))
        task = asyncio.get_running_loop().create_task(self._read(keys), context=Context())
        self._under_way.add(task)
        task.add_done_callback(partial(self._deliver, batch))

    def _deliver(
        self, batch: list[tuple[Key, asyncio.Future[Answer | None]]], task: asyncio.Task[Mapping[Key, Answer]]
    ) -> None:
        self._under_way.discard(task)
        error = DatabaseUnavailable() if task.cancelled() else task.exception()
        answers = {} if error else task.result()
        for key, future in batch:
            if future.done():
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(answers.get(key))
        self._start()

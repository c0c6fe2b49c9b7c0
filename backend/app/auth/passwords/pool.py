"""Keeps password hashing off the event loop: few threads at a lower priority, behind a queue with an end."""

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from app.auth.passwords.hashing import PasswordHasher
from app.exceptions import HashingBusy

Result = TypeVar("Result")

_NICENESS = 10
"""Hashing threads yield to the event loop: measured, this is what keeps other requests quick under load."""
_FIRST_GUESS_SECONDS = 0.02
_ROOM = 1.25
"""How much longer than was guessed somebody waits who was let in. A guess is a little wrong: without room for that, some of
those let in waited all the time and were refused then."""
_MEMORY = 0.1
"""How much the latest hash counts for the guess of how long the next one takes."""

CLIENT_GONE: ContextVar[asyncio.Future[None] | None] = ContextVar("client_gone", default=None)
"""Ends when the client of this request has hung up. Whoever waits for a thread then gives the place to the next."""


@dataclass(eq=False)
class Place:
    """What somebody has in the queue of a pool who has nothing to hash yet."""

    pool: "HashingPool"
    is_kept: bool = True
    """Until the first hash takes it, or it is given back."""


class HashingPool:
    """Runs a `PasswordHasher` in threads of its own. Every hash that the application computes passes through here."""

    def __init__(self, hasher: PasswordHasher, *, threads: int, queue: int, wait_seconds: float = math.inf) -> None:
        """Prepare. At most `queue` wait, and nobody of whom it is clear at once that it would be longer than `wait_seconds`."""
        self._hasher = hasher
        self._threads = threads
        self._capacity = threads + queue
        self._wait_seconds = wait_seconds
        self._each_seconds = _FIRST_GUESS_SECONDS
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing", initializer=_lower_priority)
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._in_flight = 0
        self._kept = 0  # Touched by the event loop alone.
        self.computed = 0
        """How many pieces of work were taken on so far, by `hash` and `verify` together: one for each hash."""

    async def hash(self, password: str) -> str:
        """Return the string to store for a password. Raises `HashingBusy` when the queue is full."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, stored: str | None, *, place: Place | None = None) -> bool:
        """Whether the password is the stored one, with equal work when there is none.

        Raises `HashingBusy` when the queue is full, but for who has a `place` in it, and after too long a wait.
        """
        return await self._run(lambda: self._hasher.verify(password, stored), place)

    def check_capacity(self) -> None:
        """Raise `HashingBusy` when a hash would be refused now, so that the rest of the work need not begin."""
        taken = self._in_flight + self._kept
        before = taken - self._threads + 1
        if taken >= self._capacity or before * self._each_seconds > self._wait_seconds * self._threads:
            raise HashingBusy

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Keep a place for a hash that needs a look at the database first. Raises `HashingBusy`.

        Of a hundred that come at once, only those who have one look. Take it when nothing depends on the client any more:
        whoever sends a body slowly would hold it. While the database is slow, places are held for as long as it takes.
        """
        self.check_capacity()
        place = Place(self)
        self._kept += 1
        try:
            yield place
        finally:
            self._give_back(place)

    @property
    def is_waited_for(self) -> bool:
        """Whether whoever comes now has to wait for a thread."""
        return self._in_flight + self._kept >= self._threads

    def needs_rehash(self, stored: str) -> bool:
        """Whether a stored hash should be replaced at this sign-in. Costs nothing."""
        return self._hasher.needs_rehash(stored)

    def close(self) -> None:
        """Let running work end and start none that waits."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result], place: Place | None = None) -> Result:
        """Run one piece of work. A caller that is cancelled gives up its place in the queue, not a running thread's."""
        self._enter(place)
        try:
            future = self._executor.submit(self._timed, work, time.monotonic())
        except RuntimeError:  # The pool has been closed.
            self._leave()
            raise
        future.add_done_callback(self._leave)
        waiting, gone = asyncio.wrap_future(future), CLIENT_GONE.get()
        if gone is not None and not await _first_of(waiting, gone) and future.cancel():
            raise HashingBusy
        return await waiting

    def _timed(self, work: Callable[[], Result], asked_at: float) -> Result:
        """Do the work, unless it has waited too long: whoever asked would have to wait for it, and all behind as well."""
        if time.monotonic() - asked_at > _ROOM * self._wait_seconds:
            raise HashingBusy
        # Under load a thread waits for a core between two hashes as well: whoever is behind waits for both.
        began = max(asked_at, getattr(self._thread, "ended_at", 0.0))
        try:
            return work()
        finally:
            self._thread.ended_at = ended = time.monotonic()
            with self._lock:
                self._each_seconds += (ended - began - self._each_seconds) * _MEMORY

    def _enter(self, place: Place | None) -> None:
        with self._lock:
            if place is not None and place.is_kept and place.pool is self:
                self._give_back(place)
            else:
                self.check_capacity()
            self._in_flight += 1
            self.computed += 1

    def _give_back(self, place: Place) -> None:
        if place.is_kept:
            place.is_kept = False
            self._kept -= 1

    def _leave(self, _: Future[Result] | None = None) -> None:
        with self._lock:
            self._in_flight -= 1


async def _first_of(waiting: asyncio.Future[Any], gone: asyncio.Future[None]) -> bool:
    """Wait for an answer or for its client to go, and return whether the answer is there."""
    either: list[asyncio.Future[Any]] = [waiting, gone]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        waiting.cancel()
        raise
    return waiting.done()


def _lower_priority() -> None:
    """Lower the priority of the calling thread where the system knows one per thread (Linux)."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with suppress(OSError):  # Some sandboxes forbid it; hashing must go on.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

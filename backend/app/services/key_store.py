"""The signing keys as one process holds them: read from the database every few seconds, used at every request."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.auth.keys import KeyRing, SigningKey, public_jwk, symmetric_key
from app.auth.rotation import KeyState
from app.config import Settings
from app.database import Reader
from app.exceptions import DatabaseUnavailable
from app.services.signing_keys import HeldKey, read_keys, timetable

log = structlog.get_logger()

OLDEST_SECONDS = 5
"""When keys are read again, by the request that needs them: so soon every worker knows of a change."""
PAUSE_SECONDS = 1
"""Between two attempts to read them while the database is away, and between two searches for unknown keys."""

_DISTANT_PAST = datetime.min.replace(tzinfo=UTC)
_DISTANT_FUTURE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Period:
    """What counts between two moments: no state of any key changes there."""

    since: datetime
    until: datetime
    ring: KeyRing | None
    published: Sequence[SigningKey]


class KeyStore:
    """Every key of this installation, as of a few seconds ago. One for each process.

    While the database is away it goes on with what it has read: sessions are asked for afresh at every request, so
    nothing stays open by that.
    """

    def __init__(self, settings: Settings, read: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._reader = read
        self._clock = clock
        self._shared = [symmetric_key(s) for s in settings.secrets] if settings.ALGORITHM == "HS256" else []
        self._reading: asyncio.Task[None] | None = None
        self._held: Sequence[HeldKey] = ()
        self._loaded_at = self._tried_at = self._searched_at = -math.inf
        self._period = self._period_at(_DISTANT_PAST)

    async def ring(self, now: datetime) -> KeyRing:
        """Return the key that signs at this moment, and those whose signatures count.

        Raises `DatabaseUnavailable` while there is none.
        """
        if self._clock() - self._loaded_at > OLDEST_SECONDS:
            await self._catch_up(now)
        ring = self._at(now).ring
        if ring is None:
            # The database is away, or nobody has made the first key yet; a server does so within a minute.
            raise DatabaseUnavailable
        return ring

    def fresh_ring(self, now: datetime) -> KeyRing | None:
        """Return the same if the keys need not be read again for it, else None: for whoever would rather not wait."""
        return self._at(now).ring if self._clock() - self._loaded_at <= OLDEST_SECONDS else None

    async def search(self, now: datetime) -> KeyRing:
        """Return the ring after another look at the database: a token names a key that this process has not seen.

        However many such tokens come, the database is asked at most once a second. Raises `DatabaseUnavailable` when
        it cannot be asked: such a token may be a good one.
        """
        if self._clock() - self._searched_at > PAUSE_SECONDS:
            self._searched_at = self._clock()
            await self.reload()
        elif self._reading is not None:
            await asyncio.shield(self._reading)
        if self._loaded_at < self._tried_at:
            raise DatabaseUnavailable
        return await self.ring(now)

    async def reload(self) -> Sequence[HeldKey]:
        """Read every key pair as of now, and return it. Raises `DatabaseUnavailable`, and keeps what was read before."""
        while self._reading is not None:  # It may have begun before what the caller wants to see was written.
            await asyncio.wait([self._reading])
        await asyncio.shield(self._begin_reading())
        return self._held

    async def published(self, now: datetime) -> list[dict[str, str]]:
        """Return the public halves that outside verifiers need, as JSON Web Keys: never a shared key.

        Raises `DatabaseUnavailable` while the keys have never been read.
        """
        await self.ring(now)
        if self._loaded_at == -math.inf:
            raise DatabaseUnavailable
        return [public_jwk(key) for key in self._at(now).published]

    async def _catch_up(self, now: datetime) -> None:
        """Read the keys, unless somebody has tried to just now. Without a database go on with what there is.

        One request waits for the answer; others do only while there is nothing to go on with.
        """
        if self._reading is None and self._clock() - self._tried_at <= PAUSE_SECONDS:
            return
        is_usable = self._at(now).ring is not None and self._clock() - self._loaded_at <= 2 * OLDEST_SECONDS
        if self._reading is not None and is_usable:
            return
        try:
            await asyncio.shield(self._reading or self._begin_reading())
        except DatabaseUnavailable:
            log.warning("signing_keys.not_read", loaded=self._loaded_at > -math.inf)

    async def settle(self) -> None:
        """Wait until nothing is being read any more."""
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def _begin_reading(self) -> "asyncio.Task[None]":
        """Read in a task of its own: a request that hangs up harms none of those that wait for the same answer."""
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._end_reading)
        return self._reading

    def _end_reading(self, task: "asyncio.Task[None]") -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # Whoever still waits gets it; when nobody does, it is not worth a message.

    async def _read(self) -> None:
        try:
            held = await read_keys(self._reader, self._settings, {key.dates.kid: key for key in self._held})
        finally:
            self._tried_at = self._clock()
        self._loaded_at = self._tried_at
        if held != self._held:
            self._held = held
            self._period = self._period_at(_DISTANT_PAST)

    def _at(self, now: datetime) -> _Period:
        if not self._period.since <= now < self._period.until:
            self._period = self._period_at(now)
        return self._period

    def _period_at(self, now: datetime) -> _Period:
        times = timetable(self._held)
        by_state: dict[KeyState, list[SigningKey]] = {state: [] for state in KeyState}
        for key in self._held:
            if key.pair is not None:
                by_state[times.state(key.dates, now)].append(key.pair)
        published = [pair for state in KeyState if state is not KeyState.RETIRED for pair in by_state[state]]
        signing = [*self._shared, *by_state[KeyState.CURRENT]]
        accepted = {key.kid: key for key in (*self._shared, *published)}
        return _Period(
            since=now,
            until=times.next_change(now) or _DISTANT_FUTURE,
            ring=KeyRing(current=signing[0], accepted=accepted) if signing else None,
            published=published,
        )

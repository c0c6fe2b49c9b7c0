"""When a key pair signs, and how long its signatures count: worked out from dates alone, so no job flips a state.

Every worker that has read the same rows changes from one key to the next at the same moment of the clock. A key that
has begun to sign takes over from every older one, for good: what was superseded never signs again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class KeyState(StrEnum):
    """Where a key pair stands in its life."""

    NEXT = "next"
    """Published, and does not sign yet."""
    CURRENT = "current"
    """Signs."""
    FORMER = "former"
    """Signs no more; what it signed still counts."""
    RETIRED = "retired"
    """Counts no more."""


@dataclass(frozen=True, slots=True)
class KeyDates:
    """What decides the state of a key pair. A later generation takes over from an earlier one."""

    kid: str
    algorithm: str
    generation: int
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None

    @property
    def ever_signs(self) -> bool:
        """Whether it signs at some time: not when it was retired before its turn came."""
        return self.retired_at is None or self.retired_at > self.signs_from


@dataclass(frozen=True)
class Timetable:
    """The dates of all key pairs. `kept_for` is how long after its last signature a key counts."""

    keys: Sequence[KeyDates]
    kept_for: timedelta

    def state(self, key: KeyDates, now: datetime) -> KeyState:
        """Return the state of one of the keys at a moment."""
        until = self.counts_until(key)
        if key.retired_at is not None or (until is not None and until <= now):
            return KeyState.RETIRED
        if key.signs_from > now:
            return KeyState.NEXT
        superseded = any(successor.signs_from <= now for successor in self._successors(key))
        return KeyState.FORMER if superseded else KeyState.CURRENT

    def counts_until(self, key: KeyDates) -> datetime | None:
        """Return when the signatures of a key stop counting. None: not yet known, as nothing takes over from it."""
        if key.retired_at is not None:
            return key.retired_at
        starts = [successor.signs_from for successor in self._successors(key)]
        return min(starts) + self.kept_for if starts else None

    def current(self, now: datetime) -> KeyDates | None:
        """Return the key that signs at a moment, or None when there is none."""
        return next((key for key in self.keys if self.state(key, now) is KeyState.CURRENT), None)

    def successor_is_due(self, now: datetime, *, algorithm: str, lead: timedelta, lifetime: timedelta | None) -> bool:
        """Whether a successor should be published now: by age, or because another algorithm was chosen.

        False while one waits for its turn already. A lifetime of None never ends.
        """
        current = self.current(now)
        if current is None:
            return True
        if any(self.state(key, now) is KeyState.NEXT for key in self.keys):
            return False
        aged = lifetime is not None and current.signs_from + lifetime <= now + lead
        return aged or current.algorithm != algorithm

    def next_change(self, now: datetime) -> datetime | None:
        """Return the next moment at which any state changes, or None."""
        return min((moment for moment in self._moments() if moment > now), default=None)

    def _successors(self, key: KeyDates) -> Iterator[KeyDates]:
        return (other for other in self.keys if other.generation > key.generation and other.ever_signs)

    def _moments(self) -> Iterator[datetime]:
        for key in self.keys:
            until = self.counts_until(key)
            yield key.signs_from
            if until is not None:
                yield until

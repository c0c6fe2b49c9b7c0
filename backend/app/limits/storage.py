"""What a place for counting tries must do, and the arithmetic that every place shares: GCRA in whole milliseconds.

A bucket is one number: the moment when it will be full again ("theoretical arrival time"). A try is let through as long
as that moment is not too far away, and moves it on by one interval. So there is nothing to refill and nothing to reset,
and a bucket whose moment has passed is the same as none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Demand:
    """One try that a bucket is asked for."""

    key: bytes
    """A digest. Whose bucket it is cannot be told from it."""
    burst: int
    interval: int
    """Milliseconds until one more try is free."""

    def latest_full_at(self, now: int) -> int:
        """Return the latest moment at which the bucket may become full if a try is to be let through now."""
        return now + (self.burst - 1) * self.interval

    def wait(self, full_at: int, now: int) -> int:
        """Return how many milliseconds too early a try comes; 0 if it is let through."""
        return max(0, full_at - self.latest_full_at(now))

    def full_at(self, full_at: int, now: int) -> int:
        """Return the bucket's next moment, after a try that was let through."""
        return max(full_at, now) + self.interval


Waits = Mapping[bytes, int]
"""The buckets that say no, each with the milliseconds until it would say yes. Empty: the try has been counted."""


class Storage(Protocol):
    """A place where tries are counted. Times are milliseconds since 1970."""

    async def spend(self, demands: Sequence[Demand], *, now: int) -> Waits:
        """Take a try from every bucket, or, if one of them says no, from none: checking and counting are one step."""

    async def give_back(self, demands: Sequence[Demand]) -> None:
        """Put a try that was spent back into every bucket."""

    async def close(self) -> None:
        """Give back connections."""

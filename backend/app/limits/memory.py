"""Counts tries in the memory of one process. There is no `await` between looking and counting, so they are one step."""

import heapq
from collections.abc import Sequence

from app.limits.storage import Demand, Waits

MOST_BUCKETS = 100_000
"""Some 20 MB."""


class MemoryStorage:
    """Buckets of this process alone: another worker has its own, and a restart empties them."""

    def __init__(self, *, most: int = MOST_BUCKETS) -> None:
        self._full_at: dict[bytes, int] = {}
        self._most = most

    async def spend(self, demands: Sequence[Demand], *, now: int) -> Waits:
        """Take a try from every bucket, or, if one of them says no, from none."""
        held = [(demand, self._full_at.get(demand.key, 0)) for demand in demands]
        waits = {demand.key: wait for demand, full_at in held if (wait := demand.wait(full_at, now))}
        if not waits:
            self._full_at.update({demand.key: demand.full_at(full_at, now) for demand, full_at in held})
            if len(self._full_at) > self._most:
                self._forget(now)
        return waits

    async def give_back(self, demands: Sequence[Demand]) -> None:
        """Put a try that was spent back into every bucket."""
        for demand in demands:
            if demand.key in self._full_at:
                self._full_at[demand.key] -= demand.interval

    async def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def purge(self, *, now: int) -> None:
        """Forget buckets that are full again."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}

    def _forget(self, now: int) -> None:
        """Make room: first what is full again, then what would be soonest, a quarter of all at once."""
        self.purge(now=now)
        if len(self._full_at) > self._most:
            kept = heapq.nlargest(self._most * 3 // 4, self._full_at.items(), key=lambda item: item[1])
            self._full_at = dict(kept)

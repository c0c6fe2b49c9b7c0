"""What the provider remembers: so many things of a kind, for so long, in this process alone."""

import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Memory(Generic[Thing]):
    """Keeps things under keys that cannot be guessed. When it is full, the one that was put in first is forgotten."""

    def __init__(self, *, most: int, ttl: timedelta) -> None:
        self._most = most
        self._ttl = ttl
        self._things: OrderedDict[str, tuple[Thing, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._things)

    def add(self, thing: Thing, *, now: datetime) -> str:
        """Keep a thing, and return its key: 256 random bits."""
        key = secrets.token_urlsafe(32)
        self.keep(key, thing, now=now)
        return key

    def keep(self, key: str, thing: Thing, *, now: datetime) -> None:
        """Keep a thing under a key of the caller's, in place of what was there."""
        self._things[key] = (thing, now + self._ttl)
        self._things.move_to_end(key)
        while len(self._things) > self._most:
            self._things.popitem(last=False)

    def find(self, key: str, *, now: datetime) -> Thing | None:
        """Return what is kept under a key, unless its time is over."""
        thing, ends_at = self._things.get(key, (None, now))
        return thing if now < ends_at else None

    def forget(self, key: str) -> None:
        """Keep nothing under this key any more."""
        self._things.pop(key, None)

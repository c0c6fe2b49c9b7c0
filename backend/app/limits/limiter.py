"""Spends a try from every bucket that a limit names, or refuses. Whose buckets they are is known to digests alone."""

import hmac
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.auth.keys import derive_key
from app.auth.networks import place_of
from app.config import ConfigurationError, Settings
from app.database import Database
from app.exceptions import RateLimited
from app.limits.database import DatabaseStorage
from app.limits.memory import MemoryStorage
from app.limits.policy import Limit, Per
from app.limits.storage import Demand, Storage, Waits

_KEY_BYTES = 16
_MILLISECOND = timedelta(milliseconds=1)
_NEWS_EVERY = 60_000
"""Milliseconds for which a bucket that says no is no news any more."""
_MOST_NEWS = 10_000


@dataclass(frozen=True, slots=True)
class Trier:
    """Who tries, as far as a request tells."""

    address: str | None
    """The client's address."""
    account: str | None = None
    """The normal form of the address that was typed."""
    device: UUID | None = None
    """A device on which that account has signed in before: it has tries of its own, which no stranger can use up."""
    is_unreadable: bool = False
    """Whether the request holds something in which no account can be looked for."""
    caller: UUID | None = None
    """The signed-in user."""

    def subject(self, per: Per) -> str | None:
        """Return whose tries are counted, or None when the request does not say."""
        match per:
            case Per.ADDRESS:
                return place_of(self.address)
            case Per.CALLER:
                return str(self.caller) if self.caller else None
            case Per.OWN_DEVICES:
                return self.account if self.device else None
            case Per.ACCOUNT:
                if self.is_unreadable:
                    return f"unreadable from {place_of(self.address)}"
                own = f" on own device {self.device}" if self.device else ""
                return f"{self.account}{own}" if self.account else None


@dataclass(frozen=True, slots=True)
class Spent:
    """A try that has been counted, and what of it is given back if it succeeds."""

    returnable: Sequence[Demand] = ()


class Limiter:
    """The limits of one process."""

    def __init__(self, storage: Storage, *, secret: str, enabled: bool = True) -> None:
        self.storage = storage
        self.enabled = enabled
        self._key = derive_key(secret, "limit-buckets")
        self._told: dict[bytes, int] = {}

    @classmethod
    def build(cls, settings: Settings, database: Database) -> "Limiter":
        """Prepare what the settings ask for; nothing connects yet. Raises `ConfigurationError` without its library."""
        return cls(
            storage_of(settings, database),
            secret=settings.SECRET_KEY.get_secret_value(),
            enabled=settings.LIMITS_ENABLED,
        )

    async def spend(self, limit: Limit, trier: Trier, *, now: datetime) -> Spent:
        """Count a try. Raises `RateLimited` when one too many came lately; that one is not counted.

        Raises `DatabaseUnavailable` or `LimitsUnavailable` when nobody can count: then nobody is let through.
        """
        if not self.enabled:
            return Spent()
        counted = list(self._demands(limit, trier))
        demands = [demand for demand, _ in counted]
        moment = int(now.timestamp() * 1000)
        waits = await self.storage.spend(demands, now=moment)
        if waits:
            raise self._refusal(limit, max(demands, key=lambda demand: waits.get(demand.key, 0)), waits, moment)
        return Spent([demand for demand, failures_only in counted if failures_only])

    async def give_back(self, spent: Spent) -> None:
        """Put back what a try has spent that was no failure."""
        if spent.returnable:
            await self.storage.give_back(spent.returnable)

    async def close(self) -> None:
        """Give back connections."""
        await self.storage.close()

    def _demands(self, limit: Limit, trier: Trier) -> Iterator[tuple[Demand, bool]]:
        for rule in limit.rules:
            subject = trier.subject(rule.per)
            if subject is None:
                continue
            for number, rate in enumerate(rule.rates):
                name = "\0".join((rule.pool, rule.per, str(number), subject))
                key = hmac.digest(self._key, name.encode(), "sha256")[:_KEY_BYTES]
                yield Demand(key, rate.burst, rate.every // _MILLISECOND), rule.failures_only

    def _refusal(self, limit: Limit, demand: Demand, waits: Waits, now: int) -> RateLimited:
        window = math.ceil(demand.burst * demand.interval / 1000)
        wait = math.ceil(waits[demand.key] / 1000)
        return RateLimited(
            limit.name, quota=demand.burst, window=window, wait=wait, is_news=self._is_news(demand.key, now)
        )

    def _is_news(self, key: bytes, now: int) -> bool:
        """Whether nobody has been told within the last minute that this bucket says no."""
        if now - self._told.get(key, 0) < _NEWS_EVERY:
            return False
        if len(self._told) >= _MOST_NEWS:
            self._told.clear()
        self._told[key] = now
        return True


def storage_of(settings: Settings, database: Database) -> Storage:
    """Return the place for counting that LIMITS_STORAGE names."""
    chosen = settings.LIMITS_STORAGE.get_secret_value()
    if chosen == "database" or (chosen == "auto" and settings.worker_count > 1):
        return DatabaseStorage(database)
    if chosen in {"auto", "memory"}:
        return MemoryStorage()
    try:
        from app.limits.redis import RedisStorage  # noqa: PLC0415  # Its library is there only for who uses it.
    except ModuleNotFoundError:
        raise ConfigurationError(["LIMITS_STORAGE: needs the package redis. Install it: pip install redis"]) from None
    return RedisStorage(chosen)

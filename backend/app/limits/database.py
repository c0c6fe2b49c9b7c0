"""Counts tries in the shared database: one upsert for all buckets of a try, undone when one of them says no."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import BigInteger, Integer, LargeBinary, TextClause, bindparam, delete, select, text

from app.database import Client, Database, Work
from app.limits.storage import Demand, Waits
from app.models import LimitBucket

BATCH = 1000
"""Rows that one statement deletes, so that no transaction lasts long."""
_CLIENT = Client(address=None, user_agent="ostiary limits", request_id="")
_NO_FLUSH = "set_config('synchronous_commit', 'off', true)"
"""Has PostgreSQL answer a commit before it is on the disk: tries of the last moments before a crash may be forgotten. It
stands in RETURNING, so that it costs no statement of its own."""
_TYPES = {"key": LargeBinary, "full_at": BigInteger, "interval_ms": BigInteger, "burst": Integer}


class _Refused(Exception):
    """A bucket says no. It undoes the transaction, and with it what the others have counted."""

    def __init__(self, waits: Waits) -> None:
        self.waits = waits


class DatabaseStorage:
    """Buckets that all workers share. Raises `DatabaseUnavailable` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, demands: Sequence[Demand], *, now: int) -> Waits:
        """Take a try from every bucket, or, if one of them says no, from none.

        The statement locks each row before it looks at it. It takes them in the order of their keys, as everybody does,
        so that no two tries wait for each other.
        """
        ordered = sorted(demands, key=lambda demand: demand.key)
        try:
            async with self._database.begin(_CLIENT) as work:
                counted = await work.db.execute(
                    _upsert(len(ordered), flush=self._database.is_sqlite), _values(ordered, now)
                )
                counted_keys = {row.key for row in counted}
                refused = [demand for demand in ordered if demand.key not in counted_keys]
                if refused:
                    raise _Refused(await _waits(work, refused, now))  # noqa: TRY301  # Undoes the transaction.
        except _Refused as no:
            return no.waits
        return {}

    async def give_back(self, demands: Sequence[Demand]) -> None:
        """Put a try that was spent back into every bucket."""
        keys = {"keys": [demand.key for demand in demands]}
        async with self._database.begin(_CLIENT) as work:
            await work.db.execute(_give_back(flush=self._database.is_sqlite), keys)

    async def close(self) -> None:
        """Do nothing: the connections are the database's."""


async def purge_buckets(work: Work) -> int:
    """Delete some buckets that are full again, and return how many. Those that are in use at this moment stay."""
    now = int(work.now.timestamp() * 1000)
    full = select(LimitBucket.key).where(LimitBucket.full_at < now).limit(BATCH).with_for_update(skip_locked=True)
    statement = delete(LimitBucket).where(LimitBucket.key.in_(full)).returning(LimitBucket.key)
    return len((await work.db.execute(statement.execution_options(synchronize_session=False))).all())


async def _waits(work: Work, demands: Sequence[Demand], now: int) -> Waits:
    """Return how long each of these buckets says no. One that has changed its mind meanwhile takes the shortest."""
    keys = [demand.key for demand in demands]
    rows = await work.db.execute(select(LimitBucket.key, LimitBucket.full_at).where(LimitBucket.key.in_(keys)))
    full_at = {row.key: row.full_at for row in rows}
    return {demand.key: max(1, demand.wait(full_at.get(demand.key, 0), now)) for demand in demands}


def _values(demands: Sequence[Demand], now: int) -> dict[str, object]:
    """A new bucket's moment is one interval away."""
    values: dict[str, object] = {}
    for number, demand in enumerate(demands):
        values[f"key_{number}"] = demand.key
        values[f"full_at_{number}"] = now + demand.interval
        values[f"interval_ms_{number}"] = demand.interval
        values[f"burst_{number}"] = demand.burst
    return values


@cache
def _give_back(*, flush: bool) -> TextClause:
    """Return the statement that puts a try back. PostgreSQL locks the rows in order first; SQLite has one writer anyway."""
    order, returning = ("", "") if flush else ("ORDER BY key FOR UPDATE", f"RETURNING {_NO_FLUSH}")
    return text(
        f"""
        UPDATE limit_buckets SET full_at = full_at - interval_ms
        WHERE key IN (SELECT key FROM limit_buckets WHERE key IN :keys {order}) {returning}
        """  # noqa: S608  # Nothing in it comes from outside.
    ).bindparams(bindparam("keys", expanding=True, type_=LargeBinary()))


@cache
def _upsert(number: int, *, flush: bool) -> TextClause:
    """Return the statement for so many buckets. It returns the keys of those that have counted.

    Built once for each number: SQLAlchemy caches no statement with several rows of values. A new row's `full_at` is now
    and one interval more, which tells the old row what time it is.
    """
    rows = ", ".join(f"({', '.join(f':{column}_{each}' for column in _TYPES)})" for each in range(number))
    types = [bindparam(f"{column}_{each}", type_=kind()) for column, kind in _TYPES.items() for each in range(number)]
    return text(
        f"""
        INSERT INTO limit_buckets ({", ".join(_TYPES)}) VALUES {rows}
        ON CONFLICT (key) DO UPDATE SET
            full_at = CASE WHEN limit_buckets.full_at > excluded.full_at - excluded.interval_ms
                THEN limit_buckets.full_at + excluded.interval_ms ELSE excluded.full_at END,
            interval_ms = excluded.interval_ms,
            burst = excluded.burst
        WHERE limit_buckets.full_at <= excluded.full_at + (excluded.burst - 2) * excluded.interval_ms
        RETURNING key{"" if flush else f", {_NO_FLUSH}"}
        """  # noqa: S608  # Made of the names of columns and of numbers.
    ).bindparams(*types)

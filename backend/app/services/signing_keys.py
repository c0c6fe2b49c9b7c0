"""Key pairs that sign access tokens: made, published ahead of their turn, sealed anew, retired.

What should be done is worked out from the rows alone (`plan`); how it is written down lets one of many workers win.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.auth.jwt import LEEWAY, MAXIMUM_LIFETIME
from app.auth.keys import SigningKey, derive_key, generate_key_pair, key_pair, private_half
from app.auth.rotation import KeyDates, KeyState, Timetable
from app.auth.sealing import SealBroken, Unsealed, seal, unseal
from app.config import Settings
from app.database import Reader, Work
from app.exceptions import ConflictError, NotFoundError
from app.models import AuditKind, StoredKey
from app.services import audit

log = structlog.get_logger()

KEPT_FOR = MAXIMUM_LIFETIME + LEEWAY
"""How long a key counts after its last signature: until the last token that it may have signed has ended."""
SHORTEST_LEAD = timedelta(seconds=10)
"""Twice what a worker takes to learn of a new key, so that none sees a token that it cannot check."""

_COLUMNS = tuple(StoredKey.__table__.columns)
_ALL_KEYS: Select[Any] = select(*_COLUMNS).order_by(StoredKey.generation)


@dataclass(frozen=True)
class HeldKey:
    """A key pair of the database as this process sees it."""

    dates: KeyDates
    sealed: bytes | None
    """What its row holds: nothing once it is retired."""
    pair: SigningKey | None
    """The opened pair. None when it is retired, or when no secret of ours opens it."""
    is_outdated: bool = False
    """Whether it is sealed under a former server secret."""

    @property
    def is_broken(self) -> bool:
        """Whether no secret of ours opens a key that nobody has retired."""
        return self.pair is None and self.dates.retired_at is None


@dataclass(frozen=True)
class KeyPlan:
    """What should be changed now. Empty most of the time."""

    signs_from: datetime | None
    """When a new key should begin to sign; None: no new key is needed."""
    generation: int
    """Of the new key."""
    reseal: Sequence[HeldKey]
    outlived: Sequence[HeldKey]

    def __bool__(self) -> bool:
        return bool(self.signs_from or self.reseal or self.outlived)


@dataclass(frozen=True)
class ListedKey:
    """One key pair for people: `verifies_until` is None while nothing takes over from it."""

    dates: KeyDates
    state: KeyState
    verifies_until: datetime | None
    is_broken: bool


async def read_keys(read: Reader, settings: Settings, known: Mapping[str, HeldKey] | None = None) -> list[HeldKey]:
    """Return every key pair, opened, oldest first. What is known already is not opened again.

    Raises `DatabaseUnavailable`.
    """
    return _held(await read.all(_ALL_KEYS), settings, known or {})


def timetable(keys: Sequence[HeldKey]) -> Timetable:
    """Return when each key signs and counts. One that no secret opens takes no part."""
    return Timetable([key.dates for key in keys if not key.is_broken], KEPT_FOR)


def listed(keys: Sequence[HeldKey], now: datetime) -> list[ListedKey]:
    """Return each key pair with its state, newest first."""
    times = timetable(keys)
    return [
        ListedKey(key.dates, times.state(key.dates, now), times.counts_until(key.dates), key.is_broken)
        for key in reversed(keys)
    ]


def plan(keys: Sequence[HeldKey], settings: Settings, now: datetime) -> KeyPlan:
    """Return what should be changed now: a first or a next key, seals under a former secret, keys that ended."""
    times = timetable(keys)
    return KeyPlan(
        signs_from=_successor_signs_from(times, settings, now),
        generation=max((key.dates.generation for key in keys), default=0) + 1,
        reseal=[key for key in keys if key.is_outdated],
        outlived=[key for key in keys if key.pair is not None and times.state(key.dates, now) is KeyState.RETIRED],
    )


async def carry_out(work: Work, changes: KeyPlan, *, pair: SigningKey | None) -> None:
    """Write down what a plan asks for. `pair` is the new key, where it asks for one; of many workers one adds its own.

    Whatever somebody else has changed since the plan was made is left alone.
    """
    if changes.signs_from and pair:
        await _add(work, pair, generation=changes.generation, signs_from=changes.signs_from)
    for key in changes.reseal:
        await _seal_anew(work, key)
    for key in changes.outlived:
        await _destroy(work, key.dates.kid)


async def new_pair(settings: Settings) -> SigningKey:
    """Return a new key pair of the chosen algorithm, made in a thread. Call it before a transaction begins.

    Raises `ConflictError` with HS256, which has no key pairs.
    """
    _refuse_shared_keys(settings)
    return await asyncio.to_thread(generate_key_pair, settings.ALGORITHM)


async def rotate(work: Work, *, pair: SigningKey) -> ListedKey:
    """Publish a new key now, and let it sign after the lead. Raises `ConflictError` with HS256."""
    _refuse_shared_keys(work.settings)
    signs_from = work.now + max(work.settings.signing_key_lead, SHORTEST_LEAD)
    return ListedKey(await _add_next(work, pair, signs_from=signs_from), KeyState.NEXT, None, is_broken=False)


async def retire(work: Work, *, kid: str, spare: SigningKey | None) -> ListedKey:
    """Destroy the private half of a key: what it signed counts no more, on other workers within ten seconds.

    When it was the one that signs, `spare` takes over at once, in the same transaction. Retiring a retired key changes
    nothing. Raises `NotFoundError` for a key that is not there.
    """
    keys = _held((await work.db.execute(_ALL_KEYS)).all(), work.settings, {})
    key = next((key for key in keys if key.dates.kid == kid), None)
    if key is None:
        raise NotFoundError("Signing key")
    current = timetable(keys).current(work.now)
    await _destroy(work, kid)
    if spare and current == key.dates:
        await _add_next(work, spare, signs_from=_at_once(work.now))
    retired_at = key.dates.retired_at or work.now
    return ListedKey(replace(key.dates, retired_at=retired_at), KeyState.RETIRED, retired_at, is_broken=False)


def _refuse_shared_keys(settings: Settings) -> None:
    if settings.ALGORITHM == "HS256":
        raise ConflictError(
            "With ALGORITHM=HS256 there is no key pair to rotate: tokens are signed with a key derived from SECRET_KEY. "
            "Move the present SECRET_KEY to SECRET_KEY_PREVIOUS, set a new one, and restart"
        )


def _successor_signs_from(times: Timetable, settings: Settings, now: datetime) -> datetime | None:
    lead = settings.signing_key_lead
    if settings.ALGORITHM == "HS256" or not times.successor_is_due(
        now, algorithm=settings.ALGORITHM, lead=lead, lifetime=settings.signing_key_lifetime
    ):
        return None
    return now + max(lead, SHORTEST_LEAD) if times.current(now) else _at_once(now)


def _at_once(now: datetime) -> datetime:
    """Return when a key must sign from, to sign now on a worker whose clock is a little behind as well."""
    return now - LEEWAY


async def _add_next(work: Work, pair: SigningKey, *, signs_from: datetime) -> KeyDates:
    """Add a key after all others. Another worker that adds one at the same moment only moves this one further back."""
    while True:
        newest = (await work.db.execute(select(func.max(StoredKey.generation)))).scalar() or 0
        added = await _add(work, pair, generation=newest + 1, signs_from=signs_from)
        if added:
            return added


async def _add(work: Work, pair: SigningKey, *, generation: int, signs_from: datetime) -> KeyDates | None:
    """Add a key, unless there is one of that generation already."""
    dates = KeyDates(pair.kid, pair.algorithm, generation, work.now, signs_from, None)
    insert = postgresql.insert if work.db.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(StoredKey)
        .values(
            kid=dates.kid,
            algorithm=dates.algorithm,
            generation=generation,
            private_key_sealed=_sealed(pair, dates, work.settings),
            created_at=work.now,
            signs_from=signs_from,
        )
        .on_conflict_do_nothing()
        .returning(StoredKey.kid)
    )
    if (await work.db.execute(statement)).first() is None:
        return None
    detail = {"kid": pair.kid, "algorithm": pair.algorithm, "signs_from": signs_from.isoformat()}
    await audit.record(work, AuditKind.SIGNING_KEY_ADDED, detail=detail)
    return dates


async def _seal_anew(work: Work, key: HeldKey) -> None:
    """Put the present server secret in place of a former one, unless the row has changed meanwhile."""
    if key.pair is None:
        return
    statement = (
        update(StoredKey)
        .where(StoredKey.kid == key.dates.kid, StoredKey.private_key_sealed == key.sealed)
        .values(private_key_sealed=_sealed(key.pair, key.dates, work.settings))
        .returning(StoredKey.kid)
    )
    if (await work.db.execute(statement)).first():
        await audit.record(work, AuditKind.SIGNING_KEY_SEALED_ANEW, detail={"kid": key.dates.kid})


async def _destroy(work: Work, kid: str) -> None:
    statement = (
        update(StoredKey)
        .where(StoredKey.kid == kid, StoredKey.retired_at.is_(None))
        .values(private_key_sealed=None, retired_at=work.now)
        .returning(StoredKey.kid)
    )
    if (await work.db.execute(statement)).first():
        await audit.record(work, AuditKind.SIGNING_KEY_RETIRED, detail={"kid": kid})


def _held(rows: Sequence[Row[Any]], settings: Settings, known: Mapping[str, HeldKey]) -> list[HeldKey]:
    return [_hold(row, settings, known.get(row.kid)) for row in rows]


def _hold(row: Row[Any], settings: Settings, known: HeldKey | None) -> HeldKey:
    dates = KeyDates(row.kid, row.algorithm, row.generation, row.created_at, row.signs_from, row.retired_at)
    sealed = row.private_key_sealed if row.retired_at is None else None
    if sealed is None:
        return HeldKey(dates, None, None)
    if known and known.sealed == sealed and known.dates == dates:
        return known
    opened = _open(dates, sealed, settings)
    if opened is None:
        # Another worker may have a newer server secret than this one and have sealed the key anew with it. The name
        # of a key says which key it is, so the one that is open here already goes on.
        pair = known.pair if known and _place(known.dates) == _place(dates) else None
        if pair is None:
            log.error("signing_key.unreadable", kid=dates.kid, hint="does SECRET_KEY_PREVIOUS lack a former secret?")
        return HeldKey(dates, sealed, pair)
    return HeldKey(dates, sealed, key_pair(dates.algorithm, opened.content), is_outdated=opened.key_number > 0)


def _open(dates: KeyDates, sealed: bytes, settings: Settings) -> Unsealed | None:
    try:
        return unseal(sealed, keys=list(_sealing_keys(settings)), place=_place(dates))
    except SealBroken:
        return None


def _sealed(pair: SigningKey, dates: KeyDates, settings: Settings) -> bytes:
    return seal(private_half(pair), key=next(_sealing_keys(settings)), place=_place(dates))


def _sealing_keys(settings: Settings) -> Iterator[bytes]:
    return (derive_key(secret, "signing-key") for secret in settings.secrets)


def _place(dates: KeyDates) -> str:
    """Return what binds a seal to its row. Neither a name nor an algorithm has a slash."""
    return f"signing_keys/{dates.kid}/{dates.algorithm}/{dates.generation}"

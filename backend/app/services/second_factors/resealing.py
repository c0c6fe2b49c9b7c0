"""Seals seeds anew under the present server secret, and counts those that still need a former one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update

from app.auth.sealing import SealBroken
from app.database import Reader, Work
from app.models import TotpAuthenticator
from app.services.second_factors.seeds import SeedSeals

BATCH = 200
"""Seeds that one transaction seals anew."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of one batch."""

    looked_at: int
    unreadable: int
    """Those that no secret opens. They stay as they are: the former secret may come back."""
    last_id: UUID | None
    """Where the next batch begins."""


@dataclass(frozen=True, slots=True)
class SeedCounts:
    """How many seeds the present secret does not open, by what opens them."""

    outdated: int
    """A former secret."""
    unreadable: int
    """None of the present settings."""


async def reseal_some(work: Work, *, after: UUID | None) -> Resealed:
    """Seal some seeds anew that another secret has sealed, in the order of their ids.

    Any number of workers may do so at once: each leaves out what another one, or a request, holds, and a seed that has changed
    meanwhile stays as it is now.
    """
    seals = SeedSeals.of(work.settings)
    later = () if after is None else (TotpAuthenticator.id > after,)
    chosen = (
        select(TotpAuthenticator.id, TotpAuthenticator.seed_encrypted, TotpAuthenticator.sealed_with)
        .where(TotpAuthenticator.sealed_with != seals.name, *later)
        .order_by(TotpAuthenticator.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = (await work.db.execute(chosen)).all()
    readable = [await _reseal(work, seals, row) for row in rows]
    return Resealed(len(rows), readable.count(False), rows[-1].id if rows else None)


async def count_seeds(read: Reader, seals: SeedSeals) -> SeedCounts:
    """Count the seeds that the present secret has not sealed, by the name of the key that each row keeps."""
    statement = (
        select(TotpAuthenticator.sealed_with, func.count().label("number"))
        .where(TotpAuthenticator.sealed_with != seals.name)
        .group_by(TotpAuthenticator.sealed_with)
    )
    numbers = {row.sealed_with: int(row.number) for row in await read.all(statement)}
    outdated = sum(number for name, number in numbers.items() if name in seals.former_names)
    return SeedCounts(outdated, sum(numbers.values()) - outdated)


async def _reseal(work: Work, seals: SeedSeals, row: Row[*tuple[Any, ...]]) -> bool:
    """Seal one seed anew. False: no secret opens it."""
    try:
        seed = seals.open(row.seed_encrypted, row.id)
    except SealBroken:
        return False
    same = (TotpAuthenticator.id == row.id, TotpAuthenticator.seed_encrypted == row.seed_encrypted)
    values = {"seed_encrypted": seals.seal(seed, row.id), "sealed_with": seals.name}
    statement = update(TotpAuthenticator).where(*same).values(values)
    await work.db.execute(statement.execution_options(synchronize_session=False))
    return True

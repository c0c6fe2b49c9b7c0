"""Authenticator apps: the secret that is shown, the code that confirms it, and the codes that count, each of them once."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, delete, insert, select, update

from app.auth import totp
from app.auth.identifiers import new_id
from app.auth.qr import qr_svg
from app.auth.sealing import SealBroken
from app.database import Work
from app.exceptions import EnrolmentNotBegun, RateLimited, SecondFactorWrong
from app.mail.messages import NoticeEvent
from app.models import TotpAuthenticator
from app.services.mailed.notices import notify
from app.services.second_factors.seeds import SeedSeals

log = structlog.get_logger()

ENROLMENT_LIFETIME = timedelta(minutes=30)
"""For how long a secret that was shown can be confirmed."""
FREE_FAILURES = 5
"""Wrong codes in a row before the next one has to wait."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
_LIMIT = "second-factor"
_AUTHENTICATORS = select(*TotpAuthenticator.__table__.columns)


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """A new secret, for an app to take up: as a QR code, as a link, or typed."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr_svg: str = field(repr=False)
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class ConfirmedTotp:
    """An app that counts from now on."""

    id: UUID
    former_id: UUID | None
    """The app that it has replaced."""


async def offer_totp(work: Work, *, user_id: UUID, email: str) -> TotpOffer:
    """Return a new secret for an account, locked by the caller. It counts for nothing until a code of it is shown.

    What was offered before does not count any more; the app that the account has goes on.
    """
    mine = (TotpAuthenticator.user_id == user_id, TotpAuthenticator.confirmed_at.is_(None))
    await work.db.execute(delete(TotpAuthenticator).where(*mine))
    seed, row_id, seals = totp.new_seed(), new_id(), SeedSeals.of(work.settings)
    row = {
        "id": row_id,
        "user_id": user_id,
        "seed_encrypted": seals.seal(seed, row_id),
        "sealed_with": seals.name,
        "last_step": -1,
        "failures": 0,
        "created_at": work.now,
    }
    await work.db.execute(insert(TotpAuthenticator).values(row))
    uri = totp.provisioning_uri(seed, work.settings.APP_NAME, email)
    # Drawing takes some milliseconds, for which nobody else has to wait.
    svg = await asyncio.to_thread(qr_svg, uri)
    return TotpOffer(totp.shown_secret(seed), uri, svg, ENROLMENT_LIFETIME)


async def confirm_totp(work: Work, *, user_id: UUID, code: str) -> ConfirmedTotp:
    """Make the secret that was offered last the account's own, once a code of it is shown.

    The account is locked by the caller. The app that it had before counts no more, and is kept aside while this can be undone;
    the code that is shown here counts for nothing else. Raises `EnrolmentNotBegun`, and `SecondFactorWrong`, after which another code may be tried.
    """
    mine = (
        TotpAuthenticator.user_id == user_id,
        TotpAuthenticator.confirmed_at.is_(None),
        TotpAuthenticator.created_at > work.now - ENROLMENT_LIFETIME,
    )
    row = (await work.db.execute(_AUTHENTICATORS.where(*mine))).one_or_none()
    if row is None:
        raise EnrolmentNotBegun
    step = _step_of(work, row, code)
    if step is None:
        raise SecondFactorWrong
    former = update(TotpAuthenticator).where(TotpAuthenticator.user_id == user_id, TotpAuthenticator.counts)
    replaced = former.values(replaced_at=work.now).returning(TotpAuthenticator.id)
    former_id = (await work.db.execute(replaced)).scalar_one_or_none()
    values = {"confirmed_at": work.now, "last_used_at": work.now, "last_step": step}
    await work.db.execute(update(TotpAuthenticator).where(TotpAuthenticator.id == row.id).values(values))
    return ConfirmedTotp(row.id, former_id)


async def spend_totp(work: Work, *, user_id: UUID, code: str) -> None:
    """Accept a code of an account's app, for whatever purpose, and burn it: it counts once, and no earlier one after it.

    Of any number at once one succeeds (RFC 6238, section 5.2). Wrong codes are counted on the account; after a few in a row
    each further one has to wait, longer and longer. Raises `RateLimited`, also for a right one, and `SecondFactorWrong`.
    """
    mine = (TotpAuthenticator.user_id == user_id, TotpAuthenticator.counts)
    row = (await work.db.execute(_AUTHENTICATORS.where(*mine).with_for_update())).one_or_none()
    if row is None:
        raise SecondFactorWrong
    _check_wait(work, row)
    step = _step_of(work, row, code)
    if step is None or not await _burn(work, row, step):
        await _note_failure(work, row)
        raise SecondFactorWrong


async def remove_totp(work: Work, *, user_id: UUID) -> bool:
    """Take the app from an account, locked by the caller, and those that are not confirmed, or replaced.

    Return whether there was one that counted.
    """
    mine = TotpAuthenticator.user_id == user_id
    counted = (await work.db.execute(select(TotpAuthenticator.id).where(mine, TotpAuthenticator.counts))).first()
    await work.db.execute(delete(TotpAuthenticator).where(mine))
    return counted is not None


async def restore_totp(work: Work, *, user_id: UUID, since: datetime) -> UUID | None:
    """Let the app count again that an account, locked by the caller, had at a moment, if another one has replaced it since.

    The apps that came since are gone already, so that it is one at most. Return its id.
    """
    mine = (TotpAuthenticator.user_id == user_id, TotpAuthenticator.replaced_at >= since)
    restored = update(TotpAuthenticator).where(*mine).values(replaced_at=None).returning(TotpAuthenticator.id)
    found: UUID | None = (await work.db.execute(restored)).scalar_one_or_none()
    return found


async def _burn(work: Work, row: Row[*tuple[Any, ...]], step: int) -> bool:
    """Note a time step as the last one, unless it was accepted before, or a later one was."""
    values = {"last_step": step, "failures": 0, "failed_at": None, "last_used_at": work.now}
    spent = (
        update(TotpAuthenticator)
        .where(TotpAuthenticator.id == row.id, TotpAuthenticator.last_step < step)
        .values(values)
        .returning(TotpAuthenticator.id)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(spent)).first() is not None


async def _note_failure(work: Work, row: Row[*tuple[Any, ...]]) -> None:
    failed = (
        update(TotpAuthenticator)
        .where(TotpAuthenticator.id == row.id)
        .values(failures=TotpAuthenticator.failures + 1, failed_at=work.now)
        .returning(TotpAuthenticator.failures)
        .execution_options(synchronize_session=False)
    )
    if (await work.db.execute(failed)).scalar_one() == FREE_FAILURES:
        await notify(work, user_id=row.user_id, event=NoticeEvent.CODES_REFUSED)


def _check_wait(work: Work, row: Row[*tuple[Any, ...]]) -> None:
    if row.failures < FREE_FAILURES or row.failed_at is None:
        return
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(row.failures - FREE_FAILURES, 10))
    left = row.failed_at + wait - work.now
    if left > timedelta(0):
        seconds = -(-left // timedelta(seconds=1))
        raise RateLimited(_LIMIT, quota=1, window=int(wait.total_seconds()), wait=seconds)


def _step_of(work: Work, row: Row[*tuple[Any, ...]], code: str) -> int | None:
    """Return the time step of a code, or None for a wrong one, and where the seed cannot be read: nobody gets past that."""
    try:
        seed = SeedSeals.of(work.settings).open(row.seed_encrypted, row.id)
    except SealBroken:
        hint = "does SECRET_KEY_PREVIOUS lack a former secret?"
        log.error("totp.unreadable", user_id=str(row.user_id), hint=hint)  # noqa: TRY400  # There is no more to tell.
        return None
    return totp.find_step(seed, code, work.now)

"""Sign-ins that lack a second factor: kept for ten minutes, for the browser or the app that began them, and for one finish.

Whoever has one can do nothing with it but go on. It dies with everything that ends the sessions of its account.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.orm import aliased

from app.auth.identifiers import new_id
from app.auth.second_factor_cookies import PENDING_PREFIX
from app.auth.second_factors import Stage
from app.auth.tokens import SECRET_BYTES, digest_of
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import PendingSignInInvalid
from app.models import PendingSignIn, User
from app.services.sign_in.attempt import Attempt

Conditions = tuple[ColumnElement[bool], ...]
LIFETIME = timedelta(minutes=10)
MOST_TRIES = 5
"""Wrong answers that one sign-in bears. The next one begins with the first factor, and meets its limits."""

_COLUMNS = (PendingSignIn.id, PendingSignIn.user_id, PendingSignIn.methods, PendingSignIn.authenticated_at)


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that may be finished, its account locked until the commit."""

    id: UUID
    attempt: Attempt


async def begin_pending(work: Work, *, attempt: Attempt, stage: Stage, transport: Transport) -> str:
    """Keep what has been proved so far, and return the token that names it."""
    token = PENDING_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "id": new_id(),
        "user_id": attempt.user_id,
        "secret_digest": _digest(token),
        "methods": " ".join(attempt.methods),
        "authenticated_at": attempt.authenticated_at,
        "transport": transport.value,
        "stage": stage.value,
        "tries": 0,
        "created_at": work.now,
        "expires_at": work.now + LIFETIME,
    }
    await work.db.execute(insert(PendingSignIn).values(row))
    return token


async def find_pending(work: Work, *, token: str | None, stage: Stage, transport: Transport) -> Pending:
    """Return a sign-in that may go on, without a lock or a try. Raises `PendingSignInInvalid`."""
    found = await work.read.first(select(*_COLUMNS).where(*_living(work, token, stage, transport)))
    if found is None:
        raise PendingSignInInvalid
    return _pending(found)


async def lock_pending(work: Work, *, token: str | None, stage: Stage, transport: Transport) -> Pending:
    """Return a sign-in that may go on, its account locked until the commit. Raises `PendingSignInInvalid`."""
    mine = _living(work, token, stage, transport)
    await _lock_owner(work, mine)
    found = (await work.db.execute(select(*_COLUMNS).where(*mine))).one_or_none()
    if found is None:
        raise PendingSignInInvalid
    return _pending(found)


async def take_try(work: Work, *, token: str | None, stage: Stage, transport: Transport) -> Pending:
    """Count a try, before anything is looked at, and return the sign-in that it is for, its account locked until the commit.

    A wrong answer leaves the count as it is now, if it raises a `Refusal`; see `give_back_try`. Raises `PendingSignInInvalid`.
    """
    mine = _living(work, token, stage, transport)
    await _lock_owner(work, mine)
    counted = (
        update(PendingSignIn)
        .where(*mine)
        .values(tries=PendingSignIn.tries + 1)
        .returning(*_COLUMNS)
        .execution_options(synchronize_session=False)
    )
    found = (await work.db.execute(counted)).one_or_none()
    if found is None:
        raise PendingSignInInvalid
    return _pending(found)


async def give_back_try(work: Work, pending: Pending) -> None:
    """Undo the count of a try whose answer nobody has looked at."""
    values = {"tries": PendingSignIn.tries - 1}
    await work.db.execute(update(PendingSignIn).where(PendingSignIn.id == pending.id).values(values))


async def finish_pending(work: Work, pending: Pending) -> None:
    """Use a sign-in up. Of any number at once one succeeds; the others raise `PendingSignInInvalid`."""
    gone = delete(PendingSignIn).where(PendingSignIn.id == pending.id).returning(PendingSignIn.id)
    if (await work.db.execute(gone)).first() is None:
        raise PendingSignInInvalid


async def forget_pending(work: Work, *, user_id: UUID) -> None:
    """Make worthless every sign-in of an account that is not finished."""
    await work.db.execute(delete(PendingSignIn).where(PendingSignIn.user_id == user_id))


async def _lock_owner(work: Work, mine: Conditions) -> None:
    """Lock the account before its sign-in, in the order in which whatever ends all of them takes the two."""
    owner = select(PendingSignIn.user_id).where(*mine).scalar_subquery()
    await work.db.execute(select(User.id).where(User.id == owner).with_for_update())


def _living(work: Work, token: str | None, stage: Stage, transport: Transport) -> Conditions:
    """The conditions of a sign-in that may go on.

    One that lacks a factor which the account did not have is over once it has one: whoever knows the password alone would
    put another in its place.
    """
    owner = aliased(User)
    fits = owner.has_second_factor.is_(stage is Stage.SECOND_FACTOR)
    return (
        PendingSignIn.secret_digest == _digest(token or ""),
        PendingSignIn.expires_at > work.now,
        PendingSignIn.tries < MOST_TRIES,
        PendingSignIn.stage == stage.value,
        PendingSignIn.transport == transport.value,
        select(owner.id).where(owner.id == PendingSignIn.user_id, fits).correlate(PendingSignIn).exists(),
    )


def _pending(row: Row[*tuple[Any, ...]]) -> Pending:
    return Pending(row.id, Attempt(row.user_id, tuple(row.methods.split(" ")), row.authenticated_at))


def _digest(token: str) -> bytes:
    return digest_of(token.encode(errors="replace"))

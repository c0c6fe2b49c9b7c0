"""Which second factors an account has, and what it says of them in its own row."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update

from app.auth.second_factors import Factor, offered
from app.database import Work
from app.models import Passkey, RecoveryCode, TotpAuthenticator, User
from app.services.sign_in.attempt import Attempt


def _has_totp() -> ColumnElement[bool]:
    mine = (TotpAuthenticator.user_id == User.id, TotpAuthenticator.counts)
    return select(TotpAuthenticator.id).where(*mine).correlate(User).exists()


def _has_passkey() -> ColumnElement[bool]:
    return select(Passkey.id).where(Passkey.user_id == User.id).correlate(User).exists()


def has_any_factor() -> ColumnElement[bool]:
    """The condition that an account, in a statement about `User`, has a second factor."""
    return or_(_has_totp(), _has_passkey())


_HELD = select(
    _has_totp().label(Factor.TOTP),
    _has_passkey().label(Factor.PASSKEY),
    select(RecoveryCode.digest)
    .where(RecoveryCode.user_id == User.id)
    .correlate(User)
    .exists()
    .label(Factor.RECOVERY_CODE),
    User.password_hash.is_not(None).label(Factor.PASSWORD),
)


async def offered_to(work: Work, attempt: Attempt) -> tuple[Factor, ...]:
    """Return which factors of an account may follow the first one; none of an account that has just been deleted."""
    row = (await work.db.execute(_HELD.where(User.id == attempt.user_id))).mappings().one_or_none()
    return offered(frozenset(factor for factor in Factor if row and row[factor.value]), attempt.methods)


async def note_factors(work: Work, *, user_id: UUID) -> bool:
    """Write into an account, locked by the caller, whether it has a second factor now, and return it.

    Whoever changes its factors calls this afterwards. One that was added is what an administrator may have asked for.
    """
    has_any = has_any_factor()
    statement = (
        update(User)
        .where(User.id == user_id)
        .values(
            has_second_factor=has_any,
            must_enrol_factor=User.must_enrol_factor & ~has_any,
            updated_at=work.now,
        )
        .returning(User.has_second_factor)
        .execution_options(synchronize_session=False)
    )
    return bool((await work.db.execute(statement)).scalar_one())


async def count_recovery_codes(work: Work, *, user_id: UUID) -> int:
    """Return how many recovery codes are left."""
    statement = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return int((await work.db.execute(statement)).scalar_one())

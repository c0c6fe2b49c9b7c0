"""What people do with the second factors of their own account: see them, add an app, make recovery codes, remove one.

Whoever changes them has proved who they are not long ago, with a second factor where the account has one: the routes see to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select

from app.auth.actor import CurrentUser
from app.auth.assurance import TOTP
from app.auth.second_factors import REQUIRED, Factor
from app.auth.tokens import CookieReplacement
from app.database import Reader, Work
from app.exceptions import LastWayIn, NotFoundError, SecondFactorNeeded
from app.mail.messages import NoticeEvent
from app.models import AuditKind, EndCause, Identity, Passkey, RecoveryCode, TotpAuthenticator, User
from app.services import audit
from app.services.callers import lock_current_user
from app.services.mailed.notices import notify
from app.services.second_factors.changes import FactorAdded, NewFactor, note_added, note_removed
from app.services.second_factors.gate import policy_for
from app.services.second_factors.held import has_any_factor
from app.services.second_factors.recovery_codes import make_recovery_codes
from app.services.second_factors.remembered import forget_all
from app.services.second_factors.totp import ConfirmedTotp, TotpOffer, confirm_totp, offer_totp, remove_totp
from app.services.sessions.end import end_sessions_of
from app.services.sessions.issue import IssuedAccess, IssuedCookie
from app.services.sign_in.again import renew_with_factor


@dataclass(frozen=True, slots=True)
class FactorOverview:
    """What an account has."""

    totp: TotpAuthenticator | None
    passkeys: Sequence[Passkey]
    recovery_codes_left: int


@dataclass(frozen=True, slots=True)
class AppAdded:
    """A new app, what came with it, and a credential that says that a code of it has just been shown."""

    added: FactorAdded
    renewed: IssuedAccess | IssuedCookie


async def read_factors(read: Reader, *, user: CurrentUser) -> FactorOverview:
    """Return the caller's second factors."""
    apps = select(TotpAuthenticator).where(TotpAuthenticator.user_id == user.id, TotpAuthenticator.counts)
    found = await read.entities(apps)
    left = await read.first(select(func.count().label("left")).where(RecoveryCode.user_id == user.id))
    passkeys = await list_passkeys(read, user=user)
    return FactorOverview(found[0] if found else None, passkeys, left.left if left else 0)


async def list_passkeys(read: Reader, *, user: CurrentUser) -> Sequence[Passkey]:
    """Return the caller's passkeys, the oldest first."""
    return await read.entities(select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id))


async def begin_own_app(work: Work, *, user: CurrentUser) -> TotpOffer:
    """Offer an app to the caller. The one that they have goes on until the new one is confirmed."""
    await lock_current_user(work, user=user)
    return await offer_totp(work, user_id=user.id, email=user.email)


async def confirm_own_app(
    work: Work, *, user: CurrentUser, code: str, replacement: CookieReplacement | None
) -> AppAdded:
    """Make the app that was offered last the caller's own, in place of the one that they had.

    Raises `EnrolmentNotBegun`, `SecondFactorWrong`, `SessionEnded`.
    """
    await lock_current_user(work, user=user)
    with audit.refusals(work, AuditKind.FACTOR_REFUSED, **_by(user), detail={"factor": "totp"}):
        confirmed = await confirm_totp(work, user_id=user.id, code=code)
    if confirmed.former_id:
        await _note_replaced(work, user, confirmed)
    factor = NewFactor(Factor.TOTP, confirmed.id)
    added = await note_added(work, user_id=user.id, session_id=user.session_id, factor=factor)
    return AppAdded(added, await renew_with_factor(work, user=user, methods=(TOTP,), replacement=replacement))


async def remove_own_app(work: Work, *, user: CurrentUser) -> None:
    """Remove the caller's app, and what was offered of another one. Raises `NotFoundError`, `SecondFactorNeeded`, `SessionEnded`."""
    user = await lock_current_user(work, user=user)
    if not await remove_totp(work, user_id=user.id):
        raise NotFoundError("Authenticator app")
    await _check_not_last(work, user)
    await note_removed(work, user=user, factor=Factor.TOTP)


async def renew_own_codes(work: Work, *, user: CurrentUser) -> tuple[str, ...]:
    """Give the caller a new set of recovery codes, and tell them by mail. Raises `NotFoundError` without a second factor, `SessionEnded`."""
    user = await lock_current_user(work, user=user)
    if not user.has_second_factor:
        raise NotFoundError("Second factor")
    codes = await make_recovery_codes(work, user_id=user.id, session_id=user.session_id)
    await notify(work, user_id=user.id, event=NoticeEvent.RECOVERY_CODES_MADE)
    return codes


async def rename_passkey(work: Work, *, user: CurrentUser, passkey_id: UUID, name: str) -> Passkey:
    """Give a passkey of the caller's another name. Raises `NotFoundError`, `SessionEnded`."""
    await lock_current_user(work, user=user)
    found = await _get_passkey(work, user, passkey_id)
    found.name = name
    await audit.record(work, AuditKind.PASSKEY_RENAMED, **_by(user), detail={"passkey_id": str(passkey_id)})
    return found


async def remove_passkey(work: Work, *, user: CurrentUser, passkey_id: UUID, issuers: Sequence[str]) -> None:
    """Remove a passkey of the caller's, and end every other session of theirs: somebody may have come in by it.

    `issuers` are those of the providers that can be used at present. Raises `NotFoundError`, `LastWayIn` when nobody could sign in
    any more, `SecondFactorNeeded`, `SessionEnded`.
    """
    user = await lock_current_user(work, user=user)
    removed = await _get_passkey(work, user, passkey_id)
    await work.db.execute(delete(Passkey).where(Passkey.id == passkey_id))
    with audit.refusals(work, AuditKind.FACTOR_REFUSED, **_by(user), detail={"passkey_id": str(passkey_id)}):
        await _check_way_in(work, user, issuers)
        await _check_not_last(work, user)
    await end_sessions_of(work, user_id=user.id, cause=EndCause.WAY_IN_REMOVED, but=user.session_id)
    await note_removed(work, user=user, factor=Factor.PASSKEY, factor_id=removed.id, name=removed.name)


async def _note_replaced(work: Work, user: CurrentUser, confirmed: ConfirmedTotp) -> None:
    """Note that the caller's former app has gone: no browser is trusted any more that a code of it has made trusted."""
    await forget_all(work, user_id=user.id)
    detail = {"factor": "totp", "factor_id": str(confirmed.former_id), "replaced_by": str(confirmed.id)}
    await audit.record(work, AuditKind.FACTOR_REMOVED, **_by(user), detail=detail)


async def _get_passkey(work: Work, user: CurrentUser, passkey_id: UUID) -> Passkey:
    statement = select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user.id)
    found = (await work.db.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()
    if found is None:
        raise NotFoundError("Passkey")
    return found


async def _check_way_in(work: Work, user: CurrentUser, issuers: Sequence[str]) -> None:
    """Raise `LastWayIn` when neither a password, nor an identity, nor a passkey that signs in alone is left."""
    identities = select(Identity.id).where(Identity.user_id == user.id, Identity.issuer.in_(issuers))
    passkeys = select(Passkey.id).where(Passkey.user_id == user.id, Passkey.signs_in_alone)
    any_way = User.password_hash.is_not(None) | identities.exists() | passkeys.exists()
    if (await work.db.execute(select(User.id).where(User.id == user.id, any_way))).first() is None:
        raise LastWayIn


async def _check_not_last(work: Work, user: CurrentUser) -> None:
    """Raise `SecondFactorNeeded` when none is left and the account has to have one."""
    if policy_for(work.settings, user.role) != REQUIRED:
        return
    if (await work.db.execute(select(User.id).where(User.id == user.id, has_any_factor()))).first() is None:
        raise SecondFactorNeeded


def _by(user: CurrentUser) -> audit.About:
    return audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)

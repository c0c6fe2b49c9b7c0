"""What follows when an account gets a second factor, or loses one, whatever the kind."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_

from app.auth.actor import CurrentUser
from app.auth.second_factors import OFF, Factor
from app.database import Work
from app.mail.messages import NoticeEvent
from app.models import AuditKind, Passkey, RecoveryCode, TotpAuthenticator
from app.services import audit
from app.services.mailed.notices import notify
from app.services.second_factors.held import note_factors
from app.services.second_factors.recovery_codes import make_first_codes
from app.services.second_factors.remembered import forget_all
from app.services.second_factors.totp import restore_totp


@dataclass(frozen=True, slots=True)
class FactorAdded:
    """What comes with a new factor."""

    recovery_codes: tuple[str, ...] | None = field(repr=False)
    """With the first one; None: the account has codes, or nothing here would ask for one."""


@dataclass(frozen=True, slots=True)
class NewFactor:
    """What has been added."""

    kind: Factor
    id: UUID
    name: str | None = None


async def note_added(work: Work, *, user_id: UUID, session_id: UUID | None, factor: NewFactor) -> FactorAdded:
    """Note a factor that has just been added to an account, locked by the caller; its user is told by mail."""
    await note_factors(work, user_id=user_id)
    is_asked_for = work.settings.SECOND_FACTOR != OFF
    codes = await make_first_codes(work, user_id=user_id, session_id=session_id) if is_asked_for else None
    about = audit.About(actor_id=user_id, target_id=user_id, session_id=session_id)
    detail = {"factor": factor.kind.value, "factor_id": str(factor.id), "name": factor.name}
    await audit.record(work, AuditKind.FACTOR_ADDED, **about, detail=detail)
    await notify(work, user_id=user_id, event=NoticeEvent.FACTOR_ADDED, what=factor.name, factor=factor.kind)
    return FactorAdded(codes)


async def note_removed(
    work: Work, *, user: CurrentUser, factor: Factor, factor_id: UUID | None = None, name: str | None = None
) -> None:
    """Note a factor that has just been removed; without any other one, nothing of them stays. Its user is told by mail."""
    has_any = await note_factors(work, user_id=user.id)
    if not has_any:
        await _forget_codes(work, user.id, None)
    await forget_all(work, user_id=user.id)
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    detail = {"factor": factor.value, "factor_id": str(factor_id) if factor_id else None, "name": name}
    await audit.record(work, AuditKind.FACTOR_REMOVED, **about, detail=detail)
    await notify(work, user_id=user.id, event=NoticeEvent.FACTOR_REMOVED, what=name, factor=factor)


async def forget_factors(work: Work, *, user_id: UUID, since: datetime | None = None) -> None:
    """Take every second factor from an account, locked by the caller, or those that were added since a moment.

    An app was added when a code of it was shown, however long before that its secret was; one that is offered goes in any case.
    The app that one of these replaced is there again. Whoever does so tells of it.
    """
    apps = (
        ()
        if since is None
        else (or_(TotpAuthenticator.confirmed_at.is_(None), TotpAuthenticator.confirmed_at >= since),)
    )
    passkeys = () if since is None else (Passkey.created_at >= since,)
    await work.db.execute(delete(TotpAuthenticator).where(TotpAuthenticator.user_id == user_id, *apps))
    await work.db.execute(delete(Passkey).where(Passkey.user_id == user_id, *passkeys))
    await _forget_codes(work, user_id, since)
    await forget_all(work, user_id=user_id)
    if since is not None:
        await _restore_app(work, user_id, since)
    if not await note_factors(work, user_id=user_id):
        await _forget_codes(work, user_id, None)


async def _restore_app(work: Work, user_id: UUID, since: datetime) -> None:
    restored = await restore_totp(work, user_id=user_id, since=since)
    if restored:
        detail = {"factor": Factor.TOTP.value, "factor_id": str(restored)}
        await audit.record(work, AuditKind.FACTOR_RESTORED, actor_id=user_id, target_id=user_id, detail=detail)


async def _forget_codes(work: Work, user_id: UUID, since: datetime | None) -> None:
    later = () if since is None else (RecoveryCode.created_at >= since,)
    await work.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id, *later))

"""An administrator takes the second factors from the account of somebody who has lost them."""

from uuid import UUID

from sqlalchemy import select, update

from app.auth.actor import CurrentUser
from app.database import Work
from app.exceptions import PermissionDenied
from app.mail.messages import NoticeEvent
from app.models import AuditKind, EndCause, User
from app.services import audit
from app.services.callers import reread_current_user
from app.services.mailed.notices import notify
from app.services.second_factors.changes import forget_factors
from app.services.sessions.end import end_sessions_of
from app.services.users import get_target

RESET_FACTORS = "users:reset_factors"


async def reset_factors(work: Work, *, actor: CurrentUser, user_id: UUID, reason: str) -> None:
    """Take every second factor, passkeys among them, from a user, end their sessions, and tell them by mail.

    Before their next session they get another factor. The reason stands in the audit log. Raises `NotFoundError`, `PermissionDenied`
    for a user who ranks above the caller and for the caller themselves, who would walk around their own second factor; `SessionEnded`.
    """
    about = audit.About(actor_id=actor.id, target_id=user_id, session_id=actor.session_id)
    with audit.refusals(work, AuditKind.FACTORS_RESET_REFUSED, **about, detail={"reason": reason}):
        if user_id == actor.id:
            raise PermissionDenied("Nobody resets their own second factors; remove them in your account")
        # First the lock, which may take a while to get: what was decided about the caller meanwhile counts.
        await work.db.execute(select(User.id).where(User.id == user_id).with_for_update())
        actor = await reread_current_user(work, user=actor)
        if not actor.may(RESET_FACTORS):
            raise PermissionDenied
        target = await get_target(work, actor=actor, user_id=user_id)
    await forget_factors(work, user_id=target.id)
    values = {"must_enrol_factor": True, "updated_at": work.now}
    await work.db.execute(update(User).where(User.id == user_id).values(values))
    await end_sessions_of(work, user_id=user_id, cause=EndCause.FACTORS_RESET, actor_id=actor.id)
    await audit.record(work, AuditKind.FACTORS_RESET, **about, detail={"reason": reason})
    await notify(work, user_id=user_id, event=NoticeEvent.FACTORS_RESET)

"""Recovery codes: ten, each for one use, shown once. A new set makes the old one worthless."""

from uuid import UUID

from sqlalchemy import delete, insert

from app.auth.recovery_codes import RecoveryCodeMalformed, digest_of_code, new_codes
from app.database import Work
from app.exceptions import SecondFactorWrong
from app.mail.messages import NoticeEvent
from app.models import AuditKind, RecoveryCode
from app.services import audit
from app.services.mailed.notices import notify
from app.services.second_factors.held import count_recovery_codes

FEW = 3
"""So many left, or fewer, and the mail about the last one used says that it is time for a new set."""


async def make_recovery_codes(work: Work, *, user_id: UUID, session_id: UUID | None = None) -> tuple[str, ...]:
    """Give an account, locked by the caller, a new set, and return it. It is kept nowhere in the clear."""
    codes = new_codes()
    await work.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    rows = [{"digest": digest_of_code(user_id, code), "user_id": user_id, "created_at": work.now} for code in codes]
    await work.db.execute(insert(RecoveryCode), rows)
    about = audit.About(actor_id=user_id, target_id=user_id, session_id=session_id)
    await audit.record(work, AuditKind.RECOVERY_CODES_MADE, **about, detail={"number": len(codes)})
    return codes


async def make_first_codes(work: Work, *, user_id: UUID, session_id: UUID | None) -> tuple[str, ...] | None:
    """Return a set for an account that has no code left, whose first second factor has just come. None: it has some."""
    has_some = await count_recovery_codes(work, user_id=user_id)
    return None if has_some else await make_recovery_codes(work, user_id=user_id, session_id=session_id)


async def spend_recovery_code(work: Work, *, user_id: UUID, code: str, session_id: UUID | None = None) -> None:
    """Use up one code of an account. Of any number at once one succeeds; its user is told. Raises `SecondFactorWrong`."""
    try:
        digest = digest_of_code(user_id, code)
    except RecoveryCodeMalformed:
        raise SecondFactorWrong from None
    mine = (RecoveryCode.digest == digest, RecoveryCode.user_id == user_id)
    spent = delete(RecoveryCode).where(*mine).returning(RecoveryCode.digest)
    if (await work.db.execute(spent)).first() is None:
        raise SecondFactorWrong
    left = await count_recovery_codes(work, user_id=user_id)
    about = audit.About(actor_id=user_id, target_id=user_id, session_id=session_id)
    await audit.record(work, AuditKind.RECOVERY_CODE_SPENT, **about, detail={"left": left})
    event = NoticeEvent.RECOVERY_CODES_LOW if left <= FEW else NoticeEvent.RECOVERY_CODE_USED
    await notify(work, user_id=user_id, event=event, what=str(left))

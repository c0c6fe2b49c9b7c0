"""What goes when an account turns out to be somebody else's than whoever made it: everything by which they could come back."""

from uuid import UUID

from sqlalchemy import delete

from app.database import Work
from app.models import Identity
from app.services.second_factors.changes import forget_factors


async def forget_former_owner(work: Work, *, user_id: UUID) -> None:
    """Remove every identity and every second factor, passkeys among them, from an account that the caller has locked.

    Whoever takes an account over for its owner calls this: it is the one place that knows what may be left in one.
    """
    await work.db.execute(delete(Identity).where(Identity.user_id == user_id))
    await forget_factors(work, user_id=user_id)

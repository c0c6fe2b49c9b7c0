"""What people do with the browsers that are not asked for a second factor: see them, and have them asked again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from app.auth.actor import CurrentUser
from app.database import Reader, Work
from app.exceptions import NotFoundError
from app.models import AuditKind, RememberedDevice
from app.services import audit
from app.services.callers import lock_current_user
from app.services.second_factors.remembered import forget_all


async def list_devices(read: Reader, *, user: CurrentUser, now: datetime) -> Sequence[RememberedDevice]:
    """Return the caller's remembered browsers whose time is not over, the oldest first."""
    mine = (RememberedDevice.user_id == user.id, RememberedDevice.expires_at > now)
    return await read.entities(select(RememberedDevice).where(*mine).order_by(RememberedDevice.id))


async def forget_device(work: Work, *, user: CurrentUser, device_id: UUID) -> None:
    """Ask one browser of the caller's for a second factor again. Raises `NotFoundError`, `SessionEnded`, `TokenInvalid`."""
    await lock_current_user(work, user=user)
    mine = (RememberedDevice.id == device_id, RememberedDevice.user_id == user.id)
    gone = delete(RememberedDevice).where(*mine).returning(RememberedDevice.device)
    device = (await work.db.execute(gone)).scalar_one_or_none()
    if device is None:
        raise NotFoundError("Device")
    await _record(work, user, {"device": device})


async def forget_devices(work: Work, *, user: CurrentUser) -> None:
    """Ask every browser of the caller's again. Raises `SessionEnded`, `TokenInvalid`."""
    await lock_current_user(work, user=user)
    await forget_all(work, user_id=user.id)
    await _record(work, user, {"all": True})


async def _record(work: Work, user: CurrentUser, detail: audit.Detail) -> None:
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    await audit.record(work, AuditKind.DEVICE_FORGOTTEN, **about, detail=detail)

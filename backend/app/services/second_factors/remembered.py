"""Browsers whose user need not prove a second factor for a while. They stand for that factor alone, and for one account."""

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, insert, update

from app.auth.devices import device_name
from app.auth.identifiers import new_id
from app.auth.second_factor_cookies import REMEMBERED_PREFIX
from app.auth.tokens import SECRET_BYTES, digest_of
from app.database import Work
from app.models import AuditKind, RememberedDevice
from app.services import audit


async def remember(work: Work, *, user_id: UUID) -> str | None:
    """Remember this browser, and return what it is to keep. None: REMEMBER_DEVICE_DAYS is 0."""
    days = work.settings.REMEMBER_DEVICE_DAYS
    if days == 0:
        return None
    token = REMEMBERED_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "id": new_id(),
        "user_id": user_id,
        "secret_digest": _digest(token),
        "device": device_name(work.client.user_agent),
        "created_at": work.now,
        "last_used_at": work.now,
        "expires_at": work.now + timedelta(days=days),
    }
    await work.db.execute(insert(RememberedDevice).values(row))
    about = audit.About(actor_id=user_id, target_id=user_id)
    await audit.record(work, AuditKind.DEVICE_REMEMBERED, **about, detail={"device": row["device"]})
    return token


async def is_remembered(work: Work, *, user_id: UUID, token: str | None) -> bool:
    """Whether a browser is one that this very account's user trusts. Its time is not prolonged by that."""
    if token is None or work.settings.REMEMBER_DEVICE_DAYS == 0:
        return False
    used = (
        update(RememberedDevice)
        .where(
            RememberedDevice.secret_digest == _digest(token),
            RememberedDevice.user_id == user_id,
            RememberedDevice.expires_at > work.now,
        )
        .values(last_used_at=work.now)
        .returning(RememberedDevice.id)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(used)).first() is not None


async def forget_all(work: Work, *, user_id: UUID) -> None:
    """Ask every browser of an account again: it has changed so much that none is trusted any more."""
    await work.db.execute(delete(RememberedDevice).where(RememberedDevice.user_id == user_id))


def _digest(token: str) -> bytes:
    return digest_of(token.encode(errors="replace"))

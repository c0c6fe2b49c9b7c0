"""What people do with the identities of their own account: see them, and remove one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, select

from app.auth.actor import CurrentUser
from app.database import Reader, Work
from app.exceptions import LastWayIn, NotFoundError
from app.mail.messages import NoticeEvent
from app.models import AuditKind, EndCause, Identity, Passkey, User
from app.services import audit
from app.services.callers import reread_current_user
from app.services.federation.kept_tokens import TokenSeals, take_tokens
from app.services.mailed.notices import notify
from app.services.sessions.end import end_sessions_of


@dataclass(frozen=True, slots=True)
class Unlinked:
    """What has been removed."""

    issuer: str
    token: str | None = field(repr=False)
    """A token of the provider's, to be revoked there. None: none was kept."""


async def list_identities(read: Reader, *, user: CurrentUser) -> Sequence[Identity]:
    """Return the caller's identities, the oldest first."""
    return await read.entities(select(Identity).where(Identity.user_id == user.id).order_by(Identity.id))


async def unlink(
    work: Work, *, user: CurrentUser, identity_id: UUID, issuers: Mapping[str, str], seals: TokenSeals
) -> Unlinked:
    """Remove an identity of the caller's, and end every other session of theirs: somebody may have come in by it.

    Return what is left to do once this is committed.

    `issuers` are those of the providers that can be used at present, with the names of these: an identity of another one
    is no way in. A password is one, and a passkey that signs in alone. The account is locked, so that of two removals at
    once the second sees what the first has left. Raises `NotFoundError`, `LastWayIn`, and `SessionEnded` or
    `TokenInvalid` when the caller's session has ended meanwhile.
    """
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    account = select(User.password_hash).where(User.id == user.id).with_for_update()
    password_hash = (await work.db.execute(account)).scalar_one_or_none()
    await reread_current_user(work, user=user)
    # Locked before their tokens, in the order in which a sign-in takes them; its tokens are then the ones to revoke.
    mine = select(Identity).where(Identity.user_id == user.id).with_for_update()
    present = (await work.db.execute(mine)).scalars().all()
    removed = next((identity for identity in present if identity.id == identity_id), None)
    if removed is None:
        raise NotFoundError("Identity")
    others = any(i.issuer in issuers for i in present if i is not removed)
    if password_hash is None and not others and not await _signs_in_by_passkey(work, user.id):
        detail = {"error_code": LastWayIn.code, "identity_id": str(identity_id)}
        audit.refuse(work, AuditKind.FEDERATION_REFUSED, **about, cause=LastWayIn.code, detail=detail)
        raise LastWayIn
    token = await take_tokens(work, seals, identity_id=identity_id)
    await work.db.execute(delete(Identity).where(Identity.id == identity_id))
    await end_sessions_of(work, user_id=user.id, cause=EndCause.WAY_IN_REMOVED, but=user.session_id)
    detail = {"identity_id": str(identity_id), "issuer": removed.issuer}
    await audit.record(work, AuditKind.FEDERATION_UNLINKED, **about, detail=detail)
    provider = issuers.get(removed.issuer, removed.issuer)
    await notify(work, user_id=user.id, event=NoticeEvent.IDENTITY_UNLINKED, what=provider)
    return Unlinked(issuer=removed.issuer, token=token)


async def _signs_in_by_passkey(work: Work, user_id: UUID) -> bool:
    """Whether an account, locked by the caller, has a passkey that signs in alone."""
    passkeys = select(Passkey.id).where(Passkey.user_id == user_id, Passkey.signs_in_alone).limit(1)
    return (await work.db.execute(passkeys)).first() is not None

"""Invitations: who may invite sends a mail, and whoever reads it makes the account that it is for.

An invitation is bound to its address and counts once, and for as long as whoever sent it could send it still: one
that an administrator sent who is none any more, or is gone, makes nobody anything.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, delete, select, update
from sqlalchemy.orm import aliased

from app.auth.actor import CurrentUser
from app.auth.emails import EmailAddress, mask_email
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Reader, Work
from app.exceptions import (
    EmailTaken,
    InvitationOpen,
    MailedProofInvalid,
    NotFoundError,
    PermissionDenied,
    RateLimited,
    SignUpClosed,
)
from app.mail.links import MailPage, page_link
from app.mail.messages import Invitation, Recipient
from app.models import AuditKind, EndCause, MailedProof, Purpose, Role, RolePermission, User
from app.models.role import ORDINARY
from app.services import audit, outbox
from app.services.accounts import (
    OwnWords,
    check_new_password,
    checked_email,
    checked_name,
    insert_account,
    search_text,
    strange_devices,
)
from app.services.callers import reread_current_user
from app.services.former_owner import forget_former_owner
from app.services.mailed.proofs import issue_proof, spend_link
from app.services.mailed.reset import end_ways_in
from app.services.sign_up import already_registered
from app.services.users import check_role

INVITE = "users:invite"
VALID_FOR = timedelta(days=7)
MOST_LISTED = 200

First = Callable[[Select[Any]], Awaitable[Row[Any] | None]]


@dataclass(frozen=True)
class Acceptance:
    """What somebody who was invited says of themselves."""

    token: str = field(repr=False)
    password: str = field(repr=False)
    full_name: str | None = None
    locale: str | None = None


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation that nobody has accepted yet."""

    id: UUID
    email: str
    role: str
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime


async def invite(work: Work, *, actor: CurrentUser, email: str, role: str) -> None:
    """Mail an invitation, in place of one to no higher role that the caller has sent to the address before.

    What is answered tells nothing of the address but what the list of invitations shows as well. Whoever has an account
    that is proved to be theirs is told so instead, after the same work. Raises `FieldInvalid` for an address or a role that
    is none, `PermissionDenied` for a role above the caller's own, `InvitationOpen`, `SignUpClosed`, and `RateLimited` when
    the caller has had too many mails sent to the address: then the invitation before counts on.
    """
    address = checked_email(email)
    about = audit.About(actor_id=actor.id, session_id=actor.session_id, subject=mask_email(email))
    with audit.refusals(work, AuditKind.USER_INVITATION_REFUSED, **about, detail={"role": role}):
        check_not_closed(work.settings)
        actor = await reread_current_user(work, user=actor)
        if not actor.may(INVITE):
            raise PermissionDenied
        await check_role(work, actor=actor, name=role)
        await _check_replaces_none(work, actor=actor, email_normal=address.normal, role=role)
        await _check_has_room(work, actor=actor, to=Recipient(address=address.deliverable))
    found = select(User).where(User.email_normal == address.normal).execution_options(populate_existing=True)
    user = (await work.db.execute(found)).scalar_one_or_none()
    detail = {"email": address.deliverable, "role": role, "invited_by": str(actor.id)}
    proof = await issue_proof(
        work,
        purpose=Purpose.INVITATION,
        email_normal=address.normal,
        valid_for=VALID_FOR,
        with_code=False,
        detail=detail,
    )
    if user is not None and not gives_way(user):
        await outbox.post(work, already_registered(work.settings, user), asker=actor.id)
    else:
        link = page_link(work.settings, MailPage.INVITATION, token=proof.token)
        to = Recipient(address=address.deliverable)
        await outbox.post(
            work, Invitation(to=to, inviter=actor.full_name, link=link, valid_for=VALID_FOR), asker=actor.id
        )
    await audit.record(work, AuditKind.USER_INVITED, **about, detail={"role": role})


async def list_invitations(read: Reader, *, now: datetime) -> list[OpenInvitation]:
    """Return the invitations that count still, the newest first; at most `MOST_LISTED`."""
    which = (MailedProof.purpose == Purpose.INVITATION, MailedProof.expires_at > now)
    statement = select(MailedProof).where(*which).order_by(MailedProof.id.desc()).limit(MOST_LISTED)
    return [_open_invitation(row) for row in await read.entities(statement)]


async def revoke(work: Work, *, actor: CurrentUser, invitation_id: UUID) -> None:
    """Make an invitation worthless. Raises `NotFoundError`, and `PermissionDenied` for one to a role above the caller's."""
    this = (
        MailedProof.purpose == Purpose.INVITATION,
        MailedProof.id == invitation_id,
        MailedProof.expires_at > work.now,
    )
    gone = delete(MailedProof).where(*this).returning(MailedProof.detail, MailedProof.email_normal)
    row = (await work.db.execute(gone.execution_options(synchronize_session=False))).one_or_none()
    if row is None:
        raise NotFoundError("Invitation")
    about = audit.About(actor_id=actor.id, session_id=actor.session_id, subject=mask_email(row.email_normal))
    rank = (await work.db.execute(select(Role.rank).where(Role.name == row.detail["role"]))).scalar_one_or_none()
    if rank is not None and rank > actor.role_rank:
        audit.refuse(work, AuditKind.USER_INVITATION_REFUSED, **about, cause=PermissionDenied.code)
        raise PermissionDenied("This invitation is to a higher role than yours")
    await audit.record(work, AuditKind.USER_INVITATION_REVOKED, **about, detail={"role": row.detail["role"]})


async def accept(work: Work, hashing: HashingPool, *, acceptance: Acceptance) -> User:
    """Make the account that somebody was invited to, and return it. Its address is proved. Nobody is signed in by it.

    An ordinary account with this address that nobody has proved gives way. Raises `FieldInvalid` for a password that is
    not accepted and `EmailTaken` for an address with an account of its own, which leave the invitation as it is;
    `MailedProofInvalid`, `SignUpClosed`, `HashingBusy`.
    """
    check_not_closed(work.settings)
    password, full_name = acceptance.password, checked_name(acceptance.full_name)
    check_new_password(work.settings, password, pointer="/password", own_words=(full_name or "",))
    own = OwnWords(full_name=full_name, locale=acceptance.locale, password_hash=await hashing.hash(password))
    with audit.refusals(work, AuditKind.USER_INVITATION_REFUSED):
        proved = await spend_link(work, purpose=Purpose.INVITATION, token=acceptance.token)
        if not await _counts_still(work, proved.detail):
            raise MailedProofInvalid
    address, role = checked_email(proved.detail["email"]), str(proved.detail["role"])
    check_new_password(work.settings, password, pointer="/password", own_words=(address.normal,))
    user = await insert_account(work, address=address, own=own, role=role, verified_at=work.now)
    user = user or await _take_over(work, address, own, role)
    detail = {"role": role, "invited_by": proved.detail["invited_by"]}
    await audit.record(work, AuditKind.USER_INVITATION_ACCEPTED, actor_id=user.id, target_id=user.id, detail=detail)
    return user


async def is_invited(first: First, *, email_normal: str, now: datetime) -> bool:
    """Whether an address has an invitation that counts. `first` runs a statement and returns its first row."""
    row = await first(select(MailedProof.detail).where(*_live(now, email_normal)))
    return row is not None and await first(_may_still_invite(row.detail)) is not None


async def spend_invitation(work: Work, *, email_normal: str) -> str | None:
    """Use up the invitation of an address whose owner has come another way, and return its role. None: there is none."""
    spent = delete(MailedProof).where(*_live(work.now, email_normal)).returning(MailedProof.detail)
    detail = (await work.db.execute(spent.execution_options(synchronize_session=False))).scalar_one_or_none()
    if detail is None or not await _counts_still(work, detail):
        return None
    return str(detail["role"])


def check_not_closed(settings: Settings) -> None:
    """Raise `SignUpClosed` when not even who is invited gets an account."""
    if settings.SIGN_UP == "closed":
        raise SignUpClosed


def gives_way(user: User) -> bool:
    """Whether an account gives way to whoever proves its address: nobody has, and no administrator vouched for it."""
    return user.email_verified_at is None and user.role_name == ORDINARY and user.is_active


async def _check_replaces_none(work: Work, *, actor: CurrentUser, email_normal: str, role: str) -> None:
    """Raise `InvitationOpen` if the address has an invitation that counts, of somebody else or to a higher role.

    Invitations are sent one at a time: else two at once would each see none, and one would replace the other.
    """
    one_at_a_time = select(Role.name).where(Role.name == ORDINARY).with_for_update(key_share=True)
    await work.db.execute(one_at_a_time)
    found = await work.db.execute(select(MailedProof.detail).where(*_live(work.now, email_normal)))
    detail = found.scalar_one_or_none()
    if detail is None or not await _counts_still(work, detail):
        return
    wanted, given = aliased(Role), aliased(Role)
    is_higher = select(given.name).join(wanted, given.rank > wanted.rank)
    is_higher = is_higher.where(wanted.name == role, given.name == detail["role"])
    if detail["invited_by"] != str(actor.id) or (await work.db.execute(is_higher)).first() is not None:
        raise InvitationOpen


async def _check_has_room(work: Work, *, actor: CurrentUser, to: Recipient) -> None:
    """Raise `RateLimited` when the caller has had too many mails sent to an address. Each inviter is counted for themselves."""
    if await outbox.has_room(work, Invitation, to=to, valid_for=VALID_FOR, apart=actor.id):
        return
    hour = int(timedelta(hours=1).total_seconds())
    raise RateLimited("invite", quota=work.settings.MAIL_PER_ADDRESS_PER_HOUR, window=hour, wait=hour)


async def _take_over(work: Work, address: EmailAddress, own: OwnWords, role: str) -> User:
    found = select(User).where(User.email_normal == address.normal).with_for_update()
    user = (await work.db.execute(found.execution_options(populate_existing=True))).scalar_one_or_none()
    if user is None or not gives_way(user):
        raise EmailTaken
    await forget_former_owner(work, user_id=user.id)
    await end_ways_in(work, user_id=user.id, cause=EndCause.ADDRESS_PROVED)
    values: Mapping[str, Any] = {
        "email": address.deliverable,
        "email_verified_at": work.now,
        "full_name": own.full_name,
        "search_text": search_text(address.normal, own.full_name),
        "password_hash": own.password_hash,
        "locale": own.locale,
        "role_name": role,
        "updated_at": work.now,
        **strange_devices(),
    }
    changed = update(User).where(User.id == user.id).values(values).returning(User)
    return (await work.db.execute(changed.execution_options(populate_existing=True))).scalar_one()


def _live(now: datetime, email_normal: str) -> Sequence[ColumnElement[bool]]:
    return (
        MailedProof.purpose == Purpose.INVITATION,
        MailedProof.email_normal == email_normal,
        MailedProof.expires_at > now,
    )


async def _counts_still(work: Work, detail: Mapping[str, Any]) -> bool:
    return (await work.db.execute(_may_still_invite(detail))).first() is not None


def _may_still_invite(detail: Mapping[str, Any]) -> Select[Any]:
    """Find whoever sent an invitation, if they could send it now."""
    granted, own = aliased(Role), aliased(Role)
    return (
        select(User.id)
        .join(own, own.name == User.role_name)
        .join(RolePermission, and_(RolePermission.role_name == own.name, RolePermission.permission == INVITE))
        .join(granted, granted.rank <= own.rank)
        .where(User.id == UUID(detail["invited_by"]), User.is_active, granted.name == detail["role"])
    )


def _open_invitation(row: MailedProof) -> OpenInvitation:
    detail = row.detail or {}
    return OpenInvitation(
        id=row.id,
        email=detail["email"],
        role=detail["role"],
        invited_by=UUID(detail["invited_by"]),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )

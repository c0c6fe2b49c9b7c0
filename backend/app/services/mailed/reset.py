"""A forgotten password: a mail to the stored address, and a new password for whoever brings something out of it.

A reset signs nobody in. Whoever has chosen the new password signs in with it as everybody does, past every gate.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from app.auth.emails import EmailInvalid, mask_email, parse_email
from app.auth.passwords.pool import HashingPool
from app.database import Work
from app.exceptions import MailedProofInvalid
from app.mail.links import MailPage, page_link
from app.mail.messages import NoticeEvent, Recipient, ResetPassword
from app.models import AuditKind, EndCause, Purpose, SignInCode, User
from app.models.role import ORDINARY
from app.services import audit, outbox
from app.services.accounts import check_new_password, checked_email, search_text, strange_devices
from app.services.former_owner import forget_former_owner
from app.services.limits import asker_of
from app.services.mail_caps import Asker, living_link
from app.services.mailed.notices import notify
from app.services.mailed.proofs import (
    NewProof,
    Proved,
    forget_proofs,
    issue_proof,
    pretend_proof,
    spend_code,
    spend_link,
)
from app.services.second_factors.remembered import forget_all
from app.services.sessions.end import end_sessions_of

VALID_FOR = timedelta(minutes=30)
_WAYS = frozenset({Purpose.VERIFY_ADDRESS, Purpose.RESET_PASSWORD, Purpose.CHANGE_ADDRESS, Purpose.SIGN_IN})
"""What was mailed that would change an account or sign somebody in. Not what undoes: else a thief would end that first."""


@dataclass(frozen=True)
class FromMail:
    """What somebody brings out of a mail: the token of its link, or its code with the address that it was sent to."""

    token: str | None = field(default=None, repr=False)
    email: str = ""
    code: str = field(default="", repr=False)

    @property
    def subject(self) -> str | None:
        """What they call themselves, fit for a log."""
        return mask_email(self.email) if self.token is None else None


async def request_reset(work: Work, *, email: str) -> None:
    """Mail the owner of an address a link and a code that choose a new password; earlier ones do not count any more.

    After too many such mails lately there is none while the last one counts. An address without an account, or with a
    disabled one, takes the same work and gets no mail. Raises `FieldInvalid` for what is no address.
    """
    address = checked_email(email)
    # The account before its mailbox, in the order in which everybody takes the two.
    account = select(User).where(User.email_normal == address.normal).with_for_update(read=True, key_share=True)
    user = (await work.db.execute(account.execution_options(populate_existing=True))).scalar_one_or_none()
    to, asker = Recipient.of(user) if user else Recipient(address=address.deliverable), asker_of(work, user)
    link = living_link(work, Purpose.RESET_PASSWORD, address.normal)
    has_room = await outbox.has_room(work, ResetPassword, to=to, valid_for=VALID_FOR, apart=asker, link=link)
    if user is not None and user.is_active and has_room:
        await mail_reset(work, user_id=user.id, to=to, asker=asker, has_room=True)
        await audit.record(work, AuditKind.USER_PASSWORD_RESET_REQUESTED, target_id=user.id)
        return
    mail = _mail(work, await pretend_proof(work, purpose=Purpose.RESET_PASSWORD), to)
    if user is not None and user.is_active:
        await outbox.hold_back(work, mail)
        return
    await outbox.pretend(work, mail)
    about = audit.About(target_id=user.id if user else None, subject=mask_email(email))
    cause = "user_disabled" if user else "unknown_address"
    audit.refuse(work, AuditKind.USER_PASSWORD_RESET_REQUESTED, **about, cause=cause)


async def mail_reset(work: Work, *, user_id: UUID, to: Recipient, asker: Asker, has_room: bool = False) -> None:
    """Mail a link and a code that choose a new password to the address of an account."""
    proof = await issue_proof(
        work,
        purpose=Purpose.RESET_PASSWORD,
        email_normal=parse_email(to.address).normal,
        user_id=user_id,
        valid_for=VALID_FOR,
    )
    await outbox.post(work, _mail(work, proof, to), asker=asker, has_room=has_room)


async def reset_password(work: Work, hashing: HashingPool, *, brought: FromMail, new: str) -> None:
    """Give an account a new password, or its first one, for whoever reads its mail. Of any number at once one succeeds.

    Every session ends, and everything else that was mailed or is under way and would let somebody in. Who reads the mail
    owns the address; if nobody had proved that before, name, language and identities go as well, which somebody else may
    have put there. Devices that were known are strangers; second factors stay. Raises `FieldInvalid` for a password that is
    not accepted, which leaves the mail unspent; `MailedProofInvalid`, also for a disabled account and for an address that the
    account does not have any more; `HashingBusy` under too much load.
    """
    check_new_password(work.settings, new, pointer="/new_password", own_words=())
    replacement = await hashing.hash(new)
    with audit.refusals(work, AuditKind.USER_PASSWORD_RESET_REFUSED, subject=brought.subject):
        user = await owner_of(work, await spend(work, Purpose.RESET_PASSWORD, brought))
    words = (user.email_normal, user.full_name or "")
    check_new_password(work.settings, new, pointer="/new_password", own_words=words)
    unproved = user.may_hold_anothers
    if unproved:
        await forget_former_owner(work, user_id=user.id)
    values = {"password_hash": replacement, "email_verified_at": work.now, "updated_at": work.now, **strange_devices()}
    if unproved:
        values |= no_own_words(user)
    await work.db.execute(update(User).where(User.id == user.id).values(values))
    await end_ways_in(work, user_id=user.id, cause=EndCause.PASSWORD_RESET)
    about = audit.About(actor_id=user.id, target_id=user.id)
    await audit.record(work, AuditKind.USER_PASSWORD_RESET, **about, detail={"unproved": unproved})
    await notify(work, user_id=user.id, event=NoticeEvent.PASSWORD_CHANGED)


def no_own_words(user: User) -> dict[str, Any]:
    """Return the values that take name and language from an account: a stranger's would stand in every mail to its owner."""
    return {"full_name": None, "search_text": search_text(user.email_normal, None), "locale": None}


async def spend(work: Work, purpose: Purpose, brought: FromMail, *, binding: str | None = None) -> Proved:
    """Use up what somebody brings, and what it is bound to. Raises `MailedProofInvalid`. The account is locked until the commit."""
    if brought.token is not None:
        return await spend_link(work, purpose=purpose, token=brought.token, binding=binding)
    try:
        address = parse_email(brought.email)
    except EmailInvalid:
        raise MailedProofInvalid from None
    return await spend_code(work, purpose=purpose, email_normal=address.normal, code=brought.code, binding=binding)


async def owner_of(work: Work, proved: Proved) -> User:
    """Return the account that a mail was sent to, if it still has that address and is active.

    If that one gave the address up before anybody had proved it, return the one that has it now, unproved as well. In a
    statement of its own, after the one that waited for the account. Raises `MailedProofInvalid`.
    """
    unproved = (User.email_verified_at.is_(None), User.role_name == ORDINARY)
    which = unproved if proved.user_id is None else (User.id == proved.user_id,)
    mine = (*which, User.email_normal == proved.email_normal, User.is_active)
    statement = select(User).where(*mine).execution_options(populate_existing=True)
    user = (await work.db.execute(statement)).scalar_one_or_none()
    if user is None:
        raise MailedProofInvalid
    return user


async def end_ways_in(work: Work, *, user_id: UUID, cause: EndCause) -> None:
    """End every session of an account, and what could begin one or change the account without its password or second factor."""
    await work.db.execute(delete(SignInCode).where(SignInCode.user_id == user_id))
    await forget_ways(work, user_id=user_id)
    await forget_all(work, user_id=user_id)
    await end_sessions_of(work, user_id=user_id, cause=cause)


async def forget_ways(work: Work, *, user_id: UUID) -> None:
    """Make worthless what was mailed for an account, but for what undoes."""
    await forget_proofs(work, user_id=user_id, purposes=_WAYS)


def _mail(work: Work, proof: NewProof, to: Recipient) -> ResetPassword:
    link = page_link(work.settings, MailPage.RESET, token=proof.token)
    return ResetPassword(to=to, link=link, code=proof.code or "", valid_for=VALID_FOR)

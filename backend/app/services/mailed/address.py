"""Another address for an account: its user proves the new one, and whoever has the old one can say no.

Nobody learns here whose address is whose: an address that has an account is answered like one that has none, and its owner
alone is told, by mail.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, update

from app.auth.actor import CurrentUser
from app.auth.emails import EmailAddress, mask_email
from app.database import Work
from app.exceptions import ConflictError, MailedProofInvalid
from app.mail.links import MailPage, page_link
from app.mail.messages import (
    AddressChangeNotice,
    AlreadyRegistered,
    ConfirmNewAddress,
    MaskedAddress,
    Message,
    NoticeEvent,
    Recipient,
)
from app.models import AuditKind, MailedProof, Purpose, User
from app.services import audit, outbox
from app.services.accounts import checked_email, search_text, strange_devices
from app.services.callers import lock_current_user
from app.services.mail_caps import Asker, living_link
from app.services.mailed import notices
from app.services.mailed.proofs import NewProof, Proved, forget_proofs, issue_proof, leave_to_reader, pretend_proof
from app.services.mailed.reset import FromMail, forget_ways, spend
from app.services.sessions.state import living_session

VALID_FOR = timedelta(hours=1)
REQUESTED = "address_change_requested"


async def request_change(work: Work, *, user: CurrentUser, email: str) -> None:
    """Mail a new address what confirms it, and the present one what stops that. The request before counts no more.

    After too many such mails to the new address lately there is none, and what this session has asked for it before counts on.
    An address that has another account gets a mail that says so, and the caller gets the same answer after the same work.
    A present address that nobody has ever proved, or vouched for, has no say: it may be a slip of the pen, and a stranger's.
    Raises `FieldInvalid` for what is no address, `SessionEnded` or `TokenInvalid` when the session has ended meanwhile.
    """
    address = checked_email(email)
    await lock_current_user(work, user=user)
    account = (await work.db.execute(_account(User.id == user.id))).scalar_one()
    other = await _find(work, User.email_normal == address.normal, User.id != user.id)
    await _write_to_new(work, user=user, account=account, address=address, other=other)
    if not account.may_hold_anothers:
        await outbox.post(work, await _to_present(work, account, address))
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    detail = {"new": mask_email(address.deliverable)}
    await audit.record(work, AuditKind.USER_ADDRESS_CHANGE_REQUESTED, **about, detail=detail)


async def confirm_change(work: Work, *, user: CurrentUser, brought: FromMail) -> int:
    """Give the caller's account the address that they have proved with this. Of any number at once one succeeds.

    The mail alone is not enough: its reader may be a stranger, who would give the asker's account an address that the asker
    does not read. The unique index decides whether the address is free; who has it already is told by mail. What was mailed
    to the former address counts no more, but for what undoes, and that neither if it had no say; devices that were known are
    strangers. Returns by which number devices are known from now on (`Handover.keep_device`). Raises
    `MailedProofInvalid`, also for what another account has asked for, which stays unspent, and when the session has ended
    that asked: it may have been an intruder's; `SessionEnded` or `TokenInvalid` when the caller's own has meanwhile.
    """
    await lock_current_user(work, user=user)
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id, subject=brought.subject)
    with audit.refusals(work, AuditKind.USER_ADDRESS_CHANGE_REFUSED, **about):
        proved = await spend(work, Purpose.CHANGE_ADDRESS, brought, binding=_binding(user))
        account = await _asker(work, proved)
        former, has_say = Recipient.of(account), not account.may_hold_anothers
        address = EmailAddress(deliverable=proved.detail["email"], normal=proved.email_normal)
        devices = await _claim(work, account, address)
        if devices is None:
            await _tell_owner(work, address.normal)
            raise MailedProofInvalid
    if has_say:
        await forget_ways(work, user_id=account.id)
    else:
        await leave_to_reader(work, user_id=account.id)
        await forget_proofs(work, user_id=account.id)
    detail = {"former": mask_email(former.address), "new": mask_email(address.deliverable)}
    await audit.record(work, AuditKind.USER_ADDRESS_CHANGED, **about, detail=detail)
    await _tell_both(work, former if has_say else None, account.id)
    return devices


async def _write_to_new(
    work: Work, *, user: CurrentUser, account: User, address: EmailAddress, other: User | None
) -> None:
    """Write to the new address. The work is the same whether or not it has an account, and so is what counts."""
    to = Recipient(address=address.deliverable, locale=account.locale)
    has_room = await _has_room(work, user=user, to=to, address=address)
    await forget_proofs(work, user_id=user.id, purposes=[Purpose.CHANGE_ADDRESS] if has_room else [])
    proof = await (
        _issue(work, user, account, address) if has_room else pretend_proof(work, purpose=Purpose.CHANGE_ADDRESS)
    )
    if other is not None:
        await outbox.post(work, _already_registered(work, other))
        return
    link = page_link(work.settings, MailPage.CHANGE, token=proof.token)
    mail = ConfirmNewAddress(to=to, link=link, code=proof.code or "", valid_for=VALID_FOR)
    await (outbox.post(work, mail, has_room=True) if has_room else outbox.hold_back(work, mail))


async def _has_room(work: Work, *, user: CurrentUser, to: Recipient, address: EmailAddress) -> bool:
    """Whether the new address may get a mail, be it because none that this session has asked for counts."""
    by_this_session = MailedProof.detail["session_id"].as_string() == str(user.session_id)
    link = living_link(work, Purpose.CHANGE_ADDRESS, address.normal, MailedProof.user_id == user.id, by_this_session)
    return await outbox.has_room(work, ConfirmNewAddress, to=to, valid_for=VALID_FOR, apart=Asker.ANYBODY, link=link)


async def _issue(work: Work, user: CurrentUser, account: User, address: EmailAddress) -> NewProof:
    return await issue_proof(
        work,
        purpose=Purpose.CHANGE_ADDRESS,
        email_normal=address.normal,
        user_id=user.id,
        valid_for=VALID_FOR,
        binding=_binding(user),
        detail={"email": address.deliverable, "from": account.email_normal, "session_id": str(user.session_id)},
    )


def _binding(user: CurrentUser) -> str:
    """Return what a change counts together with: the account that has asked for it."""
    return str(user.id)


async def _to_present(work: Work, account: User, address: EmailAddress) -> Message:
    to, new_address = Recipient.of(account), MaskedAddress.of(address.deliverable)
    veto = await notices.issue_undo(work, purpose=Purpose.VETO_ADDRESS, to=to, because=REQUESTED)
    return AddressChangeNotice(to=to, new_address=new_address, veto=veto, valid_for=notices.VALID_FOR)


async def _asker(work: Work, proved: Proved) -> User:
    """Return the account, locked by now, if all is as it was when its user asked. Raises `MailedProofInvalid`."""
    session_id = UUID(proved.detail["session_id"])
    unchanged = User.email_normal == proved.detail["from"]
    account = await _find(work, User.id == proved.user_id, unchanged, living_session(session_id, work.now))
    if account is None:
        raise MailedProofInvalid
    return account


async def _claim(work: Work, account: User, address: EmailAddress) -> int | None:
    """Give the account the address, and return by which number its devices are known now. None: another one has it."""
    values = {
        "email": address.deliverable,
        "email_normal": address.normal,
        "email_verified_at": work.now,
        "search_text": search_text(address.normal, account.full_name),
        "updated_at": work.now,
        **strange_devices(),
    }
    changed = update(User).where(User.id == account.id).values(values).returning(User.device_generation)
    try:
        async with work.db.begin_nested():
            devices: int = (await work.db.execute(changed.execution_options(synchronize_session=False))).scalar_one()
    except ConflictError:
        return None
    return devices


async def _tell_owner(work: Work, email_normal: str) -> None:
    owner = await _find(work, User.email_normal == email_normal)
    if owner is not None:
        await outbox.post(work, _already_registered(work, owner))


async def _tell_both(work: Work, former: Recipient | None, user_id: UUID) -> None:
    """Tell whoever reads either address. Only the former one can undo it: the new one may be a thief's."""
    account = (await work.db.execute(_account(User.id == user_id))).scalar_one()
    event, new = NoticeEvent.ADDRESS_CHANGED, Recipient.of(account)
    what = MaskedAddress.of(new.address)
    if former is not None:
        await notices.notify_at(work, to=former, event=event, what=what)
    await notices.notify_at(work, to=new, event=event, what=what, can_undo=False)


def _already_registered(work: Work, owner: User) -> Message:
    sign_in, reset = page_link(work.settings, MailPage.SIGN_IN), page_link(work.settings, MailPage.FORGOT)
    return AlreadyRegistered(to=Recipient.of(owner), sign_in=sign_in, reset=reset)


async def _find(work: Work, *which: ColumnElement[bool]) -> User | None:
    return (await work.db.execute(_account(*which))).scalar_one_or_none()


def _account(*which: ColumnElement[bool]) -> Select[User]:
    return select(User).where(*which).execution_options(populate_existing=True)

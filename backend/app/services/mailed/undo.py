"""What follows when the reader of a notice says "this wasn't me": the account is theirs again, and nobody else's.

Whoever did what the notice tells of has been in the account, and may have done more since. So everything goes by which
they could come back, and the reader begins anew with a mail of ours. Of two such mails the older one decides: a thief who
has changed the address gets notices as well, but later ones.
"""

from uuid import UUID

from sqlalchemy import delete, select, update

from app.auth.emails import mask_email
from app.database import Work
from app.exceptions import MailedProofInvalid
from app.mail.messages import Recipient
from app.models import AuditKind, EndCause, Identity, MailedProof, Purpose, User
from app.services import audit
from app.services.accounts import search_text, strange_devices
from app.services.administrators import keep_an_administrator, lock_administrators
from app.services.mail_caps import Asker
from app.services.mailed.proofs import Proved, spend_link
from app.services.mailed.reset import end_ways_in, mail_reset
from app.services.second_factors.changes import forget_factors
from app.services.sessions.end import end_sessions_of

GAVE_WAY_DOMAIN = "gave-way.invalid"
"""Mail to it goes nowhere, and nobody can register with it (RFC 2606, section 2)."""
_UNDOING = (Purpose.UNDO, Purpose.VETO_ADDRESS)


async def undo(work: Work, *, token: str) -> None:
    """Undo what a security notice tells of, and what came of it: see `_take_back`.

    Raises `MailedProofInvalid`, and `LastAdministrator`, which leaves the link unspent.
    """
    await _undo(work, Purpose.UNDO, token)


async def veto(work: Work, *, token: str) -> None:
    """Stop a change of address, or undo it once it was confirmed, in the same way. Raises the same."""
    await _undo(work, Purpose.VETO_ADDRESS, token)


async def _undo(work: Work, purpose: Purpose, token: str) -> None:
    # Before the account: in the order in which everybody takes the two who may close one. It also lets one undoing after the
    # other do its work: two accounts may each have the address that the other one is to get back.
    await lock_administrators(work)
    with audit.refusals(work, AuditKind.USER_UNDO_REFUSED):
        proved = await spend_link(work, purpose=purpose, token=token)
        # In a statement of its own, after the one that waited for the account.
        account = select(User).where(User.id == proved.user_id).execution_options(populate_existing=True)
        user = (await work.db.execute(account)).scalar_one_or_none()
        if user is None:
            raise MailedProofInvalid
    await _take_back(work, user, proved)


async def _take_back(work: Work, user: User, proved: Proved) -> None:
    """Give an account back to whoever reads the address that it had when the notice was written.

    It has that address again. Every session is ended, the password counts no more, identities that were added since are
    gone, and so is everything that was mailed since, to whomever. A mail to that address lets its reader choose a new
    password. They have proved the address with this: if nobody had before, no name, language or identity stays that was there
    then either. Devices that were known are strangers.
    """
    address = str(proved.detail["email"])
    moved = user.email_normal != proved.email_normal
    stands_aside = moved and not await _make_way(work, email_normal=proved.email_normal, returning=user.id)
    if stands_aside:
        with audit.refusals(work, AuditKind.USER_UNDO_REFUSED, target_id=user.id):
            await keep_an_administrator(work, without=user.id)
    await _remove_identities(work, user, proved)
    # Nobody had proved the address before: then nothing of it is theirs, name and language neither.
    await forget_factors(work, user_id=user.id, since=None if user.may_hold_anothers else proved.issued_at)
    name, locale = (None, None) if user.may_hold_anothers else (user.full_name, user.locale)
    values: dict[str, object] = {"password_hash": None, "locale": locale, "updated_at": work.now, **strange_devices()}
    if stands_aside:
        values["is_active"] = False
    else:
        values |= {"email": address, "email_normal": proved.email_normal, "email_verified_at": work.now}
        values |= {"full_name": name, "search_text": search_text(proved.email_normal, name)}
    await work.db.execute(update(User).where(User.id == user.id).values(values))
    await end_ways_in(work, user_id=user.id, cause=EndCause.DISOWNED)
    since = (MailedProof.user_id == user.id, MailedProof.created_at >= proved.issued_at)
    await work.db.execute(delete(MailedProof).where(*since, MailedProof.purpose.in_(_UNDOING)))
    detail = {"because": proved.detail["because"], "address_restored": moved, "stands_aside": stands_aside}
    await audit.record(work, AuditKind.USER_CHANGE_UNDONE, actor_id=user.id, target_id=user.id, detail=detail)
    if user.is_active and not stands_aside:
        to = Recipient(address=address, locale=locale, user_id=user.id, name=name)
        await mail_reset(work, user_id=user.id, to=to, asker=Asker.UNDO)


async def _remove_identities(work: Work, user: User, proved: Proved) -> None:
    since = () if user.may_hold_anothers else (Identity.created_at >= proved.issued_at,)
    await work.db.execute(delete(Identity).where(Identity.user_id == user.id, *since))


async def _make_way(work: Work, *, email_normal: str, returning: UUID) -> bool:
    """Take an address from another account that has never proved it. False: one that has keeps it, and one with a role.

    Somebody may have registered it meanwhile to keep it from its owner. If its owner has, with a mail of ours to prove it,
    that is their account from now on, and the stolen one stays closed until an administrator has looked at it. So there must
    be another one.
    """
    statement = select(User).where(User.email_normal == email_normal).with_for_update()
    other = (await work.db.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()
    if other is None:
        return True
    if not other.may_hold_anothers:
        return False
    await _close(work, other.id, other.full_name, actor_id=returning)
    about = audit.About(actor_id=returning, target_id=other.id, subject=mask_email(email_normal))
    await audit.record(work, AuditKind.USER_GAVE_WAY, **about)
    return True


async def _close(work: Work, user_id: UUID, full_name: str | None, *, actor_id: UUID) -> None:
    nowhere = f"{user_id.hex}@{GAVE_WAY_DOMAIN}"
    values = {
        "email": nowhere,
        "email_normal": nowhere,
        "search_text": search_text(nowhere, full_name),
        "is_active": False,
        "updated_at": work.now,
    }
    await work.db.execute(update(User).where(User.id == user_id).values(values))
    await end_sessions_of(work, user_id=user_id, cause=EndCause.ADDRESS_PROVED, actor_id=actor_id)

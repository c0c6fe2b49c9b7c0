"""Whose try it is, and what is told of tries that are refused."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from app.auth.actor import CurrentUser
from app.auth.emails import EmailInvalid, mask_email, parse_email
from app.database import Client, Reader, Work
from app.limits.limiter import Trier
from app.limits.policy import Limit
from app.models import AuditKind, User
from app.services import audit
from app.services.mail_caps import Asker


async def find_trier(read: Reader, *, client: Client, typed: str | None, now: datetime) -> Trier:
    """Return who tries to get at the account of an address that was typed, known here or not: it makes no difference.

    What is no address is no account: then the client's address alone counts. A device on which the owner of that very
    account has signed in before is told apart from everybody else's. The look-up for it happens only for a genuine
    device cookie, whose holder has been that user.
    """
    try:
        account = parse_email(typed or "").normal
    except EmailInvalid:
        return Trier(address=client.address)
    trier, device = Trier(address=client.address, account=account), client.device
    if device is None:
        return trier
    columns = select(User.email_normal, User.device_generation)
    owner = await read.first(columns.where(User.id == device.user_id))
    if owner is None or owner.email_normal != account or not device.counts(generation=owner.device_generation, now=now):
        return trier
    return replace(trier, device=device.device_id)


def asker_of(work: Work, user: User | None) -> Asker:
    """Return for whom a mail to an account counts: for its own devices, or for everybody else.

    Of an account that nobody has proved no device is its owner's: it may be a squatter's, who would get mails of their own.
    """
    device = work.client.device
    if user is None or device is None or device.user_id != user.id or user.may_hold_anothers:
        return Asker.ANYBODY
    return Asker.KNOWN_DEVICE if device.counts(generation=user.device_generation, now=work.now) else Asker.ANYBODY


def note_refusal(work: Work, *, limit: Limit, typed: str | None, caller: CurrentUser | None) -> None:
    """Tell the audit log that a limit has been reached."""
    audit.refuse(
        work,
        AuditKind.LIMIT_REACHED,
        cause=limit.name,
        actor_id=caller.id if caller else None,
        target_id=caller.id if caller else None,
        session_id=caller.session_id if caller else None,
        subject=mask_email(typed) if typed else None,
    )

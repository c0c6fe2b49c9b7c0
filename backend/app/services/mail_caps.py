"""How many mails one address gets: each kind is counted for itself, so that whoever causes one kind holds back no other.

A cap lasts no longer than what its mails hold. Whoever finds it reached issues nothing new, so that the mail before goes on
counting. When it does not, because it has been used or a password was changed since, further mails are written, up to twice
the cap: enough for its owner, and too few to bury a mailbox.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Exists, bindparam, exists, false, func, select

from app.config import Settings
from app.database import Base, Work
from app.mail.messages import AlreadyRegistered, Expiring, Invitation, Message, NoticeEvent, Recipient, SecurityNotice
from app.mail.sealing import recipient_digest
from app.models import MailedProof, OutgoingMail, Purpose

_HOUR = timedelta(hours=1)
_NOTICES = 10
"""Of one event, an hour. The first of them can undo all that came after it."""
_NEW_DEVICES = 4
"""An hour. A sign-in costs no try, so a thief could fill a mailbox; the last of them says that there may be more."""
_MAILS = Base.metadata.tables[OutgoingMail.__tablename__]


# Built once, as is the statement of the outbox that counts with it: building them took nearly half of the time of a mail.
_LOCK = select(func.pg_advisory_xact_lock(bindparam("number", type_=BigInteger)))
NUMBER = (
    select(func.count())
    .select_from(_MAILS)
    .where(
        _MAILS.c.recipient_digest == bindparam("cap_digest"),
        _MAILS.c.kind.in_(bindparam("cap_kinds", expanding=True)),
        _MAILS.c.created_at > bindparam("cap_since"),
    )
    .scalar_subquery()
)
"""How many mails came lately that count for a cap."""


class Asker(StrEnum):
    """Who causes a mail. Each has a count of its own, which the others cannot use up."""

    ANYBODY = ""
    KNOWN_DEVICE = "known device"
    """A device on which the owner of the account has signed in before."""
    UNDO = "undo"
    """Whoever has said "this wasn't me" with a mail of ours."""


Apart = Asker | NoticeEvent | UUID
"""For what a mail is counted: who causes it, which event it tells of, or, as an id, who has invited somebody."""


@dataclass(frozen=True, slots=True)
class Cap:
    """So many mails of a kind, or of two that must look alike, to an address within a period."""

    digest: bytes
    kinds: tuple[str, ...]
    most: int
    period: timedelta


def cap_of(settings: Settings, message: Message, asker: Asker | UUID = Asker.ANYBODY) -> Cap:
    """Return what a mail counts for. Raises `EmailInvalid` for an address to which no mail can be sent."""
    valid_for = message.valid_for if isinstance(message, Expiring) else _HOUR
    apart = message.event if isinstance(message, SecurityNotice) else asker
    return cap_for(settings, type(message), to=message.to, valid_for=valid_for, apart=apart)


def cap_for(settings: Settings, mail: type[Message], *, to: Recipient, valid_for: timedelta, apart: Apart) -> Cap:
    """Return the same for a mail that is not written yet. A security notice is counted by its event."""
    digest = recipient_digest(settings, to.address, str(apart))
    period = min(valid_for, _HOUR)
    if mail.is_notice:
        return Cap(digest, (mail.kind,), _NEW_DEVICES if apart is NoticeEvent.NEW_DEVICE else _NOTICES, period)
    if isinstance(apart, UUID):
        # Counted together: else whoever invites would learn from the cap which of the two went out.
        return Cap(digest, (Invitation.kind, AlreadyRegistered.kind), settings.MAIL_PER_ADDRESS_PER_HOUR, _HOUR)
    share = _HOUR * 5 if mail is AlreadyRegistered else _HOUR
    return Cap(digest, (mail.kind,), -(-settings.MAIL_PER_ADDRESS_PER_HOUR * period // share), period)


def doubled(cap: Cap) -> Cap:
    """Return what no mail goes beyond, not even the one that its reader has no other way without."""
    return replace(cap, most=2 * cap.most)


async def room(work: Work, cap: Cap, *, link: Exists | None = None) -> int:
    """Return how many more may be written. Whoever else asks about the same waits for our commit, and then counts ours too.

    `link` finds what a mail before is still good for. Is there nothing, one more may be written, up to twice the cap.
    """
    await lock(work, cap)
    statement = select(NUMBER, link if link is not None else ~false())
    number, has_link = (await work.db.execute(statement, counted(work, cap))).one()
    if number < cap.most or has_link:
        return max(cap.most - int(number), 0)
    return int(number < doubled(cap).most)


def living_link(work: Work, purpose: Purpose, email_normal: str, *which: ColumnElement[bool]) -> Exists:
    """Find a link of a purpose that was mailed to an address and counts still."""
    mine = (MailedProof.purpose == purpose, MailedProof.email_normal == email_normal)
    return exists().where(*mine, MailedProof.expires_at > work.now, *which)


async def lock(work: Work, cap: Cap) -> None:
    """Make counting and adding one step on PostgreSQL. SQLite has one writer anyway."""
    if work.db.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(sha256(cap.digest + "".join(cap.kinds).encode()).digest()[:8], signed=True)
        await work.execute(_LOCK, {"number": number})


def counted(work: Work, cap: Cap) -> dict[str, object]:
    """Return the values with which `NUMBER` counts for a cap."""
    return {"cap_digest": cap.digest, "cap_kinds": cap.kinds, "cap_since": work.now - cap.period}

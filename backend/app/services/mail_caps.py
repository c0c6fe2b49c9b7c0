"""How many mails one address gets: each kind is counted for itself, so that whoever causes one kind holds back no other.

A cap lasts no longer than what its mails hold. Whoever finds it reached issues nothing new, so that the mail before goes
on counting: of mails that somebody keeps causing, the owner of the address always has one that works.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Select, func, select

from app.config import Settings
from app.database import Base, Work
from app.mail.messages import AlreadyRegistered, Expiring, Message, NoticeEvent, Recipient, SecurityNotice
from app.mail.sealing import recipient_digest
from app.models import OutgoingMail

_HOUR = timedelta(hours=1)
_NOTICES = 10
"""Of one event, an hour. The first of them can undo all that came after it."""
_NEW_DEVICES = 3
_MAILS = Base.metadata.tables[OutgoingMail.__tablename__]


class Asker(StrEnum):
    """Who causes a mail. Each has a count of its own, which the others cannot use up."""

    ANYBODY = ""
    KNOWN_DEVICE = "known device"
    """A device on which the owner of the account has signed in before."""
    UNDO = "undo"
    """Whoever has said "this wasn't me" with a mail of ours."""


@dataclass(frozen=True, slots=True)
class Cap:
    """So many mails of a kind to an address within a period."""

    digest: bytes
    kind: str
    most: int
    period: timedelta


def cap_of(settings: Settings, message: Message, asker: Asker = Asker.ANYBODY) -> Cap:
    """Return what a mail counts for. Raises `EmailInvalid` for an address to which no mail can be sent."""
    valid_for = message.valid_for if isinstance(message, Expiring) else _HOUR
    apart = message.event if isinstance(message, SecurityNotice) else asker
    return cap_for(settings, type(message), to=message.to, valid_for=valid_for, apart=apart)


def cap_for(
    settings: Settings, mail: type[Message], *, to: Recipient, valid_for: timedelta, apart: Asker | NoticeEvent
) -> Cap:
    """Return the same for a mail that is not written yet. A security notice is counted by its event."""
    digest = recipient_digest(settings, to.address, apart)
    period = min(valid_for, _HOUR)
    if mail.is_notice:
        return Cap(digest, mail.kind, _NEW_DEVICES if apart is NoticeEvent.NEW_DEVICE else _NOTICES, period)
    share = _HOUR * 5 if mail is AlreadyRegistered else _HOUR
    return Cap(digest, mail.kind, -(-settings.MAIL_PER_ADDRESS_PER_HOUR * period // share), period)


async def has_room(work: Work, cap: Cap) -> bool:
    """Whether one more may be written. Whoever else asks about the same waits for our commit, and then counts ours too."""
    await lock(work, cap)
    return bool((await work.db.execute(number_of(work, cap))).scalar_one() < cap.most)


async def lock(work: Work, cap: Cap) -> None:
    """Make counting and adding one step on PostgreSQL. SQLite has one writer anyway."""
    if work.db.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(sha256(cap.digest + cap.kind.encode()).digest()[:8], signed=True)
        await work.db.execute(select(func.pg_advisory_xact_lock(number)))


def number_of(work: Work, cap: Cap) -> Select[int]:
    """Return the statement that counts what came lately."""
    mine = (_MAILS.c.recipient_digest == cap.digest, _MAILS.c.kind == cap.kind)
    return select(func.count()).select_from(_MAILS).where(*mine, _MAILS.c.created_at > work.now - cap.period)

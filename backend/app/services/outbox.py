"""The outbox: mail is a row of the transaction that it tells of, and leaves after the commit, or not at all.

Callers `post` and learn nothing: whether a mail was written, held back or has nobody to go to, what they answer is the
same. A job claims what is due, sends it, and settles it; a claim ends by itself, so a worker that dies loses nothing.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import uniform
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnExpressionArgument,
    Executable,
    Exists,
    Integer,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from app.auth.emails import EmailInvalid, mask_email
from app.auth.identifiers import new_id
from app.database import Base, Reader, Work
from app.mail.composing import message_domain
from app.mail.messages import Expiring, Message, NoticeEvent, Recipient, SecurityNotice
from app.mail.rendering import Rendered, render
from app.mail.sealing import open_mail, seal_mail
from app.mail.transport import Failure, WayOut, way_out
from app.models import AuditKind, OutgoingMail
from app.services import audit, mail_caps
from app.services.mail_caps import Apart, Asker, Cap, cap_for, cap_of, doubled

log = structlog.get_logger()

JOB = "mail"
"""The job that a post wakes."""
BATCH = 20
"""Mails that one claim takes: as many as are in memory at once."""
LONGEST_ATTEMPTS = timedelta(hours=24)
"""After so long a mail is given up, or earlier when its link has ended."""
KEPT = timedelta(days=7)
"""How long the row of a mail is kept, without what it said: for the question whether it was sent."""
PURGED_AT_ONCE = 1000
MAILBOX_SIZE = 200

_FIRST_PAUSE_SECONDS = 30
_LONGEST_PAUSE_SECONDS = 3600
_JITTER = 0.2
_LONGEST_CAUSE = 300
_MAILS = Base.metadata.tables[OutgoingMail.__tablename__]


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail that it is our turn to send."""

    id: UUID
    claim: UUID
    kind: str
    recipient: str
    rendered: Rendered | None
    """None: no server secret opens it."""
    message_id: str
    created_at: datetime
    expires_at: datetime
    attempts: int


async def post(work: Work, *messages: Message, asker: Asker | UUID = Asker.ANYBODY, has_room: bool = False) -> None:
    """Write mails into this transaction; the job of this process is woken by its commit.

    They are rendered now, so that a template that cannot be used fails the request and not a job. Over the cap of its
    kind, and to an address that no mail can be sent to, nothing is written but an audit event. `has_room`: the function of
    that name has just said so. Raises what `render` does.
    """
    settings = work.settings
    rendered = [(render(settings, message), message) for message in messages]
    addressed = []
    for content, message in rendered:
        try:
            cap = cap_of(settings, message, asker)
            addressed.append((doubled(cap) if has_room else cap, content, message))
        except EmailInvalid:
            _hold_back(work, message, cause="unmailable")
    # In one order, so that two transactions with the same two recipients do not wait for each other.
    for cap, content, message in sorted(addressed, key=lambda item: (item[0].digest, item[0].kinds)):
        await _add(work, cap, content, message)


async def has_room(  # noqa: PLR0913  # Each is said by name.
    work: Work,
    mail: type[Message],
    *,
    to: Recipient,
    valid_for: timedelta,
    apart: Apart,
    link: Exists | None = None,
) -> bool:
    """Whether such a mail would be written. Ask before its link and code are made: if not, the ones before go on counting.

    With `link`, which finds what they are good for, there is room for one more when they count no more. It stays so until
    the end of the transaction. Say it of every address that somebody types, known or not: it is work.
    """
    try:
        cap = cap_for(work.settings, mail, to=to, valid_for=valid_for, apart=apart)
    except EmailInvalid:
        return True
    return await mail_caps.room(work, cap, link=link) > 0


async def notices_left(work: Work, *, to: Recipient, event: NoticeEvent, valid_for: timedelta) -> int:
    """Return how many notices of an event would be written now. An address to which nothing is sent anyway has one left."""
    try:
        cap = cap_for(work.settings, SecurityNotice, to=to, valid_for=valid_for, apart=event)
    except EmailInvalid:
        return 1
    return await mail_caps.room(work, cap)


async def pretend(work: Work, message: Message) -> None:
    """Do the work of `post`, statement for statement, and write no mail: for an address that has no account here.

    Else the time of an answer would tell who has one. Only for mails that strangers can cause: of others they learn nothing.
    """
    rendered = render(work.settings, message)
    with suppress(EmailInvalid):
        cap = replace(cap_of(work.settings, message), most=0)
        await _add_below_cap(work, _row(work, cap.digest, rendered, message), cap)


async def hold_back(work: Work, message: Message) -> None:
    """Do the work of `post` and write an audit event alone: so many came lately that `has_room` has said no."""
    await pretend(work, message)
    _hold_back(work, message, cause="too_many")


async def is_due(read: Reader, *, now: datetime) -> bool:
    """Whether there is mail to send. It takes no lock."""
    row = await read.first(select(exists().where(*_claimable(now))))
    return row is not None and bool(row[0])


async def claim(work: Work, *, lasting: timedelta, limit: int = BATCH) -> list[ClaimedMail]:
    """Take mails that are due, oldest first. Of any number of workers at once no two get the same one.

    On SQLite the transaction has the only lock there is from its beginning; on PostgreSQL what another worker is about to
    claim is passed over. `lasting` is how long nobody else gets them, unless they are settled or released before.
    """
    due = (
        select(OutgoingMail.id)
        .where(*_claimable(work.now))
        .order_by(OutgoingMail.due_at, OutgoingMail.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # Else PostgreSQL may run it again for each row, and claim more than the limit.
        .cte("due")
        .prefix_with("MATERIALIZED")
    )
    token = new_id()
    statement = (
        update(OutgoingMail)
        .where(OutgoingMail.id.in_(select(due.c.id)))
        .values(claim=token, claimed_until=work.now + lasting, attempts=OutgoingMail.attempts + 1)
        .returning(OutgoingMail)
        .execution_options(synchronize_session=False)
    )
    claimed = (await work.db.execute(statement)).scalars().all()
    return [_claimed(work, mail, token) for mail in sorted(claimed, key=lambda mail: (mail.due_at, mail.id))]


async def settle_sent(work: Work, *, mail: ClaimedMail) -> bool:
    """Note that the server has taken a mail, and forget what it said. False: the claim had ended meanwhile."""
    settled = await _settle(work, mail, sent_at=work.now, content_encrypted=None, cause=None)
    log.info("mail.sent", mail_id=str(mail.id), kind=mail.kind, attempts=mail.attempts, in_time=settled)
    return settled


async def settle_failed(work: Work, *, mail: ClaimedMail, failure: Failure) -> bool:
    """Note that a mail was not taken: it is tried again later, or given up. False: the claim had ended meanwhile."""
    cause = failure.cause[:_LONGEST_CAUSE]
    due_at = work.now + pause_after(mail.attempts)
    if failure.is_final or due_at >= mail.expires_at:
        settled = await _settle(work, mail, given_up_at=work.now, content_encrypted=None, cause=cause)
        log.warning("mail.given_up", mail_id=str(mail.id), kind=mail.kind, attempts=mail.attempts, cause=cause)
        return settled
    log.warning("mail.delayed", mail_id=str(mail.id), kind=mail.kind, attempts=mail.attempts, cause=cause)
    return await _settle(work, mail, due_at=due_at, cause=cause)


async def release(work: Work, *, mails: Sequence[ClaimedMail]) -> None:
    """Give back mails that were claimed and not tried."""
    for mail in mails:
        await _settle(work, mail, attempts=mail.attempts - 1)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts: 30 s, doubled each time up to an hour, a fifth more or less."""
    seconds = min(_FIRST_PAUSE_SECONDS * 2 ** min(attempts - 1, 10), _LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=seconds * uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  # No secret hangs on it.


async def purge_mails(work: Work) -> int:
    """Delete some mails that are older than they are kept, and wait for nobody. Return how many."""
    old = select(OutgoingMail.id).where(OutgoingMail.created_at < work.now - KEPT).limit(PURGED_AT_ONCE)
    some = old.with_for_update(skip_locked=True)
    statement = delete(OutgoingMail).where(OutgoingMail.id.in_(some)).returning(OutgoingMail.id)
    statement = statement.execution_options(synchronize_session=False)
    return len((await work.db.execute(statement)).all())


async def list_mailbox(read: Reader) -> Sequence[OutgoingMail]:
    """Return the mails that are kept to be read in development, newest first."""
    kept = OutgoingMail.content_encrypted.is_not(None)
    return await read.entities(select(OutgoingMail).where(kept).order_by(OutgoingMail.id.desc()).limit(MAILBOX_SIZE))


async def find_in_mailbox(read: Reader, *, mail_id: UUID) -> OutgoingMail | None:
    """Return one of them."""
    kept = OutgoingMail.content_encrypted.is_not(None)
    found = await read.entities(select(OutgoingMail).where(OutgoingMail.id == mail_id, kept))
    return found[0] if found else None


async def _add(work: Work, cap: Cap, rendered: Rendered, message: Message) -> None:
    if not await _add_below_cap(work, _row(work, cap.digest, rendered, message), cap):
        _hold_back(work, message, cause="too_many")
        return
    if way_out(work.settings) is WayOut.SMTP:
        work.wakes.add(JOB)


def _adding_below_cap() -> Executable:
    new = [bindparam(f"new_{column.name}", type_=column.type) for column in _MAILS.columns]
    values = select(*new).where(bindparam("most", type_=Integer) > mail_caps.NUMBER)
    return insert(_MAILS).from_select(_MAILS.columns.keys(), values).returning(_MAILS.c.id)


_ADD_BELOW_CAP = _adding_below_cap()


async def _add_below_cap(work: Work, row: dict[str, object], cap: Cap) -> bool:
    """Add a mail unless its recipient has had as many as the cap. Counting and adding are one step for each recipient."""
    await mail_caps.lock(work, cap)
    values = {f"new_{name}": value for name, value in row.items()}
    values |= {"most": cap.most, **mail_caps.counted(work, cap)}
    return (await work.execute(_ADD_BELOW_CAP, values)).first() is not None


def _row(work: Work, digest: bytes, rendered: Rendered, message: Message) -> dict[str, object]:
    mail_id, way = new_id(), way_out(work.settings)
    is_kept = way is not WayOut.NONE
    valid_for = message.valid_for if isinstance(message, Expiring) else LONGEST_ATTEMPTS
    return {
        "id": mail_id,
        "kind": message.kind,
        "recipient": message.to.address,
        "recipient_digest": digest,
        "user_id": message.to.user_id,
        "locale": rendered.locale,
        "content_encrypted": seal_mail(work.settings, rendered, mail_id=mail_id, kind=message.kind)
        if is_kept
        else None,
        "message_id": f"{secrets.token_hex(16)}@{message_domain(work.settings)}",
        "created_at": work.now,
        "due_at": work.now,
        "expires_at": work.now + min(valid_for, LONGEST_ATTEMPTS),
        "attempts": 0,
        "claim": None,
        "claimed_until": None,
        "sent_at": work.now if way is WayOut.MAILBOX else None,
        "given_up_at": None if is_kept else work.now,
        "cause": None if is_kept else "SMTP_HOST is not set",
    }


def _hold_back(work: Work, message: Message, *, cause: str) -> None:
    audit.refuse(
        work,
        AuditKind.MAIL_HELD_BACK,
        target_id=message.to.user_id,
        subject=mask_email(message.to.address),
        cause=cause,
        detail={"mail": message.kind},
    )


def _claimable(now: datetime) -> list[ColumnExpressionArgument[bool]]:
    return [
        OutgoingMail.sent_at.is_(None),
        OutgoingMail.given_up_at.is_(None),
        OutgoingMail.due_at <= now,
        or_(OutgoingMail.claimed_until.is_(None), OutgoingMail.claimed_until <= now),
    ]


def _claimed(work: Work, mail: OutgoingMail, token: UUID) -> ClaimedMail:
    sealed = mail.content_encrypted
    return ClaimedMail(
        id=mail.id,
        claim=token,
        kind=mail.kind,
        recipient=mail.recipient,
        rendered=open_mail(work.settings, sealed, mail_id=mail.id, kind=mail.kind) if sealed else None,
        message_id=mail.message_id,
        created_at=mail.created_at,
        expires_at=mail.expires_at,
        attempts=mail.attempts,
    )


async def _settle(work: Work, mail: ClaimedMail, **values: object) -> bool:
    """Change a mail and end the claim, if the claim is still ours."""
    statement = (
        update(OutgoingMail)
        .where(OutgoingMail.id == mail.id, OutgoingMail.claim == mail.claim)
        .values(claim=None, claimed_until=None, **values)
        .returning(OutgoingMail.id)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(statement)).first() is not None

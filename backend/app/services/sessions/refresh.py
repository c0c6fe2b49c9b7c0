"""Trades refresh tokens."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import BindParameter, bindparam, case, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth.tokens import RefreshToken
from app.auth.transports import Transport
from app.database import Base, Work
from app.driver import HotStatement
from app.exceptions import RefreshTokenInvalid, SessionEnded
from app.mail.messages import NoticeEvent
from app.models import AuditKind, EndCause, Session, SessionEventKind, User
from app.services import audit
from app.services.mailed.notices import notify
from app.services.sessions.events import record_event, record_habit
from app.services.sessions.issue import Issued, claims_of
from app.services.sessions.state import alive, end_cause_of

log = structlog.get_logger()


class _Rotated(NamedTuple):
    """A session whose token has just been traded in the ordinary way."""

    id: UUID
    user_id: UUID
    counter: int
    authenticated_at: datetime
    methods: str
    expires_at: datetime


def _ordinary() -> HotStatement[_Rotated]:
    """The trade of nearly everybody: the current token, of a living session, from the address where it began.

    One statement that is a transaction of its own. Of fifty at once, one finds the counter as it was.
    """
    sessions, users = Session.__table__.c, User.__table__.c
    now: BindParameter[datetime] = bindparam("now")
    idle: BindParameter[datetime] = bindparam("idle_expires_at")
    address: BindParameter[str] = bindparam("address")
    active = select(users.id).where(users.id == sessions.user_id, users.is_active).exists()
    statement = (
        update(Base.metadata.tables[Session.__tablename__])
        .where(
            sessions.id == bindparam("session_id"),
            sessions.transport == Transport.BEARER.value,
            sessions.secret_digest == bindparam("presented_digest"),
            sessions.counter == bindparam("presented_counter"),
            sessions.client_address.is_not_distinct_from(address),
            sessions.ended_at.is_(None),
            sessions.expires_at > now,
            sessions.idle_expires_at > now,
            active,
        )
        .values(
            counter=sessions.counter + 1,
            refreshed_at=now,
            idle_expires_at=case((sessions.expires_at > idle, idle), else_=sessions.expires_at),
            last_seen_at=now,
            last_address=address,
        )
        .returning(*(sessions[name] for name in _Rotated._fields))
    )
    names = ("session_id", "presented_digest", "presented_counter", "now", "idle_expires_at", "address")
    return HotStatement(statement, *names, row=_Rotated)


_ORDINARY = _ordinary()


async def refresh_session(work: Work, *, presented: RefreshToken) -> Issued:
    """Trade a refresh token for the next one, and a new access token.

    The current token moves the counter on. Its direct parent, within the grace, gets the same child again, so that
    two tabs or a lost answer sign nobody out. Anything older is theft: the session ends (RFC 9700, section 4.14.2).
    Raises `SessionEnded` with the cause, or `RefreshTokenInvalid` when there is no such session.
    """
    rotated = await work.once.first(
        _ORDINARY,
        presented.session_id,
        presented.secret_digest,
        presented.counter,
        work.now,
        work.now + work.settings.session_idle_ttl,
        work.client.address,
    )
    return _issued(work, rotated, presented) if rotated else await _refresh_otherwise(work, presented)


async def _refresh_otherwise(work: Work, presented: RefreshToken) -> Issued:
    """Judge a token that is not the current one, or comes from elsewhere; or one whose session has ended."""
    session = await _rotate(work, presented, may_end=False)
    if session is None:
        # Its user is told by mail when it ends now, and whoever ends sessions takes the account first: so do we.
        await _lock_owner(work, presented)
        session = await _rotate(work, presented, may_end=True)
    if session is None:
        raise await _why_not(work, presented)
    if session.ended_at is not None:
        await _record_reuse(work, session, presented)
        raise SessionEnded(str(session.end_cause))
    if session.refreshed_at != work.now:
        await record_habit(work, session.id, kind=SessionEventKind.GRACE_USED, once_per_address=True)
    if session.client_address != work.client.address:
        await record_habit(work, session.id, kind=SessionEventKind.NEW_ADDRESS, once_per_address=True)
    return _issued(work, session, presented)


def _issued(work: Work, session: Session | _Rotated, presented: RefreshToken) -> Issued:
    log.info("session.refreshed", user_id=str(session.user_id), session_id=str(session.id), counter=session.counter)
    return Issued(claims=claims_of(work, session), refresh=presented.at(session.counter))


async def _lock_owner(work: Work, presented: RefreshToken) -> None:
    owner = select(Session.user_id).where(*_holder_of(presented)).scalar_subquery()
    await work.db.execute(select(User.id).where(User.id == owner).with_for_update(read=True, key_share=True))


async def _rotate(work: Work, presented: RefreshToken, *, may_end: bool) -> Session | None:
    """Decide on a presented token in one statement: rotate, repeat the child, or end the session for reuse.

    None: no living session takes it, or, unless it `may_end`, one that would end for it.
    PostgreSQL evaluates the whole statement again on the newest row when another one changed it meanwhile, and
    SQLite takes one writer at a time: of fifty at once, one rotates and the others see its result.
    """
    is_current = Session.counter == presented.counter
    grace_begins = work.now - work.settings.refresh_grace_ttl
    is_reuse = ~is_current & ((Session.counter != presented.counter + 1) | (Session.refreshed_at < grace_begins))
    idle_expires_at = work.now + work.settings.session_idle_ttl
    statement = (
        update(Session)
        .where(*_holder_of(presented), *alive(work.now), *(() if may_end else (~is_reuse,)))
        .values(
            counter=case((is_current, Session.counter + 1), else_=Session.counter),
            refreshed_at=case((is_current, work.now), else_=Session.refreshed_at),
            idle_expires_at=case(
                (is_current & (Session.expires_at > idle_expires_at), idle_expires_at),
                (is_current, Session.expires_at),
                else_=Session.idle_expires_at,
            ),
            last_seen_at=case((is_reuse, Session.last_seen_at), else_=work.now),
            last_address=case((is_reuse, Session.last_address), else_=work.client.address),
            ended_at=case((is_reuse, work.now), else_=None),
            end_cause=case((is_reuse, EndCause.REFRESH_TOKEN_REUSED.value), else_=None),
        )
        .returning(Session)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(statement)).scalar_one_or_none()


async def _record_reuse(work: Work, session: Session, presented: RefreshToken) -> None:
    """Write down from where an old token came: either the thief's address, or that of the owner, robbed before."""
    count = str(presented.counter)
    await record_event(work, session.id, kind=SessionEventKind.REFRESH_TOKEN_REUSED, detail=count)
    await record_event(work, session.id, kind=SessionEventKind.ENDED, detail=session.end_cause)
    about = audit.About(target_id=session.user_id, session_id=session.id)
    audit.refuse(work, AuditKind.SESSION_ENDED, **about, cause=session.end_cause, detail={"counter": presented.counter})
    await notify(work, user_id=session.user_id, event=NoticeEvent.SESSION_STOLEN)


async def _why_not(work: Work, presented: RefreshToken) -> SessionEnded | RefreshTokenInvalid:
    """Return the refusal that fits a token which no living session took. Its holder may know the cause."""
    found = (await work.db.execute(select(Session).where(*_holder_of(presented)))).scalar_one_or_none()
    cause = end_cause_of(found, work.now) if found else None
    refusal = SessionEnded(cause) if cause else RefreshTokenInvalid()
    owner = found.user_id if found else None
    about = audit.About(target_id=owner, session_id=presented.session_id)
    audit.refuse(work, AuditKind.SESSION_REFRESH_REFUSED, **about, cause=cause or refusal.code)
    return refusal


def _holder_of(presented: RefreshToken) -> tuple[ColumnElement[bool], ...]:
    """The conditions of the session that made this token: its secret, and a counter that has come so far."""
    return (
        Session.id == presented.session_id,
        Session.transport == Transport.BEARER.value,
        Session.secret_digest == presented.secret_digest,
        Session.counter >= presented.counter,
    )

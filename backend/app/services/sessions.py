"""Sessions: how one begins, is refreshed, is asked after, and ends. Every token hangs on a session row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Executable, Row, bindparam, case, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth.actor import CurrentUser
from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims
from app.auth.tokens import RefreshToken, first_refresh_token
from app.database import Reader, Work
from app.exceptions import InvalidCredentials, RefreshTokenInvalid, SessionEnded, TokenInvalid
from app.models import EndCause, RolePermission, Session, User
from app.models.role import Role

log = structlog.get_logger()

PASSWORD = "pwd"


# Built once: building it at each request took longer than everything else that a guard does.
_CALLER: Executable = (
    select(
        *User.__table__.columns,
        Role.rank,
        select(func.coalesce(func.aggregate_strings(RolePermission.permission, " "), ""))
        .where(RolePermission.role_name == User.role_name)
        .scalar_subquery()
        .label("permissions"),
        Session.ended_at,
        Session.end_cause,
        Session.idle_expires_at,
        Session.expires_at,
        Session.authenticated_at,
        Session.methods,
    )
    .join(Session, Session.user_id == User.id)
    .join(Role, Role.name == User.role_name)
    .where(Session.id == bindparam("session_id"), User.id == bindparam("user_id"))
)


@dataclass(frozen=True)
class Issued:
    """What a sign-in or a refresh hands out, before it is signed and encoded."""

    claims: AccessClaims
    refresh: RefreshToken


async def begin_session(work: Work, *, user_id: UUID, methods: Sequence[str]) -> Issued:
    """Add a session for a user who has just proved who they are, and return its first tokens.

    The user's row is locked until the commit, so that a disabling comes before (and then this raises
    `InvalidCredentials`) or after (and then it ends this session), whichever door led here.
    """
    active = select(User.id).where(User.id == user_id, User.is_active).with_for_update(read=True)
    if (await work.db.execute(active)).first() is None:
        raise InvalidCredentials
    session_id = new_id()
    refresh = first_refresh_token(session_id)
    expires_at = work.now + work.settings.session_absolute_ttl
    session = Session(
        id=session_id,
        user_id=user_id,
        secret_digest=refresh.secret_digest,
        counter=refresh.counter,
        created_at=work.now,
        authenticated_at=work.now,
        methods=" ".join(methods),
        refreshed_at=work.now,
        idle_expires_at=min(work.now + work.settings.session_idle_ttl, expires_at),
        expires_at=expires_at,
        client_address=work.client.address,
        user_agent=work.client.user_agent[:400] if work.client.user_agent else None,
    )
    work.db.add(session)
    await work.db.flush()
    log.info("session.created", user_id=str(user_id), session_id=str(session_id))
    return Issued(claims=_claims(work, session), refresh=refresh)


async def refresh_session(work: Work, *, presented: RefreshToken) -> Issued:
    """Trade a refresh token for the next one, and a new access token.

    The current token moves the counter on. Its direct parent, within the grace, gets the same child again, so that
    two tabs or a lost answer sign nobody out. Anything older is theft: the session ends (RFC 9700, section 4.14.2).
    Raises `SessionEnded` with the cause, or `RefreshTokenInvalid` when there is no such session.
    """
    session = await _rotate(work, presented)
    if session is None:
        raise await _why_not(work, presented)
    if session.ended_at is not None:
        log.warning("session.ended", session_id=str(session.id), cause=session.end_cause)
        raise SessionEnded(str(session.end_cause))
    log.info("session.refreshed", user_id=str(session.user_id), session_id=str(session.id), counter=session.counter)
    return Issued(claims=_claims(work, session), refresh=presented.at(session.counter))


async def _rotate(work: Work, presented: RefreshToken) -> Session | None:
    """Decide on a presented token in one statement: rotate, repeat the child, or end the session for reuse.

    PostgreSQL evaluates the whole statement again on the newest row when another one changed it meanwhile, and
    SQLite takes one writer at a time: of fifty at once, one rotates and the others see its result.
    """
    is_current = Session.counter == presented.counter
    grace_begins = work.now - work.settings.refresh_grace_ttl
    is_reuse = ~is_current & ((Session.counter != presented.counter + 1) | (Session.refreshed_at < grace_begins))
    idle_expires_at = work.now + work.settings.session_idle_ttl
    statement = (
        update(Session)
        .where(
            Session.id == presented.session_id,
            Session.secret_digest == presented.secret_digest,
            Session.counter >= presented.counter,
            *_alive(work.now),
        )
        .values(
            counter=case((is_current, Session.counter + 1), else_=Session.counter),
            refreshed_at=case((is_current, work.now), else_=Session.refreshed_at),
            idle_expires_at=case(
                (is_current & (Session.expires_at > idle_expires_at), idle_expires_at),
                (is_current, Session.expires_at),
                else_=Session.idle_expires_at,
            ),
            ended_at=case((is_reuse, work.now), else_=None),
            end_cause=case((is_reuse, EndCause.REFRESH_TOKEN_REUSED.value), else_=None),
        )
        .returning(Session)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(statement)).scalar_one_or_none()


async def _why_not(work: Work, presented: RefreshToken) -> SessionEnded | RefreshTokenInvalid:
    """Return the refusal that fits a token which no living session took. Its holder may know the cause."""
    found = (
        await work.db.execute(
            select(Session).where(
                Session.id == presented.session_id,
                Session.secret_digest == presented.secret_digest,
                Session.counter >= presented.counter,
            )
        )
    ).scalar_one_or_none()
    cause = end_cause_of(found, work.now) if found else None
    log.info("session.refresh_refused", session_id=str(presented.session_id), cause=cause)
    return SessionEnded(cause) if cause else RefreshTokenInvalid()


async def find_current_user(read: Reader, *, claims: AccessClaims, now: datetime) -> CurrentUser:
    """Return the caller behind a checked access token, read afresh, so that every revocation counts at once.

    Raises `SessionEnded` with its cause, or `TokenInvalid` when the session or its user is gone.
    """
    row = await read.first(_CALLER, {"session_id": claims.session_id, "user_id": claims.subject})
    return _current_user(row, claims.session_id, now)


async def reread_current_user(work: Work, *, user: CurrentUser) -> CurrentUser:
    """Return the caller as this very transaction sees them, after a lock that may have taken a while to get.

    What was decided about them meanwhile counts: raises `SessionEnded` or `TokenInvalid`.
    """
    row = (await work.db.execute(_CALLER, {"session_id": user.session_id, "user_id": user.id})).first()
    return _current_user(row, user.session_id, work.now)


def _current_user(row: Row[Any] | None, session_id: UUID, now: datetime) -> CurrentUser:
    if row is None:
        raise TokenInvalid
    if cause := end_cause_of(row, now) or (None if row.is_active else EndCause.USER_DISABLED.value):
        raise SessionEnded(cause)
    return CurrentUser(
        id=row.id,
        email=row.email,
        full_name=row.full_name,
        is_active=row.is_active,
        role=row.role_name,
        role_rank=row.rank,
        permissions=frozenset(filter(None, row.permissions.split(" "))),
        created_at=row.created_at,
        session_id=session_id,
        authenticated_at=row.authenticated_at,
        methods=tuple(row.methods.split(" ")),
    )


async def end_session(work: Work, *, session_id: UUID, cause: EndCause) -> None:
    """End one session. Ending an ended one changes nothing: the first cause stays."""
    await _end(work, Session.id == session_id, cause=cause)


async def end_sessions_of(work: Work, *, user_id: UUID, cause: EndCause, but: UUID | None = None) -> int:
    """End every living session of a user, but for one if it is named. Return how many ended."""
    others = (Session.id != but,) if but else ()
    return await _end(work, Session.user_id == user_id, *others, cause=cause)


async def _end(work: Work, *which: ColumnElement[bool], cause: EndCause) -> int:
    statement = (
        update(Session)
        .where(*which, Session.ended_at.is_(None))
        .values(ended_at=work.now, end_cause=cause.value)
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    ended = (await work.db.execute(statement)).scalars().all()
    for session_id in ended:
        log.info("session.ended", session_id=str(session_id), cause=cause.value)
    return len(ended)


def end_cause_of(session: Session | Row[Any], now: datetime) -> str | None:
    """Return why a session has ended by now, or None while it lives. Time ends a session without a write."""
    if session.ended_at is not None:
        return str(session.end_cause)
    if session.expires_at <= now:
        return EndCause.ABSOLUTE_TIMEOUT.value
    if session.idle_expires_at <= now:
        return EndCause.IDLE_TIMEOUT.value
    return None


def living_session(session_id: UUID, now: datetime) -> ColumnElement[bool]:
    """The condition that a session may still be used, for a statement that must not outlive it."""
    return select(Session.id).where(Session.id == session_id, *_alive(now)).correlate(None).exists()


def _alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a session that may still be used, and of a user who may still use it."""
    active = select(User.id).where(User.id == Session.user_id, User.is_active).exists()
    return Session.ended_at.is_(None), Session.expires_at > now, Session.idle_expires_at > now, active


def _claims(work: Work, session: Session) -> AccessClaims:
    return AccessClaims(
        subject=session.user_id,
        session_id=session.id,
        token_id=new_id().hex,
        issued_at=work.now,
        expires_at=min(work.now + work.settings.access_token_ttl, session.expires_at),
        authenticated_at=session.authenticated_at,
        methods=tuple(session.methods.split(" ")),
    )

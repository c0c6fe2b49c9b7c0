"""Says who is calling, read afresh at every request, so that every revocation counts at once, on every worker.

All who ask while a statement is under way are answered by the next one together. What is remembered is nothing: a
request is answered by a read that began after it arrived (`docs/concepts/sessions.md` states the guarantee).
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, String, Uuid, any_, bindparam, column, func, select

from app.auth.actor import CurrentUser
from app.auth.assurance import PASSWORD
from app.auth.jwt import AccessClaims
from app.auth.second_factors import OFF
from app.auth.tokens import CookieToken
from app.auth.transports import Transport
from app.batching import BatchingReader
from app.config import Settings
from app.database import IDENTIFYING_STATEMENTS, Database, Reader, Work
from app.driver import HotStatement
from app.exceptions import SessionEnded, TokenInvalid
from app.models import EndCause, RolePermission, Session, User
from app.models.role import Role
from app.services.sessions.issue import LONG_AGO
from app.services.sessions.known import Known
from app.services.sessions.state import end_cause_of

LARGEST_BATCH = 200


def _callers(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The statement of `Known`, in one row for each session."""
    permissions = (
        select(func.coalesce(func.aggregate_strings(RolePermission.permission, " "), ""))
        .where(RolePermission.role_name == User.role_name)
        .scalar_subquery()
    )
    return (
        select(
            User.id,
            User.email,
            User.full_name,
            User.is_active,
            User.email_verified_at.is_not(None).label("email_verified"),
            User.password_hash.is_not(None).label("has_password"),
            User.has_second_factor,
            User.role_name,
            User.created_at,
            Role.rank,
            permissions.label("permissions"),
            User.locale,
            Session.id.label("session_id"),
            Session.transport,
            Session.secret_digest,
            Session.former_secret_digest,
            Session.refreshed_at,
            Session.created_at.label("began_at"),
            Session.authenticated_at,
            Session.methods,
            Session.idle_expires_at,
            Session.expires_at,
            Session.ended_at,
            Session.end_cause,
            Session.last_seen_at,
        )
        .join(Session, Session.user_id == User.id)
        .join(Role, Role.name == User.role_name)
        .where(condition)
    )


# Built once: building them at each request took longer than everything else that a guard does.
_ONE = _callers(Session.id == bindparam("session_id"))
_MANY_POSTGRESQL = HotStatement(
    _callers(Session.id == any_(bindparam("ids", required=False, type_=ARRAY(Uuid())))), "ids", row=Known
)
_MANY_SQLITE = HotStatement(
    _callers(
        Session.id.in_(select(column("value", Uuid())).select_from(func.json_each(bindparam("ids", type_=String))))
    ),
    "ids",
    row=Known,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and when their session was last noted as used."""

    user: CurrentUser
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Proof:
    """When and how somebody proved who they are, as far as their very credential knows."""

    at: datetime
    methods: tuple[str, ...]


class Callers:
    """Answers for one process. Raises `DatabaseUnavailable` when the database does not: never lets anybody through."""

    def __init__(
        self, database: Database, settings: Settings, *, sessions: BatchingReader[UUID, Known] | None = None
    ) -> None:
        """Prepare; `sessions` replaces the reader, for whoever wants to measure another."""
        self._read = database.identify
        self._is_sqlite = database.is_sqlite
        self._settings = settings
        self._grace = settings.refresh_grace_ttl
        self._sessions = sessions or BatchingReader(
            self._find_many,
            statements=IDENTIFYING_STATEMENTS,
            batch=LARGEST_BATCH,
            deadline_seconds=settings.DATABASE_TIMEOUT_SECONDS,
        )

    async def find_by_token(self, claims: AccessClaims, *, now: datetime) -> Caller:
        """Return the caller behind an access token whose signature has been checked.

        Raises `SessionEnded` with its cause, or `TokenInvalid` when the session is gone or is not the token's.
        """
        row = await self._sessions.find(claims.session_id)
        if row is None or row.id != claims.subject or row.transport != Transport.BEARER:
            raise TokenInvalid
        return _caller(row, now, _Proof(claims.authenticated_at, claims.methods), self._settings)

    async def find_by_cookie(self, cookie: CookieToken, *, now: datetime) -> Caller:
        """Return the caller behind a session cookie whose MAC has been checked.

        The cookie before the current one counts for a short grace, for requests that were on their way when it was
        replaced; but what was proved since does not count for it. Raises as `find_by_token` does.
        """
        row = await self._sessions.find(cookie.session_id)
        if row is None or row.transport != Transport.COOKIE:
            raise TokenInvalid
        if hmac.compare_digest(row.secret_digest, cookie.secret_digest):
            return _caller(row, now, _Proof(row.authenticated_at, tuple(row.methods.split(" "))), self._settings)
        is_former = hmac.compare_digest(row.former_secret_digest or b"", cookie.secret_digest)
        if not is_former or row.refreshed_at + self._grace < now:
            raise TokenInvalid
        first = row.methods.split(" ")[0]
        # When somebody proved it to a provider has been overwritten by the newer proof: nobody knows it any more.
        return _caller(row, now, _Proof(row.began_at if first == PASSWORD else LONG_AGO, (first,)), self._settings)

    async def close(self) -> None:
        """Wait until nothing is under way any more."""
        await self._sessions.close()

    async def _find_many(self, ids: Sequence[UUID]) -> Mapping[UUID, Known]:
        if self._is_sqlite:
            listed = "[" + ",".join(f'"{session_id.hex}"' for session_id in ids) + "]"
            found = await self._read.ask(_MANY_SQLITE, listed)
        else:
            found = await self._read.ask(_MANY_POSTGRESQL, ids)
        return {known.session_id: known for known in found}


async def find_one(read: Reader, *, session_id: UUID) -> Known | None:
    """Return everything that a guard needs to know of one session."""
    row = await read.first(_ONE, {"session_id": session_id})
    return Known._make(row) if row else None


async def reread_current_user(work: Work, *, user: CurrentUser) -> CurrentUser:
    """Return the caller as this very transaction sees them, after a lock that may have taken a while to get.

    What was decided about them meanwhile counts: raises `SessionEnded` or `TokenInvalid`.
    """
    row = (await work.db.execute(_ONE, {"session_id": user.session_id})).first()
    if row is None:
        raise TokenInvalid
    return _caller(Known._make(row), work.now, _Proof(user.authenticated_at, user.methods), work.settings).user


async def lock_current_user(work: Work, *, user: CurrentUser) -> CurrentUser:
    """Lock the caller's account until the commit, and return the caller as they stand from then on.

    In two statements: a condition on the session in the one that waits for the lock would be judged, once it has
    waited, by what was true before (PostgreSQL, "Read Committed"). Raises `SessionEnded` or `TokenInvalid`.
    """
    await work.db.execute(select(User.id).where(User.id == user.id).with_for_update())
    return await reread_current_user(work, user=user)


def _caller(row: Known, now: datetime, proof: _Proof, settings: Settings) -> Caller:
    if cause := end_cause_of(row, now) or (None if row.is_active else EndCause.USER_DISABLED.value):
        raise SessionEnded(cause)
    user = CurrentUser(
        id=row.id,
        email=row.email,
        full_name=row.full_name,
        locale=row.locale,
        is_active=row.is_active,
        email_verified=row.email_verified,
        role=row.role_name,
        role_rank=row.rank,
        permissions=frozenset(filter(None, row.permissions.split(" "))),
        created_at=row.created_at,
        session_id=row.session_id,
        transport=Transport(row.transport),
        authenticated_at=proof.at,
        methods=proof.methods,
        has_password=row.has_password,
        has_second_factor=row.has_second_factor and settings.SECOND_FACTOR != OFF,
    )
    return Caller(user=user, last_seen_at=row.last_seen_at)

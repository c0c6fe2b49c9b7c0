"""Begins a session, and says what is handed out for one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Select, bindparam, insert, select

from app.auth.devices import device_name
from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims
from app.auth.networks import network_of
from app.auth.tokens import CookieToken, RefreshToken, first_refresh_token, new_cookie_token
from app.auth.transports import Transport
from app.database import Base, Work
from app.exceptions import InvalidCredentials
from app.models import AuditKind, Session, SessionEventKind, User
from app.models.role import ORDINARY
from app.services import audit
from app.services.second_factors.gate import Carrier, Standing, require_second_factor
from app.services.sessions.events import record_event
from app.services.sign_in.attempt import Attempt

LONG_AGO = datetime.fromtimestamp(0, UTC)
"""When somebody proved who they are of whom nobody knows when: longer ago than any fresh proof may be."""
NEW_DEVICE = "new device"
NEW_PLACE = "new place"


@dataclass(frozen=True)
class Issued:
    """What a sign-in or a refresh hands out to a client that carries tokens, before it is signed and encoded."""

    claims: AccessClaims
    refresh: RefreshToken
    device_generation: int | None = None
    """By which number the device is known from now on. None: nobody has signed in, and it stays what it was."""


@dataclass(frozen=True)
class IssuedAccess:
    """A new access token alone, for a client that keeps its refresh token."""

    claims: AccessClaims


@dataclass(frozen=True)
class IssuedCookie:
    """What a sign-in hands out to a browser that carries a cookie, before it is encoded."""

    user_id: UUID
    cookie: CookieToken
    authenticated_at: datetime
    expires_at: datetime
    device_generation: int | None = None
    """As in `Issued`."""


@dataclass(frozen=True)
class Begun:
    """A new session: what is handed out, and what about it this user has not been seen with before."""

    session: Session
    issued: Issued | IssuedCookie
    news: tuple[str, ...]
    """`new device`, `new place`; empty for an account's first sign-in, which is nothing to warn of."""


class _Known(NamedTuple):
    """What an account says under the lock under which its session begins, and whether its user was here before."""

    password_hash: str | None
    role_name: str
    is_proved: bool
    has_second_factor: bool
    must_enrol_factor: bool
    device_generation: int
    any_session: bool
    same_device: bool
    same_network: bool


def _known() -> Select[*tuple[Any, ...]]:
    """Lock an active user's row, and look what is demanded of them, and on which device and in which network they were."""
    users, sessions = User.__table__.c, Session.__table__.c
    earlier = select(sessions.id).where(sessions.user_id == bindparam("user_id"), sessions.device.is_not(None))
    return (
        select(
            users.password_hash,
            users.role_name,
            users.email_verified_at.is_not(None).label("is_proved"),
            users.has_second_factor,
            users.must_enrol_factor,
            users.device_generation,
            earlier.exists().label("any_session"),
            earlier.where(sessions.device == bindparam("device")).exists().label("same_device"),
            earlier.where(sessions.network.is_not_distinct_from(bindparam("network"))).exists().label("same_network"),
        )
        .where(users.id == bindparam("user_id"), users.is_active)
        .with_for_update(read=True, of=User.__table__)
    )


# Built once: building them took a good part of the time of each sign-in.
_KNOWN = _known()
_ADD = insert(Base.metadata.tables[Session.__tablename__])


async def begin_session(work: Work, *, attempt: Attempt, carrier: Carrier) -> Begun:
    """Add a session for a user who has proved who they are, and return its first tokens or its cookie.

    Here, where every way to sign in ends, a second factor is asked for: raises `SecondFactorRequired`. When nobody knows
    when they proved it, it counts as no fresh proof.

    The user's row is locked until the commit, so that a disabling, or a change of the password that was verified, comes
    before (and then this raises `InvalidCredentials`) or after (and then it ends this session), whichever door led here.
    """
    device, network = device_name(work.client.user_agent), network_of(work.client.address)
    known = await _look(work, attempt, device=device, network=network)
    standing = Standing(known.role_name, known.has_second_factor, known.must_enrol_factor)
    await require_second_factor(work, attempt=attempt, standing=standing, carrier=carrier)
    session_id, transport = new_id(), carrier.transport
    handed_out = first_refresh_token(session_id) if transport is Transport.BEARER else new_cookie_token(session_id)
    expires_at = work.now + work.settings.session_absolute_ttl
    values = {
        "id": session_id,
        "user_id": attempt.user_id,
        "transport": transport.value,
        "secret_digest": handed_out.secret_digest,
        "counter": 0,
        "created_at": work.now,
        "authenticated_at": attempt.authenticated_at or LONG_AGO,
        "methods": " ".join(attempt.methods),
        "refreshed_at": work.now,
        "idle_expires_at": min(work.now + work.settings.session_idle_ttl, expires_at),
        "expires_at": expires_at,
        "client_address": work.client.address,
        "user_agent": work.client.user_agent[:400] if work.client.user_agent else None,
        "device": device,
        "network": network,
        "last_seen_at": work.now,
        "last_address": work.client.address,
    }
    await work.execute(_ADD, values)
    news = _news(known)
    for detail in news:
        await record_event(work, session_id, kind=SessionEventKind.SIGNED_IN_ELSEWHERE, detail=detail)
    about = audit.About(actor_id=attempt.user_id, target_id=attempt.user_id, session_id=session_id)
    told = {"methods": list(attempt.methods), "transport": transport.value, "news": list(news)}
    await audit.record(work, AuditKind.SESSION_CREATED, **about, detail=told)
    session = Session(**values)
    return Begun(session=session, issued=_issued(work, session, handed_out, known.device_generation), news=news)


async def _look(work: Work, attempt: Attempt, *, device: str, network: str | None) -> _Known:
    """Return what the account says, locked from here on. Raises `InvalidCredentials`."""
    values = {"user_id": attempt.user_id, "device": device, "network": network}
    row = (await work.execute(_KNOWN, values)).first()
    if row is None:
        raise InvalidCredentials
    known = _Known._make(row)
    is_vouched_for = known.is_proved or known.role_name != ORDINARY
    if attempt.password_hash not in {None, known.password_hash} or attempt.is_vouched_for > is_vouched_for:
        audit.refuse(work, AuditKind.SIGN_IN_OVERTAKEN, target_id=attempt.user_id, cause=InvalidCredentials.code)
        refusal = InvalidCredentials()
        refusal.is_noted = True
        raise refusal
    return known


class Lasting(Protocol):
    """What of a session its access tokens say."""

    @property
    def id(self) -> UUID:
        """Of the session."""

    @property
    def user_id(self) -> UUID:
        """Of its user."""

    @property
    def methods(self) -> str:
        """How the user proved who they are."""

    @property
    def authenticated_at(self) -> datetime:
        """When."""

    @property
    def expires_at(self) -> datetime:
        """When it ends at the latest."""


def claims_of(work: Work, session: Session | Lasting) -> AccessClaims:
    """Return what the next access token of a session says."""
    methods = tuple(session.methods.split(" "))
    return AccessClaims(
        subject=session.user_id,
        session_id=session.id,
        token_id=new_id().hex,
        issued_at=work.now,
        expires_at=min(work.now + work.settings.access_token_ttl, session.expires_at),
        authenticated_at=session.authenticated_at,
        methods=methods,
    )


def _issued(
    work: Work, session: Session, handed_out: RefreshToken | CookieToken, device_generation: int
) -> Issued | IssuedCookie:
    if isinstance(handed_out, RefreshToken):
        return Issued(claims=claims_of(work, session), refresh=handed_out, device_generation=device_generation)
    return IssuedCookie(
        user_id=session.user_id,
        cookie=handed_out,
        authenticated_at=work.now,
        expires_at=session.expires_at,
        device_generation=device_generation,
    )


def _news(known: _Known) -> tuple[str, ...]:
    if not known.any_session:
        return ()
    return (*(() if known.same_device else (NEW_DEVICE,)), *(() if known.same_network else (NEW_PLACE,)))

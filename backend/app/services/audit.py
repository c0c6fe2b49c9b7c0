"""Writes the audit log: every security event once, into the table and into the structured log by the same name.

What was done is written in the transaction that does it. What was refused is written with the commit of a `Refusal`, and
after the undoing of everything else. Nobody hands a password, a token or a code to this module; what looks like one in
a text that a client chose is redacted here as it is in the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypedDict, Unpack
from uuid import UUID

import structlog
from sqlalchemy import Insert, bindparam, func, insert, select

from app.auth.identifiers import first_id_at, new_id, time_of
from app.database import Base, Trace, Work
from app.exceptions import AppException
from app.logs import redact
from app.models import AuditEvent, AuditKind, Outcome
from app.models.audit_event import REFUSED

log = structlog.get_logger()

MOST_REFUSALS = 100
"""Refusals of one kind that are kept from one address within a minute. The log has those beyond it."""
_MINUTE = timedelta(minutes=1)
_WARNINGS = {AuditKind.USER_PROMOTED, AuditKind.FEDERATION_ACCOUNT_GAVE_WAY}
"""What succeeded, and should be looked at nevertheless."""
_LENGTHS = {"cause": 100, "subject": 254, "client_address": 45, "user_agent": 400, "request_id": 64}
_LONGEST_DETAIL = 500
"""Characters of one text."""
Detail = Mapping[str, object]
_EVENTS = Base.metadata.tables[AuditEvent.__tablename__]


class About(TypedDict, total=False):
    """Whom an event is about. Everything may be left out."""

    actor_id: UUID | None
    """The account that it was done as: signed in, or shown by what was mailed to it."""
    target_id: UUID | None
    """The account that it was done to, or aimed at."""
    session_id: UUID | None
    subject: str | None
    """The address that somebody typed, whether or not it has an account: masked by the caller."""


@dataclass(frozen=True, slots=True)
class OwnedSession:
    """A session, and whose it is."""

    session_id: UUID
    user_id: UUID


async def record(
    work: Work,
    kind: AuditKind,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    cause: str | None = None,
    detail: Detail | None = None,
    **about: Unpack[About],
) -> None:
    """Record an event, with the client of this unit of work.

    `cause` says why, as a stable word of ours; `detail` holds a few short values. A success is one statement
    at once, so that a savepoint undoes it together with what it tells of; anything else is as `refuse` says.
    """
    if outcome is not Outcome.SUCCESS:
        refuse(work, kind, cause=cause, outcome=outcome, detail=detail, **about)
        return
    row = _row(work, kind, outcome, about, cause=cause, detail=detail)
    _tell(row)
    await work.execute(_ADD, row)


def refuse(
    work: Work,
    kind: AuditKind,
    *,
    cause: str | None,
    outcome: Outcome = Outcome.REFUSED,
    detail: Detail | None = None,
    **about: Unpack[About],
) -> None:
    """Note a refusal, or a failure. It is written when the unit of work ends, also when that undoes everything else.

    Of one kind at most `MOST_REFUSALS` from one address are kept within a minute, so that nobody fills the table.
    """
    row = _row(work, kind, outcome, about, cause=cause, detail=detail)
    _tell(row)
    work.traces.append(_trace(row))


@contextmanager
def refusals(work: Work, kind: AuditKind, *, detail: Detail | None = None, **about: Unpack[About]) -> Iterator[None]:
    """Note each refusal of a block, with its code as the cause, unless whoever refused has noted it: each is one event."""
    try:
        yield
    except AppException as error:
        if error.is_noted:
            raise
        refuse(work, kind, cause=error.code, outcome=outcome_of(error), detail=detail, **about)
        raise


def outcome_of(error: AppException) -> Outcome:
    """Return whether we said no, or something could not be done."""
    return Outcome.FAILURE if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else Outcome.REFUSED


async def record_ends(work: Work, sessions: Sequence[OwnedSession], *, cause: str, actor_id: UUID | None) -> None:
    """Record that sessions have ended, in one statement. Without `actor_id` it was their owner who ended them."""
    rows = [
        _row(
            work,
            AuditKind.SESSION_ENDED,
            Outcome.SUCCESS,
            About(actor_id=actor_id or each.user_id, target_id=each.user_id, session_id=each.session_id),
            cause=cause,
        )
        for each in sessions
    ]
    for row in rows:
        _tell(row)
    if rows:
        await work.db.execute(_ADD, rows)


def _row(  # noqa: PLR0913  # Each is a column, or some.
    work: Work, kind: AuditKind, outcome: Outcome, about: About, *, cause: str | None, detail: Detail | None = None
) -> dict[str, Any]:
    event_id = new_id()
    texts: dict[str, Any] = {
        "subject": about.get("subject"),
        "cause": cause,
        "client_address": work.client.address,
        "user_agent": work.client.user_agent,
        "request_id": work.client.request_id,
        "detail": {name: value for name, value in (detail or {}).items() if value is not None} or None,
    }
    redact(None, "", texts)
    return {
        "id": event_id,
        "at": time_of(event_id),
        "kind": kind.value,
        "outcome": outcome.value,
        "actor_id": about.get("actor_id"),
        "target_id": about.get("target_id"),
        "session_id": about.get("session_id"),
        **{name: _cut(value, _LENGTHS.get(name)) for name, value in texts.items()},
    }


def _cut(value: Any, length: int | None) -> Any:
    if isinstance(value, dict):
        return {name: _cut(item, _LONGEST_DETAIL) for name, item in value.items()}
    return value[:length] if isinstance(value, str) else value


def _adding_unless_flooded(*, from_nowhere: bool) -> Insert:
    """Return the statement that adds a refusal, unless too many of its kind came from its address just now.

    "IS NOT DISTINCT FROM" would do for an address and for none, but PostgreSQL uses no index for it.
    """
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in _EVENTS.columns}
    address = _EVENTS.c.client_address
    recent = (
        select(_EVENTS.c.id)
        .where(
            address.is_(None) if from_nowhere else address == new["client_address"],
            _EVENTS.c.id >= bindparam("since", type_=_EVENTS.c.id.type),
            _EVENTS.c.kind == new["kind"],
            REFUSED,
        )
        .limit(MOST_REFUSALS)
        .subquery()
    )
    few = select(func.count()).select_from(recent).scalar_subquery() < MOST_REFUSALS
    return insert(_EVENTS).from_select(list(new), select(*new.values()).where(few))


# Built once: building them at each request takes longer than the database does.
_ADD = insert(_EVENTS)
_ADD_REFUSAL = _adding_unless_flooded(from_nowhere=False)
_ADD_REFUSAL_FROM_NOWHERE = _adding_unless_flooded(from_nowhere=True)


def _trace(row: dict[str, Any]) -> Trace:
    values = {f"new_{name}": value for name, value in row.items()}
    statement = _ADD_REFUSAL if row["client_address"] is not None else _ADD_REFUSAL_FROM_NOWHERE
    return Trace(statement, {**values, "since": first_id_at(row["at"] - _MINUTE)})


def _tell(row: dict[str, Any]) -> None:
    """Write the log line. Every line of a request names its id already."""
    named = {
        "user_id": row["target_id"] or row["actor_id"],
        "actor_id": row["actor_id"] if row["actor_id"] != row["target_id"] else None,
        "session_id": row["session_id"],
        "subject": row["subject"],
        "cause": row["cause"],
    }
    notable = row["outcome"] != Outcome.SUCCESS or row["kind"] in _WARNINGS
    write = log.warning if notable else log.info
    write(
        row["kind"], **{name: str(value) for name, value in named.items() if value is not None}, **row["detail"] or {}
    )

"""Looks at rows and changes them behind the API's back: that is how time passes and old data appears in tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnExpressionArgument, Executable, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from app.auth.identifiers import new_id
from app.database import Base
from app.models import AuditEvent, JobRun, Role, RolePermission, Session, SessionEvent, SpentFlow, User
from app.models.role import ADMINISTRATOR, ORDINARY
from app.runtime import Runtime
from tests.accounts import CLIENT, Person

TRACES = {AuditEvent.__tablename__, JobRun.__tablename__}
"""Tables that are written when somebody is refused as well, and beside all requests."""


async def write(runtime: Runtime, *statements: Executable) -> None:
    """Run statements in one transaction."""
    async with runtime.database.begin(CLIENT) as work:
        for statement in statements:
            await work.db.execute(statement)


async def change_session(runtime: Runtime, session_id: UUID, **values: object) -> None:
    await write(runtime, update(Session).where(Session.id == session_id).values(**values))


async def change_user(runtime: Runtime, person: Person, **values: object) -> None:
    await write(runtime, update(User).where(User.id == UUID(person.id)).values(**values))


async def find_session(runtime: Runtime, session_id: UUID) -> Session:
    return (await runtime.database.read.entities(select(Session).where(Session.id == session_id)))[0]


async def find_user(runtime: Runtime, person: Person) -> User:
    return (await runtime.database.read.entities(select(User).where(User.id == UUID(person.id))))[0]


async def living_sessions(runtime: Runtime, person: Person) -> set[UUID]:
    statement = select(Session.id).where(Session.user_id == UUID(person.id), Session.ended_at.is_(None))
    return {row.id for row in await runtime.database.read.all(statement)}


async def count(runtime: Runtime, model: type[Base], *where: ColumnExpressionArgument[bool]) -> int:
    row = await runtime.database.read.first(select(func.count()).select_from(model).where(*where))
    assert row is not None
    return int(row[0])


async def active_administrators(runtime: Runtime) -> int:
    return await count(runtime, User, User.role_name == ADMINISTRATOR, User.is_active)


async def everything(runtime: Runtime) -> dict[str, Sequence[Any]]:
    """Return every row of every table but those that tell what happened: equal before and after is unchanged."""
    return {name: rows for name, rows in (await every_row(runtime)).items() if name not in TRACES}


async def every_row(runtime: Runtime) -> dict[str, Sequence[Any]]:
    """Return every row of every table, for whoever looks for what must stand in none."""
    tables = Base.metadata.sorted_tables
    return {t.name: await runtime.database.read.all(select(t).order_by(*t.primary_key)) for t in tables}


async def everything_but_stories(runtime: Runtime) -> dict[str, Sequence[Any]]:
    """Return the same without what sessions tell: a refused password is told there."""
    return {name: rows for name, rows in (await everything(runtime)).items() if name != SessionEvent.__tablename__}


async def everything_but_spent_flows(runtime: Runtime) -> dict[str, Sequence[Any]]:
    """Return the same without the flows that have been answered: they stay answered when somebody is refused."""
    return {name: rows for name, rows in (await everything(runtime)).items() if name != SpentFlow.__tablename__}


async def let_time_pass(
    runtime: Runtime, session_id: UUID, *columns: InstrumentedAttribute[Any], by: timedelta
) -> None:
    """Move times of a session back, as if they were longer ago."""
    session = await find_session(runtime, session_id)
    moved = {column.key: getattr(session, column.key) - by for column in columns}
    await change_session(runtime, session_id, **moved)


async def add_role(runtime: Runtime, name: str, *permissions: str, rank: int) -> None:
    statements: list[Executable] = [insert(Role).values(name=name, rank=rank, description=name)]
    statements += [insert(RolePermission).values(role_name=name, permission=p) for p in permissions]
    await write(runtime, *statements)


async def add_users(runtime: Runtime, number: int) -> list[UUID]:
    """Add accounts that nobody signs in to, without the cost of their hashes. Return their ids.

    Their addresses are in no order, least of all in that of their ids.
    """
    now = datetime.now(UTC)
    ids = [new_id() for _ in range(number)]
    addresses = {user_id: f"{user_id.hex[::-1]}@example.com" for user_id in ids}
    values = [
        {
            "id": user_id,
            "email": addresses[user_id],
            "email_normal": addresses[user_id],
            "search_text": addresses[user_id],
            "is_active": True,
            "role_name": ORDINARY,
            "created_at": now,
            "updated_at": now,
        }
        for user_id in ids
    ]
    await write(runtime, insert(User).values(values))
    return ids

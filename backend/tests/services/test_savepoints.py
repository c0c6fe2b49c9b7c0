"""What a unit of work sends past the ORM belongs to the savepoint, and to the transaction, that its session is in."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import PendingRollbackError, SQLAlchemyError

from app.models import AuditEvent, AuditKind
from app.runtime import Runtime
from app.services import audit
from tests.accounts import CLIENT

NOTHING = text("SELECT 1")


async def events_of(runtime: Runtime) -> int:
    return len(await runtime.database.read.all(select(AuditEvent.id).where(AuditEvent.kind == AuditKind.USER_CHANGED)))


async def test_a_savepoint_undoes_what_was_sent_after_something_before_it(runtime: Runtime) -> None:
    async with runtime.database.begin(CLIENT) as work:
        await work.execute(NOTHING)
        savepoint = await work.db.begin_nested()
        await audit.record(work, AuditKind.USER_CHANGED)
        await savepoint.rollback()
    assert await events_of(runtime) == 0


async def test_an_error_in_a_savepoint_ends_no_more_than_the_savepoint(runtime: Runtime) -> None:
    async with runtime.database.begin(CLIENT) as work:
        await work.execute(NOTHING)
        with pytest.raises(SQLAlchemyError):
            async with work.db.begin_nested():
                await work.execute(text("INSERT INTO nowhere VALUES (1)"))
        await audit.record(work, AuditKind.USER_CHANGED)
    assert await events_of(runtime) == 1


async def test_nothing_is_sent_in_a_transaction_that_has_failed(runtime: Runtime) -> None:
    async with runtime.database.begin(CLIENT) as work:
        await work.execute(NOTHING)
        work.db.add(AuditEvent())
        with pytest.raises(SQLAlchemyError):
            await work.db.flush()
        with pytest.raises(PendingRollbackError):
            await audit.record(work, AuditKind.USER_CHANGED)
        await work.db.rollback()
    assert await events_of(runtime) == 0


async def test_what_follows_a_rollback_is_sent_in_the_transaction_after_it(runtime: Runtime) -> None:
    async with runtime.database.begin(CLIENT) as work:
        await audit.record(work, AuditKind.USER_CHANGED)
        await work.db.rollback()
        await work.db.execute(NOTHING)
        await audit.record(work, AuditKind.USER_CHANGED)
    assert await events_of(runtime) == 1

"""Mailed values go once their time is over, and not a moment earlier."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from app.config import Settings
from app.jobs import periodic
from app.jobs.purges import PURGE_MAILED_PROOFS, purge_job
from app.models import MailedProof
from app.runtime import Runtime
from app.services.mailed import proofs
from tests.contention import eventually, uncommitted
from tests.instances import instance
from tests.mailed.proving import ADA, AN_HOUR, end_proofs, issue, proofs_in


async def test_what_is_over_goes_and_what_counts_stays(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V14.2.7: in batches."""
    monkeypatch.setattr(proofs, "BATCH", 2)
    for number in range(5):
        await issue(runtime, email_normal=f"person{number}@example.com")
    await end_proofs(runtime, now=datetime.now(UTC))
    await issue(runtime, valid_for=timedelta(minutes=1))
    await purge_job("purge", AN_HOUR, proofs.purge_proofs, batch=2).run(runtime)
    assert [row.email_normal for row in await proofs_in(runtime)] == ["ada@example.com"]


@pytest.mark.only("postgresql")
async def test_what_a_request_holds_stays_for_the_next_round(runtime: Runtime) -> None:
    """V15.4.2: the job waits for nobody, so no request ever waits in a circle with it."""
    for email in (ADA, "grace@example.com"):
        await issue(runtime, email_normal=email)
    await end_proofs(runtime, now=datetime.now(UTC))
    held = select(MailedProof.id).where(MailedProof.email_normal == ADA).with_for_update()
    async with uncommitted(runtime, held):
        await PURGE_MAILED_PROOFS.run(runtime)
        assert [row.email_normal for row in await proofs_in(runtime)] == [ADA]
    await PURGE_MAILED_PROOFS.run(runtime)
    assert await proofs_in(runtime) == []


async def test_a_server_does_so_soon_after_it_started(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the server's own jobs."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    await issue(runtime)
    await end_proofs(runtime, now=datetime.now(UTC))
    async with instance(settings):
        await eventually(partial(proofs_in, runtime), [])

"""Mailed values go once their time is over, and not a moment earlier."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from app.config import Settings
from app.jobs import periodic
from app.jobs.purges import PURGE_MAILED_PROOFS, purge_job
from app.runtime import Runtime
from app.services.mailed import proofs
from tests.contention import eventually
from tests.instances import instance
from tests.mailed.proving import end_proofs, issue, proofs_in


async def test_what_is_over_goes_and_what_counts_stays(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V14.2.7: in batches."""
    monkeypatch.setattr(proofs, "BATCH", 2)
    for number in range(5):
        await issue(runtime, email_normal=f"person{number}@example.com")
    await end_proofs(runtime, now=datetime.now(UTC))
    await issue(runtime, valid_for=timedelta(minutes=1))
    await purge_job("purge", AN_HOUR, proofs.purge_proofs, batch=2).run(runtime)
    assert [row.email_normal for row in await proofs_in(runtime)] == ["ada@example.com"]


async def test_a_server_does_so_soon_after_it_started(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the server's own jobs."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    await issue(runtime)
    await end_proofs(runtime, now=datetime.now(UTC))
    async with instance(settings):
        await eventually(partial(proofs_in, runtime), [])

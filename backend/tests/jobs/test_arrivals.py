"""What finished sign-ins leave behind goes, and not before nobody can use it any more."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from app.auth.identifiers import new_id
from app.jobs.purges import purge_job
from app.models import Identity, SignInCode, SpentFlow
from app.runtime import Runtime
from app.services.federation import purge
from tests.accounts import Accounts
from tests.rows import write


async def test_flows_and_codes_go_some_minutes_after_their_time(
    accounts: Accounts, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.4-05: the note that a flow is spent outlives the flow on every server, whatever its clock."""
    monkeypatch.setattr(purge, "BATCH", 2)
    owner, now, identity_id = await accounts.register(), datetime.now(UTC), new_id()
    ends = [now + timedelta(minutes=minutes) for minutes in (-60, -30, -20, -10, -6, -4, 1)]
    kept = ends[-2:]
    digests = {end: bytes([number]) * 32 for number, end in enumerate(ends)}
    identity = {"id": identity_id, "user_id": UUID(owner.id), "issuer": "https://x.example", "subject": "1"}
    code = {"binding": b"b" * 32, "user_id": UUID(owner.id), "identity_id": identity_id}
    await write(
        runtime,
        insert(Identity).values(**identity, email=None, email_verified=False, created_at=now, last_used_at=now),
        insert(SpentFlow).values([{"digest": digests[end], "expires_at": end} for end in ends]),
        insert(SignInCode).values([{"digest": digests[end], "expires_at": end, **code} for end in ends]),
    )
    await purge_job("purge", timedelta(minutes=10), purge.purge_arrivals, batch=2).run(runtime)
    for model in (SpentFlow, SignInCode):
        left = {row.digest for row in await runtime.database.read.all(select(model.digest))}
        assert left == {digests[end] for end in kept}

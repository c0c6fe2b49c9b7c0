"""Sees to it that there is a key that signs, and that the next one is published in time."""

from datetime import UTC, datetime, timedelta

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.signing_keys import carry_out, new_pair, plan

NAME = "signing-keys"


async def tend_signing_keys(runtime: Runtime) -> None:
    """Make the first key, publish the next, seal anew under the present server secret, destroy what has ended.

    Any number of workers may do so at once. Raises `DatabaseUnavailable`.
    """
    changes = plan(await runtime.keys.reload(), runtime.settings, datetime.now(UTC))
    if changes:
        pair = await new_pair(runtime.settings) if changes.signs_from else None
        async with runtime.database.begin(job_client(NAME)) as work:
            await carry_out(work, changes, pair=pair)
        await runtime.keys.reload()


SIGNING_KEYS = Job(NAME, timedelta(minutes=1), tend_signing_keys, at_start=True)
"""Every minute, because without a key nobody can sign in. One statement, as long as nothing is to be done."""

"""Posts and claims at the same moment."""

import asyncio
from datetime import timedelta

import pytest

from app.runtime import Runtime
from app.services import outbox
from app.services.outbox import claim
from tests.accounts import CLIENT
from tests.contention import at_once, waiting_for_a_lock
from tests.outbox import mails_of, post, sign_in_code, verification

pytestmark = [
    pytest.mark.only("postgresql"),
    pytest.mark.settings(
        SMTP_HOST="127.0.0.1",
        SMTP_PORT=9,
        SMTP_SECURITY="none",
        MAIL_FROM="a@example.com",
        JOBS="apart",
        DATABASE_POOL_SIZE=20,
        MAIL_PER_ADDRESS_PER_HOUR=5,
    ),
]


async def test_of_forty_posts_at_once_so_many_get_through_as_the_cap_says(runtime: Runtime) -> None:
    """3.7-03, 3.7-10: counting and writing are one step for each recipient."""
    await at_once(40, lambda: post(runtime, verification(runtime)))
    assert len(await mails_of(runtime)) == 5


async def test_a_post_waits_for_one_to_the_same_recipient_and_counts_it(runtime: Runtime) -> None:
    """3.7-03: brought to the very point: the first has written and not committed."""
    for _ in range(4):
        await post(runtime, verification(runtime))
    async with runtime.database.begin(CLIENT) as work:
        await outbox.post(work, verification(runtime))
        late = await waiting_for_a_lock(runtime, post(runtime, verification(runtime)))
        await post(runtime, verification(runtime, "grace@example.com"))
    await late
    assert [mail.recipient for mail in await mails_of(runtime)].count("ada@example.com") == 5


async def test_posts_to_the_same_two_recipients_never_wait_for_each_other(runtime: Runtime) -> None:
    """V15.4.3: in whatever order they are given: a deadlock would refuse somebody's change of address."""
    one, other = verification(runtime, "a@example.com"), verification(runtime, "b@example.com")
    pairs = [(one, other), (other, one)] * 10
    await asyncio.gather(*(post(runtime, *pair) for pair in pairs))
    assert len(await mails_of(runtime)) == 10


async def test_a_worker_passes_over_what_another_is_about_to_claim(runtime: Runtime) -> None:
    """V15.4.2: SKIP LOCKED: neither waits, and no mail is claimed twice."""
    await post(runtime, *(sign_in_code(f"person{n}@example.com") for n in range(6)))
    async with runtime.database.begin(CLIENT) as first, runtime.database.begin(CLIENT) as second:
        mine = await claim(first, lasting=timedelta(minutes=1), limit=4)
        yours = await claim(second, lasting=timedelta(minutes=1), limit=4)
    assert (len(mine), len(yours)) == (4, 2)
    assert {mail.id for mail in mine}.isdisjoint(mail.id for mail in yours)


async def test_thirty_claims_at_once_take_each_mail_once(runtime: Runtime) -> None:
    """V15.4.2."""
    await post(runtime, *(sign_in_code(f"person{n}@example.com") for n in range(50)))

    async def take() -> list[outbox.ClaimedMail]:
        async with runtime.database.begin(CLIENT) as work:
            return await claim(work, lasting=timedelta(minutes=1), limit=2)

    taken = [mail.id for mails in await at_once(30, take) for mail in mails]
    assert len(taken) == len(set(taken)) == 50

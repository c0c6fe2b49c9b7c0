"""Addresses that look like somebody's, or would match it in a careless comparison: they reach nobody else's account."""

from collections.abc import Sequence

import httpx2
import pytest

from app.models import User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.auth.test_emails import LOOK_ALIKES
from tests.outbox import mails_of
from tests.rows import count

VICTIMS = sorted({victim for _, victim in LOOK_ALIKES})
TWINS = sorted({twin for twin, _ in LOOK_ALIKES})
ASKING = ("/auth/password/forgot", "/auth/code/request", "/auth/verification/resend")
"""Routes that send mail to the owner of an address that anybody types."""


async def recipients(runtime: Runtime) -> Sequence[str]:
    return [mail.recipient for mail in await mails_of(runtime)]


@pytest.fixture
async def victims(accounts: Accounts) -> Accounts:
    """Everybody whose address has twins."""
    for victim in VICTIMS:
        await accounts.register(victim)
    return accounts


@pytest.mark.usefixtures("victims")
async def test_a_twin_of_an_address_brings_its_owner_no_mail_and_nobody_theirs(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-19: neither database folds what it compares, and no mail goes to an address that somebody typed."""
    before = await recipients(runtime)
    for path in ASKING:
        for twin in TWINS:
            assert (await client.post(API + path, json={"email": twin})).status_code == 202, twin
    assert await recipients(runtime) == before


@pytest.mark.usefixtures("victims")
async def test_a_twin_of_an_address_signs_nobody_in(client: httpx2.AsyncClient) -> None:
    """3.3-19: not even with the right password."""
    for twin in TWINS:
        form = {"username": twin, "password": PASSWORD}
        assert (await client.post(f"{API}/auth/login", data=form)).status_code == 401, twin


async def test_a_twin_of_an_address_is_an_account_of_its_own(runtime: Runtime, victims: Accounts) -> None:
    """3.3-19, 3.3-20: nobody is told that an address is taken because it looks like another one."""
    for twin in TWINS:
        await victims.register(twin)
    assert await count(runtime, User) == len(VICTIMS) + len(TWINS)


@pytest.mark.settings(MAIL_PER_ADDRESS_PER_HOUR=60)
async def test_mail_goes_to_the_stored_address(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-19: however its owner is called upon, and in the spelling that they gave."""
    await accounts.register("Kate@example.com")
    for path in ASKING:
        for typed in ("\u212aATE@EXAMPLE.COM", "kate@Example.com", "KATE@\uff45xample.com"):
            assert (await client.post(API + path, json={"email": typed})).status_code == 202
    assert await recipients(runtime) == ["Kate@example.com"] * 9

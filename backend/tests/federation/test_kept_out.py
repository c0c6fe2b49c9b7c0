"""Somebody comes from a provider and is kept out: what a gate or the table refuses changes nobody's account."""

import pytest
from sqlalchemy import select

from app.models import Identity, Session, SpentFlow, User
from app.offline.people import Person as GooglePerson
from app.offline.testing import ADA
from app.runtime import Runtime
from tests import gatehouse
from tests.accounts import CLIENT, Accounts
from tests.contention import waiting_for_a_lock
from tests.federation.browsers import Browser, error_of, landing_of
from tests.federation.linking import link
from tests.rows import change_user, count, everything, find_user

GUARDED = pytest.mark.settings(EXTENSIONS=[gatehouse.NAME])
TRANSPORTS = pytest.mark.parametrize("transport", ["bearer", "cookie"])


def of_the_organisation(name: str) -> GooglePerson:
    """Return somebody for whose address Google is the authority."""
    return GooglePerson(email=f"{name}@example.com", name="Eve", hosted_domain="example.com")


async def refusal(browser: Browser, comer: GooglePerson, transport: str = "bearer") -> str:
    """Come back from Google, and return the code with which the front end is told."""
    return error_of(await browser.open(await browser.come_back(comer, transport=transport)))


# Gates.


@GUARDED
@TRANSPORTS
async def test_an_account_gives_way_to_nobody_whom_a_gate_keeps_out(
    accounts: Accounts, browser: Browser, runtime: Runtime, transport: str
) -> None:
    """ID-07, 3.5-03: the gate's note stays, as for a password; the account is not handed over."""
    owner = await accounts.register("barred@example.com")
    before = await find_user(runtime, owner)
    assert await refusal(browser, of_the_organisation("barred"), transport) == "GATEHOUSE_BARRED"
    after = await find_user(runtime, owner)
    for name in ("password_hash", "email_verified_at", "full_name", "updated_at"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.search_text.endswith(" porter:fed")
    assert await count(runtime, Identity) == await count(runtime, Session) == 0
    assert await count(runtime, SpentFlow) == 1


@GUARDED
@TRANSPORTS
async def test_the_identity_of_whom_a_gate_keeps_out_stays_as_it_is(
    browser: Browser, runtime: Runtime, transport: str
) -> None:
    """ID-06, 3.5-03: not even its last use is noted."""
    await browser.land()
    (user,) = await runtime.database.read.entities(select(User))
    before = await runtime.database.read.all(select(Identity.__table__))
    async with runtime.database.begin(CLIENT) as work:
        (await work.db.get_one(User, user.id)).email = "barred@example.com"
    assert await refusal(browser, ADA, transport) == "GATEHOUSE_BARRED"
    assert await runtime.database.read.all(select(Identity.__table__)) == before
    assert await count(runtime, Session) == 0


@GUARDED
@TRANSPORTS
@pytest.mark.parametrize("name", ["barred", "unpaid"])
async def test_no_account_begins_for_whom_a_gate_keeps_out(
    browser: Browser, runtime: Runtime, name: str, transport: str
) -> None:
    """ID-06, 3.5-03."""
    code = await refusal(browser, of_the_organisation(name), transport)
    assert code == {"barred": "GATEHOUSE_BARRED", "unpaid": "GATEHOUSE_DUES_UNPAID"}[name]
    assert await count(runtime, User) == await count(runtime, Identity) == await count(runtime, Session) == 0


@GUARDED
async def test_a_gate_that_leaves_no_trace_leaves_none(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """3.5-14: neither of itself nor of who came."""
    await accounts.register("unpaid@example.com")
    callback = await browser.come_back(of_the_organisation("unpaid"))
    before = await everything(runtime)
    assert error_of(await browser.open(callback)) == "GATEHOUSE_DUES_UNPAID"
    assert await everything(runtime) == before


@GUARDED
async def test_whoever_adds_an_identity_has_passed_the_gates_before(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """Adding one is no sign-in."""
    owner = await accounts.signed_in()
    noted = (await find_user(runtime, owner)).search_text
    landing_of(await link(browser, owner))
    landing_of(await link(browser, owner))
    assert (await find_user(runtime, owner)).search_text == noted


# The table.


async def test_whom_the_table_refuses_has_spent_the_flow(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """OA-02: an answer counts once, also when it ends in a refusal."""
    unverified = GooglePerson(email="max@example.com", name="Max", email_verified=False)
    assert await refusal(browser, unverified) == "IDENTITY_REFUSED"
    assert await count(runtime, SpentFlow) == 1
    owner = await accounts.signed_in(ADA.email)
    await change_user(runtime, owner, email_verified_at=(await find_user(runtime, owner)).created_at)
    assert await refusal(browser, ADA) == "LINK_REQUIRED"
    assert await count(runtime, SpentFlow) == 2
    landing_of(await link(browser, owner))
    assert error_of(await link(browser, await accounts.signed_in())) == "IDENTITY_TAKEN"
    assert await count(runtime, SpentFlow) == 4


# Two at once.


@pytest.mark.only("postgresql")
async def test_a_sign_in_waits_for_the_account_before_it_holds_the_identity(browser: Browser, runtime: Runtime) -> None:
    """3.4-13: whoever removes an identity locks them in this order, too. In two orders each would wait for the other."""
    await browser.land()
    callback = await browser.come_back(transport="cookie")
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(select(User.id).with_for_update())
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
        await work.db.execute(select(Identity.id).with_for_update(nowait=True))
    assert landing_of(await opened) == "http://localhost:3000/"

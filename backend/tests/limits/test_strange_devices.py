"""When devices on which somebody has signed in before are strangers, and which one goes on being known."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.models import User
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.contention import uncommitted, waiting_for_a_lock
from tests.limits.trying import FREE, LIMITED, WRONG, Guesser
from tests.mailed.inbox import newest
from tests.rows import change_user

pytestmark = LIMITED
ADA, NEW, NEW_PASSWORD = "ada@example.com", "countess@example.org", "nine pale lanterns hum"
OWNER = "203.0.113.7"
FORGOT, RESET = "/auth/password/forgot", "/auth/password/reset"


async def signed_in(app: FastAPI, *, address: str = OWNER, password: str = PASSWORD, email: str = ADA) -> Guesser:
    """Return somebody at a device on which they have just signed in, with a session."""
    device = Guesser(app, address=address)
    answer = await device.sign_in(email, password)
    assert answer.status_code == 200
    device.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return device


async def reset_token(owner: Guesser, runtime: Runtime) -> str:
    assert (await owner.call("POST", FORGOT, json={"email": ADA})).status_code == 202
    return (await newest(runtime, ADA, "reset_password")).token


async def is_known(device: Guesser, *, email: str = ADA) -> bool:
    """Whether a device has tries of its own, while strangers have used up the account's."""
    status = (await device.sign_in(email, WRONG)).status_code
    assert status in {401, 429}
    return status == 401


async def strangers_guess(app: FastAPI, *, email: str = ADA) -> None:
    assert await Guesser(app).statuses(FREE + 1, email) == [401] * FREE + [429]


async def test_other_devices_of_an_account_use_up_nothing_on_the_owners(app: FastAPI, accounts: Accounts) -> None:
    """3.7-08, PW-07: whoever knows the password, and has signed in often, keeps its owner out of no device."""
    await accounts.register(ADA)
    home = await signed_in(app)
    for number in range(6):
        other = await signed_in(app, address=f"198.51.100.{number}")
        assert await other.statuses(FREE + 1, ADA) == [401] * FREE + [429]
    assert (await home.sign_in(ADA, PASSWORD)).status_code == 200


async def test_a_reset_makes_strangers_of_all_devices(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """3.7-08, 3.3-05: whoever was in the account first has no tries of their own any more, and the owner's device has."""
    await accounts.register(ADA)
    squatter, home = await signed_in(app, address="198.51.100.1"), Guesser(app, address=OWNER)
    body = {"token": await reset_token(home, runtime), "new_password": NEW_PASSWORD}
    assert (await home.call("POST", RESET, json=body)).status_code == 204
    assert (await home.sign_in(ADA, NEW_PASSWORD)).status_code == 200
    await strangers_guess(app)
    assert not await is_known(squatter)
    assert (await home.sign_in(ADA, NEW_PASSWORD)).status_code == 200


@pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", EMAIL_VERIFICATION="optional")
@pytest.mark.parametrize("keeps", [True, False])
async def test_the_first_proof_makes_strangers_of_all_devices(
    app: FastAPI, accounts: Accounts, runtime: Runtime, keeps: bool
) -> None:
    """3.3-05: also where an administrator has vouched for the account, and it keeps its password."""
    ada = await accounts.register(ADA)
    if keeps:
        await accounts.set_role(ada, "admin")
    squatter, owner = await signed_in(app, address="198.51.100.1"), Guesser(app, address=OWNER)
    body = {"token": (await newest(runtime, ADA, "verify_address")).token}
    assert (await owner.call("POST", "/auth/verification/confirm", json=body)).json()["has_password"] is keeps
    await strangers_guess(app)
    assert not await is_known(squatter)


async def test_a_new_password_makes_strangers_of_all_devices_but_the_one_on_which_it_was_chosen(
    app: FastAPI, accounts: Accounts
) -> None:
    """3.7-08, PW-07: whoever knew the former password has nothing of the cookies they have gathered."""
    await accounts.register(ADA)
    gathered = [await signed_in(app, address=f"198.51.100.{number}") for number in range(3)]
    home = await signed_in(app)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await home.call("POST", "/auth/me/password", json=body)).status_code == 204
    await strangers_guess(app)
    assert [await is_known(device) for device in gathered] == [False] * 3
    assert (await home.sign_in(ADA, NEW_PASSWORD)).status_code == 200


async def test_a_session_without_its_device_gets_no_device_by_a_new_password(app: FastAPI, accounts: Accounts) -> None:
    """3.7-05: nothing but a sign-in makes a device known."""
    await accounts.register(ADA)
    session, other = await signed_in(app), await signed_in(app)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    session.device = ""
    assert (await session.call("POST", "/auth/me/password", json=body)).status_code == 204
    assert session.device == ""
    again = await signed_in(app, password=NEW_PASSWORD)
    again.device, kept = other.device, other.device
    body = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
    assert (await again.call("POST", "/auth/me/password", json=body)).status_code == 204
    assert again.device == kept


async def test_another_address_and_its_undoing_make_strangers_of_all_devices(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-18: whoever has taken an account away has no device of it once its owner has it back."""
    ada = await accounts.register(ADA)
    await change_user(runtime, ada, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))
    home, thief = await signed_in(app), await signed_in(app, address="198.51.100.1")
    assert (await thief.call("POST", "/auth/me/email", json={"email": NEW})).status_code == 202
    veto = {"token": (await newest(runtime, ADA, "address_change_notice")).token}
    body = {"token": (await newest(runtime, NEW, "confirm_new_address")).token}
    assert (await thief.call("POST", "/auth/me/email/confirm", json=body)).status_code == 204
    await strangers_guess(app, email=NEW)
    assert [await is_known(device, email=NEW) for device in (home, thief)] == [False, True]
    assert (await home.call("POST", "/auth/email/veto", json=veto)).status_code == 204
    await strangers_guess(app)
    assert [await is_known(device) for device in (home, thief)] == [False, False]


async def in_flight(app: FastAPI, runtime: Runtime, ada: Person, token: str) -> Guesser:
    """Sign a thief in, who waits for the account, while a reset that began meanwhile waits behind them."""
    thief, owner = Guesser(app), Guesser(app, address=OWNER)
    body = {"token": token, "new_password": NEW_PASSWORD}
    async with uncommitted(runtime, select(User.id).where(User.id == UUID(ada.id)).with_for_update()):
        signing_in = await waiting_for_a_lock(runtime, thief.sign_in(ADA, PASSWORD), waiters=1)
        resetting = await waiting_for_a_lock(runtime, owner.call("POST", RESET, json=body), waiters=2)
    assert ((await signing_in).status_code, (await resetting).status_code) == (200, 204)
    return thief


@pytest.mark.only("postgresql")
@pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", DATABASE_POOL_SIZE=10)
async def test_a_sign_in_that_is_under_way_makes_no_device_known_after_a_reset(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-05: what is handed out later was decided earlier, and says so."""
    ada = await accounts.register(ADA)
    thief = await in_flight(app, runtime, ada, await reset_token(Guesser(app, address=OWNER), runtime))
    assert thief.device
    await strangers_guess(app)
    assert not await is_known(thief)

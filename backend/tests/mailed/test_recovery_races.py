"""Owner and thief at the same moment: in whichever order, the account is its owner's in the end.

On PostgreSQL, where statements really meet: the account's row is held until all requests wait for it, and they go on in the
order in which they came. SQLite has one writer at a time.
"""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Executable, select, text

from app.models import Purpose, Role, Session, User
from app.models.role import ADMINISTRATOR
from app.runtime import Runtime
from tests.accounts import API, CLIENT, PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once, uncommitted, waiting_for_a_lock
from tests.mailed.inbox import letters, newest
from tests.mailed.proving import proofs_in
from tests.mailed.recovering import (
    ADA,
    GRACE,
    NEW,
    NEW_PASSWORD,
    NOTE,
    NOTICE,
    RESET,
    THIEF,
    THIEFS_PASSWORD,
    ask_for,
    can_sign_in,
    confirm,
    disown,
    forgotten,
    move,
    proved,
    reset,
)
from tests.mailed.registering import made
from tests.rows import change_user, count, find_user, let_time_pass, living_sessions
from tests.tokens import session_id_of

pytestmark = [pytest.mark.only("postgresql"), pytest.mark.settings(DATABASE_POOL_SIZE=10)]

Request = Coroutine[Any, Any, httpx2.Response]
OWNER_FIRST = pytest.mark.parametrize("owner_first", [True, False])
NO_PROOFS = text("LOCK TABLE mailed_proofs IN EXCLUSIVE MODE")
CHANGE = {"current_password": PASSWORD, "new_password": THIEFS_PASSWORD}


async def in_turn(runtime: Runtime, person: Person, *requests: Request) -> list[httpx2.Response]:
    """Send requests, each as soon as the one before waits for the account; then let them go on in this order."""
    async with uncommitted(runtime, select(User.id).where(User.id == UUID(person.id)).with_for_update()):
        tasks = [
            await waiting_for_a_lock(runtime, request, waiters=number) for number, request in enumerate(requests, 1)
        ]
    return [await task for task in tasks]


async def in_order(
    runtime: Runtime, person: Person, owners: Request, thiefs: Request, *, owner_first: bool
) -> tuple[httpx2.Response, httpx2.Response]:
    """Send both requests, and return the owner's answer and the thief's."""
    if owner_first:
        own, other = await in_turn(runtime, person, owners, thiefs)
    else:
        other, own = await in_turn(runtime, person, thiefs, owners)
    return own, other


async def belongs_to_ada(runtime: Runtime, ada: Person) -> None:
    """See that the account has Ada's address, no password, and nobody in it; and that a mail of ours begins it anew."""
    user = await find_user(runtime, ada)
    assert (user.email, user.password_hash) == (ADA, None)
    assert await living_sessions(runtime, ada) == set()
    assert (await reset(ada.http, token=(await newest(runtime, ADA, RESET)).token)).status_code == 204


async def test_a_link_that_is_used_ten_times_at_once_resets_a_password_once(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-07: each with a password of its own; one decides."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(10)]
    answers = await asyncio.gather(*(reset(ada.http, password, token=mail.token) for password in passwords))
    chosen = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 204]
    assert len(chosen) == 1
    assert await can_sign_in(ada.http, ADA, chosen[0])
    assert len(await letters(runtime, ADA, NOTICE)) == 1


async def test_a_link_and_a_code_of_one_mail_at_once_reset_it_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-07: they are one value."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    link, code = reset(ada.http, token=mail.token), reset(ada.http, email=ADA, code=mail.code)
    answers = await in_turn(runtime, ada, link, code)
    assert sorted(answer.status_code for answer in answers) == [204, 400]


@OWNER_FIRST
async def test_a_reset_while_somebody_signs_in_with_the_old_password(
    accounts: Accounts, runtime: Runtime, owner_first: bool
) -> None:
    """3.3-05: no session that the old password began outlives the reset."""
    ada = await proved(accounts, runtime)
    token = (await forgotten(runtime, ada)).token
    form = {"username": ADA, "password": PASSWORD}
    signing_in = ada.http.post(f"{API}/auth/login", data=form)
    own, other = await in_order(runtime, ada, reset(ada.http, token=token), signing_in, owner_first=owner_first)
    assert own.status_code == 204
    assert other.status_code == (401 if owner_first else 200)
    assert await living_sessions(runtime, ada) == set()


@OWNER_FIRST
async def test_a_veto_while_the_change_is_confirmed(accounts: Accounts, runtime: Runtime, owner_first: bool) -> None:
    """3.3-18: neither waits for the other for good, and the old address has the last word."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await ask_for(thief, THIEF)
    token = (await newest(runtime, THIEF)).token
    saying_no, confirming = disown(ada.http, await newest(runtime, ADA, NOTE)), confirm(thief, token=token)
    own, other = await in_order(runtime, ada, saying_no, confirming, owner_first=owner_first)
    assert own.status_code == 204
    assert other.status_code == (401 if owner_first else 204)
    await belongs_to_ada(runtime, ada)


@OWNER_FIRST
async def test_an_undoing_while_the_thief_changes_the_password(
    accounts: Accounts, runtime: Runtime, owner_first: bool
) -> None:
    """3.3-05: what the thief was let in for before is judged by what is true afterwards."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await ask_for(thief, THIEF)
    saying_no, changing = (
        disown(ada.http, await newest(runtime, ADA, NOTE)),
        thief.post("/auth/me/password", json=CHANGE),
    )
    own, other = await in_order(runtime, ada, saying_no, changing, owner_first=owner_first)
    assert own.status_code == 204
    if owner_first:
        assert problem_of(other, 401, "SESSION_ENDED")["cause"] == "disowned"
    assert not await can_sign_in(ada.http, ADA, THIEFS_PASSWORD)
    await belongs_to_ada(runtime, ada)


@OWNER_FIRST
async def test_an_undoing_while_the_thief_asks_for_another_address(
    accounts: Accounts, runtime: Runtime, owner_first: bool
) -> None:
    """3.3-18: no request of the thief's is left over to be confirmed."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await ask_for(thief, NEW)
    saying_no, asking = disown(ada.http, await newest(runtime, ADA, NOTE)), ask_for(thief, THIEF)
    own, other = await in_order(runtime, ada, saying_no, asking, owner_first=owner_first)
    assert (own.status_code, other.status_code) == (204, 401 if owner_first else 202)
    for mail in await letters(runtime, THIEF):
        problem_of(await confirm(thief, token=mail.token), 401, "SESSION_ENDED")
    assert Purpose.CHANGE_ADDRESS not in {proof.purpose for proof in await proofs_in(runtime)}
    await belongs_to_ada(runtime, ada)


@OWNER_FIRST
async def test_owner_and_thief_both_say_that_it_was_not_them(
    accounts: Accounts, runtime: Runtime, owner_first: bool
) -> None:
    """3.3-18: the older mail decides, whichever is used first."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await move(runtime, thief, THIEF)
    assert (await thief.post("/auth/me/password", json=CHANGE)).status_code == 204
    owners, thiefs = await newest(runtime, ADA, NOTICE), await newest(runtime, THIEF, NOTICE)
    own, other = await in_order(
        runtime, ada, disown(ada.http, owners), disown(thief.http, thiefs), owner_first=owner_first
    )
    assert (own.status_code, other.status_code) == (204, 400 if owner_first else 204)
    await belongs_to_ada(runtime, ada)


@pytest.mark.settings(DATABASE_POOL_SIZE=10, EMAIL_VERIFICATION="required")
@OWNER_FIRST
async def test_an_undoing_while_somebody_registers_the_address(
    client: httpx2.AsyncClient, runtime: Runtime, owner_first: bool
) -> None:
    """V15.4.2: both take the account and then its mailbox. In two orders each would wait for the other."""
    ada = await made(client, runtime, ADA)
    await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
    await ask_for(ada, THIEF)
    saying_no = disown(client, await newest(runtime, ADA, NOTE))
    registering = client.post(f"{API}/auth/register", json={"email": ADA, "password": PASSWORD})
    own, other = await in_order(runtime, ada, saying_no, registering, owner_first=owner_first)
    assert (own.status_code, other.status_code) == (204, 202)
    assert len(await letters(runtime, ADA, "already_registered")) == 1
    await belongs_to_ada(runtime, ada)


@OWNER_FIRST
async def test_an_undoing_while_the_thief_deletes_an_administrators_account(
    accounts: Accounts, runtime: Runtime, owner_first: bool
) -> None:
    """V15.4.2: both take the lock of who administers before the account. In two orders each would wait for the other."""
    await accounts.administrator()
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await move(runtime, thief, THIEF)
    await change_user(runtime, ada, role_name=ADMINISTRATOR)
    await proved(accounts, runtime)
    saying_no = disown(ada.http, await newest(runtime, ADA, NOTE))
    leaving = thief.post("/auth/me/delete", json={"password": PASSWORD})
    administrators = select(Role.name).where(Role.name == ADMINISTRATOR).with_for_update(key_share=True)
    both = (saying_no, leaving) if owner_first else (leaving, saying_no)
    async with uncommitted(runtime, administrators):
        tasks = [await waiting_for_a_lock(runtime, each, waiters=number) for number, each in enumerate(both, 1)]
    assert [(await task).status_code for task in tasks] == ([204, 401] if owner_first else [204, 400])


async def test_a_notice_that_is_used_twenty_times_at_once_counts_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-07."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, THIEF)
    mail = await newest(runtime, ADA, NOTE)
    answers = await at_once(20, lambda: disown(ada.http, mail))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 19
    assert len(await letters(runtime, ADA, RESET)) == 1


async def test_a_new_address_is_confirmed_while_somebody_registers_it(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-20: one of them has it, and nobody gets an error that is ours."""
    for number in range(4):
        person = await accounts.signed_in()
        address = f"wanted-{number}@example.org"
        await ask_for(person, address)
        token = (await newest(runtime, address)).token
        body = {"email": address, "password": PASSWORD}
        confirming, registering = confirm(person, token=token), person.http.post(f"{API}/auth/register", json=body)
        confirmed, registered = await asyncio.gather(confirming, registering)
        assert (confirmed.status_code, registered.status_code) in {(204, 409), (400, 201)}
        assert await count(runtime, User, User.email_normal == address) == 1


async def test_two_users_who_ask_for_each_other_s_address_wait_for_neither(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-02: each has the own account locked when the mail to the other one is written."""
    ada, grace = await proved(accounts, runtime), await proved(accounts, runtime, GRACE)
    assert await both(runtime, NO_PROOFS, ask_for(ada, GRACE), ask_for(grace, ADA)) == [202, 202]


async def test_two_users_who_ask_for_what_the_other_had_asked_for_wait_for_neither(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-09: each request takes the place of two, in one order."""
    ada, grace = await proved(accounts, runtime), await proved(accounts, runtime, GRACE)
    addresses = [NEW, THIEF]
    for _ in range(4):
        await ask_for(ada, addresses[0])
        await ask_for(grace, addresses[1])
        addresses.reverse()
        asking = ask_for(ada, addresses[0]), ask_for(grace, addresses[1])
        assert await both(runtime, NO_PROOFS, *asking) == [202, 202]


async def test_two_undoings_of_accounts_that_have_each_other_s_address_wait_for_neither(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-18: each may need both accounts, so one is done after the other."""
    ada, grace = await proved(accounts, runtime), await proved(accounts, runtime, GRACE)
    await move(runtime, ada, NEW)
    await move(runtime, grace, ADA)
    await move(runtime, ada, GRACE)
    first, second = [(await letters(runtime, address, NOTICE))[0] for address in (ADA, GRACE)]
    everybody = select(User.id).order_by(User.id).with_for_update()
    assert await both(runtime, everybody, disown(ada.http, first), disown(ada.http, second)) == [204, 204]


async def both(runtime: Runtime, held: Executable, one: Request, other: Request) -> list[int]:
    """Send two requests, let both come to what is held, and return what they are answered once it is not any more."""
    async with uncommitted(runtime, held):
        tasks = [await waiting_for_a_lock(runtime, request, waiters=n) for n, request in enumerate([one, other], 1)]
    return [(await task).status_code for task in tasks]


async def test_a_stolen_token_waits_for_the_account_before_it_holds_its_session(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-02: whoever ends sessions has the account already. In two orders each would wait for the other."""
    ada = await proved(accounts, runtime)
    stolen = ada.tokens["refresh_token"]
    await ada.refresh()
    await let_time_pass(runtime, session_id_of(ada), Session.refreshed_at, by=timedelta(minutes=1))
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(select(User.id).with_for_update())
        replayed = await waiting_for_a_lock(runtime, ada.refresh(stolen))
        await work.db.execute(select(Session.id).with_for_update(nowait=True))
    assert problem_of(await replayed, 401, "SESSION_ENDED")["cause"] == "refresh_token_reused"
    assert len(await letters(runtime, ada, NOTICE)) == 1

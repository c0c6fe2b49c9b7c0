"""What a client can cause as often as it likes fills no table: of each kind a session keeps a few lines."""

from dataclasses import replace
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy import select

from app.models import SessionEvent, SessionEventKind
from app.runtime import Runtime
from app.services.sessions.events import MOST_HABITS, record_habit
from tests.accounts import CLIENT, PASSWORD, Accounts
from tests.rows import count
from tests.tokens import session_id_of
from tests.visitors import ABROAD, HOME, visiting


async def record(
    runtime: Runtime, session_id: UUID, kind: SessionEventKind, *addresses: str | None, once_per_address: bool
) -> None:
    """Record a habit from each of these addresses, one after the other."""
    async with runtime.database.begin(CLIENT) as work:
        for address in addresses:
            here = replace(work, client=replace(CLIENT, address=address))
            await record_habit(here, session_id, kind=kind, once_per_address=once_per_address)


async def addresses_of(runtime: Runtime, session_id: UUID, kind: SessionEventKind) -> list[str | None]:
    where = (SessionEvent.session_id == session_id, SessionEvent.kind == kind.value)
    events = await runtime.database.read.entities(select(SessionEvent).where(*where))
    return sorted((event.client_address for event in events), key=str)


async def test_no_habit_is_kept_more_than_fifty_times(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-03, 3.9-03: from however many addresses, and whichever way it is counted."""
    session_id = session_id_of(await accounts.signed_in())
    addresses = [f"198.51.100.{number}" for number in range(MOST_HABITS + 10)]
    await record(runtime, session_id, SessionEventKind.NEW_ADDRESS, *addresses, once_per_address=True)
    await record(runtime, session_id, SessionEventKind.REAUTHENTICATED, *addresses[:1] * 60, once_per_address=False)
    for kind in (SessionEventKind.NEW_ADDRESS, SessionEventKind.REAUTHENTICATED):
        where = (SessionEvent.session_id == session_id, SessionEvent.kind == kind.value)
        assert await count(runtime, SessionEvent, *where) == MOST_HABITS == 50


async def test_a_habit_is_counted_for_each_kind_session_and_address(accounts: Accounts, runtime: Runtime) -> None:
    """Also where the address is unknown."""
    ada = await accounts.signed_in()
    one, other = session_id_of(ada), session_id_of(await ada.sign_in())
    for _ in range(3):
        for session_id in (one, other):
            for kind in (SessionEventKind.NEW_ADDRESS, SessionEventKind.GRACE_USED):
                await record(runtime, session_id, kind, HOME, None, ABROAD, None, once_per_address=True)
    for session_id in (one, other):
        for kind in (SessionEventKind.NEW_ADDRESS, SessionEventKind.GRACE_USED):
            assert await addresses_of(runtime, session_id, kind) == sorted([HOME, None, ABROAD], key=str)


async def test_each_fresh_proof_is_told(accounts: Accounts, runtime: Runtime) -> None:
    """V16.3.1: from one place as well."""
    ada = await accounts.signed_in()
    for _ in range(2):
        assert (await ada.post("/auth/reauthenticate", json={"password": PASSWORD})).status_code == 200
    told = await addresses_of(runtime, session_id_of(ada), SessionEventKind.REAUTHENTICATED)
    assert len(told) == 2


async def test_a_refresh_tells_each_new_address_once_and_never_that_of_the_sign_in(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-03: the thief of a refresh token comes from elsewhere with that very request."""
    ada = await accounts.register()
    async with visiting(app, ada, address=HOME) as home, visiting(app, ada, address=ABROAD) as abroad:
        signed_in = await home.sign_in()
        abroad.tokens = signed_in.tokens
        for _ in range(2):
            assert (await signed_in.refresh()).status_code == 200
            abroad.tokens = signed_in.tokens
            assert (await abroad.refresh()).status_code == 200
            signed_in.tokens = abroad.tokens
    assert await addresses_of(runtime, session_id_of(signed_in), SessionEventKind.NEW_ADDRESS) == [ABROAD]

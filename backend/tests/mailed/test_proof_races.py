"""Many at once, on two workers: a value is spent once, and no try goes uncounted."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import event

from app.config import Settings
from app.models import Purpose
from app.runtime import Runtime
from app.services.mailed.proofs import TRIES, Proved
from tests.accounts import Accounts
from tests.contention import at_once
from tests.instances import instance
from tests.mailed.proving import another_code, follow, issue, proofs_in, type_code

CROWD = 25
"""On each of two workers."""
pytestmark = pytest.mark.settings(DATABASE_POOL_SIZE=20)


async def test_one_link_spent_by_fifty_at_once_succeeds_once(runtime: Runtime, settings: Settings) -> None:
    """3.4-05, 3.9-01."""
    async with instance(settings) as second:
        for _ in range(3):
            proof = await issue(runtime)
            spent = await asyncio.gather(
                at_once(CROWD, lambda: follow(runtime, proof.token)),  # noqa: B023  # Awaited here.
                at_once(CROWD, lambda: follow(second.runtime, proof.token)),  # noqa: B023
            )
            assert sum(proved is not None for half in spent for proved in half) == 1


async def test_a_link_and_its_code_spent_at_once_succeed_once(runtime: Runtime, settings: Settings) -> None:
    """3.4-05, 3.9-01: whichever comes first."""
    async with instance(settings) as second:
        for _ in range(3):
            proof = await issue(runtime)
            ways = [follow(runtime, proof.token) for _ in range(TRIES)]
            codes = [type_code(second.runtime, proof.code) for _ in range(TRIES)]
            spent: list[Proved | None] = await asyncio.gather(*ways, *codes)
            assert sum(proved is not None for proved in spent) == 1


async def test_parallel_guesses_get_five_answers_in_all(runtime: Runtime, settings: Settings) -> None:
    """3.7-05, 3.9-01: fifty codes at once, all of them but one wrong; each that is looked at has been counted before."""
    async with instance(settings) as second:
        proof = await issue(runtime)
        wrong = another_code(proof)
        with comparisons(runtime, second.runtime) as compared:
            await asyncio.gather(
                at_once(CROWD, lambda: type_code(runtime, wrong)),
                at_once(CROWD, lambda: type_code(second.runtime, wrong)),
            )
        assert compared == [TRIES]
        assert [row.tries for row in await proofs_in(runtime)] == [TRIES]
        assert await type_code(runtime, proof.code) is None


class comparisons:  # noqa: N801  # Reads like a function.
    """Counts the guesses that the database let through: updates of the count that found a row."""

    def __init__(self, *runtimes: Runtime) -> None:
        self._engines = [runtime.database.engine.sync_engine for runtime in runtimes]
        self.found = [0]

    def __enter__(self) -> list[int]:
        for engine in self._engines:
            event.listen(engine, "after_cursor_execute", self._note)
        return self.found

    def __exit__(self, *_: object) -> None:
        for engine in self._engines:
            event.remove(engine, "after_cursor_execute", self._note)

    def _note(self, _c: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE mailed_proofs"):
            self.found[0] += max(getattr(cursor, "rowcount", 0), 0)


@pytest.mark.parametrize("purpose", [Purpose.VERIFY_ADDRESS, Purpose.INVITATION])
async def test_mails_asked_for_at_once_leave_one_value(runtime: Runtime, settings: Settings, purpose: Purpose) -> None:
    """PW-07: on two workers, and the one that is left works."""
    async with instance(settings) as second:
        issued = await asyncio.gather(*(issue(each, purpose) for each in (runtime, second.runtime) * 5))
        assert len(await proofs_in(runtime)) == 1
        spent = [await follow(runtime, proof.token, purpose) for proof in issued]
        assert sum(proved is not None for proved in spent) == 1


@pytest.mark.only("postgresql")
async def test_a_deletion_and_mails_and_links_of_the_account_wait_for_nobody_for_ever(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.9-01: all take the account first and its values after it."""
    for _ in range(5):
        ada = await accounts.signed_in()
        proofs = [
            await issue(runtime, purpose, user_id=UUID(ada.id), email_normal=ada.email)
            for purpose in (Purpose.RESET_PASSWORD, Purpose.SIGN_IN)
        ]
        deletion = asyncio.create_task(ada.post("/auth/me/delete", json={"password": ada.password}))
        await asyncio.gather(
            *(follow(runtime, proofs[0].token, Purpose.RESET_PASSWORD) for _ in range(4)),
            *(type_code(runtime, proofs[1].code, Purpose.SIGN_IN, email=ada.email) for _ in range(4)),
        )
        assert (await deletion).status_code == 204
        assert await proofs_in(runtime) == []

"""One request, one transaction, one commit, and the answer leaves after it (architecture, section 4)."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from app.exceptions import DatabaseUnavailable
from app.runtime import Runtime
from tests.accounts import CLIENT, Accounts
from tests.architecture import ledger
from tests.middleware.asgi import Answer, Message, Watch, ask

pytestmark = pytest.mark.settings(EXTENSIONS=[ledger.NAME])

ENTRY = 418


@pytest.fixture(autouse=True)
async def tables(runtime: Runtime) -> None:
    """Make the extension's tables."""
    async with runtime.database.begin(CLIENT) as work:
        for statement in ledger.TABLES:
            await work.db.execute(text(statement))


async def post(app: FastAPI, path: str, entry: int = ENTRY, watch: Watch | None = None) -> Answer:
    """Call a route of the extension. Most of its refusals are accidents, which no document promises."""
    return await ask(app, f"/api/v1/ledger/{path}/{entry}", method="POST", watch=watch)


def watcher(runtime: Runtime, seen: list[list[int]]) -> Watch:
    """Return a watch that notes what other connections see at the moment when a message leaves."""

    async def watch(_: Message) -> None:
        seen.append(await entries(runtime))

    return watch


async def entries(runtime: Runtime) -> list[int]:
    """Return what has been committed."""
    return [row.entry for row in await runtime.database.read.all(text("SELECT entry FROM ledger ORDER BY entry"))]


@contextmanager
def counted(runtime: Runtime) -> Iterator[dict[str, int]]:
    """Count the transactions that end on the engine that writes."""
    engine = runtime.database.engine.sync_engine
    seen: dict[str, int] = {"commit": 0, "rollback": 0}

    def listener(name: str) -> Any:
        def note(_: Any) -> None:
            seen[name] += 1

        return note

    listeners = {name: listener(name) for name in seen}
    for name, function in listeners.items():
        event.listen(engine, name, function)
    yield seen
    for name, function in listeners.items():
        event.remove(engine, name, function)


async def test_what_an_answered_request_wrote_is_kept(app: FastAPI, runtime: Runtime) -> None:
    answer = await post(app, "kept")
    assert (answer.status, answer.body) == (200, b"418")
    assert await entries(runtime) == [ENTRY]


async def test_a_refusal_keeps_what_was_written_on_the_way(app: FastAPI, runtime: Runtime) -> None:
    """V2.3.3: a spent attempt stays spent although the answer is no."""
    answer = await post(app, "refused")
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "LEDGER_NOTED")
    assert await entries(runtime) == [ENTRY]


@pytest.mark.parametrize(("path", "status"), [("conflict", 409), ("accident", 500), ("unsendable", 500)])
async def test_every_other_exception_undoes_what_was_written(
    app: FastAPI, runtime: Runtime, path: str, status: int
) -> None:
    """V2.3.3, S34, V16.5.3: a refusal, an accident in the route, an answer that cannot be sent."""
    answer = await post(app, path)
    assert answer.status == status
    assert answer.header("Content-Type") == "application/problem+json"
    assert await entries(runtime) == []


async def test_a_failed_commit_is_never_answered_as_a_success(app: FastAPI, runtime: Runtime) -> None:
    """V2.3.3, S34, PD-02: the constraint is checked by the commit, after the route has returned its answer."""
    answer = await post(app, "uncommittable")
    assert (answer.status, json.loads(answer.body)["code"]) == (409, "CONFLICT")
    assert b"ledger" not in answer.body
    assert await entries(runtime) == []


async def test_the_connection_is_usable_after_a_failed_commit(app: FastAPI, runtime: Runtime) -> None:
    """V16.5.2: more failures than there are connections."""
    for entry in range(6):
        assert (await post(app, "uncommittable", entry)).status == 409
    assert (await post(app, "kept")).status == 200
    assert await entries(runtime) == [ENTRY]


@pytest.mark.parametrize(("path", "status"), [("kept", 200), ("refused", 403)])
async def test_the_answer_leaves_after_the_commit(app: FastAPI, runtime: Runtime, path: str, status: int) -> None:
    """V2.3.3: whoever has the answer may rely on it, and nobody can try again before a refused attempt counts.

    Another connection sees the row before the first byte is sent.
    """
    seen: list[list[int]] = []
    answer = await post(app, path, watch=watcher(runtime, seen))
    assert answer.status == status
    assert len(seen) >= 2
    assert seen == [[ENTRY]] * len(seen)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kept", {"commit": 1, "rollback": 0}),
        ("refused", {"commit": 1, "rollback": 0}),
        ("conflict", {"commit": 0, "rollback": 1}),
        ("accident", {"commit": 0, "rollback": 1}),
    ],
)
async def test_a_request_is_one_transaction(
    app: FastAPI, runtime: Runtime, path: str, expected: dict[str, int]
) -> None:
    """V2.3.3: never two halves."""
    with counted(runtime) as seen:
        await post(app, path)
    assert seen == expected


async def test_every_journey_of_an_account_is_one_commit_a_step(accounts: Accounts, runtime: Runtime) -> None:
    """V2.3.3: registration, sign-in, refresh, sign-out."""
    with counted(runtime) as seen:
        person = await accounts.signed_in()
        await person.refresh()
        await person.post("/auth/logout")
    # On PostgreSQL the statement of a refresh is its own transaction.
    assert seen["commit"] == (4 if runtime.database.is_sqlite else 3)


async def test_a_request_that_only_reads_commits_nothing(accounts: Accounts, runtime: Runtime) -> None:
    person = await accounts.administrator()
    with counted(runtime) as seen:
        for path in ("/auth/me", "/users/", f"/users/{person.id}"):
            assert (await person.get(path)).status_code == 200
    assert seen["commit"] == 0


@pytest.mark.settings(EXTENSIONS=[ledger.NAME], DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1.0)
async def test_a_request_that_waits_in_vain_for_a_connection_is_told_when_to_come_back(
    app: FastAPI, runtime: Runtime
) -> None:
    """V13.1.2, V16.5.2, PD-03: 503 with Retry-After, and nothing written."""
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(text("SELECT 1"))
        answer = await post(app, "kept")
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert answer.header("Retry-After") == "2"
    assert await entries(runtime) == []


@pytest.mark.settings(EXTENSIONS=[ledger.NAME], DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1.0)
async def test_a_unit_of_work_that_waits_in_vain_for_a_connection_says_so(runtime: Runtime) -> None:
    """V13.1.2, V16.5.2."""
    async with runtime.database.begin(CLIENT) as first:
        await first.db.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            async with runtime.database.begin(CLIENT) as second:
                await second.db.execute(text("SELECT 1"))
    async with runtime.database.begin(CLIENT) as third:
        assert (await third.db.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_cancelled_request_undoes_what_it_wrote(runtime: Runtime) -> None:
    """V2.3.3: whoever hangs up in the middle leaves nothing behind."""
    written = asyncio.Event()

    async def hang() -> None:
        async with runtime.database.begin(CLIENT) as work:
            await work.db.execute(text("INSERT INTO ledger (entry) VALUES (1)"))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await entries(runtime) == []

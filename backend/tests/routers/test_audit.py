"""Who reads the audit log, and how: owners their own part, administrators all of it, page by page or as a file."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.models import AuditEvent, AuditKind
from app.runtime import Runtime
from app.services.audit_trail import BATCH
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import field_error_of, problem_of
from tests.audit import add_events, event_of, kinds, own_events
from tests.rows import add_role, count
from tests.statements import recorded_statements
from tests.tokens import session_id_of
from tests.visitors import ABROAD, visiting

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
A_DAY = timedelta(days=1)
PRIVATE = ("client_address", "user_agent", "session_id")


async def searched(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.get("/audit/events", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def exported(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.get("/audit/events.jsonl", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert answer.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in answer.text.splitlines()]


def ids(events: list[dict[str, Any]]) -> list[UUID]:
    return [UUID(event["id"]) for event in events]


async def test_an_owner_sees_what_they_did_and_what_was_tried_at_their_account(
    app: FastAPI, accounts: Accounts
) -> None:
    """S92, 3.7-06: and from where somebody who is not them tried it."""
    ada, eve = await accounts.signed_in(), await accounts.signed_in()
    async with visiting(app, ada) as stranger:
        form = {"username": ada.email, "password": "wrong wrong wrong"}
        assert (await stranger.http.post(f"{API}/auth/login", data=form)).status_code == 401
    await eve.patch("/auth/me", json={"full_name": "Eve"})
    events = await own_events(ada)
    assert kinds(events) == ["sign_in.failed", "session.created", "user.registered"]
    assert (events[0]["client_address"], events[0]["cause"]) == (ABROAD, "wrong_password")


async def test_an_owner_does_not_learn_where_an_administrator_was(accounts: Accounts) -> None:
    """V8.2.3: who did it and when is theirs to know, and which of their sessions it ended."""
    root, ada = await accounts.administrator(), await accounts.signed_in()
    await root.patch(f"/users/{ada.id}", json={"role": "user", "is_active": True})
    gone = await ada.sign_in()
    await root.call("DELETE", f"/sessions/{session_id_of(gone)}")
    ended, _, changed = (await own_events(ada))[:3]
    assert (ended["kind"], changed["kind"]) == ("session.ended", "user.changed")
    assert {ended["actor_id"], changed["actor_id"]} == {root.id}
    assert [changed[name] for name in PRIVATE] == [None, None, None]
    assert [ended[name] for name in PRIVATE] == [None, None, str(session_id_of(gone))]
    assert (await searched(root, user_id=ada.id, kind="user.changed"))[0]["client_address"] == "127.0.0.1"
    assert (await own_events(root))[0]["client_address"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/audit/events", "/audit/events.jsonl"])
async def test_only_who_may_read_it_sees_the_whole_log(accounts: Accounts, runtime: Runtime, path: str) -> None:
    """V8.2.1, V16.4.2: not even somebody who administers users, unless the role says so."""
    await add_role(runtime, "support", "users:read", "users:write", rank=50)
    helper = await accounts.register()
    await accounts.set_role(helper, "support")
    problem_of(await helper.http.get(f"{API}{path}"), 401, "NOT_AUTHENTICATED")
    problem_of(await (await helper.sign_in()).get(path), 403, "PERMISSION_DENIED")
    assert (await event_of(runtime, AuditKind.PERMISSION_DENIED)).actor_id == UUID(helper.id)
    assert (await (await accounts.administrator()).get(path)).status_code == 200


async def test_administrators_search_by_user_kind_time_and_address(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """S92: each of them alone, and all together."""
    root, ada = await accounts.administrator(), await accounts.register()
    async with visiting(app, ada) as abroad:
        await abroad.sign_in()
    old = await add_events(runtime, LONG_AGO, LONG_AGO + A_DAY, target_id=UUID(ada.id), client_address=ABROAD)
    other = await add_events(runtime, LONG_AGO + A_DAY, actor_id=UUID(root.id), kind="user.changed")
    assert kinds(await searched(root, user_id=ada.id))[:2] == ["session.created", "user.registered"]
    assert ids(await searched(root, user_id=ada.id, until="2021-01-01T00:00:00Z")) == old[::-1]
    assert ids(await searched(root, kind="user.changed")) == other
    assert [e["kind"] for e in await searched(root, address=ABROAD)] == [
        "session.created",
        "sign_in.failed",
        "sign_in.failed",
    ]
    since, until = LONG_AGO + A_DAY, LONG_AGO + 2 * A_DAY
    assert set(ids(await searched(root, since=since.isoformat(), until=until.isoformat()))) == {old[1], *other}
    everything = {"user_id": ada.id, "kind": "sign_in.failed", "address": ABROAD, "until": since.isoformat()}
    assert ids(await searched(root, **everything)) == old[:1]


async def test_pages_neither_repeat_nor_leave_out_anything(accounts: Accounts, runtime: Runtime) -> None:
    """Each page costs one statement, however deep, while new events come in; by user they come from two indexes."""
    root = await accounts.administrator()
    ada = UUID((await accounts.register()).id)
    moments = [LONG_AGO + i * A_DAY for i in range(12)]
    one = await add_events(runtime, *moments[::2], target_id=ada)
    other = await add_events(runtime, *moments[1::2], actor_id=ada)
    both = [event_id for pair in zip(one, other, strict=True) for event_id in pair]
    query: dict[str, Any] = {"user_id": str(ada), "kind": "sign_in.failed", "limit": 5}
    seen: list[UUID] = []
    for _ in range(3):
        with recorded_statements(runtime) as statements:
            page = (await root.get("/audit/events", params=query)).json()
        assert sum("audit_events" in statement for statement in statements) == 1
        seen += ids(page["items"])
        query["cursor"] = page["next_cursor"]
        await add_events(runtime, datetime.now(UTC), target_id=ada)
    assert (seen, query["cursor"]) == (both[::-1], None)


async def test_a_cursor_or_a_filter_that_is_none_is_refused(accounts: Accounts) -> None:
    root = await accounts.administrator()
    assert field_error_of(await root.get("/audit/events", params={"cursor": "x"})) == ("cursor", "CURSOR_INVALID")
    assert field_error_of(await root.get("/auth/me/events", params={"cursor": "x"})) == ("cursor", "CURSOR_INVALID")
    for name, value in (("kind", "x"), ("since", "2026-01-01T00:00:00"), ("address", "'--"), ("user_id", "x")):
        assert field_error_of(await root.get("/audit/events", params={name: value}))[0] == name


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_any_moment_can_be_asked_for(accounts: Accounts, moment: str) -> None:
    """S102: at the ends of the calendar nothing overflows."""
    root = await accounts.administrator()
    for name in ("since", "until"):
        assert (await root.get("/audit/events", params={name: moment})).status_code == 200


async def test_the_export_is_one_event_a_line_the_oldest_first(accounts: Accounts, runtime: Runtime) -> None:
    """Over the bounds of batches, filtered like the search; who took it away stands in the log."""
    root = await accounts.administrator()
    moments = [LONG_AGO + timedelta(seconds=i) for i in range(2 * BATCH + 1)]
    old = await add_events(runtime, *moments, client_address=ABROAD, detail={"text": "line\nbreak \u2028"})
    lines = await exported(root, kind="sign_in.failed", until="2021-01-01T00:00:00Z")
    assert ids(lines) == old
    assert lines[0]["detail"] == {"text": "line\nbreak \u2028"}
    taken = await event_of(runtime, AuditKind.AUDIT_EXPORTED)
    assert (taken.actor_id, taken.detail and taken.detail["kind"]) == (UUID(root.id), "sign_in.failed")
    assert len(await exported(root)) == await count(runtime, AuditEvent)


async def test_the_export_holds_one_batch_and_no_connection(accounts: Accounts, runtime: Runtime) -> None:
    """3.9: a slow reader of a long log costs one statement for each batch, each read only when the last has left."""
    root = await accounts.administrator()
    moments = [LONG_AGO + timedelta(seconds=i) for i in range(2 * BATCH + 1)]
    await add_events(runtime, *moments)
    with recorded_statements(runtime) as statements:
        await exported(root, until="2021-01-01T00:00:00Z")
    reads = [s for s in statements if s.lstrip().startswith("SELECT") and "audit_events" in s]
    assert len(reads) == 3
    assert all("LIMIT" in read for read in reads)


async def test_what_is_not_found_is_an_empty_file(accounts: Accounts) -> None:
    root = await accounts.administrator()
    assert await exported(root, address="192.0.2.1") == []


async def test_a_log_in_which_nothing_can_be_changed(accounts: Accounts) -> None:
    """V16.4.2: nobody has a route that changes or deletes an event."""
    root = await accounts.administrator()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/audit/events", "/audit/events.jsonl", "/auth/me/events"):
            assert (await root.call(method, path, json={})).status_code == 405
    assert PASSWORD not in (await root.get("/audit/events")).text

"""What the step that added the story of a session makes of the sessions that were there, on the way up and down."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import migrations
from app.auth.identifiers import new_id
from app.config import Settings
from app.database import Database
from tests.accounts import API, Accounts
from tests.architecture.schema import empty_url, opened
from tests.conftest import settings_for
from tests.cookies import signed_in
from tests.instances import instance

__all__ = ["empty_url"]

BEFORE = "0002"
SEEN = datetime.now(UTC) - timedelta(hours=3)
USER = """
INSERT INTO users (id, email, email_normal, search_text, is_active, role_name, created_at, updated_at)
VALUES (:id, 'a@example.com', 'a@example.com', '', true, 'user', :at, :at)
"""
SESSION = """
INSERT INTO sessions (id, user_id, secret_digest, counter, created_at, authenticated_at, methods, refreshed_at,
                      idle_expires_at, expires_at, client_address)
VALUES (:id, :user_id, :digest, 4, :at, :at, 'pwd', :at, :end, :end, '203.0.113.7')
"""


def as_stored(database: Database, value: UUID) -> Any:
    return value.hex if database.is_sqlite else value


def at_stored(database: Database, value: datetime) -> Any:
    return value.replace(tzinfo=None).isoformat(" ") if database.is_sqlite else value


async def test_the_sessions_that_were_there_live_on(empty_url: str) -> None:
    """S97, V2.3.3: as bearer sessions that were last seen when they were last refreshed, where they began."""
    user_id, session_id = new_id(), new_id()
    async with opened(empty_url) as database:
        await migrations.upgrade(database, revision=BEFORE)
        times = {"at": at_stored(database, SEEN), "end": at_stored(database, SEEN + timedelta(days=7))}
        ids = {"id": as_stored(database, session_id), "user_id": as_stored(database, user_id), "digest": b"digest"}
        async with database.engine.begin() as connection:
            await connection.execute(text(USER), {"id": ids["user_id"], "at": times["at"]})
            await connection.execute(text(SESSION), {**ids, **times})
        await migrations.upgrade(database)
    settings = settings_for(empty_url)
    async with instance(settings) as running:
        statement = text("SELECT * FROM sessions")
        row = await running.runtime.database.read.first(statement)
        assert row is not None
        assert (row.transport, row.last_address, row.counter) == ("bearer", "203.0.113.7", 4)
        assert row.last_seen_at == row.refreshed_at
        assert (row.device, row.network, row.former_secret_digest) == (None, None, None)


async def test_an_account_from_before_is_not_warned_of_its_first_sign_in_after(settings: Settings) -> None:
    """Of the sessions from before no device is known: everything would be new."""
    async with instance(settings) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        await _forget_devices(running.runtime.database)
        again = await ada.sign_in()
        items = (await again.get("/sessions/")).json()["items"]
        story = (await again.get(f"/sessions/{items[0]['id']}")).json()
        assert [entry["event"] for entry in story["timeline"]] == ["signed_in"]


async def _forget_devices(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE sessions SET device = NULL, network = NULL"))


async def test_on_the_way_down_cookie_sessions_go_and_the_others_stay(settings: Settings) -> None:
    """S97, CK-01: what is left of one would pass for a session with refresh tokens."""
    url = settings.DATABASE_URL.get_secret_value()
    async with instance(settings) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        browser = await signed_in(ada)
    async with opened(url) as database:
        await migrations.downgrade(database, revision=BEFORE)
        row = await database.read.first(text("SELECT count(*) FROM sessions"))
        assert row is not None
        assert row[0] == 1
        await migrations.upgrade(database)
    async with instance(settings) as running:
        assert (await running.http.get(f"{API}/auth/me", headers=ada.headers)).status_code == 200
        browser.http = running.http
        assert (await browser.get("/auth/me")).status_code == 401

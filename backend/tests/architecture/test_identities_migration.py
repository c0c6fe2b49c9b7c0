"""What the step that added identities makes of the accounts that were there, on the way up and down."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from app import migrations
from app.auth.identifiers import new_id
from app.config import Settings
from app.exceptions import ConflictError
from app.models import Identity, SignInCode, SpentFlow, User
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.architecture.schema import opened
from tests.instances import instance
from tests.rows import count, write

BEFORE = "0003"


def identity_of(person: Person, *, subject: str = "1017") -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": new_id(),
        "user_id": UUID(person.id),
        "issuer": "https://accounts.google.com",
        "subject": subject,
        "email": person.email,
        "email_verified": True,
        "created_at": now,
        "last_used_at": now,
    }


def code_of(identity: dict[str, Any]) -> dict[str, Any]:
    ids = {"user_id": identity["user_id"], "identity_id": identity["id"]}
    return {**ids, "digest": b"d" * 32, "binding": b"b" * 32, "expires_at": identity["created_at"]}


async def test_accounts_and_sessions_live_through_a_way_down_and_up(settings: Settings) -> None:
    """S97, V2.3.3: an account stays when the identity that signed it in goes; nobody's address counts as proved."""
    async with instance(settings) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        identity = identity_of(ada)
        await write(
            running.runtime,
            insert(Identity).values(identity),
            insert(SignInCode).values(code_of(identity)),
            insert(SpentFlow).values(digest=b"s" * 32, expires_at=datetime.now(UTC)),
        )
    async with opened(settings.DATABASE_URL.get_secret_value()) as database:
        await migrations.downgrade(database, revision=BEFORE)
        for number in ("SELECT count(*) FROM users", "SELECT count(*) FROM sessions"):
            row = await database.read.first(text(number))
            assert row is not None
            assert row[0] == 1
        await migrations.upgrade(database)
    async with instance(settings) as running:
        assert (await running.http.get(f"{API}/auth/me", headers=ada.headers)).status_code == 200
        assert await count(running.runtime, User, User.email_verified_at.is_(None)) == 1
        assert await count(running.runtime, Identity) == 0


async def test_an_identity_is_there_once(accounts: Accounts, runtime: Runtime) -> None:
    """ID-03: whatever the program does, issuer and subject belong to one account."""
    ada, grace = await accounts.register(), await accounts.register()
    await write(runtime, insert(Identity).values(identity_of(ada)))
    with pytest.raises(ConflictError):
        await write(runtime, insert(Identity).values(identity_of(grace)))


async def test_with_an_account_goes_everything_that_came_from_providers(accounts: Accounts, runtime: Runtime) -> None:
    """V14.2.7: what is left of a deleted account is nothing."""
    ada = await accounts.signed_in()
    identity = identity_of(ada)
    await write(runtime, insert(Identity).values(identity), insert(SignInCode).values(code_of(identity)))
    assert (await ada.post("/auth/me/delete", json={"password": ada.password})).status_code == 204
    assert await count(runtime, Identity) == await count(runtime, SignInCode) == 0

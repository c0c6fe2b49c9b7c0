"""What the step that added providers' tokens makes of the identities that were there, on the way up and down."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from app import migrations
from app.config import Settings
from app.models import Identity, ProviderToken
from tests.accounts import API, Accounts
from tests.architecture.schema import opened
from tests.architecture.test_identities_migration import identity_of
from tests.instances import instance
from tests.rows import count, write

BEFORE = "0004"


def tokens_of(identity: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    sealed = {"access_sealed": b"a" * 60, "refresh_sealed": b"r" * 60}
    return {"identity_id": identity["id"], **sealed, "scopes": "openid", "expires_at": now, "updated_at": now}


async def test_identities_live_through_a_way_down_and_up(settings: Settings) -> None:
    """S97, V2.3.3: without the table their users are asked for consent again, and for nothing else."""
    async with instance(settings) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        identity = identity_of(ada)
        tokens = insert(ProviderToken).values(tokens_of(identity))
        await write(running.runtime, insert(Identity).values(identity), tokens)
    async with opened(settings.DATABASE_URL.get_secret_value()) as database:
        await migrations.downgrade(database, revision=BEFORE)
        await migrations.upgrade(database)
    async with instance(settings) as running:
        answer = await running.http.get(f"{API}/auth/me/identities", headers=ada.headers)
        assert [item["id"] for item in answer.json()["items"]] == [str(identity["id"])]
        assert await count(running.runtime, ProviderToken) == 0
        await write(running.runtime, insert(ProviderToken).values(tokens_of(identity)))
        assert await count(running.runtime, ProviderToken) == 1

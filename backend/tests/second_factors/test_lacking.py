"""A front end that comes back to a sign-in under way asks what it lacks: after a provider's callback, or a reload."""

import httpx2
import pytest
from sqlalchemy import select

from app.models import PendingSignIn
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.authenticator import Authenticator
from tests.factors import add_passkey, page_of, pending_of, with_app


async def status(http: httpx2.AsyncClient, pending: str | None, **query: str) -> httpx2.Response:
    return await http.post(f"{API}/auth/second-factor/status", json={"pending": pending}, params=query)


async def test_what_is_lacking_is_said_as_when_it_was_asked_for(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: reading it costs no try, and proves nothing."""
    guarded = await with_app(accounts, runtime)
    await add_passkey(guarded.person, Authenticator(page_of(runtime)))
    pending = await pending_of(client, guarded.person)
    answer = await status(client, pending)
    assert answer.status_code == 200
    assert answer.json() == {"stage": "second_factor", "factors": ["totp", "passkey", "recovery_code"]}
    for _ in range(9):
        assert (await status(client, pending)).json() == answer.json()
    assert [row.tries for row in await runtime.database.read.entities(select(PendingSignIn))] == [0]


@pytest.mark.settings(SECOND_FACTOR="required")
async def test_who_must_get_a_factor_learns_so(client: httpx2.AsyncClient, accounts: Accounts) -> None:
    """3.5-03."""
    ada = await accounts.register()
    answer = await status(client, await pending_of(client, ada))
    assert answer.json() == {"stage": "enrolment", "factors": []}


@pytest.mark.parametrize("body", [{}, {"pending": None}, {"pending": ""}, {"pending": "ost_pf_unknown"}])
async def test_nothing_is_said_of_a_sign_in_that_is_not_under_way(
    client: httpx2.AsyncClient, body: dict[str, str | None]
) -> None:
    """3.5-03."""
    refused = await client.post(f"{API}/auth/second-factor/status", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "PENDING_SIGN_IN_INVALID")


async def test_a_token_says_nothing_to_who_says_that_it_is_a_browser(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: a pending sign-in belongs to what began it."""
    guarded = await with_app(accounts, runtime)
    pending = await pending_of(client, guarded.person)
    client.headers["Sec-Fetch-Site"] = "same-origin"
    assert (await status(client, pending, transport="cookie")).status_code == 400

"""What is kept of a provider's tokens, how, and for how long."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import update

from app.auth.google import google_provider
from app.config import Settings
from app.database import Base
from app.exceptions import ProviderConsentRequired
from app.models import Identity, ProviderToken
from app.offline.testing import Fault, Place, RunningProvider
from app.providers import configured_providers
from app.runtime import Runtime
from app.services.federation import kept_tokens
from app.services.federation.exchange import AccessAnswer
from tests.accounts import CLIENT, Accounts, Person
from tests.answers import problem_of
from tests.federation import drive
from tests.federation.browsers import Browser, parameters_of
from tests.federation.consenting import consent, kept_rows, let_expire, scopes_of
from tests.federation.drive import FILES
from tests.federation.linking import GRACE, as_person, identities_of
from tests.instances import instance
from tests.rows import count, every_row, everything, write

KEPT = pytest.mark.settings(GOOGLE_KEEP_TOKENS=True, EXTENSIONS=[drive.NAME])
NEWER_SECRET = "Zr7Tn1Lk9Jh3Gf6Ds0Aq5WeR-yUiOpBxVzNm-mQ2v8Xc4"


def secrets_of(google: RunningProvider) -> list[str]:
    """Return every token that the provider has given out."""
    return [*google.provider.access_tokens._things, *google.provider.refresh_tokens._things]


async def dump_of(runtime: Runtime) -> str:
    """Return everything in the database as text."""
    cells = [cell for rows in (await every_row(runtime)).values() for row in rows for cell in row]
    return "\n".join(cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in cells)


async def token_under(settings: Settings, person: Person, **changes: object) -> str:
    """Return the token that a server with other settings would give a route for a person."""
    changed = settings.model_copy(update=changes)
    runtime = Runtime.build(changed, providers=configured_providers(changed))
    try:
        google = runtime.federation.provider("google")
        return await runtime.provider_tokens.access_token(
            google, user_id=UUID(person.id), scopes=(FILES,), client=CLIENT
        )
    finally:
        await runtime.close()


async def test_nothing_is_kept_unless_the_settings_ask_for_it(browser: Browser, runtime: Runtime) -> None:
    """ID-11: and nothing is asked for that would last: no offline access, no consent at every sign-in."""
    question = parameters_of(await browser.begin())
    assert question.keys().isdisjoint({"access_type", "include_granted_scopes", "prompt"})
    await browser.sign_in()
    assert await count(runtime, Identity) == 1
    assert await kept_rows(runtime) == []


@KEPT
async def test_tokens_of_other_providers_are_never_kept(browser: Browser, runtime: Runtime) -> None:
    await browser.sign_in(provider="acme")
    assert await kept_rows(runtime) == []


@KEPT
async def test_a_dump_of_the_database_holds_no_token(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-11: neither the access token nor the refresh token, after a sign-in and after a refresh."""
    ada = as_person(browser.http, await browser.sign_in(fresh="true"))
    await consent(browser, ada)
    await let_expire(runtime)
    assert (await ada.get("/drive/files")).status_code == 200
    dump = await dump_of(runtime)
    assert FILES in dump
    assert len(secrets_of(google)) == 5
    assert [secret for secret in secrets_of(google) if secret in dump] == []


@KEPT
async def test_a_sealed_token_opens_in_its_own_place_alone(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-11: whoever can write to the table cannot give one person another one's token, nor show a refresh token to a route."""
    ada, grace = await accounts.signed_in(), await accounts.signed_in()
    await consent(browser, ada)
    await consent(browser, grace, comer=GRACE)
    first, second = await kept_rows(runtime)
    for sealed in (first.refresh_sealed, second.access_sealed, first.access_sealed[:-1], b""):
        where = ProviderToken.identity_id == first.identity_id
        await write(runtime, update(ProviderToken).where(where).values(access_sealed=sealed))
        problem_of(await ada.get("/drive/files"), 403, "PROVIDER_CONSENT_REQUIRED")
        assert (await grace.get("/drive/files")).status_code == 200


@KEPT
async def test_tokens_outlive_a_change_of_the_secret(
    accounts: Accounts, browser: Browser, runtime: Runtime, settings: Settings, google: RunningProvider
) -> None:
    """And the first refresh seals both anew, so that the former secret can be taken away."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    newer: dict[str, Any] = {"SECRET_KEY": SecretStr(NEWER_SECRET)}
    both = {**newer, "SECRET_KEY_PREVIOUS": settings.SECRET_KEY}
    kept = await token_under(settings, ada, **both)
    with pytest.raises(ProviderConsentRequired):
        await token_under(settings, ada, **newer)
    assert await token_under(settings, ada) == kept
    await let_expire(runtime)
    refreshed = await token_under(settings, ada, **both)
    assert await token_under(settings, ada, **newer) == refreshed
    await let_expire(runtime)
    assert FILES in scopes_of(google, await token_under(settings, ada, **newer))


@KEPT
async def test_a_wrong_secret_asks_for_consent_and_deletes_nothing(
    accounts: Accounts, browser: Browser, runtime: Runtime, settings: Settings
) -> None:
    """A secret that was set wrongly may be set right again."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await let_expire(runtime)
    before = await everything(runtime)
    with pytest.raises(ProviderConsentRequired) as refusal:
        await token_under(settings, ada, SECRET_KEY=SecretStr(NEWER_SECRET))
    assert refusal.value.members["scopes"] == [FILES]
    assert await everything(runtime) == before


@KEPT
async def test_newer_tokens_are_not_undone_by_a_refresh_that_was_overtaken(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """Whatever Google answers about the tokens before: they are stored, deleted or blamed no more."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    (former,) = await kept_rows(runtime)
    await consent(browser, ada)
    (newer,) = await kept_rows(runtime)
    seals = runtime.federation.token_seals
    answer = AccessAnswer(access_token="late", refresh_token=None, expires_in=timedelta(hours=1), scopes=None)
    async with runtime.database.begin(CLIENT) as work:
        assert not await kept_tokens.claim(work, kept=former)
        assert not await kept_tokens.replace_tokens(work, seals, kept=former, refreshed=answer)
        await kept_tokens.note_failure(work, kept=former)
        await kept_tokens.forget_tokens(work, kept=former)
    (present,) = await kept_rows(runtime)
    assert (present.access_sealed, present.failing_until) == (newer.access_sealed, None)


@KEPT
async def test_of_two_claims_one_succeeds(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await consent(browser, ada)
    (kept,) = await kept_rows(runtime)
    for expected in (True, False):
        async with runtime.database.begin(CLIENT) as work:
            assert await kept_tokens.claim(work, kept=kept) is expected


@KEPT
async def test_a_refresh_token_stays_when_a_sign_in_brings_none(
    accounts: Accounts, browser: Browser, runtime: Runtime, settings: Settings
) -> None:
    """A provider gives one with a consent only. Without a lifetime, an access token counts as expired."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    (former,) = await kept_rows(runtime)
    answer = AccessAnswer(access_token="new", refresh_token=None, expires_in=None, scopes=None)
    async with runtime.database.begin(CLIENT) as work:
        seals = runtime.federation.token_seals
        await kept_tokens.keep_tokens(work, seals, identity_id=former.identity_id, answer=answer, asked=[FILES])
    (present,) = await kept_rows(runtime)
    assert present.refresh_sealed == former.refresh_sealed
    assert (present.scopes, present.expires_at) == (FILES, present.updated_at)
    assert await token_under(settings, ada) != "new"


# The end.


@KEPT
async def test_removing_an_identity_ends_its_tokens_here_and_at_google(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """The user took the identity away, so what it allowed ends everywhere."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    token = (await ada.get("/drive/files")).json()
    (item,) = await identities_of(ada)
    assert (await ada.call("DELETE", f"/auth/me/identities/{item['id']}")).status_code == 204
    assert await kept_rows(runtime) == []
    assert scopes_of(google, token) == set()
    problem_of(await ada.get("/drive/files"), 403, "PROVIDER_CONSENT_REQUIRED")


@KEPT
async def test_a_removal_that_is_refused_costs_no_consent(browser: Browser, google: RunningProvider) -> None:
    """V2.3.3: the last way in stays, and what it allowed with it."""
    ada = as_person(browser.http, await browser.sign_in(fresh="true"))
    await consent(browser, ada)
    token = (await ada.get("/drive/files")).json()
    (item,) = await identities_of(ada)
    problem_of(await ada.call("DELETE", f"/auth/me/identities/{item['id']}"), 409, "LAST_WAY_IN")
    assert FILES in scopes_of(google, token)
    assert (await ada.get("/drive/files")).json() == token


@KEPT
async def test_an_identity_can_be_removed_while_its_provider_is_down(
    accounts: Accounts, browser: Browser, settings: Settings, google: RunningProvider
) -> None:
    """The revocation is a courtesy, which may fail. The log says so, and nobody here has the token any more."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    (item,) = await identities_of(ada)
    async with instance(settings) as other:  # It has not read the provider's documents yet.
        with structlog.testing.capture_logs() as logs, google.faults.having(Fault.SERVER_ERROR, at=(Place.DISCOVERY,)):
            response = await other.serves(ada).call("DELETE", f"/auth/me/identities/{item['id']}")
        assert response.status_code == 204
        assert await kept_rows(other.runtime) == []
    assert [line["log_level"] for line in logs if line["event"] == "provider_tokens.not_revoked"] == ["warning"]


@KEPT
@pytest.mark.parametrize("model", [Identity, ProviderToken], ids=["provider", "secret"])
async def test_an_identity_can_be_removed_when_its_provider_or_the_secret_is_gone(
    accounts: Accounts, browser: Browser, runtime: Runtime, model: type[Base]
) -> None:
    ada = await accounts.signed_in()
    await consent(browser, ada)
    (item,) = await identities_of(ada)
    gone = {"issuer": "https://gone.example"} if model is Identity else {"refresh_sealed": b"of a former secret"}
    await write(runtime, update(model).values(gone))
    assert (await ada.call("DELETE", f"/auth/me/identities/{item['id']}")).status_code == 204
    assert await kept_rows(runtime) == []


@KEPT
async def test_with_an_account_go_the_tokens_of_its_identities(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """V14.2.7."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    assert (await ada.post("/auth/me/delete", json={"password": ada.password})).status_code == 204
    assert await kept_rows(runtime) == []


def test_nothing_that_holds_a_secret_shows_it() -> None:
    """V16.2.5: a traceback may print any of these."""
    provider = google_provider(client_id="id", client_secret="hush")
    seals = kept_tokens.TokenSeals([b"hush" * 8])
    answer = AccessAnswer(access_token="hush", refresh_token="hush", expires_in=None, scopes=None)
    assert "hush" not in f"{provider!r} {seals!r} {answer!r}"

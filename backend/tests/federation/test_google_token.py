"""Routes of the product get a token of Google's that counts, or tell their caller what to agree to."""

from datetime import UTC, datetime, timedelta

import pytest

from app.auth.dependencies import google_token
from app.auth.google import missing_scopes
from app.config import ConfigurationError, Settings
from app.main import create_app
from app.offline.testing import Fault, Place, RunningProvider
from app.runtime import Runtime
from app.services.federation.errands import open_errand
from tests.accounts import Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once
from tests.federation import drive
from tests.federation.browsers import Browser, parameters_of
from tests.federation.consenting import change_tokens, consent, issued, kept_rows, let_expire, scopes_of
from tests.federation.drive import CALENDAR, FILES
from tests.federation.linking import GRACE, as_person
from tests.instances import instance

pytestmark = pytest.mark.settings(GOOGLE_KEEP_TOKENS=True, EXTENSIONS=[drive.NAME])


async def token_of(person: Person, path: str = "/drive/files") -> str:
    response = await person.get(path)
    assert response.status_code == 200, response.text
    token: str = response.json()
    return token


async def refused(person: Person, *missing: str, path: str = "/drive/files") -> None:
    """Call a route, and see that the answer says what is missing and where to get it."""
    problem = problem_of(await person.get(path), 403, "PROVIDER_CONSENT_REQUIRED")
    assert (problem["scopes"], problem["consent_path"]) == (list(missing), "/api/v1/auth/google/link")


# Consent.


async def test_a_route_says_what_to_agree_to_and_gets_the_token_afterwards(
    accounts: Accounts, browser: Browser, google: RunningProvider
) -> None:
    """A user with a password, who has no identity at Google yet."""
    ada = await accounts.signed_in()
    await refused(ada, FILES)
    await consent(browser, ada)
    assert FILES in scopes_of(google, await token_of(ada))


async def test_scopes_are_added_to_those_that_were_granted_before(
    accounts: Accounts, browser: Browser, google: RunningProvider
) -> None:
    """Incremental consent: only what is missing is named and asked for. Google spells `email` out."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await refused(ada, CALENDAR, path="/drive/plan")
    await consent(browser, ada, CALENDAR)
    for path in ("/drive/plan", "/drive/files"):
        assert scopes_of(google, await token_of(ada, path)) >= {FILES, CALENDAR, "email"}


async def test_a_sign_in_keeps_what_the_user_agreed_to_before(
    accounts: Accounts, browser: Browser, google: RunningProvider
) -> None:
    ada = await accounts.signed_in()
    await consent(browser, ada)
    again = as_person(ada.http, await browser.sign_in())
    assert FILES in scopes_of(google, await token_of(again))


async def test_everybody_gets_tokens_of_their_own_alone(accounts: Accounts, browser: Browser) -> None:
    """3.5-09: two people with the same product."""
    ada, grace = await accounts.signed_in(), await accounts.signed_in()
    await consent(browser, ada)
    await refused(grace, FILES)
    await consent(browser, grace, comer=GRACE)
    assert await token_of(ada) != await token_of(grace)


async def test_the_identity_that_has_the_scopes_is_taken(accounts: Accounts, browser: Browser) -> None:
    """Two Google accounts of one user: what is missing is what the closest one lacks."""
    ada = await accounts.signed_in()
    await consent(browser, ada, FILES, CALENDAR)
    await consent(browser, ada, CALENDAR, comer=GRACE)
    assert await token_of(ada) == await token_of(ada, "/drive/plan")


async def test_nobody_gets_a_token_without_signing_in(accounts: Accounts) -> None:
    ada = await accounts.register()
    problem_of(await ada.http.get("/api/v1/drive/files"), 401, "NOT_AUTHENTICATED")


async def test_only_google_can_be_asked_for_more(accounts: Accounts, browser: Browser) -> None:
    ada = await accounts.signed_in()
    response = await browser.post("/auth/acme/link", {"scopes": [FILES]}, **ada.headers)
    problem_of(response, 400, "INVALID_REQUEST")
    longest = [f"{FILES}.{number:03}" for number in range(10)]
    response = await browser.post("/auth/google/link", {"scopes": longest}, **ada.headers)
    problem_of(response, 400, "INVALID_REQUEST")
    response = await browser.post("/auth/google/link", {"scopes": [f"{FILES} openid"]}, **ada.headers)
    problem_of(response, 422, "VALIDATION_FAILED")


# Refresh.


async def test_an_expired_token_is_refreshed(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """And again later: the refresh token stays when Google gives no other one."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    seen = {await token_of(ada), await token_of(ada)}
    assert len(seen) == 1
    for number in (2, 3):
        await let_expire(runtime)
        seen.add(await token_of(ada))
        assert len(seen) == number
    assert all(FILES in scopes_of(google, token) for token in seen)


async def test_twenty_requests_on_two_servers_refresh_once(
    accounts: Accounts, browser: Browser, runtime: Runtime, settings: Settings, google: RunningProvider
) -> None:
    """All of them get the same fresh token."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await let_expire(runtime)
    before = issued(google)
    async with instance(settings) as other:
        callers = iter([ada, other.serves(ada)] * 10)
        tokens = await at_once(20, lambda: token_of(next(callers)))
    assert len(set(tokens)) == 1
    assert issued(google) == before + 1


async def test_a_consent_that_was_withdrawn_at_google_is_asked_for_again(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """What Google refuses is deleted, and the next consent brings new tokens."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    google.provider.revoke(await token_of(ada), now=datetime.now(UTC))
    await let_expire(runtime)
    await refused(ada, FILES)
    assert await kept_rows(runtime) == []
    await consent(browser, ada)
    assert FILES in scopes_of(google, await token_of(ada))


async def test_without_a_refresh_token_the_user_consents_again(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await change_tokens(runtime, refresh_sealed=None)
    await token_of(ada)
    await let_expire(runtime)
    await refused(ada, FILES)


FAILURES = {Fault.SERVER_ERROR: (503, "PROVIDER_UNAVAILABLE"), Fault.TRUNCATED_JSON: (502, "PROVIDER_FAILED")}


@pytest.mark.parametrize("fault", FAILURES)
async def test_a_provider_that_fails_is_left_alone_for_a_moment(
    accounts: Accounts,
    browser: Browser,
    runtime: Runtime,
    google: RunningProvider,
    fault: Fault,
) -> None:
    """ID-09: nothing is deleted, and the tokens are refreshed as soon as Google answers again."""
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await let_expire(runtime)
    with google.faults.having(fault, at=(Place.TOKEN,)):
        problem_of(await ada.get("/drive/files"), *FAILURES[fault])
        before = issued(google)
        problem_of(await ada.get("/drive/files"), 503, "PROVIDER_UNAVAILABLE")
        assert issued(google) == before
    await change_tokens(runtime, failing_until=datetime.now(UTC) - timedelta(seconds=1))
    assert FILES in scopes_of(google, await token_of(ada))


async def test_the_claim_of_a_server_that_died_ends_by_itself(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    ada = await accounts.signed_in()
    await consent(browser, ada)
    await let_expire(runtime)
    await change_tokens(runtime, refreshing_until=datetime.now(UTC) - timedelta(seconds=1))
    assert FILES in scopes_of(google, await token_of(ada))


# What cannot work is said at the start.


@pytest.mark.only("sqlite")
@pytest.mark.settings
def test_a_route_that_needs_tokens_does_not_start_where_none_are_kept(settings: Settings) -> None:
    """V13.4.2: instead of asking every user for a consent that helps nothing."""
    with pytest.raises(ConfigurationError, match="GOOGLE_KEEP_TOKENS"):
        create_app(settings.model_copy(update={"EXTENSIONS": [drive.NAME]}))


@pytest.mark.parametrize("scopes", ["openid", [], ["two words"], [""]], ids=repr)
def test_a_guard_needs_scopes_that_can_be_asked_for(scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="name the scopes"):
        google_token(scopes)


def test_scopes_are_the_same_in_both_of_google_s_spellings() -> None:
    granted = ["openid", "https://www.googleapis.com/auth/userinfo.email", "profile"]
    assert missing_scopes(["email", "openid"], granted) == ()
    assert missing_scopes(["https://www.googleapis.com/auth/userinfo.profile"], granted) == ()
    assert missing_scopes([FILES, CALENDAR, FILES], granted) == (FILES, CALENDAR)


async def test_the_question_for_more_is_google_s_own(accounts: Accounts, browser: Browser) -> None:
    """Offline access, with a consent, and what was granted before stays granted."""
    ada = await accounts.signed_in()
    begun = await browser.post("/auth/google/link", {"scopes": [FILES, "email"]}, **ada.headers)
    question = parameters_of(begun.json()["authorization_url"])
    assert question["scope"] == f"openid email profile {FILES}"
    assert (question["access_type"], question["include_granted_scopes"]) == ("offline", "true")


async def test_a_link_remembers_what_it_asked_for(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """RFC 6749, section 5.1: a provider that names no scope in its answer has granted all of these."""
    ada = await accounts.signed_in()
    await browser.post("/auth/google/link", {"scopes": [FILES, CALENDAR]}, **ada.headers)
    (name,) = browser.flows
    errand = open_errand(browser.jar[name], runtime.federation.flow_keys, datetime.now(UTC))
    assert errand.scopes == (FILES, CALENDAR)

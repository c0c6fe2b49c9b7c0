"""A way in that was added or removed is told, and "this wasn't me" takes back what was added."""

import httpx2

from app.offline.testing import ADA
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts
from tests.answers import problem_of
from tests.federation.browsers import Browser, landing_of, parameters_of
from tests.federation.linking import GRACE, identities_of, link, verified
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import NEW_PASSWORD, NOTICE, RESET, can_sign_in, disown, reset


async def test_an_identity_that_was_added_is_told_and_taken_back(
    accounts: Accounts, browser: Browser, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-05, 3.3-14, 3.3-05: the identity of before stays, and the session ends that added the other."""
    ada = await verified(accounts, runtime)
    await link(browser, ada)
    (own,) = await identities_of(ada)
    assert parameters_of(landing_of(await link(browser, ada, GRACE, "acme"))) == {"linked": "acme"}
    first, second = await letters(runtime, ada, NOTICE)
    assert ("google" in first.text, "acme" in second.text) == (True, True)
    assert (await disown(client, second)).status_code == 204
    problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")
    assert not await can_sign_in(client, ada.email, PASSWORD)
    assert (await reset(client, token=(await newest(runtime, ada, RESET)).token)).status_code == 204
    ada.password = NEW_PASSWORD
    assert await identities_of(await ada.sign_in()) == [own]


async def test_an_identity_that_was_removed_is_told(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """SE-05."""
    ada = await verified(accounts, runtime)
    await link(browser, ada)
    (item,) = await identities_of(ada)
    assert (await ada.call("DELETE", f"/auth/me/identities/{item['id']}")).status_code == 204
    notice = await newest(runtime, ada)
    assert "A way to sign in was removed" in notice.text
    assert "google" in notice.text


async def test_a_sign_in_through_a_provider_is_told_when_it_is_elsewhere_and_only_then(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """SE-05, 3.5-09: it is a sign-in like every other."""
    await browser.sign_in(ADA)
    await browser.sign_in(ADA)
    assert await letters(runtime, ADA.email) == []
    second_browser.page = {**second_browser.page, "User-Agent": "curl/8.0"}
    await second_browser.sign_in(ADA)
    assert [mail.kind for mail in await letters(runtime, ADA.email)] == [NOTICE]

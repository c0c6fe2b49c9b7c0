"""Nobody holds a connection of the database while a provider is waited for.

A provider that hangs would take all of them otherwise, and on SQLite every writer would wait for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy import QueuePool
from starlette.types import ASGIApp, Receive, Scope, Send

from app.offline.testing import ADA, Fault, RunningProvider, Site
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.federation import drive
from tests.federation.browsers import Browser, error_of, landing_of, with_parameters
from tests.federation.consenting import consent, let_expire
from tests.federation.handing_over import answer_of, called_page, credential_of
from tests.federation.linking import identities_of

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/jwks.json"
BACK_CHANNEL = {DISCOVERY, KEYS, "/token", "/userinfo", "/revoke"}


@dataclass
class Watch:
    """Counts, whenever the provider is asked by this server, how many connections to the database are in use."""

    used: Callable[[], int]
    asked: dict[str, int] = field(default_factory=dict)
    """The most of them at each address."""

    def around(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] in BACK_CHANNEL:
                self.asked[scope["path"]] = max(self.used(), self.asked.get(scope["path"], 0))
            await app(scope, receive, send)

        return watched

    def saw_none_at(self, *paths: str) -> bool:
        """Whether the provider was asked at these addresses and no other, and no connection was in use. Forgets them."""
        asked, self.asked = self.asked, {}
        assert asked == dict.fromkeys(paths, 0)
        return True


@pytest.fixture
def watch(runtime: Runtime, provider_sites: tuple[Site, Site]) -> Watch:
    database = runtime.database
    pools = {id(engine.pool): engine.pool for engine in (database.engine, database.reading, database.identifying)}

    def used() -> int:
        # Those that only ask who is calling are kept, whether or not they are asking.
        kept = len(database.hot._idle) if database.hot else 0
        return sum(pool.checkedout() for pool in pools.values() if isinstance(pool, QueuePool)) - kept

    assert all(isinstance(pool, QueuePool) for pool in pools.values())
    watch = Watch(used)
    provider_sites[0].app.add_middleware(watch.around)
    return watch


async def test_a_redirect_holds_none(browser: Browser, watch: Watch) -> None:
    """S67, OP-04."""
    callback = await browser.come_back(transport="cookie")
    assert watch.saw_none_at(DISCOVERY)
    landing_of(await browser.open(callback))
    assert watch.saw_none_at("/token", KEYS)


async def test_who_asks_for_userinfo_holds_none(browser: Browser, watch: Watch) -> None:
    """S67, OP-04: it is asked where the ID token names no address, as one of this question does not."""
    question = with_parameters(await browser.begin(), scope="openid")
    assert error_of(await browser.open(await browser.visitor.sign_in(question, ADA))) == "IDENTITY_REFUSED"
    assert watch.saw_none_at(DISCOVERY, "/token", KEYS, "/userinfo")


async def test_a_page_that_hands_something_over_holds_none(
    browser: Browser, google: RunningProvider, watch: Watch
) -> None:
    """S67, OP-04: neither a code nor an ID token, whose key the provider has to be asked for."""
    assert (await browser.post("/auth/google/code", answer_of(await called_page(browser)))).status_code == 200
    assert watch.saw_none_at(DISCOVERY, "/token", KEYS)
    with google.faults.having(Fault.WRONG_KID):
        credential = await credential_of(browser, google)
    problem_of(await browser.post("/auth/google/id-token", credential), 400, "ID_TOKEN_INVALID")
    assert watch.saw_none_at(KEYS)


@pytest.mark.settings(GOOGLE_KEEP_TOKENS=True, EXTENSIONS=[drive.NAME])
async def test_neither_a_link_nor_what_becomes_of_its_tokens_holds_one(
    accounts: Accounts, browser: Browser, runtime: Runtime, watch: Watch
) -> None:
    """S67, OP-04: kept, refreshed, and revoked when the identity is removed."""
    owner = await accounts.signed_in()
    await consent(browser, owner)
    assert watch.saw_none_at(DISCOVERY, "/token", KEYS)
    await let_expire(runtime)
    assert (await owner.get("/drive/files")).status_code == 200
    assert watch.saw_none_at("/token")
    (item,) = await identities_of(owner)
    assert (await owner.call("DELETE", f"/auth/me/identities/{item['id']}")).status_code == 204
    assert watch.saw_none_at("/revoke")

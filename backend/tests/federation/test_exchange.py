"""Who may trade a one-time code, and what is left of an attempt that was refused."""

from collections.abc import Mapping

import httpx2
import structlog
from sqlalchemy import update

from app.models import Session, User
from app.runtime import Runtime
from tests.answers import problem_of
from tests.federation.browsers import PROOF, VERIFIER, Browser, parameters_of
from tests.rows import count, write

FOREIGN_PAGES: tuple[Mapping[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://neighbour.example"},
    {},
)


async def refused_with_a_line(browser: Browser, landing: str, **further: str) -> httpx2.Response:
    """Trade a code that must be refused, and return the answer. One line in the log says so, without a secret."""
    secrets = [parameters_of(landing)["code"], browser.jar.get(PROOF, VERIFIER), *further.values()]
    with structlog.testing.capture_logs() as logs:
        refused = await browser.exchange(landing, **further)
    (line,) = (entry for entry in logs if entry["event"] == "federation.refused")
    assert (line["error_code"], line["log_level"]) == (refused.json()["code"], "warning")
    assert [secret for secret in secrets if secret in repr(logs)] == []
    return refused


async def test_another_site_cannot_trade_the_code_that_a_browser_may(browser: Browser, runtime: Runtime) -> None:
    """CK-03, 3.3-10: whoever has read the code still needs the cookie, and does not get it by the browser's hand."""
    landing, own = await browser.land(), browser.page
    for page in FOREIGN_PAGES:
        browser.page = page
        problem_of(await browser.exchange(landing), 403, "CROSS_SITE_REQUEST")
    assert await count(runtime, Session) == 0
    browser.page = own
    assert (await browser.exchange(landing)).status_code == 200


async def test_a_code_without_its_proof_leaves_a_line(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """3.3-10: somebody has stolen it, or slips it to somebody."""
    landing = await browser.land()
    for further in ({}, {"code_verifier": VERIFIER}):
        problem_of(await refused_with_a_line(second_browser, landing, **further), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == 0


async def test_a_code_that_comes_again_leaves_a_line(browser: Browser, runtime: Runtime) -> None:
    """3.4-01, 3.3-10."""
    landing, kept = await browser.land(), browser.copy()
    await browser.exchange(landing)
    problem_of(await refused_with_a_line(kept, landing), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == 1


async def test_a_code_of_a_disabled_account_leaves_a_line(browser: Browser, runtime: Runtime) -> None:
    """3.3-16."""
    landing = await browser.land()
    await write(runtime, update(User).values(is_active=False))
    problem_of(await refused_with_a_line(browser, landing), 401, "INVALID_CREDENTIALS")
    assert await count(runtime, Session) == 0

"""Refusals after which somebody may want to know what happened: each leaves a log line, and nothing else of a sign-in."""

import pytest
import structlog

from app.models import Identity, Session, SignInCode, User
from app.offline.testing import Fault, Place, RunningProvider
from app.runtime import Runtime
from tests.federation.browsers import Browser, error_of
from tests.rows import count

TABLES = (User, Identity, Session, SignInCode)


async def refused_with_a_line(browser: Browser, runtime: Runtime, callback: str) -> str:
    """Open a callback that must be refused, and return the code, which stands in the log as well."""
    before = [await count(runtime, table) for table in TABLES]
    with structlog.testing.capture_logs() as logs:
        code = error_of(await browser.open(callback))
    (line,) = (entry for entry in logs if entry["event"] == "federation.refused")
    assert (line["provider"], line["error_code"], line["log_level"]) == ("google", code, "warning")
    assert [await count(runtime, table) for table in TABLES] == before
    return code


async def test_an_unverified_address_is_in_the_log(browser: Browser, runtime: Runtime, google: RunningProvider) -> None:
    """S69, ID-05, 3.3-01: neither account nor identity."""
    callback = await browser.come_back()
    with google.faults.having(Fault.UNVERIFIED, at=(Place.TOKEN, Place.USERINFO)):
        assert await refused_with_a_line(browser, runtime, callback) == "IDENTITY_REFUSED"


@pytest.mark.parametrize("fault", [Fault.WRONG_ISS_PARAMETER, Fault.MISSING_ISS_PARAMETER])
async def test_an_answer_of_another_issuer_is_in_the_log(
    browser: Browser, runtime: Runtime, google: RunningProvider, fault: Fault
) -> None:
    """OA-05: RFC 9207."""
    with google.faults.having(fault):
        callback = await browser.come_back()
    assert await refused_with_a_line(browser, runtime, callback) == "FLOW_INVALID"


async def test_a_known_address_with_another_subject_is_in_the_log(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-03: a recycled address. Who has it now is not who had it, and must prove the account as before."""
    await browser.sign_in()
    callback = await browser.come_back()
    with google.faults.having(Fault.CHANGED_SUB, at=(Place.TOKEN,)):
        assert await refused_with_a_line(browser, runtime, callback) == "LINK_REQUIRED"


@pytest.mark.only("sqlite")  # It lasts as long as the limit, and no database is asked.
async def test_a_provider_that_drips_is_given_up(browser: Browser, runtime: Runtime, google: RunningProvider) -> None:
    """S67, ID-09, OP-04: every piece comes in time, the whole does not. The limit is one of the whole."""
    callback = await browser.come_back()
    with google.faults.having(Fault.SLOW, at=(Place.TOKEN,)):
        assert await refused_with_a_line(browser, runtime, callback) == "PROVIDER_UNAVAILABLE"

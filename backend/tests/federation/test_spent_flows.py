"""An answer counts once because this server says so, whatever the provider would take again."""

from collections.abc import Iterator

import pytest

from app.models import Session, SpentFlow
from app.offline.testing import Fault, RunningProvider
from app.runtime import Runtime
from tests.answers import problem_of
from tests.contention import at_once
from tests.federation.browsers import Browser, error_of, landing_of
from tests.federation.handing_over import answer_of, called_page
from tests.rows import count


@pytest.fixture(autouse=True)
def careless_provider(google: RunningProvider) -> Iterator[None]:
    """Google takes every code as often as it comes."""
    with google.faults.having(Fault.SPENT_CODE_TAKEN):
        yield


async def test_an_answer_of_a_redirect_counts_once_at_a_provider_that_counts_nothing(
    browser: Browser, runtime: Runtime
) -> None:
    """OA-02, 3.4-01: five at once, and once more afterwards by whoever kept the cookie."""
    callback, kept = await browser.come_back(transport="cookie"), browser.copy()
    responses = await at_once(5, lambda: kept.copy().open(callback))
    landings = sorted(landing_of(response) for response in responses)
    assert landings == ["http://localhost:3000/"] + ["http://localhost:3000/?error=FLOW_INVALID"] * 4
    assert error_of(await kept.copy().open(callback)) == "FLOW_INVALID"
    assert await count(runtime, Session) == await count(runtime, SpentFlow) == 1


async def test_an_answer_that_a_page_hands_over_counts_once_at_such_a_provider(
    browser: Browser, runtime: Runtime
) -> None:
    """OA-02, 3.4-01."""
    answer, kept = answer_of(await called_page(browser)), browser.copy()
    responses = await at_once(5, lambda: kept.copy().post("/auth/google/code", answer))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 4
    problem_of(await kept.copy().post("/auth/google/code", answer), 400, "FLOW_INVALID")
    assert await count(runtime, Session) == await count(runtime, SpentFlow) == 1

"""The owner of an address comes from a provider to an account that a squatter has put second factors on."""

import httpx2

from app.offline.testing import ADA as GOOGLES_ADA
from app.runtime import Runtime
from tests.factors import pending_of
from tests.federation.browsers import Browser, landing_of
from tests.mailed.registering import ADA
from tests.squatting import nobody_comes_back, nothing_is_left, squatting


async def test_a_squatter_s_factors_go_when_the_owner_comes_from_the_provider(
    client: httpx2.AsyncClient, runtime: Runtime, browser: Browser
) -> None:
    """ID-07, 3.3-05: the account is handed over, and no gate of the squatter's stands before its owner."""
    assert GOOGLES_ADA.email == ADA
    squatter = await squatting(client, runtime)
    pending = await pending_of(client, squatter.person)
    answer = await browser.open(await browser.come_back(transport="cookie"))
    assert landing_of(answer) == "http://localhost:3000/"
    await nothing_is_left(runtime, squatter.person)
    await nobody_comes_back(client, squatter, pending)

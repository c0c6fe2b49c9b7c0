"""Everything that a provider, or whoever stands between, can get wrong: refused, with nothing written, and a log line."""

import httpx2
import pytest
import structlog
from sqlalchemy import select

from app.models import Identity, Session, SignInCode, SpentFlow, User
from app.offline.id_tokens import SOMEBODY_ELSE
from app.offline.testing import ADA, Fault, Person, Place, RunningProvider
from app.runtime import Runtime
from tests.accounts import API
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.federation.browsers import Browser, error_of, landing_of, parameters_of, with_parameters
from tests.federation.handing_over import answer_of, called_page
from tests.rows import count, everything, everything_but_spent_flows

LOGIN = f"{BASE_URL}{API}/auth/google/login"
IN_THE_ID_TOKEN = [
    Fault.WRONG_AUD,
    Fault.WRONG_ISS,
    Fault.WRONG_AZP,
    Fault.FURTHER_AUD,
    Fault.WRONG_NONCE,
    Fault.MISSING_NONCE,
    Fault.WRONG_AT_HASH,
    Fault.EXPIRED,
    Fault.ISSUED_IN_FUTURE,
    Fault.EMPTY_SUB,
    Fault.WRONG_ALG,
    Fault.NONE_ALG,
    Fault.HS256_WITH_PUBLIC_KEY,
    Fault.WRONG_KID,
]
IN_DELIVERY = [Fault.ERROR_WITH_200, Fault.TRUNCATED_JSON, Fault.REDIRECT, Fault.HUGE]


async def refused(browser: Browser, runtime: Runtime, google: RunningProvider, *faults: Fault, at: Place) -> str:
    """Sign in while the provider has these faults, and return the code of the refusal. Nothing may be written."""
    callback = await browser.come_back()
    before = await everything(runtime)
    with structlog.testing.capture_logs() as logs, google.faults.having(*faults, at=(at,)):
        code = error_of(await browser.open(callback))
    assert await everything(runtime) == before
    (line,) = (entry for entry in logs if entry["event"] == "federation.refused")
    assert (line["provider"], line["error_code"]) == ("google", code)
    assert browser.jar == {}
    return code


@pytest.mark.only("sqlite")  # Refused before any database is asked.
@pytest.mark.parametrize("fault", IN_THE_ID_TOKEN)
async def test_an_id_token_with_a_defect_signs_nobody_in(
    browser: Browser, runtime: Runtime, google: RunningProvider, fault: Fault
) -> None:
    """S65, ID-01, ID-02, ID-12, 3.3-07, 3.3-08, JW-02, JW-03: no user, no session, no identity."""
    assert await refused(browser, runtime, google, fault, at=Place.TOKEN) == "ID_TOKEN_INVALID"
    assert await count(runtime, User) == await count(runtime, Identity) == await count(runtime, SpentFlow) == 0


@pytest.mark.only("sqlite")  # Refused before any database is asked.
@pytest.mark.parametrize("fault", IN_DELIVERY)
async def test_an_answer_that_is_none_signs_nobody_in(
    browser: Browser, runtime: Runtime, google: RunningProvider, fault: Fault
) -> None:
    """S67, ID-09, 3.3-06: nothing is defaulted."""
    assert await refused(browser, runtime, google, fault, at=Place.TOKEN) == "PROVIDER_FAILED"


@pytest.mark.only("sqlite")  # Refused before any database is asked.
@pytest.mark.settings(GOOGLE_OTHER_CLIENT_IDS=[SOMEBODY_ELSE])
async def test_a_code_brings_no_token_that_was_made_for_an_app_of_ours(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-01: such a one counts where apps hand theirs over, and at no other door."""
    assert await refused(browser, runtime, google, Fault.WRONG_AUD, at=Place.TOKEN) == "ID_TOKEN_INVALID"
    answer = answer_of(await called_page(browser))
    with google.faults.having(Fault.WRONG_AUD):
        problem_of(await browser.post("/auth/google/code", answer), 400, "ID_TOKEN_INVALID")


@pytest.mark.only("sqlite")  # Refused before any database is asked.
async def test_a_key_signs_nothing_with_an_algorithm_that_its_provider_does_not_announce(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """JW-01: a provider may publish it for something else."""
    with google.faults.having(Fault.OTHER_ALG_ANNOUNCED):
        await browser.copy().begin()  # Who begins has the metadata read, which are kept.
    assert await refused(browser, runtime, google, at=Place.TOKEN) == "ID_TOKEN_INVALID"


async def test_a_provider_that_is_down_is_said_to_be_down(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-09, OP-04: with a code of its own, because trying again is worth it."""
    assert await refused(browser, runtime, google, Fault.SERVER_ERROR, at=Place.TOKEN) == "PROVIDER_UNAVAILABLE"
    assert await refused(browser, runtime, google, Fault.SERVER_ERROR, at=Place.JWKS) == "PROVIDER_UNAVAILABLE"


async def test_a_provider_that_is_down_at_the_beginning_sends_back_to_the_page(
    browser: Browser, google: RunningProvider
) -> None:
    with google.faults.having(Fault.SERVER_ERROR, at=(Place.DISCOVERY,)):
        response = await browser.open(f"{LOGIN}?return_to=/in")
        assert error_of(response) == "PROVIDER_UNAVAILABLE"
        problem_of(await browser.post("/auth/google/start"), 503, "PROVIDER_UNAVAILABLE")
    assert browser.jar == {}


async def test_new_keys_of_the_provider_are_found(browser: Browser, google: RunningProvider) -> None:
    """JW-12: one more look at the key set, when a token names a key that is not in it."""
    await browser.sign_in()
    google.faults.switch_on(Fault.KEY_ROLL)
    assert (await browser.sign_in())["access_token"]


@pytest.mark.parametrize("fault", [Fault.WRONG_ISS_PARAMETER, Fault.MISSING_ISS_PARAMETER])
async def test_an_answer_that_does_not_name_its_issuer_is_none(
    browser: Browser, runtime: Runtime, google: RunningProvider, fault: Fault
) -> None:
    """OA-05: RFC 9207, before any token request leaves."""
    with google.faults.having(fault):
        callback = await browser.come_back()
    assert error_of(await browser.open(callback)) == "FLOW_INVALID"
    assert await count(runtime, User) == 0


async def test_who_does_not_agree_is_back_without_a_session(browser: Browser, runtime: Runtime) -> None:
    callback = await browser.visitor.sign_in(await browser.begin(), ADA, decision="deny")
    assert error_of(await browser.open(callback)) == "PROVIDER_REFUSED"
    assert await count(runtime, User) == 0


async def test_an_address_that_the_provider_has_not_verified_makes_no_account(
    browser: Browser, runtime: Runtime
) -> None:
    """S69, ID-05, 3.3-01, 3.3-02."""
    callback = await browser.come_back(Person(email=ADA.email, name="Eve", email_verified=False))
    before = await everything_but_spent_flows(runtime)
    assert error_of(await browser.open(callback)) == "IDENTITY_REFUSED"
    assert await everything_but_spent_flows(runtime) == before


async def test_what_the_query_says_of_a_person_is_not_read(browser: Browser, runtime: Runtime) -> None:
    """3.3-04, 3.3-09: the callback takes no profile from the address."""
    callback = await browser.come_back()
    forged = with_parameters(callback, email="root@example.com", sub="1", email_verified="true", name="Root")
    await browser.open(forged)
    assert [user.email for user in await runtime.database.read.entities(select(User))] == [ADA.email]


async def test_a_parameter_that_comes_twice_makes_the_answer_none(browser: Browser) -> None:
    """OA-21."""
    callback = await browser.come_back()
    assert error_of(await browser.open(f"{callback}&code=another")) == "FLOW_INVALID"


# Two providers.


@pytest.mark.parametrize(("begun", "answers"), [("google", "acme"), ("acme", "google")])
async def test_an_answer_of_another_provider_is_none(
    browser: Browser, runtime: Runtime, begun: str, answers: str
) -> None:
    """OA-05, 3.3-13: mix-up. Refused before any token request leaves, at whichever callback it arrives."""
    callback = await browser.come_back(provider=answers)
    state = parameters_of(await browser.begin(begun))["state"]
    before = await everything(runtime)
    swapped = callback.replace(f"/{answers}/", f"/{begun}/")
    assert error_of(await browser.copy().open(with_parameters(swapped, state=state))) == "FLOW_INVALID"
    for address in (with_parameters(callback, state=state), swapped):
        problem_of(await browser.copy().open(address), 400, "FLOW_INVALID")
    assert await everything(runtime) == before
    # The code was shown to nobody: it still counts where it belongs.
    assert parameters_of(landing_of(await browser.open(callback))).keys() == {"code"}


async def test_the_same_subject_at_two_providers_is_two_people(browser: Browser, runtime: Runtime) -> None:
    """ID-03: issuer and subject together are the key. The second one has to prove the account with the address."""
    await browser.sign_in()
    callback = await browser.come_back(provider="acme")
    assert error_of(await browser.open(callback)) == "LINK_REQUIRED"
    assert await count(runtime, Identity) == 1


async def test_a_code_of_one_flow_is_refused_in_another(browser: Browser, runtime: Runtime) -> None:
    """S64, OA-01: code injection. The verifier and the nonce are another flow's."""
    stolen = parameters_of(await browser.come_back())["code"]
    callback = with_parameters(await browser.come_back(), code=stolen)
    assert error_of(await browser.open(callback)) == "PROVIDER_FAILED"
    assert await count(runtime, Session) == await count(runtime, SignInCode) == 0


async def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    """3.3-07: nobody who calls can name an issuer."""
    for path in ("login", "callback"):
        response = await browser.open(f"{BASE_URL}{API}/auth/nobody/{path}")
        problem_of(response, 404, "NOT_FOUND")
    for path in ("start", "nonce"):
        problem_of(await browser.post(f"/auth/nobody/{path}"), 404, "NOT_FOUND")


RETURN_TO = {
    "//evil.example": False,
    "https://evil.example/": False,
    "http://localhost:3000.evil.example/": False,
    "http://localhost:3000@evil.example/": False,
    "http://localhost:30001/": False,
    "https://localhost:3000/": False,
    "/\\evil.example": False,
    "/%2f%2fevil.example": False,
    "/%5cevil.example": False,
    "javascript:alert(1)": False,
    "/a\tb": False,
    "": False,
    "http://localhost:3000": True,
    "http://localhost:3000/welcome?a=b#c": True,
    "http://127.0.0.1:8000/shop": True,
    "/welcome": True,
}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("return_to", RETURN_TO)
async def test_nobody_is_sent_to_a_page_of_others(browser: Browser, return_to: str) -> None:
    """OA-04, 3.6-02: an exact origin, or a path with one meaning."""
    response = await browser.open(str(httpx2.URL(LOGIN, params={"return_to": return_to})))
    if RETURN_TO[return_to]:
        assert landing_of(response).partition("?")[0].endswith("/authorize")
    else:
        problem_of(response, 400, "RETURN_TO_REFUSED")
        assert browser.jar == {}

from datetime import UTC, datetime, timedelta

import pytest

from app.offline.provider import SignedIn
from app.offline.testing import ADA, Person, RunningProvider, Visitor, answer_in, request_of, sent_to, sibling
from tests.offline.flows import Shop, address_of

EVE = Person(email="eve@example.com", name="Eve", hosted_domain="example.com")
BOB = Person(email="bob@example.com", name="Bob")


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


async def silently(google: RunningProvider, visitor: Visitor, **changes: str) -> dict[str, str]:
    """Return the answer to a request that shows no page."""
    response = await visitor.http.get(address_of(google, prompt="none", **changes))
    assert response.status_code == 303, response.text
    return answer_in(response.headers["location"])


def signed_in_ago(google: RunningProvider, ago: timedelta) -> int:
    """Let everybody have signed in so long ago, and return when that was, as a token says it."""
    then = datetime.now(UTC) - ago
    for browser, _ in google.provider.browsers._things.values():
        browser.people = {subject: SignedIn(each.person, then) for subject, each in browser.people.items()}
    return int(then.timestamp())


async def choose(visitor: Visitor, address: str, person: Person) -> str:
    """Choose somebody whom the browser remembers, and return where it is sent."""
    page = await visitor.http.get(address)
    form = {"request": request_of(page), "subject": person.subject}
    return sent_to(await visitor.http.post(sibling(page, "authorize/person"), data=form))


async def test_nobody_is_signed_in_silently_without_having_signed_in(google: RunningProvider, visitor: Visitor) -> None:
    assert (await silently(google, visitor))["error"] == "login_required"


async def test_somebody_who_is_signed_in_and_agreed_is_silently_let_through(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(address_of(google))
    answer = await silently(google, visitor)
    assert answer["iss"] == google.issuer
    tokens = (await shop.exchange(answer["code"])).json()
    assert (await shop.read(tokens["id_token"]))["sub"] == ADA.subject


async def test_new_scopes_are_not_silently_granted(google: RunningProvider, visitor: Visitor) -> None:
    await visitor.sign_in(address_of(google))
    assert (await silently(google, visitor, scope="openid calendar"))["error"] == "consent_required"


async def test_of_several_people_the_hint_picks_one(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(address_of(google))
    await visitor.sign_in(address_of(google), EVE)
    assert (await silently(google, visitor))["error"] == "account_selection_required"
    assert (await silently(google, visitor, login_hint="carol@example.com"))["error"] == "login_required"
    for hint in ("EVE@Example.com", EVE.subject):
        answer = await silently(google, visitor, login_hint=hint)
        tokens = (await shop.exchange(answer["code"])).json()
        assert (await shop.read(tokens["id_token"]))["email"] == EVE.email


async def test_a_hint_fills_in_the_address(google: RunningProvider, visitor: Visitor) -> None:
    page = await visitor.http.get(address_of(google, login_hint='"><script>@example.com'))
    assert 'value="&#34;&gt;&lt;script&gt;@example.com"' in page.text


async def test_an_application_of_a_workspace_sees_its_people_only(google: RunningProvider, visitor: Visitor) -> None:
    """ID-10: the provider keeps to `hd`; whoever takes it out of the address gets around it, as at Google."""
    await visitor.sign_in(address_of(google), BOB)
    await visitor.sign_in(address_of(google), EVE)
    for domain in ("example.com", "*"):
        page = await visitor.http.get(address_of(google, hd=domain))
        assert EVE.subject in page.text
        assert BOB.subject not in page.text
        form = {"request": request_of(page), "subject": BOB.subject}
        assert (await visitor.http.post(sibling(page, "authorize/person"), data=form)).status_code == 400
        refused = await visitor.be(page, BOB)
        assert refused.status_code == 422
        assert "Workspace domain" in refused.text
        assert "code" in await silently(google, visitor, hd=domain)
    assert (await silently(google, visitor, hd="other.example"))["error"] == "login_required"


async def test_the_time_of_the_sign_in_is_told_when_it_matters(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """ID-02: with max_age, and unchanged for somebody who was signed in before."""
    tokens = await shop.tokens(visitor)
    assert "auth_time" not in await shop.read(tokens["id_token"])
    then = signed_in_ago(google, timedelta(minutes=10))
    code = answer_in(await choose(visitor, address_of(google, max_age="3600"), ADA))["code"]
    claims = await shop.read((await shop.exchange(code)).json()["id_token"])
    assert claims["auth_time"] == then


@pytest.mark.parametrize("changes", [{"max_age": "60"}, {"max_age": "0"}, {"max_age": "3600", "prompt": "login"}])
async def test_who_signed_in_too_long_ago_signs_in_anew(
    google: RunningProvider, visitor: Visitor, shop: Shop, changes: dict[str, str]
) -> None:
    await visitor.sign_in(address_of(google))
    then = signed_in_ago(google, timedelta(minutes=10))
    if "prompt" not in changes:
        assert (await silently(google, visitor, **changes))["error"] == "login_required"
    code = answer_in(await choose(visitor, address_of(google, **changes), ADA))["code"]
    claims = await shop.read((await shop.exchange(code)).json()["id_token"])
    assert then + 600 <= claims["auth_time"] <= claims["iat"]

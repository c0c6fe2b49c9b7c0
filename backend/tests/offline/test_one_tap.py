import httpx2
import pytest

from app.offline.testing import ADA, Client, Person, RunningProvider, Visitor
from tests.offline.flows import CLIENT, NONCE, Shop, address_of


async def tap(google: RunningProvider, visitor: Visitor, origin: str | None = None, **form: str) -> httpx2.Response:
    """Ask for an ID token as a page of the application does."""
    headers = {"Origin": origin} if origin else {}
    sent = {"client_id": CLIENT.client_id, "nonce": NONCE, **form}
    return await visitor.http.post(f"{google.issuer}/id-token", data=sent, headers=headers)


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


async def test_who_is_signed_in_gets_an_id_token_with_one_tap(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """ID-01, ID-02: for this client, with this nonce, and without at_hash, because no access token comes along."""
    await visitor.sign_in(address_of(google))
    response = await tap(google, visitor, CLIENT.origins[0])
    assert response.status_code == 200
    claims = await shop.read(response.json()["credential"])
    assert (claims["sub"], claims["nonce"], claims["email"]) == (ADA.subject, NONCE, ADA.email)
    assert "at_hash" not in claims


async def test_a_native_application_is_the_audience_of_its_tokens(google: RunningProvider, visitor: Visitor) -> None:
    """Several client ids: the token is for the one that asked."""
    phone = google.register(Client(client_id="phone", client_secret="", redirect_uris=()))
    await visitor.sign_in(address_of(google))
    credential = (await tap(google, visitor, client_id="phone")).json()["credential"]
    assert (await Shop(google, visitor.http, phone).read(credential))["aud"] == "phone"


async def test_of_several_people_the_last_one_is_meant_or_the_one_hinted_at(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(address_of(google))
    await visitor.sign_in(address_of(google), Person(email="eve@example.com", name="Eve"))
    for hint, email in ((None, "eve@example.com"), (ADA.email, ADA.email)):
        response = await tap(google, visitor, **({"login_hint": hint} if hint else {}))
        assert (await shop.read(response.json()["credential"]))["email"] == email
    assert (await tap(google, visitor, login_hint="carol@example.com")).json()["error"] == "login_required"


async def test_a_stranger_gets_nothing(google: RunningProvider, visitor: Visitor) -> None:
    response = await tap(google, visitor)
    assert (response.status_code, response.json()["error"]) == (403, "login_required")
    assert len(google.provider.browsers) == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3001", "http://localhost:3000/"])
async def test_a_page_of_another_origin_gets_nothing(google: RunningProvider, visitor: Visitor, origin: str) -> None:
    await visitor.sign_in(address_of(google))
    response = await tap(google, visitor, origin)
    assert (response.status_code, response.json()["error"]) == (403, "origin_mismatch")


async def test_an_unknown_client_gets_nothing(google: RunningProvider, visitor: Visitor) -> None:
    await visitor.sign_in(address_of(google))
    response = await tap(google, visitor, client_id="somebody")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    assert (await visitor.http.post(f"{google.issuer}/id-token", json={})).json()["error"] == "invalid_request"

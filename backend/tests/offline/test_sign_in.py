import base64
import hashlib

import jwt
import pytest

from app.offline.testing import ADA, Person, RunningProvider, Visitor, answer_in, request_of, sent_to, sibling
from tests.offline.flows import CLIENT, NONCE, REDIRECT_URI, STATE, Shop, address_of, parameters


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


async def test_a_whole_flow_ends_with_an_id_token_that_a_strict_reader_takes(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """OA-01, ID-01, ID-02: discovery, account chooser, consent, code, tokens, keys, each over a real socket."""
    metadata = (await visitor.http.get(f"{google.issuer}/.well-known/openid-configuration")).json()
    assert metadata["authorization_endpoint"] == f"{google.issuer}/authorize"
    address = await visitor.sign_in(address_of(google))
    assert address.startswith(f"{REDIRECT_URI}?")
    answer = answer_in(address)
    assert (answer["state"], answer["iss"]) == (STATE, google.issuer)
    response = await shop.exchange(answer["code"])
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert set(tokens) == {"access_token", "expires_in", "scope", "token_type", "id_token"}
    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "openid email profile")
    claims = await shop.read(tokens["id_token"])
    assert claims["azp"] == CLIENT.client_id
    assert (claims["email"], claims["email_verified"], claims["name"]) == (ADA.email, True, ADA.name)
    assert claims["nonce"] == NONCE
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
    assert claims["exp"] - claims["iat"] == 3600
    header = jwt.get_unverified_header(tokens["id_token"])
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")


async def test_discovery_says_what_holds(google: RunningProvider, visitor: Visitor) -> None:
    """OA-28: the issuer is exactly the one that was asked, and every endpoint stands where it says."""
    response = await visitor.http.get(f"{google.issuer}/.well-known/openid-configuration")
    metadata = response.json()
    assert metadata["issuer"] == google.issuer
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256"]
    assert "max-age" in response.headers["cache-control"]
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "revocation_endpoint", "jwks_uri"):
        answer = await visitor.http.options(metadata[name])
        assert answer.status_code == 405, name


async def test_no_private_half_is_published(google: RunningProvider, visitor: Visitor) -> None:
    """JW-15."""
    (key,) = (await visitor.http.get(f"{google.issuer}/jwks.json")).json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


async def test_state_and_nonce_that_were_not_sent_do_not_come_back(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    address = await visitor.sign_in(address_of(google, state=None, nonce=""))
    answer = answer_in(address)
    assert set(answer) == {"code", "scope", "iss"}
    tokens = (await shop.exchange(answer["code"])).json()
    assert "nonce" not in await shop.read(tokens["id_token"])


async def test_an_unverified_person_stays_unverified(visitor: Visitor, shop: Shop) -> None:
    """ID-05: the claim is a JSON boolean."""
    person = Person(email="eve@example.com", name="Eve", email_verified=False, hosted_domain="example.com")
    claims = await shop.read((await shop.tokens(visitor, person))["id_token"])
    assert claims["email_verified"] is False
    assert claims["hd"] == "example.com"


async def test_only_what_the_scopes_allow_is_told(visitor: Visitor, shop: Shop) -> None:
    tokens = await shop.tokens(visitor, scope="openid")
    claims = await shop.read(tokens["id_token"])
    assert claims.keys().isdisjoint({"email", "email_verified", "name"})
    response = await visitor.http.get(
        f"{shop.provider.issuer}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}
    )
    assert response.json() == {"sub": ADA.subject, "hd": ADA.hosted_domain}


async def test_a_person_who_is_remembered_needs_one_click(google: RunningProvider, visitor: Visitor) -> None:
    """And is not asked again for what was allowed before, unless the application wants it so."""
    await visitor.sign_in(address_of(google))
    page = await visitor.http.get(address_of(google))
    assert ADA.email in page.text
    form = {"request": request_of(page), "subject": ADA.subject}
    assert "code" in answer_in(sent_to(await visitor.http.post(sibling(page, "authorize/person"), data=form)))
    page = await visitor.http.get(address_of(google, prompt="consent"))
    form["request"] = request_of(page)
    asked = await visitor.http.post(sibling(page, "authorize/person"), data=form)
    assert "code" in answer_in(sent_to(await visitor.decide(asked, "allow")))


async def test_who_does_not_agree_is_sent_back_without_a_code(google: RunningProvider, visitor: Visitor) -> None:
    answer = answer_in(await visitor.sign_in(address_of(google), decision="deny"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", STATE, google.issuer)
    assert "code" not in answer


async def test_an_authorisation_request_may_come_as_a_form(google: RunningProvider, visitor: Visitor) -> None:
    """OpenID Connect Core 1.0, section 3.1.2.1."""
    page = await visitor.http.post(f"{google.issuer}/authorize", data=parameters())
    asked = await visitor.be(page, ADA)
    assert "code" in answer_in(sent_to(await visitor.decide(asked, "allow")))


async def test_another_browser_cannot_go_on_with_a_sign_in(google: RunningProvider, visitor: Visitor) -> None:
    """OA-02: the page of one browser is worth nothing in another, before and after the choice."""
    page = await visitor.http.get(address_of(google))
    asked = await visitor.be(page, ADA)
    cookies = dict(visitor.http.cookies)
    visitor.http.cookies.clear()
    for response in (await visitor.be(page, ADA), await visitor.decide(asked, "allow")):
        assert response.status_code == 400
        assert "another browser began it" in response.text
    visitor.http.cookies.update(cookies)
    assert "code" in answer_in(sent_to(await visitor.decide(asked, "allow")))


async def test_a_page_that_was_answered_gives_no_second_code(google: RunningProvider, visitor: Visitor) -> None:
    asked = await visitor.be(await visitor.http.get(address_of(google)), ADA)
    sent_to(await visitor.decide(asked, "allow"))
    assert (await visitor.decide(asked, "allow")).status_code == 400


async def test_nothing_is_decided_before_somebody_was_chosen(google: RunningProvider, visitor: Visitor) -> None:
    """3.5-14: a step that is left out gives nothing."""
    page = await visitor.http.get(address_of(google))
    assert (await visitor.decide(page, "allow")).status_code == 400
    form = {"request": request_of(page), "subject": ADA.subject}
    assert (await visitor.http.post(sibling(page, "authorize/person"), data=form)).status_code == 400
    asked = await visitor.be(page, ADA)
    assert (await visitor.decide(asked, "perhaps")).status_code == 400


async def test_two_providers_at_once_do_not_know_each_other(
    google: RunningProvider, other_provider: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """OA-05: cookies know no ports, so both must live in one browser; a code of one is nothing at the other."""
    await visitor.sign_in(address_of(google))
    code = answer_in(await visitor.sign_in(address_of(other_provider)))["code"]
    assert "code" in answer_in(await visitor.sign_in(address_of(google, prompt="none")))
    assert (await shop.exchange(code)).json()["error"] == "invalid_grant"
    other = Shop(other_provider, visitor.http)
    tokens = (await other.exchange(code)).json()
    assert (await other.read(tokens["id_token"]))["sub"] == ADA.subject
    with pytest.raises(jwt.InvalidIssuerError):
        await shop.read(tokens["id_token"])

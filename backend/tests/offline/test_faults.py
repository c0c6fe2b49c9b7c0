import base64
import hashlib
import hmac
import json
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.keys import RSA_BITS
from app.offline.id_tokens import SOMEBODY_ELSE
from app.offline.testing import ADA, Fault, Place, RunningProvider, Visitor, answer_in
from tests.offline.flows import CLIENT, Shop, address_of

SAID: dict[Fault, dict[str, Any]] = {
    Fault.WRONG_AUD: {"aud": SOMEBODY_ELSE},
    Fault.WRONG_ISS: {"iss": SOMEBODY_ELSE},
    Fault.WRONG_AZP: {"azp": SOMEBODY_ELSE},
    Fault.FURTHER_AUD: {"aud": [CLIENT.client_id, SOMEBODY_ELSE], "azp": SOMEBODY_ELSE},
    Fault.WRONG_NONCE: {"nonce": "the nonce of another flow"},
    Fault.MISSING_NONCE: {"nonce": None},
    Fault.UNVERIFIED: {"email_verified": False},
    Fault.CHANGED_ADDRESS: {"email": "new.ada@example.com", "sub": ADA.subject},
    Fault.CHANGED_SUB: {"sub": f"2{ADA.subject[1:]}", "email": ADA.email},
    Fault.EMPTY_SUB: {"sub": ""},
}
"""What the ID token says under each of these, and signs well."""
DELIVERED = (*(Fault.ERROR_WITH_200, Fault.TRUNCATED_JSON, Fault.REDIRECT, Fault.SLOW, Fault.SERVER_ERROR, Fault.HUGE),)


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


async def id_token(google: RunningProvider, visitor: Visitor, *faults: Fault) -> str:
    """Return the ID token of a flow in which these things go wrong."""
    with google.faults.having(*faults):
        token: str = (await Shop(google, visitor.http).tokens(visitor))["id_token"]
    return token


async def signature_holds(shop: Shop, token: str, algorithm: str = "RS256") -> dict[str, Any]:
    """Return what a token says whose signature is good, whatever it says."""
    (key,) = await shop.keys()
    claims: dict[str, Any] = jwt.decode(token, key.key, algorithms=[algorithm], options=UNCHECKED)
    return claims


UNCHECKED: Any = dict.fromkeys(("verify_aud", "verify_iss", "verify_exp", "verify_iat", "verify_sub"), False)


@pytest.mark.parametrize("fault", SAID, ids=str)
async def test_a_token_that_says_something_wrong_is_well_signed(
    google: RunningProvider, visitor: Visitor, shop: Shop, fault: Fault
) -> None:
    """ID-01, ID-02: so only a reader who looks at what it says refuses it."""
    claims = await signature_holds(shop, await id_token(google, visitor, fault))
    assert {name: claims.get(name) for name in SAID[fault]} == SAID[fault]


async def test_no_fault_outlives_its_switch(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    google.faults.switch_on(*Fault)
    google.faults.switch_off(Fault.SLOW, Fault.REDIRECT)
    assert (await visitor.http.get(f"{google.issuer}/jwks.json")).status_code == 200
    google.faults.switch_off()
    claims = await shop.read((await shop.tokens(visitor))["id_token"])
    assert claims["sub"] == ADA.subject


async def test_a_wrong_at_hash_is_of_another_access_token(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """ID-02."""
    with google.faults.having(Fault.WRONG_AT_HASH):
        tokens = await shop.tokens(visitor)
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    said = (await shop.read(tokens["id_token"]))["at_hash"]
    assert len(said) == 22
    assert said != base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.EXPIRED, jwt.ExpiredSignatureError), (Fault.ISSUED_IN_FUTURE, jwt.ImmatureSignatureError)],
    ids=str,
)
async def test_a_token_out_of_its_time_is_refused(
    google: RunningProvider, visitor: Visitor, shop: Shop, fault: Fault, error: type[Exception]
) -> None:
    """ID-02, ID-12: and lives as long as any other."""
    token = await id_token(google, visitor, fault)
    claims = await signature_holds(shop, token)
    assert claims["exp"] - claims["iat"] == 3600
    with pytest.raises(error):
        await shop.read(token)


async def test_an_unsigned_token_says_so(google: RunningProvider, visitor: Visitor) -> None:
    """JW-02: a reader who believes the header takes it."""
    token = await id_token(google, visitor, Fault.NONE_ALG)
    assert jwt.get_unverified_header(token)["alg"] == "none"
    assert token.endswith(".")
    assert jwt.decode(token, options={"verify_signature": False}, algorithms=["none"])["sub"] == ADA.subject


async def test_the_published_key_as_shared_secret_verifies(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """JW-04: a reader who believes the header, and keeps keys as PEM, takes it."""
    token = await id_token(google, visitor, Fault.HS256_WITH_PUBLIC_KEY)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    (key,) = await shop.keys()
    pem = key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content, _, signature = token.rpartition(".")
    expected = base64.urlsafe_b64encode(hmac.digest(pem, content.encode(), "sha256")).rstrip(b"=").decode()
    assert signature == expected


async def test_another_algorithm_of_the_same_key_verifies(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """JW-01: a reader who lets the header choose among the key's possible algorithms takes it."""
    token = await id_token(google, visitor, Fault.WRONG_ALG)
    assert (await signature_holds(shop, token, "RS512"))["sub"] == ADA.subject
    with pytest.raises(jwt.InvalidAlgorithmError):
        await shop.read(token)


async def test_a_wrong_kid_names_no_key(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    """JW-15: the signature is good, so whoever tries every key takes it."""
    token = await id_token(google, visitor, Fault.WRONG_KID)
    assert jwt.get_unverified_header(token)["kid"] == "unknown"
    await signature_holds(shop, token)
    with pytest.raises(KeyError):
        await shop.read(token)


async def test_a_key_rolls_over(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    """JW-15: whoever fetches the keys again reads the token; whoever keeps to the old ones does not know its key."""
    old = await shop.keys()
    with google.faults.having(Fault.KEY_ROLL):
        token = (await shop.tokens(visitor))["id_token"]
        assert (await shop.read(token))["sub"] == ADA.subject
        (key,) = await shop.keys()
        assert key.key.key_size == RSA_BITS
    with pytest.raises(KeyError):
        old[jwt.get_unverified_header(token)["kid"]]


async def test_another_algorithm_may_be_announced_than_the_one_that_signs(
    google: RunningProvider, visitor: Visitor, shop: Shop
) -> None:
    """JW-01: so whoever takes any key of the set, whatever it is for, takes the token."""
    with google.faults.having(Fault.OTHER_ALG_ANNOUNCED):
        announced = (await fetch(shop, Place.DISCOVERY)).json()["id_token_signing_alg_values_supported"]
        token = (await shop.tokens(visitor))["id_token"]
    assert announced == ["ES256"]
    assert (await shop.read(token))["sub"] == ADA.subject


async def test_a_code_may_be_taken_again_and_again(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    """OA-02: then nobody but the application sees that it was answered already."""
    code = answer_in(await visitor.sign_in(address_of(google)))["code"]
    with google.faults.having(Fault.SPENT_CODE_TAKEN):
        answers = [await shop.exchange(code) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await shop.exchange(code)).json()["error"] == "invalid_grant"


async def test_the_wrong_issuer_comes_back_with_the_code(google: RunningProvider, visitor: Visitor) -> None:
    """OA-05: RFC 9207."""
    with google.faults.having(Fault.WRONG_ISS_PARAMETER):
        assert answer_in(await visitor.sign_in(address_of(google)))["iss"] == SOMEBODY_ELSE
    with google.faults.having(Fault.MISSING_ISS_PARAMETER):
        assert "iss" not in answer_in(await visitor.sign_in(address_of(google)))


async def test_userinfo_may_speak_of_somebody_else(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    """ID-04."""
    bearer = {"Authorization": f"Bearer {(await shop.tokens(visitor))['access_token']}"}
    with google.faults.having(Fault.OTHER_SUB_AT_USERINFO):
        response = await visitor.http.get(f"{google.issuer}/userinfo", headers=bearer)
    assert response.json()["sub"] not in {ADA.subject, ""}


async def fetch(shop: Shop, place: Place) -> httpx2.Response:
    """Fetch one document, as it should be."""
    issuer = shop.provider.issuer
    match place:
        case Place.DISCOVERY:
            return await shop.http.get(f"{issuer}/.well-known/openid-configuration")
        case Place.JWKS:
            return await shop.http.get(f"{issuer}/jwks.json")
    visitor = Visitor(shop.http)
    code = answer_in(await visitor.sign_in(address_of(shop.provider)))["code"]
    response = await shop.exchange(code)
    if place is Place.USERINFO:
        bearer = {"Authorization": f"Bearer {response.json()['access_token']}"}
        return await shop.http.get(f"{issuer}/userinfo", headers=bearer)
    return response


EVERY_PLACE = pytest.mark.parametrize("place", Place, ids=str)


@EVERY_PLACE
async def test_an_error_may_come_as_a_success(google: RunningProvider, shop: Shop, place: Place) -> None:
    """ID-09, 3.3-06."""
    with google.faults.having(Fault.ERROR_WITH_200, at=[place]):
        response = await fetch(shop, place)
    assert response.status_code == 200
    assert set(response.json()) == {"error", "error_description"}


@EVERY_PLACE
async def test_a_document_may_end_too_early(google: RunningProvider, shop: Shop, place: Place) -> None:
    """ID-09."""
    with google.faults.having(Fault.TRUNCATED_JSON, at=[place]):
        response = await fetch(shop, place)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        response.json()


@EVERY_PLACE
async def test_a_redirect_leads_to_the_good_document(google: RunningProvider, shop: Shop, place: Place) -> None:
    """JW-15, 3.1-16: so whoever follows it does not notice."""
    with google.faults.having(Fault.REDIRECT, at=[place]):
        response = await fetch(shop, place)
        assert response.status_code == 307
        shop.http.follow_redirects = True
        if place in {Place.DISCOVERY, Place.JWKS}:
            followed = await fetch(shop, place)
            assert followed.status_code == 200
            assert "error" not in followed.json()


@EVERY_PLACE
async def test_a_server_error_is_no_json(google: RunningProvider, shop: Shop, place: Place) -> None:
    """ID-09."""
    with google.faults.having(Fault.SERVER_ERROR, at=[place]):
        response = await fetch(shop, place)
    assert (response.status_code, response.headers["content-type"]) == (500, "text/plain; charset=utf-8")


@EVERY_PLACE
async def test_a_huge_document_is_good_for_whoever_reads_it_to_the_end(
    google: RunningProvider, shop: Shop, place: Place
) -> None:
    """ID-04, JW-15."""
    with google.faults.having(Fault.HUGE, at=[place]):
        response = await fetch(shop, place)
    assert len(response.content) > 1 << 20
    assert "error" not in response.json()


async def test_a_slow_document_drips(google: RunningProvider, shop: Shop) -> None:
    """JW-15: each read brings something, and none brings the end. Nobody here waits for it."""
    google.faults.switch_on(Fault.SLOW, at=[Place.JWKS])
    async with shop.http.stream("GET", f"{google.issuer}/jwks.json") as response:
        parts = response.aiter_bytes()
        assert [await anext(parts), await anext(parts)] == [b" ", b" "]


async def test_a_fault_of_delivery_stays_where_it_was_put(google: RunningProvider, shop: Shop) -> None:
    with google.faults.having(*DELIVERED, at=[Place.USERINFO]):
        for place in (Place.DISCOVERY, Place.JWKS, Place.TOKEN):
            assert "error" not in (await fetch(shop, place)).json()


async def test_two_providers_go_wrong_one_by_one(other_provider: RunningProvider, shop: Shop) -> None:
    other_provider.faults.switch_on(Fault.SERVER_ERROR, at=list(Place))
    assert (await fetch(shop, Place.TOKEN)).status_code == 200
    assert (await fetch(Shop(other_provider, shop.http), Place.JWKS)).status_code == 500

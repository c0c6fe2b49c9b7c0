"""ID tokens whose claims are right, and whose form, key or signature is not."""

import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.jwt import MAXIMUM_LENGTH, TokenKind, sign_payload, sign_token
from app.auth.keys import generate_key_pair, symmetric_key
from app.auth.oidc.id_token import UnknownProviderKey
from tests.auth.forge import CLAIMS as ACCESS_CLAIMS
from tests.auth.forge import SERVER_SECRET, base64url, is_accepted, ring_of
from tests.auth.provider import ABSENT, CLAIMS, id_token, provider_keys, published, read, refusal
from tests.auth.signatures import signer

ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def parts() -> list[str]:
    return id_token().split(".")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["JWT", ABSENT])
def test_a_token_is_signed_with_any_key_that_the_provider_publishes(algorithm: str, kind: object) -> None:
    """ID-01: what is not defective is taken."""
    assert read(id_token(algorithm=algorithm, header={"typ": kind})).email == "ada@example.com"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_bad_signature_is_refused(algorithm: str) -> None:
    """ID-01, 3.3-08, S65: others that only look good are tried where every token is checked."""
    content, _, good = id_token(algorithm=algorithm).rpartition(".")
    other = id_token(algorithm=algorithm, sub="another").rpartition(".")[2]
    for signature in ("", "AA", "A" * len(good), good[: len(good) // 2], good[::-1], good * 2, other):
        assert refusal(f"{content}.{signature}")


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("ending", ["", ".", ".AA"])
def test_a_token_without_a_signature_is_refused(spelling: str, ending: str) -> None:
    """ID-01, JW-02, 3.3-08"""
    header = base64url(json.dumps({"alg": spelling, "typ": "JWT", "kid": "RS256 key"}).encode())
    assert refusal(f"{header}.{parts()[1]}{ending}")
    assert refusal(id_token(header={"alg": spelling}))


@pytest.mark.parametrize(
    "algorithm", ["ES256", "PS256", "RS384", "HS256", "rs256", "EdDSA", "", None, 7, ["RS256"], ABSENT], ids=str
)
def test_the_algorithm_is_the_one_of_the_key(algorithm: object) -> None:
    """ID-01, JW-01: the header may only repeat what the key prescribes."""
    assert refusal(id_token(header={"alg": algorithm}))


@pytest.mark.parametrize("encoding", ["PEM", "DER", "modulus", "JWK", "empty"])
@pytest.mark.parametrize("kid", ["RS256 key", ABSENT], ids=str)
def test_a_public_key_is_no_shared_secret(encoding: str, kid: object) -> None:
    """ID-01, JW-04: whoever reads the key set could sign otherwise."""
    public = signer("RS256").private.public_key()
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "modulus": public.public_numbers().n.to_bytes(256),
        "JWK": json.dumps(published("RS256")).encode(),
        "empty": b"",
    }[encoding]
    header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid is not ABSENT else {})
    content = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(CLAIMS).encode())}"
    assert refusal(f"{content}.{base64url(hmac.digest(secret, content.encode(), 'sha256'))}")


@pytest.mark.parametrize("kid", ["another key", "../../dev/null", "RS256 key'--", "rs256 key", "x" * 200])
def test_an_unknown_key_is_told_from_a_bad_token(kid: str) -> None:
    """ID-01, JW-14: so that the keys can be read once more, and not for any other reason."""
    with pytest.raises(UnknownProviderKey):
        read(id_token(header={"kid": kid}))
    with pytest.raises(UnknownProviderKey):
        read(id_token(), keys={})


@pytest.mark.parametrize("kid", [ABSENT, None, "", 7, ["RS256 key"], {"kid": "RS256 key"}], ids=str)
def test_a_token_that_names_no_key_does_not_cause_a_look_for_one(kid: object) -> None:
    """ID-01, JW-14"""
    assert refusal(id_token(header={"kid": kid})) == "claim kid is missing or not text"


def test_another_provider_s_key_of_the_same_name_does_not_count() -> None:
    """ID-01, OA-05, 3.3-13: keys are looked for among this provider's alone."""
    assert refusal(id_token(), keys={"RS256 key": provider_keys("ES256")["ES256 key"]})
    theirs = generate_key_pair("ES256")
    assert refusal(id_token(algorithm="ES256"), keys={"ES256 key": theirs}) == "bad signature"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5c", "x5u", "crit", "b64"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_header_that_brings_a_key_or_asks_for_an_extension_is_refused(name: str, empty: bool) -> None:
    """ID-01, JW-05, JW-06: not used, and not passed over."""
    values = {"jwk": published("RS256"), "x5c": ["MIIB"], "crit": ["exp"], "b64": False}
    assert refusal(id_token(header={name: None if empty else values.get(name, "https://evil.example/keys")}))


@pytest.mark.parametrize(
    "kind", ["at+jwt", "logout+jwt", "JOSE", "jwt", "", None, "application/at+jwt", ["JWT"]], ids=str
)
def test_another_kind_of_token_is_no_id_token(kind: object) -> None:
    """ID-01, JW-13: a provider signs access and logout tokens with the same keys."""
    assert refusal(id_token(header={"typ": kind}))


@pytest.mark.parametrize("algorithm", ["ES256", "HS256"])
def test_our_own_access_token_never_passes_as_an_id_token(algorithm: str) -> None:
    """JW-13: even where we are our own provider, and every claim would fit."""
    key = symmetric_key(SERVER_SECRET) if algorithm == "HS256" else generate_key_pair(algorithm)
    token = sign_token(CLAIMS, kind=TokenKind.ACCESS, key=key)
    assert refusal(token, keys={key.kid: key})


def test_an_id_token_never_passes_as_our_access_token() -> None:
    """JW-13: even signed with our own key, from our own issuer, with every claim of an access token."""
    key = generate_key_pair("ES256")
    ring = ring_of([key])
    assert is_accepted(sign_token(ACCESS_CLAIMS, kind=TokenKind.ACCESS, key=key), ring=ring)
    claims = {**ACCESS_CLAIMS, "nonce": "a nonce", "email": "ada@example.com"}
    for kind in ({"typ": "JWT"}, {}):
        assert not is_accepted(sign_payload({"alg": "ES256", "kid": key.kid, **kind}, claims, key=key), ring=ring)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("", id="nothing"),
        pytest.param("{h}.{p}", id="two parts"),
        pytest.param("{h}.{p}.{s}.{s}", id="four parts"),
        pytest.param("{h}..{s}", id="detached"),
        pytest.param(" {h}.{p}.{s}", id="space before"),
        pytest.param("{h}.{p}.{s}\n", id="line feed behind"),
        pytest.param("{h}.{p}.{s}=", id="padding"),
        pytest.param("{h}.{p}=.{s}", id="padding inside"),
        pytest.param("{h}.{p}.{s}é", id="beyond ASCII"),
        pytest.param('{{"protected": "{h}", "payload": "{p}", "signature": "{s}"}}', id="JSON"),
        pytest.param("{h}.{p}.{s}" + "A" * MAXIMUM_LENGTH, id="too long"),
        pytest.param("{h}.{p}.{s}" * 10_000, id="megabytes"),
    ],
)
def test_another_form_is_refused(form: str) -> None:
    """ID-01, JW-06, JW-07, JW-08"""
    header, payload, signature = parts()
    assert refusal(form.format(h=header, p=payload, s=signature))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("[]", id="a list"),
        pytest.param('"text"', id="a text"),
        pytest.param("null", id="null"),
        pytest.param("{", id="truncated"),
        pytest.param("", id="empty"),
        pytest.param('{"error": "invalid_grant"}', id="an error body"),
        pytest.param("{}", id="an empty object"),
        pytest.param("[" * 3000, id="deep"),
        pytest.param(json.dumps(CLAIMS)[:-1] + ', "sub": "victim"}', id="sub twice"),
        pytest.param(json.dumps(CLAIMS)[:-1] + ', "email_verified": true}', id="email_verified twice"),
    ],
)
def test_a_payload_that_is_no_plain_object_is_refused(raw: str) -> None:
    """ID-09, JW-20, 3.3-06: also when the provider signed it."""
    assert refusal(id_token(raw=raw))

"""Key sets of providers: what is usable is used, and nothing else in the set harms it."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.auth.jwks import MAXIMUM_KEYS, KeySetInvalid, read_jwks
from app.auth.jwt import verify_signature
from app.auth.keys import generate_key_pair, private_half, public_jwk
from tests.auth.provider import ABSENT, id_token, present, published
from tests.auth.signatures import other_keys, signer

GOOD = published("ES256")
ALGORITHMS = ["RS256", "ES256", "EdDSA"]
EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS)


def number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def changed(algorithm: str = "RS256", **changes: object) -> dict[str, Any]:
    """Return the entry of a good key with some of its members changed."""
    return present({**published(algorithm), **changes})


def is_usable(entry: object) -> bool:
    """Whether an entry makes a key. A good one behind it must count in any case."""
    keys = read_jwks({"keys": [entry, {**GOOD, "kid": "the good one"}]})
    assert "the good one" in keys
    return len(keys) > 1


@EVERY_ALGORITHM
def test_a_key_checks_what_its_private_half_signed(algorithm: str) -> None:
    """ID-01, JW-01: and comes with its only algorithm."""
    key = read_jwks({"keys": [published(algorithm)]})[f"{algorithm} key"]
    assert key.algorithm == algorithm
    verify_signature(id_token(algorithm=algorithm), key)


@EVERY_ALGORITHM
@pytest.mark.parametrize("name", ["alg", "use"])
def test_a_key_needs_to_say_neither_use_nor_algorithm(algorithm: str, name: str) -> None:
    """RFC 7517, sections 4.2 and 4.4: its type says enough."""
    assert is_usable(changed(algorithm, **{name: ABSENT}))
    assert is_usable(changed(algorithm, key_ops=["verify"], x5t="x", x5c=["not looked at"], unknown={"a": 1}))


@pytest.mark.parametrize("entry", [None, 7, "text", [], {}, ["keys"], {"keys": [{"kid": "x"}]}, {"kid": "x"}], ids=str)
def test_what_is_no_key_is_passed_over(entry: object) -> None:
    """RFC 7517, section 5: one bad entry must not take the provider's other keys away."""
    assert not is_usable(entry)


@EVERY_ALGORITHM
@pytest.mark.parametrize("value", [ABSENT, None, "", 7, [], {}, "=", "AA", "é", "\ud800", "A" * 5000], ids=ascii)
def test_a_member_that_makes_no_key_is_passed_over(algorithm: str, value: object) -> None:
    """JW-15: never an error, whatever stands there."""
    for name in {"RS256": ["n", "e"], "ES256": ["x", "y", "crv"], "EdDSA": ["x", "crv"]}[algorithm]:
        if not (name == "e" and value == "AA"):
            assert not is_usable(changed(algorithm, **{name: value}))
    assert not is_usable(changed(algorithm, kty=value))
    if value is not ABSENT:
        assert not is_usable(changed(algorithm, alg=value))
        assert not is_usable(changed(algorithm, use=value))


@pytest.mark.parametrize("kid", [ABSENT, None, "", 7, ["RS256 key"], "x" * 256], ids=str)
def test_a_key_without_a_name_is_passed_over(kid: object) -> None:
    """JW-14: tokens name their key."""
    assert not is_usable(changed(kid=kid))


def test_a_shared_key_is_never_taken() -> None:
    """JW-01, JW-04: whoever reads the set could sign with it."""
    shared = {"kty": "oct", "kid": "shared", "use": "sig", "k": base64.urlsafe_b64encode(b"x" * 33).decode()}
    for algorithm in ("HS256", "HS512", "RS256", "none"):
        assert not is_usable({**shared, "alg": algorithm})
    assert not is_usable(shared)


@EVERY_ALGORITHM
@pytest.mark.parametrize("other", ["HS256", "none", "RS384", "PS256", "ES384", "ES256K", "RSA-OAEP", "dir"])
def test_a_key_for_another_algorithm_is_not_used_for_ours(algorithm: str, other: str) -> None:
    """JW-01: RFC 8725, section 3.1."""
    assert not is_usable(changed(algorithm, alg=other))
    for mine in ALGORITHMS:
        assert is_usable(changed(algorithm, alg=mine)) == (mine == algorithm)


def test_a_key_for_encryption_checks_no_signature() -> None:
    """JW-01"""
    assert not is_usable(changed(use="enc"))
    for operations in (["encrypt"], [], "verify", None, 7):
        assert not is_usable(changed(key_ops=operations))


@EVERY_ALGORITHM
def test_a_key_that_is_published_with_its_private_half_is_everybody_s(algorithm: str) -> None:
    """ID-01: whoever reads the set could sign with it."""
    pair = generate_key_pair(algorithm) if algorithm != "RS256" else None
    private = pair.key.as_dict(private=True) if pair else {"d": "AQAB"}
    public = public_jwk(pair) if pair else published("RS256")
    assert is_usable(public)
    assert not is_usable({**public, **private})
    assert not is_usable({**public, "d": None})
    assert pair is None or private_half(pair)


@pytest.mark.parametrize("name", ["P-384", "P-521", "secp256k1", "Ed448", "X25519"])
def test_a_curve_that_we_do_not_use_is_passed_over(name: str) -> None:
    """JW-01: whatever algorithm it claims."""
    entry = {**other_keys()[name].as_dict(private=False), "kid": name}
    assert not is_usable(entry)
    for algorithm in ALGORITHMS:
        assert not is_usable({**entry, "alg": algorithm})
    assert not is_usable({**entry, "crv": "P-256"})


def test_a_point_off_the_curve_is_no_key() -> None:
    """ID-01: an invalid-curve attack begins with one."""
    assert not is_usable(changed("ES256", y=GOOD["x"]))
    assert not is_usable(changed("ES256", x=number(0) or "A" * 43, y="A" * 43))
    raw = base64.urlsafe_b64decode(GOOD["x"] + "=")
    moved = base64.urlsafe_b64decode(GOOD["y"] + "=")
    longer, shorter = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (raw + moved[:1], moved[1:]))
    assert not is_usable(changed("ES256", x=longer, y=shorter))


def test_a_weak_or_huge_rsa_key_is_no_key() -> None:
    """JW-15: 2048 to 8192 bits; no exponent of 1, with which every text signs itself, and none that is slow."""
    modulus = signer("RS256").private.public_key().public_numbers().n
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n  # noqa: S505  # To be refused.
    for wrong in (weak, modulus >> 1, 1, (1 << 8192) + 1, (1 << 16000) + 1):
        assert not is_usable(changed(n=number(wrong)))
    for exponent in (1, 2, 65536, (1 << 32) + 1, modulus - 2):
        assert not is_usable(changed(e=number(exponent)))
    assert is_usable(changed(e=number(3)))
    assert is_usable(changed(n=number((1 << 8191) + 1)))


def test_of_two_keys_with_one_name_the_first_usable_one_counts() -> None:
    """JW-01: a name means one key and one algorithm, so no token can choose between two."""
    same = [{**published(each), "kid": "same"} for each in ("ES256", "RS256")]
    assert read_jwks({"keys": same})["same"].algorithm == "ES256"
    assert read_jwks({"keys": [{**same[0], "use": "enc"}, same[1]]})["same"].algorithm == "RS256"


def test_a_flood_of_entries_is_not_read_to_its_end() -> None:
    """JW-15"""
    keys = read_jwks({"keys": [{}] * (MAXIMUM_KEYS - 1) + [GOOD, {**GOOD, "kid": "one too many"}]})
    assert list(keys) == [GOOD["kid"]]


def test_a_set_without_usable_keys_is_empty() -> None:
    """JW-15: it is a set, and checks nothing."""
    assert dict(read_jwks({"keys": []})) == {}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(GOOD, id="a key alone"),
        pytest.param([GOOD], id="a list of keys"),
        pytest.param(None, id="null"),
        pytest.param("text", id="a text"),
        pytest.param([], id="an empty list"),
        pytest.param({}, id="an empty object"),
        pytest.param({"keys": None}, id="null for keys"),
        pytest.param({"keys": {}}, id="an object for keys"),
        pytest.param({"keys": "x"}, id="a text for keys"),
        pytest.param({"error": "x"}, id="an error body"),
    ],
)
def test_what_is_no_key_set_is_an_error(document: object) -> None:
    """ID-09, JW-15: so that the keys that were read before are kept."""
    with pytest.raises(KeySetInvalid):
        read_jwks(document)

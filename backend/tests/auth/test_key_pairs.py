"""Attacks on tokens that key pairs sign. What is not being attacked is always right."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.jwt import TokenKind, TokenRejected, sign_token, verify_signature
from app.auth.keys import (
    RSA_BITS,
    KeyRing,
    SigningKey,
    generate_key_pair,
    key_pair,
    private_half,
    public_jwk,
    symmetric_key,
)
from tests.auth.forge import CLAIMS, HEADER, RING, SERVER_SECRET, base64url, is_accepted, ring_of, signed

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""


@cache
def pair_of(algorithm: str) -> SigningKey:
    """One pair for all tests: RS256 takes long to make."""
    return generate_key_pair(algorithm)


@cache
def other_pair_of(algorithm: str) -> SigningKey:
    return generate_key_pair(algorithm)


def ring(algorithm: str) -> KeyRing:
    return ring_of([pair_of(algorithm)])


def header(algorithm: str, **changes: object) -> dict[str, object]:
    return {"alg": algorithm, "typ": "at+jwt", "kid": pair_of(algorithm).kid, **changes}


def token_of(pair: SigningKey, payload: Mapping[str, Any] = CLAIMS) -> str:
    return sign_token(payload, kind=TokenKind.ACCESS, key=pair)


def native(pair: SigningKey) -> Any:
    return pair.key.private_key


def with_header(algorithm: str, **changes: object) -> str:
    """Return a token with a good signature of the pair over a header that we would not write."""
    content = ".".join(base64url(json.dumps(part).encode()) for part in (header(algorithm, **changes), CLAIMS))
    key = native(pair_of(algorithm))
    if algorithm == "EdDSA":
        signature = key.sign(content.encode())
    elif algorithm == "RS256":
        signature = key.sign(content.encode(), padding.PKCS1v15(), SHA256())
    else:
        signature = raw_signature(key.sign(content.encode(), ec.ECDSA(SHA256())))
    return f"{content}.{base64url(signature)}"


@EVERY_ALGORITHM
def test_what_a_pair_signs_is_read(algorithm: str) -> None:
    """Otherwise the refusals below would prove nothing."""
    assert is_accepted(token_of(pair_of(algorithm)), ring=ring(algorithm))
    assert is_accepted(with_header(algorithm), ring=ring(algorithm))


@EVERY_ALGORITHM
def test_another_pair_signs_nothing_even_under_the_same_name(algorithm: str) -> None:
    """S46, JW-14"""
    other = other_pair_of(algorithm)
    assert not is_accepted(token_of(other), ring=ring(algorithm))
    posing = SigningKey(kid=pair_of(algorithm).kid, algorithm=algorithm, key=other.key)
    assert not is_accepted(token_of(posing), ring=ring(algorithm))


def public_forms(pair: SigningKey) -> dict[str, bytes]:
    """Return every text of a public key that a careless verifier might take for a shared secret."""
    key: Any = pair.key.public_key
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(public_jwk(pair)).encode()
    bare = json.dumps(pair.key.as_dict(private=False)).encode()
    forms = {
        "PEM": pem,
        "PEM, no last line break": pem.strip(),
        "PEM, other line breaks": pem.replace(b"\n", b"\r\n"),
        "PEM, old line breaks": pem.replace(b"\n", b"\r"),
        "PEM, one line": pem.replace(b"\n", b""),
        "PEM, literal line breaks": pem.replace(b"\n", b"\\n"),
        "PEM, other white space": pem.replace(b"\n", b"\n "),
        "PEM, with a prefix": b"\x00" + pem,
        "PEM, with a byte order mark": b"\xef\xbb\xbf" + pem,
        "PEM, with text before it": b"public key:\n" + pem,
        "PEM, body alone": b"".join(pem.splitlines()[1:-1]),
        "DER": der,
        "DER, in base64": base64.b64encode(der),
        "DER, in hexadecimal": der.hex().encode(),
        "OpenSSH": key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "JWK": jwk,
        "JWK without our members": bare,
        "JWK, sorted and spaced": json.dumps(public_jwk(pair), sort_keys=True, indent=2).encode(),
        "JWK set": b'{"keys": [' + jwk + b"]}",
        "nested JWK": b'{"jwk": {"keys": [' + jwk + b"]}}",
        "kid": pair.kid.encode(),
        "thumbprint": base64.urlsafe_b64decode(pair.kid + "="),
        "nothing": b"",
    }
    if pair.algorithm == "RS256":
        forms["PKCS 1 PEM"] = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        forms["PKCS 1 DER"] = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        forms["modulus"] = base64.urlsafe_b64decode(public_jwk(pair)["n"] + "==")
    elif pair.algorithm == "EdDSA":
        forms["raw key"] = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        forms["raw point"] = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        forms["compressed point"] = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return forms


@EVERY_ALGORITHM
@pytest.mark.parametrize("claimed", ["HS256", "HS384", "HS512", "own"])
def test_a_public_key_is_never_a_shared_secret(algorithm: str, claimed: str) -> None:
    """JW-01, JW-04, 3.1-01, 3.1-06, 3.1-07, 3.1-10, 3.1-15, 3.1-17, 3.1-19, 3.1-22: in none of its textual forms."""
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(claimed, "sha256")
    forged = header(algorithm, alg=algorithm if claimed == "own" else claimed)
    for form, text in public_forms(pair_of(algorithm)).items():
        assert not is_accepted(signed(forged, key=text, digest=digest), ring=ring(algorithm)), form


@EVERY_ALGORITHM
def test_the_server_secret_alone_signs_nothing_beside_key_pairs(algorithm: str) -> None:
    """JW-01, JW-03: with key pairs, a thief of SECRET_KEY without the database has no access token."""
    assert is_accepted(signed(HEADER), ring=RING)
    assert not is_accepted(signed(HEADER), ring=ring(algorithm))
    shared = symmetric_key(SERVER_SECRET)
    assert not is_accepted(signed(header(algorithm, alg="HS256")), ring=ring(algorithm))
    assert not is_accepted(token_of(shared), ring=ring(algorithm))


@EVERY_ALGORITHM
@pytest.mark.parametrize(
    "claimed", ["none", "HS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "RS256", "RS384", "PS256"]
)
def test_the_header_may_only_repeat_the_algorithm_of_the_key(algorithm: str, claimed: str) -> None:
    """JW-01, 3.1-11, 3.1-22: signed with the right key over a header that names another algorithm."""
    if claimed == algorithm:
        return
    forged = with_header(algorithm, alg=claimed)
    assert not is_accepted(forged, ring=ring(algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("other", [*ALGORITHMS, "HS256"])
def test_in_one_ring_each_key_checks_its_own_tokens_only(algorithm: str, other: str) -> None:
    """JW-01, JW-14: the name picks the key, the key the algorithm, whatever else the ring holds."""
    keys = {"HS256": symmetric_key(SERVER_SECRET)} | {name: pair_of(name) for name in ALGORITHMS}
    every = ring_of(list(keys.values()))
    assert is_accepted(token_of(keys[algorithm]), ring=every)
    posing = SigningKey(kid=keys[other].kid, algorithm=algorithm, key=keys[algorithm].key)
    assert is_accepted(token_of(posing), ring=every) == (algorithm == other)


def raw_signature(der: bytes) -> bytes:
    """Return r and s of a DER signature, 32 bytes each (RFC 7518, section 3.4)."""
    return b"".join(number.to_bytes(32) for number in decode_dss_signature(der))


def with_signature(algorithm: str, signature: bytes) -> str:
    return f"{token_of(pair_of(algorithm)).rpartition('.')[0]}.{base64url(signature)}"


def numbers(r: int, s: int) -> bytes:
    return r.to_bytes(32) + s.to_bytes(32)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        numbers(0, 1),
        numbers(1, 0),
        numbers(1, 1),
        numbers(ORDER, ORDER),
        numbers(ORDER, 1),
        numbers(ORDER + 1, ORDER + 1),
        numbers(ORDER - 1, ORDER - 1),
        b"\xff" * 64,
    ],
    ids=["empty", "zeros", "r zero", "s zero", "ones", "order", "r order", "beyond the order", "below it", "all bits"],
)
def test_a_signature_of_degenerate_numbers_is_refused(signature: bytes) -> None:
    """JW-02, CVE-2022-21449 ("psychic signatures"): zero, and what is congruent to it, verify everything somewhere."""
    for algorithm in ALGORITHMS:
        assert not is_accepted(with_signature(algorithm, signature), ring=ring(algorithm))


def test_an_elliptic_signature_has_one_form_only() -> None:
    """JW-08: not in DER, nor padded, cut short, or with its halves exchanged."""
    content, _, encoded = token_of(pair_of("ES256")).rpartition(".")
    good = base64.urlsafe_b64decode(encoded + "==")
    der = native(pair_of("ES256")).sign(content.encode(), ec.ECDSA(SHA256()))
    assert is_accepted(f"{content}.{base64url(raw_signature(der))}", ring=ring("ES256"))
    for other in (der, good + b"\x00", b"\x00" + good, good[:-1], good[32:] + good[:32], good + good, good[:32]):
        assert not is_accepted(f"{content}.{base64url(other)}", ring=ring("ES256"))


@pytest.mark.parametrize("digest", [SHA384, SHA512])
def test_a_signature_over_another_digest_is_refused(digest: Any) -> None:
    """JW-01"""
    content = token_of(pair_of("ES256")).rpartition(".")[0]
    other = native(pair_of("ES256")).sign(content.encode(), ec.ECDSA(digest()))
    assert not is_accepted(f"{content}.{base64url(raw_signature(other))}", ring=ring("ES256"))
    content = token_of(pair_of("RS256")).rpartition(".")[0]
    rsa = native(pair_of("RS256"))
    for scheme in (padding.PKCS1v15(), padding.PSS(padding.MGF1(digest()), digest.digest_size)):
        assert not is_accepted(
            f"{content}.{base64url(rsa.sign(content.encode(), scheme, digest()))}", ring=ring("RS256")
        )


def test_another_padding_is_another_algorithm() -> None:
    """JW-01: PS256 under the name of RS256."""
    content = token_of(pair_of("RS256")).rpartition(".")[0]
    scheme = padding.PSS(padding.MGF1(SHA256()), 32)
    signature = native(pair_of("RS256")).sign(content.encode(), scheme, SHA256())
    assert not is_accepted(f"{content}.{base64url(signature)}", ring=ring("RS256"))


@EVERY_ALGORITHM
def test_every_bit_of_a_signature_counts(algorithm: str) -> None:
    """JW-08"""
    content, _, encoded = token_of(pair_of(algorithm)).rpartition(".")
    good = base64.urlsafe_b64decode(encoded + "==")
    for number in range(0, len(good) * 8, 7):
        changed = bytearray(good)
        changed[number // 8] ^= 1 << number % 8
        assert not is_accepted(f"{content}.{base64url(bytes(changed))}", ring=ring(algorithm)), number


@EVERY_ALGORITHM
@pytest.mark.parametrize("name", ["crit", "b64", "jwk", "jku", "x5c"])
def test_a_header_that_we_do_not_write_is_refused(algorithm: str, name: str) -> None:
    """JW-05, JW-06, 3.1-09, 3.1-14, 3.1-26: even with a good signature of the right key."""
    values = {"crit": ["exp"], "b64": False, "jwk": public_jwk(other_pair_of(algorithm)), "jku": "http://127.0.0.1:9/"}
    token = with_header(algorithm, **{name: values.get(name)})
    assert not is_accepted(token, ring=ring(algorithm))
    if name in {"crit", "b64"}:
        with pytest.raises(TokenRejected):
            verify_signature(token, pair_of(algorithm))


# The pairs themselves.


@EVERY_ALGORITHM
def test_a_pair_is_the_same_after_it_was_stored(algorithm: str) -> None:
    """The name is the thumbprint of the public half (RFC 7638), which is worked out from the private one."""
    pair = pair_of(algorithm)
    again = key_pair(algorithm, private_half(pair))
    assert again.kid == pair.kid == pair.key.thumbprint()
    assert public_jwk(again) == public_jwk(pair)
    assert is_accepted(token_of(again), ring=ring(algorithm))


@EVERY_ALGORITHM
def test_the_published_half_holds_nothing_private(algorithm: str) -> None:
    """JW-03, S74: exactly the members of a public key (RFC 7518, section 6; RFC 8037, section 2)."""
    members = {"ES256": {"crv", "x", "y"}, "EdDSA": {"crv", "x"}, "RS256": {"n", "e"}}[algorithm]
    jwk = public_jwk(pair_of(algorithm))
    assert set(jwk) == members | {"kty", "kid", "use", "alg"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (pair_of(algorithm).kid, "sig", algorithm)


@EVERY_ALGORITHM
def test_a_pair_in_a_traceback_shows_no_key(algorithm: str) -> None:
    """S74"""
    pair = pair_of(algorithm)
    assert repr(pair) == f"SigningKey(kid={pair.kid!r}, algorithm={algorithm!r})"


def test_a_shared_key_has_no_public_half() -> None:
    """JW-03: it is neither published nor stored."""
    shared = symmetric_key(SERVER_SECRET)
    with pytest.raises(ValueError, match="HS256"):
        public_jwk(shared)
    with pytest.raises(TypeError):
        private_half(shared)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS512", "ES256K", ""])
def test_there_are_pairs_for_three_algorithms(algorithm: str) -> None:
    with pytest.raises(ValueError, match="no key pairs"):
        generate_key_pair(algorithm)
    with pytest.raises(ValueError, match="no key pairs"):
        key_pair(algorithm, private_half(pair_of("ES256")))


def test_pairs_are_as_strong_as_each_other() -> None:
    """JW-03, V11.2.3: 128 bits of security."""
    assert native(pair_of("RS256")).key_size == RSA_BITS == 3072
    assert native(pair_of("ES256")).curve.name == "secp256r1"
    assert pair_of("EdDSA").key.as_dict(private=False)["crv"] == "Ed25519"


def test_no_two_pairs_are_the_same() -> None:
    assert len({generate_key_pair("EdDSA").kid for _ in range(100)}) == 100

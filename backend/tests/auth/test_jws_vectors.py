"""Signatures of every algorithm against the check of a signature alone: the good verify, all others are refused."""

import hmac
import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.jwt import TokenRejected, verify_signature
from app.auth.keys import SigningKey
from tests.auth.forge import base64url
from tests.auth.signatures import ALGORITHMS, Signer, bad_signatures, other_keys, signer

EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS)
PAYLOADS = [b"", b"\x00", b"\x00" * 100, b"foo", b"\xff\xfe", b'{"iss": "us"}', b"x" * 3000]


def verifies(token: str, key: SigningKey) -> bool:
    """Whether a signature is taken. Anything but a clean acceptance or refusal fails the test."""
    try:
        verify_signature(token, key)
    except TokenRejected:
        return False
    return True


def headers(algorithm: str) -> list[str]:
    """Return spellings of a header that are as good as ours."""
    return [
        f'{{"alg":"{algorithm}"}}',
        f'{{ "kid" : "a key",\n\t"alg" : "{algorithm}" }}',
        f'{{"typ":"JOSE","alg":"{algorithm}","cty":"text"}}',
        f'{{"\\u0061lg":"{algorithm}"}}',
    ]


@EVERY_ALGORITHM
def test_a_good_signature_verifies_over_any_payload(algorithm: str) -> None:
    """JW-01: or every refusal in this file would say nothing."""
    own = signer(algorithm)
    tokens = [own.token(payload, header=header) for payload in PAYLOADS for header in headers(algorithm)]
    assert [verifies(token, own.key) for token in tokens] == [True] * 28


@EVERY_ALGORITHM
def test_no_other_signature_verifies(algorithm: str) -> None:
    """JW-01, JW-02, JW-08, 3.1-15, 3.1-18: every bit, special numbers, other hashes, broken and sloppy paddings."""
    own = signer(algorithm)
    content = own.token().rpartition(".")[0]
    bad = bad_signatures(algorithm, content.encode())
    assert len(bad) > {"HS256": 270, "ES256": 570, "EdDSA": 530, "RS256": 400}[algorithm]
    assert verifies(f"{content}.{base64url(own.sign(content.encode()))}", own.key)
    taken = {name for name, signature in bad.items() if verifies(f"{content}.{base64url(signature)}", own.key)}
    assert taken == set()


def odd_spellings(own: Signer) -> Iterator[str]:
    """Yield tokens whose signature is good over a text that is no strict base64url, and odd spellings of one."""
    header, payload, signature = own.token(b"ab").split(".")
    for odd in ("=", "==", " ", "    ", "?", "####", "\n", "\x00", "+", "/", "%3D", "é", "\u200b"):
        for place in ("before", "behind"):
            sides = (odd, "") if place == "before" else ("", odd)
            yield own.signed(f"{sides[0]}{header}{sides[1]}.{payload}")
            yield own.signed(f"{header}.{sides[0]}{payload}{sides[1]}")
            yield f"{header}.{payload}.{sides[0]}{signature}{sides[1]}"
    yield own.signed(f"{header}.YWJ")  # One bit of those that two bytes leave unused.
    yield own.signed(f"{header}.AB")
    yield own.signed(f"{header}.A")


@EVERY_ALGORITHM
def test_an_odd_spelling_is_refused_however_well_it_is_signed(algorithm: str) -> None:
    """JW-08, 3.1-18."""
    tokens = list(odd_spellings(signer(algorithm)))
    assert len(tokens) == 81
    assert [token for token in tokens if verifies(token, signer(algorithm).key)] == []


@EVERY_ALGORITHM
def test_parts_that_are_missing_too_many_or_in_json_are_refused(algorithm: str) -> None:
    """JW-02, JW-06, 3.1-02, 3.1-29."""
    header, payload, signature = signer(algorithm).token(b"foo").split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    whole = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    for text in (
        *(f"{header}.{payload}.", f"{header}.{payload}", f"{header}..{signature}", f"{header}.{signature}"),
        *(f".{payload}.{signature}", f"{payload}.{signature}", f".{payload}.", payload, "", ".", "..", "..."),
        *(
            f"{header}.{payload}.{signature}.",
            f"{header}.{payload}.{signature}.foo",
            f".{header}.{payload}.{signature}",
        ),
        *(json.dumps(flat), json.dumps(whole), json.dumps({**whole, "signatures": []})),
    ):
        assert not verifies(text, signer(algorithm).key), text


@EVERY_ALGORITHM
@pytest.mark.parametrize("part", [0, 1])
def test_another_header_or_payload_is_not_covered(algorithm: str, part: int) -> None:
    """JW-01: the signature is over both."""
    parts = signer(algorithm).token(b"foo").split(".")
    parts[part] = [base64url(f'{{"alg":"{algorithm}","kid":"x"}}'.encode()), "WG9v"][part]
    assert not verifies(".".join(parts), signer(algorithm).key)


@EVERY_ALGORITHM
@pytest.mark.parametrize(
    "said", ["none", "NONE", "HS256", "HS384", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA"]
)
def test_a_header_that_names_another_algorithm_is_refused(algorithm: str, said: str) -> None:
    """JW-01, JW-02, 3.1-03, 3.1-11: with the very signature of the key, and without one."""
    own = signer(algorithm)
    token = own.token(header={"alg": said})
    assert verifies(token, own.key) is (said == algorithm)
    assert not verifies(token.rpartition(".")[0] + ".", own.key)


NOT_PLAIN = (
    *('{"alg":null}', '{"alg":["%s"]}', '{"alg":"%s "}', '{"Alg":"%s"}', "{}", "[]", '"%s"', "%s", ""),
    *('{"alg":"none","alg":"%s"}', '{"alg":"%s","alg":"%s"}', '{"alg":"%s"}x', '{"alg":"%s"'),
    *('{"alg":"%s","crit":[]}', '{"alg":"%s","crit":["exp"]}', '{"alg":"%s","b64":false}', '{"alg":"%s","b64":true}'),
)


@EVERY_ALGORITHM
@pytest.mark.parametrize("header", NOT_PLAIN)
def test_a_header_that_is_not_plainly_ours_is_refused_however_well_it_is_signed(algorithm: str, header: str) -> None:
    """JW-01, JW-09, JW-20."""
    assert not verifies(signer(algorithm).token(header=header.replace("%s", algorithm)), signer(algorithm).key)


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_header_in_another_encoding_than_utf_8_is_refused(encoding: str) -> None:
    """JSON in a token is UTF-8, without a mark in front (RFC 7515, section 3; RFC 8725, section 3.7)."""
    own = signer("ES256")
    header = base64url('{"alg":"ES256"}'.encode(encoding))
    assert not verifies(own.signed(f"{header}.e30"), own.key)


@EVERY_ALGORITHM
def test_a_key_that_comes_with_the_token_is_not_used(algorithm: str) -> None:
    """JW-05, 3.1-26: signed by an attacker, whose key the header offers."""
    public = {"kty": "oct", "k": base64url(b"k" * 32)}
    thief = signer("HS256") if algorithm != "HS256" else signer("ES256")
    token = thief.token(header={"alg": algorithm, "jwk": public, "kid": "a key"})
    assert not verifies(token, signer(algorithm).key)


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
@pytest.mark.parametrize("said", ["own", "HS256"])
def test_a_mac_under_the_public_key_is_no_signature(algorithm: str, said: str) -> None:
    """JW-01, JW-04, 3.1-01."""
    own = signer(algorithm)
    public = own.private.public_key()
    for encoding in (Encoding.PEM, Encoding.DER):
        secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        content = own.token(header={"alg": algorithm if said == "own" else said}).rpartition(".")[0]
        assert not verifies(f"{content}.{base64url(hmac.digest(secret, content.encode(), 'sha256'))}", own.key)


def test_a_key_loaded_under_an_algorithm_that_is_not_its_own_verifies_nothing() -> None:
    """JW-01, JW-04: a fault of the one who loaded it ends in a refusal, never in an error or an acceptance."""
    taken = []
    for kind, key in other_keys().items():
        for algorithm in ALGORITHMS:
            loaded = SigningKey(kid="a key", algorithm=algorithm, key=key)
            signers = [signer(each) for each in ALGORITHMS]
            tokens = [each.token(header={"alg": algorithm}) for each in signers]
            taken += [(kind, algorithm) for token in tokens if verifies(token, loaded)]
    assert taken == [(algorithm, algorithm) for algorithm in ALGORITHMS]


MUTATIONS = st.tuples(
    st.sampled_from(["replace", "insert", "delete", "swap", "cut", "repeat"]),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.sampled_from("Aa0-_Zz9.+/= \n\x00é") | st.characters(),
)


def mutated(token: str, kind: str, first: int, second: int, letter: str) -> str:
    a, b = sorted((first % len(token), second % len(token)))
    return {
        "replace": token[:a] + letter + token[a + 1 :],
        "insert": token[:a] + letter + token[a:],
        "delete": token[:a] + token[a + 1 :],
        "swap": token[:a] + token[b] + token[a + 1 : b] + token[a] + token[b + 1 :] if a < b else token,
        "cut": token[:a] + token[b:],
        "repeat": token[:b] + token[a:],
    }[kind]


@EVERY_ALGORITHM
@settings(deadline=None, max_examples=300)
@given(payload=st.binary(max_size=60), mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
def test_any_mutation_of_a_token_is_refused(
    algorithm: str, payload: bytes, mutations: list[tuple[str, int, int, str]]
) -> None:
    """JW-08, 3.1-18: one text is one token.

    ECDSA alone leaves a twin, (r, n - s), that no chance finds. So nothing may ever know a token by its text alone.
    """
    own = signer(algorithm)
    token = changed = own.token(payload)
    assert verifies(token, own.key)
    for mutation in mutations:
        changed = mutated(changed, *mutation) if changed else changed
    assert verifies(changed, own.key) is (changed == token)

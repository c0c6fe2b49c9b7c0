"""Attacks on the form of a token: header, signature, encoding, size. What is not being attacked is always right."""

import base64
import hmac
import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.jwt import MAXIMUM_LENGTH, TokenRejected
from tests.auth.forge import CLAIMS, HEADER, MATERIAL, RING, SERVER_SECRET, base64url, is_accepted, read, signed

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
"""Of base64url, in the order of the values."""


def parts() -> list[str]:
    return signed().split(".")


# Algorithm and key.


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("ending", [".", "", ".AA", ". "])
def test_a_token_without_a_signature_is_refused(spelling: str, ending: str) -> None:
    """JW-02, 3.1-03: four spellings of `none`, with and without the last dot."""
    header = base64url(json.dumps({**HEADER, "alg": spelling}).encode())
    assert not is_accepted(f"{header}.{parts()[1]}{ending}")
    assert not is_accepted(signed({**HEADER, "alg": spelling}))


@pytest.mark.parametrize("signature", ["", "AA", "AAAA", "A" * 43, "=", "null"])
def test_the_right_header_with_an_empty_or_short_signature_is_refused(signature: str) -> None:
    """JW-02, 3.1-15, 3.1-29"""
    header, payload, _ = parts()
    assert not is_accepted(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "algorithm",
    [
        "HS384",
        "HS512",
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "hs256",
        "HS256 ",
        "dir",
        "A256GCM",
        "",
        None,
        256,
        ["HS256"],
    ],
)
def test_the_algorithm_is_the_one_of_the_key(algorithm: object) -> None:
    """S47, JW-01, 3.1-11, 3.1-22: the header may only repeat what the key prescribes."""
    assert not is_accepted(signed({**HEADER, "alg": algorithm}))


@pytest.mark.parametrize(("algorithm", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
@pytest.mark.parametrize("claimed", [True, False])
def test_a_good_signature_by_another_algorithm_is_none(algorithm: str, digest: str, claimed: bool) -> None:
    """JW-01, 3.1-11: checked against the key's algorithm, whether the header admits the swap or not."""
    header = {**HEADER, "alg": algorithm} if claimed else HEADER
    assert not is_accepted(signed(header, digest=digest))


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x00" * 32, SERVER_SECRET.encode(), MATERIAL[:31], MATERIAL + b"\x01"])
def test_no_other_key_signs(key: bytes) -> None:
    """S46, 3.1-15: not the empty key, not the server secret itself, not a longer or shorter one."""
    assert not is_accepted(signed(key=key))


# Header.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crit", []),
        ("crit", ["exp"]),
        ("crit", ["b64"]),
        ("crit", ["unknown"]),
        ("crit", None),
        ("b64", False),
        ("b64", True),
        ("jku", "http://127.0.0.1:9/keys"),
        ("jku", "file:///dev/zero"),
        ("x5u", "http://127.0.0.1:9/certificate"),
        ("x5c", ["MIIB"]),
        ("x5t", "AAAA"),
        ("jwk", {"kty": "oct", "k": base64url(MATERIAL)}),
        ("zip", "DEF"),
        ("enc", "A256GCM"),
        ("p2c", 2**31),
        ("cty", "JWT"),
        ("exp", 1),
        ("Alg", "none"),
        ("", ""),
    ],
)
def test_a_header_that_we_do_not_write_is_refused(name: str, value: object) -> None:
    """S51, JW-05, JW-06, JW-09, 3.1-09, 3.1-14, 3.1-26: refused, not used and not ignored."""
    assert not is_accepted(signed({**HEADER, name: value}))


def test_a_key_that_comes_with_the_token_is_not_used() -> None:
    """JW-05, 3.1-26: signed with the very key that the header offers."""
    theirs = b"a key of the attacker's own, long enough"
    assert not is_accepted(signed({**HEADER, "jwk": {"kty": "oct", "k": base64url(theirs)}}, key=theirs))


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_a_header_that_lacks_one_of_ours_is_refused(name: str) -> None:
    """JW-13, JW-14: an absent `kid` is not a wish for any key, an absent `typ` not one for any kind."""
    assert not is_accepted(signed({key: value for key, value in HEADER.items() if key != name}))


@pytest.mark.parametrize(
    "kid",
    [
        "",
        "unknown",
        "../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "http://127.0.0.1:9/",
        RING.current.kid + " ",
        RING.current.kid.swapcase(),
        RING.current.kid[:-1],
        "k" * 4000,
        "\x00",
        "\ud800",
        None,
        0,
        True,
        [RING.current.kid],
        {RING.current.kid: 1},
    ],
    ids=lambda kid: ascii(kid)[:24],
)
def test_a_kid_is_looked_up_and_nothing_else(kid: object) -> None:
    """JW-14: a value to find a key by, not a path, a query or a URL; unhashable ones are no error of ours."""
    assert not is_accepted(signed({**HEADER, "kid": kid}))


@pytest.mark.parametrize("name", sorted(HEADER))
def test_a_header_name_that_is_said_twice_is_refused(name: str) -> None:
    """JW-20: two parsers would see two tokens."""
    twice = json.dumps(HEADER)[:-1] + f', "{name}": {json.dumps(HEADER[name])}}}'
    assert not is_accepted(signed(twice))


@pytest.mark.parametrize("name", sorted(CLAIMS))
@pytest.mark.parametrize("first", [True, False])
def test_a_claim_that_is_said_twice_is_refused(name: str, first: bool) -> None:
    """JW-20: whichever of the two a parser would keep, and even when both say the same."""
    pair = f'"{name}": {json.dumps(CLAIMS[name])}'
    ours = json.dumps(CLAIMS)
    assert not is_accepted(signed(payload=f"{{{pair}, {ours[1:]}" if first else f"{ours[:-1]}, {pair}}}"))


def test_a_name_said_twice_deep_inside_is_refused_too() -> None:
    """JW-20"""
    assert not is_accepted(signed(payload=json.dumps(CLAIMS)[:-1] + ', "act": {"sub": "a", "sub": "b"}}'))
    assert not is_accepted(signed(payload=json.dumps(CLAIMS)[:-1] + ', "s\\u0075b": "an escaped twin"}'))


# Encoding.

NOT_OBJECTS = ["", "null", "true", "7", '"text"', "[]", "[{}]", "{", "{}x", "{}{}", "{'alg': 'HS256'}", "{} \x00"]


@pytest.mark.parametrize("text", [*NOT_OBJECTS, b"\xff\xfe", b"\x80", b"\x1f\x8b\x08"])
def test_a_part_that_is_no_json_object_is_refused(text: str | bytes) -> None:
    """JW-10, JW-06: never an error of ours."""
    assert not is_accepted(signed(text))
    assert not is_accepted(signed(payload=text))


@pytest.mark.parametrize("depth", [10, 500, 1100])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"":', "}")])
def test_depth_is_refused_and_not_followed(depth: int, opening: str, closing: str) -> None:
    """JW-07, 3.9-03: complete and broken off, as header, as payload and as a header's value."""
    deep = opening * depth + "1" + closing * depth
    for text in (deep, opening * depth, json.dumps(HEADER)[:-1] + f', "x": {deep}}}'):
        assert not is_accepted(signed(text))
    assert not is_accepted(signed(payload=deep))
    assert not is_accepted(signed(json.dumps({**HEADER, "kid": 0}).replace("0", deep)))


def test_every_character_of_a_token_counts() -> None:
    """JW-08: any other letter at any place makes it another token, and so none of ours."""
    token = signed()
    for place, letter in enumerate(token):
        other = ALPHABET[(ALPHABET.index(letter) + 1) % 64] if letter != "." else "A"
        assert not is_accepted(token[:place] + other + token[place + 1 :]), place


def test_the_unused_bits_of_a_signature_are_zero() -> None:
    """JW-08, 3.1-18: 43 letters hold two bits more than 32 bytes; their four spellings are not four tokens."""
    *rest, signature = parts()
    last = ALPHABET.index(signature[-1])
    assert last % 4 == 0
    for unused in (1, 2, 3):
        twin = signature[:-1] + ALPHABET[last + unused]
        assert base64.urlsafe_b64decode(twin + "=") == base64.urlsafe_b64decode(signature + "=")
        assert not is_accepted(".".join([*rest, twin]))


def test_the_unused_bits_of_header_and_payload_are_zero() -> None:
    """JW-08: even where the signature covers the odd spelling."""
    for size in (1, 2):
        header = json.dumps(HEADER) + " " * ((size - len(json.dumps(HEADER))) % 3)
        good = base64url(header.encode())
        odd = good[:-1] + ALPHABET[ALPHABET.index(good[-1]) + 1]
        assert signed_text(good) == signed(header)
        assert is_accepted(signed_text(good))
        assert not is_accepted(signed_text(odd))


def signed_text(encoded_header: str) -> str:
    """Return a token with a good signature over a header that is encoded already."""
    content = f"{encoded_header}.{parts()[1]}"
    return f"{content}.{base64url(hmac.digest(MATERIAL, content.encode(), 'sha256'))}"


def test_letters_of_ordinary_base64_are_refused() -> None:
    """JW-08: `+` and `/` stand for the same bits as `-` and `_`, and are another spelling."""
    tokens = [signed(payload={**CLAIMS, "jti": f"{number}"}) for number in range(200)]
    token = next(text for text in tokens if {"-", "_"} <= set(text.rpartition(".")[2]))
    head, _, signature = token.rpartition(".")
    assert is_accepted(token)
    assert not is_accepted(f"{head}.{signature.replace('-', '+')}")
    assert not is_accepted(f"{head}.{signature.replace('_', '/')}")


@pytest.mark.parametrize("padding", ["=", "==", "===", "\n", " ", "\t", "\r\n", "\x00", "%3D", "\u200b", "!"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_padding_and_white_space_are_refused(padding: str, place: int) -> None:
    """JW-08, 3.1-18: after each part, and before the token."""
    pieces = parts()
    pieces[place] += padding
    assert not is_accepted(".".join(pieces))
    assert not is_accepted(padding + signed())


def test_other_serialisations_are_refused() -> None:
    """JW-06, 3.1-02, 3.1-29: JSON forms, a detached payload, encrypted tokens, nested and doubled ones."""
    header, payload, signature = parts()
    flattened = {"protected": header, "payload": payload, "signature": signature}
    for text in (
        json.dumps(flattened),
        json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        json.dumps({"payload": payload, "signatures": []}),
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{header}.{payload}.{signature}.",
        f".{header}.{payload}.{signature}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}.{payload}.{signature}.{payload}.{signature}",
        f"{header}.{payload}",
        f"Bearer {signed()}",
        f'"{signed()}"',
        signed(payload=signed()),
        "..",
        "....",
        "",
    ):
        assert not is_accepted(text)


# Size.


def test_a_token_longer_than_8_kilobytes_is_refused_however_good() -> None:
    """S61, JW-07: two good tokens, one on each side of the limit."""
    tokens = [signed(payload={**CLAIMS, "jti": "j" * size}) for size in range(5000, 6000)]
    assert MAXIMUM_LENGTH == 8192
    assert is_accepted(max((token for token in tokens if len(token) <= MAXIMUM_LENGTH), key=len))
    assert not is_accepted(min((token for token in tokens if len(token) > MAXIMUM_LENGTH), key=len))


@pytest.mark.parametrize("text", [".", "A", "A.", "é", "\x00", "{"], ids=ascii)
def test_ten_megabytes_are_refused_before_any_decoding(text: str) -> None:
    """S61, JW-07, 3.1-24: the reason shows that nothing was decoded."""
    header, payload, signature = parts()
    huge = text * (10_000_000 // len(text))
    for token in (huge, f"{huge}.{payload}.{signature}", f"{header}.{huge}.{signature}", f"{header}.{payload}.{huge}"):
        with pytest.raises(TokenRejected, match="not a compact JWT") as refusal:
            read(token)
        assert refusal.value.__cause__ is None


# Anything at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(
    text=st.text() | st.text(ALPHABET + ".=", max_size=300) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True)
)
def test_any_text_is_refused_and_nothing_worse(text: str) -> None:
    """3.1-19, 3.1-32: a malformed token raises one exception only."""
    assert not is_accepted(text)


@settings(deadline=None, max_examples=300)
@given(raw=st.binary(max_size=200), place=st.sampled_from([0, 1, 2]))
def test_any_bytes_in_any_part_are_refused(raw: bytes, place: int) -> None:
    """3.1-19: signed with the right key where the signature is not what is replaced."""
    header, payload, _ = parts()
    token = [signed(raw), signed(payload=raw), f"{header}.{payload}.{base64url(raw)}"][place]
    assert not is_accepted(token)


@settings(deadline=None, max_examples=400)
@given(header=st.fixed_dictionaries(dict.fromkeys(HEADER, JSON)), payload=JSON)
def test_any_signed_json_is_refused(header: dict[str, Any], payload: Any) -> None:
    """JW-10: values of every type in the names that are looked at."""
    assert not is_accepted(signed(json.dumps(header)))
    assert not is_accepted(signed(payload=json.dumps(payload)))


@settings(deadline=None, max_examples=400)
@given(name=st.sampled_from(sorted(set(CLAIMS) - {"client_id", "jti"})), value=JSON)
def test_any_signed_claim_is_read_or_refused(name: str, value: Any) -> None:
    """JW-10, 3.1-28: no value of any claim is an error of ours."""
    token = signed(payload={**CLAIMS, name: value})
    if is_accepted(token):
        assert name in {"amr", "auth_time", "exp", "iat"}
        assert isinstance(value, list if name == "amr" else int)

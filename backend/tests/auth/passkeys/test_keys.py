from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_curve_key

from tests.auth.passkeys.scene import device, kept, registered, registration_verdict, request, used, verdict
from tests.authenticator import EDDSA, ES256, RS256, Quirks, cose_members, new_key

P256 = cose_members(new_key(ES256))
ED25519 = cose_members(new_key(EDDSA))
RSA = cose_members(new_key(RS256))
P521 = new_curve_key(SECP521R1()).public_key().public_numbers()
SIXTY_SIX = {-2: P521.x.to_bytes(66, "big"), -3: P521.y.to_bytes(66, "big")}
WEAK = b"\xff" * 128


def verdict_on(members: Any) -> str:
    return registration_verdict(Quirks(public_key=cbor2.dumps(members)))


def without(members: dict[int, int | bytes], name: int) -> dict[int, int | bytes]:
    return {each: value for each, value in members.items() if each != name}


@pytest.mark.parametrize("members", [P256, ED25519, RSA], ids=["ES256", "EdDSA", "RS256"])
def test_a_whole_key_is_taken_and_one_with_a_member_less_or_more_is_not(members: dict[int, int | bytes]) -> None:
    """WA-07, WA-18: or every refusal in this file would say nothing."""
    assert verdict_on(members) == "accepted"
    assert verdict_on(dict(reversed(members.items()))) == "accepted"
    found = {name: verdict_on(without(members, name)) for name in members}
    assert found == {name: "algorithm" if name == 3 else "public_key" for name in members}
    assert verdict_on({**members, -4: b"the private half"}) == "public_key"
    assert verdict_on({**members, 4: [2]}) == "public_key"


@pytest.mark.parametrize("algorithm", [-65535, -258, -259, -37, -35, -36, -9, -19, -47, -53, -48, -49, 0, 7, 2**40])
def test_a_key_of_an_algorithm_that_nobody_asked_for_is_refused(algorithm: int) -> None:
    """WA-07: RS1, RS384, PS256, ES384, ESP256, Ed25519 by its new number, ES256K, ML-DSA and what is none."""
    assert [verdict_on({**key, 3: algorithm}) for key in (P256, ED25519, RSA)] == ["algorithm"] * 3


@pytest.mark.parametrize("algorithm", ["ES256", b"\xf9", None, True, [-7], {}])
def test_an_algorithm_that_is_no_number_is_refused(algorithm: object) -> None:
    """WA-07, WA-18."""
    assert verdict_on({**P256, 3: algorithm}) == "algorithm"


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({**P256, 3: EDDSA}, id="ES256 that calls itself EdDSA"),
        pytest.param({**ED25519, 3: ES256}, id="EdDSA that calls itself ES256"),
        pytest.param({**RSA, 3: ES256}, id="RS256 that calls itself ES256"),
        pytest.param({**P256, 3: RS256}, id="ES256 that calls itself RS256"),
        pytest.param({**P256, -1: 3, **SIXTY_SIX}, id="ES256 on P-521"),
        pytest.param({**P256, -1: 2}, id="ES256 on P-384"),
        pytest.param({**P256, -1: 8}, id="ES256 on secp256k1"),
        pytest.param({**P256, -3: True}, id="a compressed point"),
        pytest.param({**P256, -3: b""}, id="half a point"),
        pytest.param({**P256, -2: b"\x00" + bytes(P256[-2])}, id="a coordinate that is too long"),
        pytest.param({**P256, -2: bytes(32), -3: bytes(32)}, id="the point at nought"),
        pytest.param({**P256, -2: P256[-3], -3: P256[-2]}, id="a point off the curve"),
        pytest.param({**P256, -2: b"\xff" * 32}, id="a coordinate beyond the field"),
        pytest.param({**P256, 1: True}, id="a kind that is a boolean"),
        pytest.param({**ED25519, 1: 2}, id="Ed25519 of another kind"),
        pytest.param({**ED25519, 1: True}, id="a boolean for the number one"),
        pytest.param({**ED25519, -1: 7}, id="EdDSA on Ed448"),
        pytest.param({**ED25519, -1: 4}, id="EdDSA on X25519"),
        pytest.param({**ED25519, -2: bytes(31)}, id="a short Ed25519 key"),
        pytest.param({**ED25519, -2: "x" * 32}, id="a key in text"),
        pytest.param({**RSA, -1: WEAK}, id="RSA of 1024 bits"),
        pytest.param({**RSA, -1: bytes(256) + WEAK}, id="RSA of 1024 bits behind noughts"),
        pytest.param({**RSA, -1: b"\xff" * 513}, id="RSA of 4104 bits"),
        pytest.param({**RSA, -1: b"\xff" * 8192}, id="RSA of 65536 bits"),
        pytest.param({**RSA, -2: b""}, id="no exponent"),
        pytest.param({**RSA, -2: b"\x01"}, id="the exponent one"),
        pytest.param({**RSA, -2: b"\x02"}, id="an even exponent"),
        pytest.param({**RSA, -2: b"\x01\x00\x00\x00\x01"}, id="a long exponent"),
        pytest.param({**RSA, -2: 65537}, id="an exponent that is a number"),
    ],
)
def test_a_key_that_is_none_of_its_algorithm_is_refused(members: object) -> None:
    """WA-07, WA-18: kinds, curves and sizes, of which the library sees few."""
    assert verdict_on(members) == "public_key"


@pytest.mark.parametrize(
    "encoded", [b"\xa0", b"\x80", b"\x04" + bytes(64), b"", b"\x00", b"\xff", b"\xa1\x03", b"\xf6"]
)
def test_a_key_that_is_no_map_is_refused(encoded: bytes) -> None:
    """WA-18: also the bare point of U2F, which the library would take."""
    assert registration_verdict(Quirks(public_key=encoded)) == ("algorithm" if encoded == b"\xa0" else "malformed")


def test_a_member_that_comes_twice_is_refused() -> None:
    """WA-18: one reader takes the first, another the last."""
    doubled = b"\xa6" + cbor2.dumps(P256)[1:] + b"\x01\x02"
    assert registration_verdict(Quirks(public_key=doubled)) == "malformed"


def test_a_key_in_another_spelling_is_refused() -> None:
    """WA-18: open maps, long lengths and tags, which authenticators never write."""
    encoded = cbor2.dumps(P256)
    for spelled in (b"\xbf" + encoded[1:] + b"\xff", b"\xb8\x05" + encoded[1:], b"\xd9\xd9\xf7" + encoded):
        assert registration_verdict(Quirks(public_key=spelled)) == "malformed", spelled[:3]


@pytest.mark.parametrize(
    "stored",
    [b"", b"\xa0", cbor2.dumps({**P256, 3: -35}), cbor2.dumps({**P256, -1: 2})],
    ids=["nothing", "an empty map", "ES384", "another curve"],
)
def test_a_stored_key_that_is_none_verifies_nothing(stored: bytes) -> None:
    """WA-07, WA-11: what stands in a row is looked at as well."""
    on = device(algorithms=[ES256])
    passkey = kept(registered(on))
    broken = type(passkey)(passkey.credential_id, stored, 0, passkey.backup_eligible, passkey.user_handle)
    answer = on.get(request())
    assert verdict(lambda: used(answer, broken)) in {"malformed", "algorithm", "public_key"}

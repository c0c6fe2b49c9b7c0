import base64
import hmac
import re

import pytest

from app.auth.keys import derive_key
from app.config import Settings
from app.runtime import Runtime
from tests.auth.forge import MATERIAL, SERVER_SECRET, is_accepted, signed, symmetric_key_ring

PURPOSES = ["access-token/HS256", "refresh-token", "setup-code", "access-token", "access-token/HS512", ""]


def hkdf(secret: bytes, purpose: bytes) -> bytes:
    """RFC 5869 written out: extract with the salt, then the first block of expand."""
    return hmac.digest(hmac.digest(b"ostiary", secret, "sha256"), purpose + b"\x01", "sha256")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_key_is_derived_as_rfc_5869_says(purpose: str) -> None:
    """Another way of deriving would make every token of a running installation void."""
    assert derive_key(SERVER_SECRET, purpose) == hkdf(SERVER_SECRET.encode(), purpose.encode())


def test_every_purpose_has_a_key_of_its_own() -> None:
    """S46: signer of access tokens and maker of refresh tokens share nothing."""
    keys = [derive_key(SERVER_SECRET, purpose) for purpose in PURPOSES]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {32}
    assert SERVER_SECRET.encode() not in keys


def test_two_servers_share_no_key() -> None:
    """S46"""
    assert derive_key(SERVER_SECRET, "refresh-token") != derive_key(SERVER_SECRET + "x", "refresh-token")
    assert derive_key("é" * 32, "refresh-token") != derive_key("e\u0301" * 32, "refresh-token")


def test_one_secret_always_gives_the_same_ring() -> None:
    """Every worker, and the server after a restart, reads what another one signed."""
    one, other = symmetric_key_ring(SERVER_SECRET), symmetric_key_ring(SERVER_SECRET)
    assert one.current.kid == other.current.kid
    assert is_accepted(signed(), ring=one)
    assert is_accepted(signed(), ring=other)


def test_a_symmetric_ring_holds_one_key_for_one_algorithm() -> None:
    """S47, JW-01, JW-03: 32 bytes, and the algorithm is the key's own."""
    ring = symmetric_key_ring(SERVER_SECRET)
    assert dict(ring.accepted) == {ring.current.kid: ring.current}
    assert ring.current.algorithm == "HS256"
    assert len(MATERIAL) == 32


def test_what_a_former_secret_signed_is_read_and_no_new_token_is_signed_with_it() -> None:
    """SECRET_KEY_PREVIOUS: a rotation of the server secret signs nobody out."""
    former, present = symmetric_key_ring(SERVER_SECRET), symmetric_key_ring(SERVER_SECRET + "x", SERVER_SECRET)
    assert is_accepted(signed(), ring=present)
    assert present.current.kid == symmetric_key_ring(SERVER_SECRET + "x").current.kid != former.current.kid


def test_the_name_of_a_key_tells_nothing_about_it() -> None:
    """JW-14: `kid` is public; it is no part of the key and no plain hash of it or of the secret."""
    kid = symmetric_key_ring(SERVER_SECRET).current.kid
    assert re.fullmatch(r"[\w-]{12}", kid)
    raw = base64.urlsafe_b64decode(kid)
    assert raw not in MATERIAL
    assert raw not in SERVER_SECRET.encode()
    assert kid != symmetric_key_ring(SERVER_SECRET + "x").current.kid


def test_a_ring_in_a_traceback_shows_no_key() -> None:
    """S74: whatever prints it."""
    shown = repr(symmetric_key_ring(SERVER_SECRET))
    for secret in (
        SERVER_SECRET,
        MATERIAL.hex(),
        base64.urlsafe_b64encode(MATERIAL).decode().rstrip("="),
        repr(MATERIAL),
    ):
        assert secret not in shown


@pytest.mark.parametrize("purpose", [purpose for purpose in PURPOSES if purpose != "access-token/HS256"])
def test_the_key_of_another_purpose_signs_no_access_token(purpose: str) -> None:
    """S46, S52"""
    assert is_accepted(signed(key=derive_key(SERVER_SECRET, "access-token/HS256")))
    assert not is_accepted(signed(key=derive_key(SERVER_SECRET, purpose)))


async def test_what_an_installation_signs_has_its_own_name_in_it() -> None:
    """JW-12: the issuer is where users reach the server, the audience its API, from the settings alone."""
    runtime = Runtime.build(Settings.load(ENVIRONMENT="development", SECRET_KEY=SERVER_SECRET))
    issuer = runtime.tokens
    await runtime.close()
    assert issuer.issuer == "http://127.0.0.1:8000"
    assert issuer.audience == "http://127.0.0.1:8000/api/v1"

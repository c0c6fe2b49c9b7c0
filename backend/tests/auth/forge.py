"""Signs tokens that are wrong in one point and right in every other, with the very key that the reader uses."""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims, TokenKind, TokenRejected, TokenUse, access_claims, read_token
from app.auth.keys import KeyRing, SigningKey, derive_key, symmetric_key

SERVER_SECRET = "vT4kQ9zXw2Lr8Nf6Hb1Yp7Md3Gs5Jc0Ae-UoIiPyRtEw"
ISSUER = "https://accounts.example.com"
AUDIENCE = "https://accounts.example.com/api/v1"
USE = TokenUse(kind=TokenKind.ACCESS, issuer=ISSUER, audience=AUDIENCE)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


def ring_of(keys: Sequence[SigningKey]) -> KeyRing:
    """Return the ring in which the first of these keys signs, and all of them count."""
    return KeyRing(current=keys[0], accepted={key.kid: key for key in keys})


def symmetric_key_ring(secret: str, *former: str) -> KeyRing:
    """Return the ring of HS256 under a server secret, in which tokens of former secrets are still read."""
    return ring_of([symmetric_key(each) for each in (secret, *former)])


RING = symmetric_key_ring(SERVER_SECRET)
MATERIAL = derive_key(SERVER_SECRET, "access-token/HS256")
HEADER: dict[str, Any] = {"alg": "HS256", "typ": "at+jwt", "kid": RING.current.kid}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": str(new_id()),
    "sid": str(new_id()),
    "client_id": "first-party",
    "jti": "a-token",
    "iat": SECONDS - 60,
    "exp": SECONDS + 1740,
    "auth_time": SECONDS - 60,
    "amr": ["pwd"],
}


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_bytes(part: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(part, bytes):
        return part
    return part.encode() if isinstance(part, str) else json.dumps(part).encode()


def signed(
    header: Mapping[str, Any] | str | bytes = HEADER,
    payload: Mapping[str, Any] | str | bytes = CLAIMS,
    *,
    key: bytes = MATERIAL,
    digest: str = "sha256",
) -> str:
    """Return a token with a good signature over whatever it says. Texts and bytes are taken as they are."""
    content = f"{base64url(as_bytes(header))}.{base64url(as_bytes(payload))}"
    return f"{content}.{base64url(hmac.digest(key, content.encode(), digest))}"


def with_claim(name: str, raw_json: str) -> str:
    """Return the text of our claims with one of them written as it stands, even where Python could not write it."""
    others = json.dumps({key: value for key, value in CLAIMS.items() if key != name})
    return f'{others[:-1]}, "{name}": {raw_json}}}'


def read(token: str, *, now: datetime = NOW, ring: KeyRing = RING) -> AccessClaims:
    """Return what an access token says, as the application reads it."""
    return access_claims(read_token(token, use=USE, ring=ring, now=now))


def is_accepted(token: str, *, now: datetime = NOW, ring: KeyRing = RING) -> bool:
    """Whether a token is taken. Anything but a clean acceptance or refusal fails the test."""
    try:
        read(token, now=now, ring=ring)
    except TokenRejected:
        return False
    return True

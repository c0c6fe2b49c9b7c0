"""Signs tokens that are wrong in one point and right in every other, with the very key that the reader uses."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims, TokenRejected, read_access_token
from app.auth.keys import KeyRing, derive_key, symmetric_key_ring

SERVER_SECRET = "vT4kQ9zXw2Lr8Nf6Hb1Yp7Md3Gs5Jc0Ae-UoIiPyRtEw"
ISSUER = "https://accounts.example.com"
AUDIENCE = "https://accounts.example.com/api/v1"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

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
    return read_access_token(token, ring=ring, issuer=ISSUER, audience=AUDIENCE, now=now)


def is_accepted(token: str, *, now: datetime = NOW, ring: KeyRing = RING) -> bool:
    """Whether a token is taken. Anything but a clean acceptance or refusal fails the test."""
    try:
        read(token, now=now, ring=ring)
    except TokenRejected:
        return False
    return True

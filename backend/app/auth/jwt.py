"""Signs and reads our own access tokens (RFC 9068), strictly. The only module that imports a JWT library.

What a token says is checked here; whether its session still lives is somebody else's question.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError

from app.auth.keys import KeyRing, SigningKey

MAXIMUM_LENGTH = 8192
"""Characters of a token that are looked at; a longer one is refused before any decoding (RFC 8725, section 3.11)."""
LEEWAY = timedelta(seconds=30)
"""How far the clocks of two servers may be apart."""
MAXIMUM_LIFETIME = timedelta(days=1)
ACCESS_TOKEN_TYPE = "at+jwt"
FIRST_PARTY_CLIENT = "first-party"
"""The `client_id` of tokens that our own sign-in issues (RFC 9068, section 2.2 requires the claim)."""

_SEPARATORS = 2
_HEADER_NAMES = {"alg", "kid", "typ"}


class TokenRejected(Exception):
    """The text is not a token that we signed for this use. The argument says why, for logs."""


class TokenOutOfDate(TokenRejected):
    """The token is ours, and has expired."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says."""

    subject: UUID
    session_id: UUID
    token_id: str
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    methods: tuple[str, ...]
    """How the user proved who they are (`amr`, RFC 8176): `pwd` for a password."""


def sign_access_token(claims: AccessClaims, *, ring: KeyRing, issuer: str, audience: str) -> str:
    """Return the compact JWT for these claims, signed with the ring's current key."""
    header = {"alg": ring.current.algorithm, "typ": ACCESS_TOKEN_TYPE, "kid": ring.current.kid}
    payload = {
        "iss": issuer,
        "aud": audience,
        "sub": str(claims.subject),
        "sid": str(claims.session_id),
        "client_id": FIRST_PARTY_CLIENT,
        "jti": claims.token_id,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "auth_time": int(claims.authenticated_at.timestamp()),
        "amr": list(claims.methods),
    }
    content = json.dumps(payload, separators=(",", ":")).encode()
    return jws.serialize_compact(header, content, ring.current.key, algorithms=[ring.current.algorithm])


def read_access_token(token: str, *, ring: KeyRing, issuer: str, audience: str, now: datetime) -> AccessClaims:
    """Return what one of our access tokens says.

    Raises `TokenOutOfDate` for one that has expired, `TokenRejected` for everything else that is wrong. The key and
    its algorithm are picked by `kid`; only the three header names that we write are accepted, so `jwk`, `jku`, `x5c`
    and `crit` never get a say (RFC 8725, sections 3.1, 3.10 and 3.11).
    """
    header, payload = _split(token)
    key = _key_for(header, ring)
    try:
        jws.deserialize_compact(token, key.key, algorithms=[key.algorithm])
    except (JoseError, ValueError) as error:
        raise TokenRejected("bad signature") from error
    return _checked_claims(payload, issuer=issuer, audience=audience, now=now)


def _split(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > MAXIMUM_LENGTH or not token.isascii() or token.count(".") != _SEPARATORS:
        raise TokenRejected("not a compact JWT")
    header, payload, signature = token.split(".")
    _decode_base64url(signature)
    return _decode_object(header), _decode_object(payload)


def _key_for(header: dict[str, Any], ring: KeyRing) -> SigningKey:
    if set(header) != _HEADER_NAMES:
        raise TokenRejected("unexpected header")
    kid = header["kid"]
    key = ring.accepted.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenRejected("unknown key")
    if header["alg"] != key.algorithm:
        raise TokenRejected("algorithm is not the key's")
    if header["typ"] != ACCESS_TOKEN_TYPE:
        raise TokenRejected("another kind of token")
    return key


def _checked_claims(payload: dict[str, Any], *, issuer: str, audience: str, now: datetime) -> AccessClaims:
    if payload.get("iss") != issuer or payload.get("aud") != audience:
        raise TokenRejected("issuer or audience is not ours")
    claims = AccessClaims(
        subject=_uuid(payload, "sub"),
        session_id=_uuid(payload, "sid"),
        token_id=_text(payload, "jti"),
        issued_at=_time(payload, "iat"),
        expires_at=_time(payload, "exp"),
        authenticated_at=_time(payload, "auth_time"),
        methods=tuple(_texts(payload, "amr")),
    )
    if max(claims.issued_at, _time({"nbf": 0, **payload}, "nbf")) > now + LEEWAY:
        raise TokenRejected("issued in the future, or not valid yet")
    if claims.expires_at - claims.issued_at > MAXIMUM_LIFETIME:
        raise TokenRejected("lives longer than any token of ours")
    if claims.expires_at <= now:
        raise TokenOutOfDate("expired")
    return claims


def _decode_base64url(part: str) -> bytes:
    """Decode strictly: no padding, no foreign character, no unused bits, so one token has one spelling (RFC 7515, 2)."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise TokenRejected("not base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise TokenRejected("not canonical base64url")
    return decoded


def _decode_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode_base64url(part), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise TokenRejected("not JSON") from error
    if not isinstance(value, dict):
        raise TokenRejected("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise TokenRejected("duplicate JSON key")
    return value


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRejected(f"claim {name} is missing or not text")
    return value


def _texts(payload: dict[str, Any], name: str) -> list[str]:
    value = payload.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TokenRejected(f"claim {name} is missing or not a list of texts")
    return value


def _uuid(payload: dict[str, Any], name: str) -> UUID:
    text = _text(payload, name)
    try:
        value = UUID(text)
    except ValueError as error:
        raise TokenRejected(f"claim {name} is not an identifier") from error
    if str(value) != text:
        raise TokenRejected(f"claim {name} is in another spelling than ours")
    return value


def _time(payload: dict[str, Any], name: str) -> datetime:
    value = payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 34:
        raise TokenRejected(f"claim {name} is missing or not a time")
    return datetime.fromtimestamp(value, UTC)

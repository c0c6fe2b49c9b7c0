"""Signs and reads our own JWTs, and checks who signed those of others, strictly. Beside the keys, the only module that
imports a JWT library.

One function reads every kind of ours; it has to be told which kind and which audience it is to be. What a token says is
checked here; whether its session still lives is somebody else's question.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from app.auth import base64url
from app.auth.assurance import authentication_level
from app.auth.keys import KeyRing, SigningKey

MAXIMUM_LENGTH = 8192
"""Characters of a token that are looked at; a longer one is refused before any decoding (RFC 8725, section 3.11)."""
MAXIMUM_HEADER_LENGTH = 512
"""Characters of its header. The longest of ours has about 130."""
LEEWAY = timedelta(seconds=30)
"""How far the clocks of two servers may be apart."""
MAXIMUM_LIFETIME = timedelta(days=1)
FIRST_PARTY_CLIENT = "first-party"
"""The `client_id` of tokens that our own sign-in issues (RFC 9068, section 2.2 requires the claim)."""

_SEPARATORS = 2
_HEADER_NAMES = {"alg", "kid", "typ"}
_KEY_HINTS = {"jku", "jwk", "x5c", "x5u"}
"""Where a header says its key is to be found. Keys come from nowhere but the configuration."""
# The library's own look-up by name is passed by: it warns that the name EdDSA is about to be replaced (RFC 9864),
# while most verifiers know no other yet.
_ALGORITHMS = {name: JWSRegistry.algorithms[name] for name in ("HS256", "ES256", "EdDSA", "RS256")}


class TokenKind(StrEnum):
    """What a JWT is for, as its header `typ` says (RFC 8725, section 3.11). No kind passes for another."""

    ACCESS = "at+jwt"


class TokenRejected(Exception):
    """The text is not a token that we signed for this use. The argument says why, for logs."""


class TokenOutOfDate(TokenRejected):
    """The token is ours, and has expired."""


class UnknownKey(TokenRejected):
    """The token names a key that is not, or not yet, known here."""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """What a token must be, for whoever reads it: its kind, from whom, and for whom. No part has a default."""

    kind: TokenKind
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class Token:
    """A checked token of any kind: the key that signed it, and everything that it says."""

    kid: str
    payload: Mapping[str, Any]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """What somebody else signed, and with which algorithm. Nothing but the signature has been checked."""

    algorithm: str
    payload: Mapping[str, Any]


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
    """Return the compact JWT for these claims (RFC 9068), signed with the ring's current key."""
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
        "acr": authentication_level(claims.methods),
    }
    return sign_token(payload, kind=TokenKind.ACCESS, key=ring.current)


def access_claims(token: Token) -> AccessClaims:
    """Return what a checked access token says. Raises `TokenRejected` for a claim that is missing or of a wrong type."""
    text_claim(token.payload, "client_id")
    return AccessClaims(
        subject=_uuid(token.payload, "sub"),
        session_id=_uuid(token.payload, "sid"),
        token_id=text_claim(token.payload, "jti"),
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        authenticated_at=time_claim(token.payload, "auth_time"),
        methods=tuple(texts_claim(token.payload, "amr")),
    )


def sign_token(payload: Mapping[str, Any], *, kind: TokenKind, key: SigningKey) -> str:
    """Return the compact JWT of a kind that says this, signed with this key."""
    return sign_payload({"alg": key.algorithm, "typ": kind.value, "kid": key.kid}, payload, key=key)


def sign_payload(header: Mapping[str, str], payload: Mapping[str, Any], *, key: SigningKey) -> str:
    """Return the compact JWS of a payload under this header, signed with the key's algorithm whatever the header says.

    For tokens that are not of our kinds: those of the provider that developers sign in with offline.
    """
    content = f"{_encode_object(header)}.{_encode_object(payload)}"
    return f"{content}.{base64url.encode(_ALGORITHMS[key.algorithm].sign(content.encode(), key.key))}"


def read_token(token: str, *, use: TokenUse, ring: KeyRing, now: datetime) -> Token:
    """Return what one of our tokens says, if it is of the kind and for the audience of this use.

    Raises `TokenOutOfDate` for one that has expired, `UnknownKey` when the ring does not hold its key, `TokenRejected`
    for everything else that is wrong. The key and its algorithm are picked by `kid`; only the three header names that
    we write are accepted, so `jwk`, `jku`, `x5c` and `crit` never get a say (RFC 8725, sections 3.1, 3.10 and 3.11).
    Nothing of the payload is looked at before the signature has been checked.
    """
    header, payload, _ = _split(token)
    key = _key_for(_decode_object(header), use.kind, ring)
    verify_signature(token, key)
    return _checked(_decode_object(payload), key=key, use=use, now=now)


def verify_signature(token: str, key: SigningKey) -> None:
    """Check nothing but that this key, with its one algorithm, signed this compact JWS. Raises `TokenRejected`.

    Each part must be base64url in its only spelling, the header a JSON object that names the key's algorithm and asks
    for no extension (RFC 7515, section 5.2).
    """
    header, payload, signature = _split(token)
    names = _decode_object(header)
    if names.get("alg") != key.algorithm or names.keys() & {"crit", "b64"}:
        raise TokenRejected("algorithm is not the key's, or the header asks for an extension")
    _decode_base64url(payload)
    algorithm = _ALGORITHMS[key.algorithm]
    try:
        algorithm.check_key(key.key)
        genuine = algorithm.verify(f"{header}.{payload}".encode(), _decode_base64url(signature), key.key)
    except (JoseError, ValueError) as error:
        raise TokenRejected("the signature cannot be checked") from error
    if not genuine:
        raise TokenRejected("bad signature")


def read_foreign_token(token: str, *, keys: Mapping[str, SigningKey]) -> ForeignToken:
    """Return what a JWT of somebody else says, once one of their keys is known to have signed it. No claim is checked.

    The key and its algorithm are picked by `kid`, and the header may name neither a key nor a type of ours: `typ` is
    `JWT`, or absent (RFC 8725, sections 3.1, 3.10 and 3.11). Raises `UnknownKey` or `TokenRejected`.
    """
    header, payload, _ = _split(token)
    names = _decode_object(header)
    if names.get("typ", "JWT") != "JWT" or names.keys() & _KEY_HINTS:
        raise TokenRejected("another kind of token, or one that brings its own key")
    key = keys.get(text_claim(names, "kid"))
    if key is None:
        raise UnknownKey("unknown key")
    verify_signature(token, key)
    return ForeignToken(algorithm=key.algorithm, payload=_decode_object(payload))


def unchecked_session_id(token: str) -> UUID:
    """Return the session that an access token names, without any check: to look into it, never to let anybody in.

    Raises `TokenRejected` for what names none.
    """
    return _uuid(_decode_object(_split(token)[1]), "sid")


def _split(token: str) -> tuple[str, str, str]:
    if len(token) > MAXIMUM_LENGTH or not token.isascii() or token.count(".") != _SEPARATORS:
        raise TokenRejected("not a compact JWT")
    header, payload, signature = token.split(".")
    if len(header) > MAXIMUM_HEADER_LENGTH:
        raise TokenRejected("header is longer than any of ours")
    return header, payload, signature


def _key_for(header: dict[str, Any], kind: TokenKind, ring: KeyRing) -> SigningKey:
    if set(header) != _HEADER_NAMES or not all(isinstance(value, str) for value in header.values()):
        raise TokenRejected("unexpected header")
    if header["typ"] != kind:
        raise TokenRejected("another kind of token")
    key = ring.accepted.get(header["kid"])
    if key is None:
        raise UnknownKey("unknown key")
    if header["alg"] != key.algorithm:
        raise TokenRejected("algorithm is not the key's")
    return key


def _checked(payload: dict[str, Any], *, key: SigningKey, use: TokenUse, now: datetime) -> Token:
    """Check what tokens of every kind say: from whom, for whom, about whom, since when and until when."""
    if payload.get("iss") != use.issuer or payload.get("aud") != use.audience:
        raise TokenRejected("issuer or audience is not ours")
    text_claim(payload, "sub")
    text_claim(payload, "jti")
    issued_at, expires_at = time_claim(payload, "iat"), time_claim(payload, "exp")
    if max(issued_at, time_claim({"nbf": 0, **payload}, "nbf")) > now + LEEWAY:
        raise TokenRejected("issued in the future, or not valid yet")
    if expires_at - issued_at > MAXIMUM_LIFETIME:
        raise TokenRejected("lives longer than any token of ours")
    if expires_at <= now:
        raise TokenOutOfDate("expired")
    return Token(kid=key.kid, payload=payload, issued_at=issued_at, expires_at=expires_at)


def _encode_object(value: Mapping[str, Any]) -> str:
    return base64url.encode(json.dumps(value, separators=(",", ":")).encode())


def _decode_base64url(part: str) -> bytes:
    try:
        return base64url.decode(part)
    except base64url.Base64urlInvalid as error:
        raise TokenRejected(str(error)) from error


def _decode_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode_base64url(part).decode("utf-8"), object_pairs_hook=_unique)
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


def text_claim(payload: Mapping[str, Any], name: str) -> str:
    """Return a member that must be there and be text, not empty. Raises `TokenRejected`."""
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRejected(f"claim {name} is missing or not text")
    return value


def texts_claim(payload: Mapping[str, Any], name: str) -> list[str]:
    """Return a member that must be there and be a list of texts. Raises `TokenRejected`."""
    value = payload.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TokenRejected(f"claim {name} is missing or not a list of texts")
    return value


def _uuid(payload: Mapping[str, Any], name: str) -> UUID:
    text = text_claim(payload, name)
    try:
        value = UUID(text)
    except ValueError as error:
        raise TokenRejected(f"claim {name} is not an identifier") from error
    if str(value) != text:
        raise TokenRejected(f"claim {name} is in another spelling than ours")
    return value


def time_claim(payload: Mapping[str, Any], name: str) -> datetime:
    """Return a member that must be there and be whole seconds since 1970, as a time. Raises `TokenRejected`."""
    value = payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 34:
        raise TokenRejected(f"claim {name} is missing or not a time")
    return datetime.fromtimestamp(value, UTC)

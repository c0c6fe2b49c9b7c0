"""Refresh tokens and set-up codes: opaque to their holder, checked without asking the database first.

A refresh token holds the session's id, a counter, the session's own secret, and a MAC over the three. The row keeps
only a digest of the secret, so neither a copy of the database nor the server secret alone can make a token; and
because the counter decides which token is current, no table of old tokens is needed.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

REFRESH_TOKEN_PREFIX = "ost_rt_"
"""Names the kind, so that a secret scanner or a support engineer sees what leaked."""

_BODY = struct.Struct(">16sI32s")
_MAC_BYTES = 32
_MAXIMUM_COUNTER = 2**31 - 1
"""What the row can count to. Nobody refreshes so often."""
_EXPIRY_BYTES = 4
_REFRESH_TOKEN_LENGTH = len(REFRESH_TOKEN_PREFIX) + (_BODY.size + _MAC_BYTES) * 4 // 3


class TokenForged(Exception):
    """The text is not a token that this server made."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token carries."""

    session_id: UUID
    counter: int
    secret: bytes

    @property
    def secret_digest(self) -> bytes:
        """What the session row keeps in place of the secret (SHA-256: the secret is 256 random bits)."""
        return hashlib.sha256(self.secret).digest()

    def at(self, counter: int) -> "RefreshToken":
        """Return the token of the same session at another count."""
        return replace(self, counter=counter)

    def encode(self, key: bytes) -> str:
        """Return the text that is handed to the client: 119 characters, safe in a URL, a header or a cookie."""
        body = _BODY.pack(self.session_id.bytes, self.counter, self.secret)
        return REFRESH_TOKEN_PREFIX + base64.urlsafe_b64encode(body + _mac(body, key)).decode()


def first_refresh_token(session_id: UUID) -> RefreshToken:
    """Return the first token of a new session, with a fresh secret of 256 bits."""
    return RefreshToken(session_id=session_id, counter=0, secret=secrets.token_bytes(32))


def decode_refresh_token(text: str, key: bytes) -> RefreshToken:
    """Return what a refresh token carries, or raise `TokenForged` for anything that was not made with this key."""
    if len(text) != _REFRESH_TOKEN_LENGTH or not text.startswith(REFRESH_TOKEN_PREFIX) or not text.isascii():
        raise TokenForged
    try:
        raw = base64.b64decode(text.removeprefix(REFRESH_TOKEN_PREFIX), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise TokenForged from error
    if base64.urlsafe_b64encode(raw).decode() != text.removeprefix(REFRESH_TOKEN_PREFIX):
        raise TokenForged
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise TokenForged
    session_id, counter, secret = _BODY.unpack(body)
    if counter >= _MAXIMUM_COUNTER:
        raise TokenForged
    return RefreshToken(session_id=UUID(bytes=session_id), counter=counter, secret=secret)


def make_setup_code(key: bytes, *, now: datetime, ttl: timedelta) -> str:
    """Return the first-administrator code: when it ends, and a MAC over that. Nothing has to be stored."""
    expires = struct.pack(">I", int((now + ttl).timestamp()))
    return base64.b32encode(expires + _mac(b"setup" + expires, key)[:16]).decode().lower().rstrip("=")


def setup_code_is_valid(code: str, key: bytes, *, now: datetime) -> bool:
    """Whether a code was made with this key and has not ended. White space, dashes and case do not matter."""
    text = "".join(code.split()).replace("-", "").upper()
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return False
    expires, mac = raw[:_EXPIRY_BYTES], raw[_EXPIRY_BYTES:]
    genuine = hmac.compare_digest(mac, _mac(b"setup" + expires, key)[:16])
    return genuine and len(expires) == _EXPIRY_BYTES and int(now.timestamp()) < int.from_bytes(expires)


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")

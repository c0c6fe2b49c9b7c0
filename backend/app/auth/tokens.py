"""Refresh tokens, session cookies and set-up codes: opaque to their holder, checked without asking the database first.

A refresh token holds the session's id, a counter, the session's own secret, and a MAC over the three. The row keeps
only a digest of the secret, so neither a copy of the database nor the server secret alone can make a token; and
because the counter decides which token is current, no table of old tokens is needed. A session cookie is the same
without a counter, under a prefix and a key of its own, so that neither passes for the other.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

REFRESH_TOKEN_PREFIX = "ost_rt_"
"""Names the kind, so that a secret scanner or a support engineer sees what leaked."""
COOKIE_PREFIX = "ost_sc_"
DEVICE_PREFIX = "ost_dv_"
DEVICE_LIFETIME = timedelta(days=400)
"""As long as browsers keep any cookie (RFC 6265bis, section 5.5)."""
SECRET_BYTES = 32

_BODY = struct.Struct(">16sI32s")
_COOKIE_BODY = struct.Struct(">16s32s")
_DEVICE_BODY = struct.Struct(">16s16sIQ")
_MAC_BYTES = 32
_MAXIMUM_COUNTER = 2**31 - 1
"""What the row can count to. Nobody refreshes so often."""
_EXPIRY_BYTES = 4
_LONGEST = 200
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
"""Characters that are looked at."""


class TokenForged(Exception):
    """The text is not a token that this server made."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token carries."""

    session_id: UUID
    counter: int
    secret: bytes = field(repr=False)

    @property
    def secret_digest(self) -> bytes:
        """What the session row keeps in place of the secret."""
        return digest_of(self.secret)

    def at(self, counter: int) -> "RefreshToken":
        """Return the token of the same session at another count."""
        return replace(self, counter=counter)

    def encode(self, key: bytes) -> str:
        """Return the text that is handed to the client: 119 characters, safe in a URL, a header or a cookie."""
        return _write(REFRESH_TOKEN_PREFIX, _BODY.pack(self.session_id.bytes, self.counter, self.secret), key)


@dataclass(frozen=True, slots=True)
class CookieToken:
    """What a session cookie carries."""

    session_id: UUID
    secret: bytes = field(repr=False)

    @property
    def secret_digest(self) -> bytes:
        """What the session row keeps in place of the secret."""
        return digest_of(self.secret)

    def encode(self, key: bytes) -> str:
        """Return the value of the cookie: 114 characters."""
        return _write(COOKIE_PREFIX, _COOKIE_BODY.pack(self.session_id.bytes, self.secret), key)

    def successor(self, key: bytes) -> "CookieToken":
        """Return the cookie that takes this one's place: always the same, so that of two who ask nobody is left out.

        It cannot be worked out without the key, nor from the key alone.
        """
        return replace(self, secret=_mac(b"successor" + self.session_id.bytes + self.secret, key))


@dataclass(frozen=True, slots=True)
class CookieReplacement:
    """A cookie that somebody presented, and the one that takes its place."""

    presented: CookieToken
    successor: CookieToken


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """What a device cookie carries: on which device somebody has signed in, and when. It signs nobody in."""

    user_id: UUID
    device_id: UUID
    generation: int
    """The account's `device_generation` in the transaction in which they signed in."""
    signed_in_at: datetime

    def encode(self, key: bytes) -> str:
        """Return the value of the cookie."""
        since = (self.signed_in_at - _EPOCH) // _MICROSECOND
        return _write(
            DEVICE_PREFIX, _DEVICE_BODY.pack(self.user_id.bytes, self.device_id.bytes, self.generation, since), key
        )

    def counts(self, *, generation: int, now: datetime) -> bool:
        """Whether it is still one of its user's own. `generation` is what the account says at this moment.

        The two are equal or not. No time is compared: a sign-in may still be under way when its device becomes a stranger.
        """
        return self.generation == generation and now - DEVICE_LIFETIME <= self.signed_in_at


def digest_of(secret: bytes) -> bytes:
    """Return what a row keeps in place of a secret (SHA-256: the secret is 256 random bits)."""
    return hashlib.sha256(secret).digest()


def first_refresh_token(session_id: UUID) -> RefreshToken:
    """Return the first token of a new session, with a fresh secret of 256 bits."""
    return RefreshToken(session_id=session_id, counter=0, secret=secrets.token_bytes(SECRET_BYTES))


def new_cookie_token(session_id: UUID) -> CookieToken:
    """Return a cookie for a session, with a fresh secret of 256 bits."""
    return CookieToken(session_id=session_id, secret=secrets.token_bytes(SECRET_BYTES))


def decode_refresh_token(text: str, key: bytes) -> RefreshToken:
    """Return what a refresh token carries, or raise `TokenForged` for anything that was not made with this key."""
    session_id, counter, secret = _BODY.unpack(_read(REFRESH_TOKEN_PREFIX, _BODY.size, text, key))
    if counter >= _MAXIMUM_COUNTER:
        raise TokenForged
    return RefreshToken(session_id=UUID(bytes=session_id), counter=counter, secret=secret)


def decode_cookie_token(text: str, key: bytes) -> CookieToken:
    """Return what a session cookie carries, or raise `TokenForged` for anything that was not made with this key."""
    session_id, secret = _COOKIE_BODY.unpack(_read(COOKIE_PREFIX, _COOKIE_BODY.size, text, key))
    return CookieToken(session_id=UUID(bytes=session_id), secret=secret)


def decode_device_token(text: str, key: bytes) -> DeviceToken:
    """Return what a device cookie carries, or raise `TokenForged` for anything that was not made with this key."""
    user_id, device_id, generation, signed_in_at = _DEVICE_BODY.unpack(
        _read(DEVICE_PREFIX, _DEVICE_BODY.size, text, key)
    )
    moment = _EPOCH + signed_in_at * _MICROSECOND
    return DeviceToken(UUID(bytes=user_id), UUID(bytes=device_id), generation, moment)


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


def _write(prefix: str, body: bytes, key: bytes) -> str:
    return prefix + base64.urlsafe_b64encode(body + _mac(body, key)).decode().rstrip("=")


def _read(prefix: str, size: int, text: str, key: bytes) -> bytes:
    """Return the body of a token, or raise `TokenForged`. Each token has one spelling only."""
    encoded = text.removeprefix(prefix)
    if len(text) > _LONGEST or encoded == text or not text.isascii():
        raise TokenForged
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise TokenForged from error
    if len(raw) != size + _MAC_BYTES or base64.urlsafe_b64encode(raw).decode().rstrip("=") != encoded:
        raise TokenForged
    body, mac = raw[:size], raw[size:]
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise TokenForged
    return body


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")

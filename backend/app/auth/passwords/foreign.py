"""Verifies hashes that users bring from another system: bcrypt, and Django's and passlib's PBKDF2-SHA256.

They are accepted, never made: the next sign-in moves the account up to Argon2id.
"""

import base64
import binascii
import hashlib
import hmac

import bcrypt

_BCRYPT_PREFIXES = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
"""All that bcrypt ever read of a password; the library of today raises where older ones cut."""
_DJANGO_PREFIX = "pbkdf2_sha256$"
_PASSLIB_PREFIX = "$pbkdf2-sha256$"
_MAXIMUM_BCRYPT_COST = 16
_MAXIMUM_ITERATIONS = 5_000_000
"""A stored hash that asks for more work than this is refused: it would be a way to stop a worker."""


def is_foreign(stored: str) -> bool:
    """Whether a stored hash is in one of the forms that are verified here."""
    return stored.startswith((*_BCRYPT_PREFIXES, _DJANGO_PREFIX, _PASSLIB_PREFIX))


def verify_foreign(password: str, stored: str) -> bool:
    """Whether the password is the one behind a foreign hash. A hash that cannot be read counts as wrong."""
    try:
        secret = password.encode()
        if stored.startswith(_BCRYPT_PREFIXES):
            return int(stored[4:6]) <= _MAXIMUM_BCRYPT_COST and bcrypt.checkpw(secret[:_BCRYPT_BYTES], stored.encode())
        iterations, salt, expected = _parse_pbkdf2(stored)
    except (ValueError, binascii.Error):
        return False
    if not 0 < iterations <= _MAXIMUM_ITERATIONS:
        return False
    return hmac.compare_digest(hashlib.pbkdf2_hmac("sha256", secret, salt, iterations), expected)


def _parse_pbkdf2(stored: str) -> tuple[int, bytes, bytes]:
    if stored.startswith(_DJANGO_PREFIX):
        _, iterations, salt, digest = stored.split("$")
        return int(iterations), salt.encode(), base64.b64decode(digest, validate=True)
    _, _, iterations, salt, digest = stored.split("$")
    return int(iterations), _adapted_base64(salt), _adapted_base64(digest)


def _adapted_base64(text: str) -> bytes:
    """Decode passlib's base64: `.` in place of `+`, no padding."""
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)

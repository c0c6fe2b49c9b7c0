"""Hashes and verifies passwords: Argon2id for our own, and what users bring from elsewhere until they sign in once.

The only module, with its neighbour `foreign`, that imports a hashing library.
"""

import re
import secrets
import unicodedata
from functools import cache

import nacl.exceptions
from argon2 import PasswordHasher as Reference
from argon2.exceptions import Argon2Error, InvalidHashError
from nacl.pwhash import argon2id

from app.auth.passwords.foreign import is_foreign, verify_foreign

MAXIMUM_LENGTH = 256
"""Code points of a password. A longer one is refused before it costs anything."""


def normalize_password(password: str) -> str:
    """Return the password in NFC, so that one passphrase typed on two systems is one (NIST SP 800-63B-4, 3.1.1.2).

    Nothing else is done to it: no trimming, no case folding, no compatibility forms, no cutting.
    """
    return unicodedata.normalize("NFC", password)


_OWN = re.compile(r"\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,4}),p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")
"""The shape of our own strings: 16 bytes of salt, 32 of hash."""
_REFERENCE = Reference()


class PasswordHasher:
    """Argon2id with fixed parameters (RFC 9106). One lane: more would take cores away from other requests.

    By libsodium: with 19 MiB it takes 15 ms where the reference implementation takes 20 (the same strings either way).
    """

    def __init__(self, *, memory_kib: int, iterations: int) -> None:
        self._parameters = (memory_kib, iterations)
        self._dummy = _nobodys_hash(memory_kib, iterations)

    def hash(self, password: str) -> str:
        """Return the string to store. It names its own parameters and salt."""
        return _hash(normalize_password(password), *self._parameters)

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one.

        Without a stored hash (unknown address, account without a password) the same work is done on a hash that
        nobody knows the password of, so that time does not tell who has an account. A hash that cannot be read
        counts as wrong.
        """
        normal = normalize_password(password)
        if stored and is_foreign(stored):
            return verify_foreign(normal, stored)
        return _verify(normal, stored or self._dummy) and bool(stored)

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash is foreign, or was made with other parameters than today's."""
        own = _OWN.fullmatch(stored)
        return own is None or (int(own[1]), int(own[2])) != self._parameters


def _hash(password: str, memory_kib: int, iterations: int) -> str:
    return argon2id.str(password.encode(), opslimit=iterations, memlimit=memory_kib * 1024).decode()


def _verify(password: str, stored: str) -> bool:
    try:
        if _OWN.fullmatch(stored):
            return bool(argon2id.verify(stored.encode(), password.encode()))
        return _REFERENCE.verify(stored, password)
    except (nacl.exceptions.CryptoError, Argon2Error, InvalidHashError, UnicodeError):
        return False


@cache
def _nobodys_hash(memory_kib: int, iterations: int) -> str:
    """Return the hash of a password that nobody knows; one is enough for each choice of parameters."""
    return _hash(secrets.token_urlsafe(16), memory_kib, iterations)

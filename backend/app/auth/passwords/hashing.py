"""Hashes and verifies passwords: Argon2id for our own, and what users bring from elsewhere until they sign in once.

The only module, with its neighbour `foreign`, that imports a hashing library.
"""

import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from app.auth.passwords.foreign import is_foreign, verify_foreign

MAXIMUM_LENGTH = 256
"""Code points of a password. A longer one is refused before it costs anything."""


def normalize_password(password: str) -> str:
    """Return the password in NFC, so that one passphrase typed on two systems is one (NIST SP 800-63B-4, 3.1.1.2).

    Nothing else is done to it: no trimming, no case folding, no compatibility forms, no cutting.
    """
    return unicodedata.normalize("NFC", password)


class PasswordHasher:
    """Argon2id with fixed parameters (RFC 9106). One lane: more would take cores away from other requests."""

    def __init__(self, *, memory_kib: int, iterations: int) -> None:
        self._argon2 = _argon2(memory_kib, iterations)
        self._dummy = _nobodys_hash(memory_kib, iterations)

    def hash(self, password: str) -> str:
        """Return the string to store. It names its own parameters and salt."""
        return self._argon2.hash(normalize_password(password))

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one.

        Without a stored hash (unknown address, account without a password) the same work is done on a hash that
        nobody knows the password of, so that time does not tell who has an account. A hash that cannot be read
        counts as wrong.
        """
        normal = normalize_password(password)
        if stored and is_foreign(stored):
            return verify_foreign(normal, stored)
        try:
            self._argon2.verify(stored or self._dummy, normal)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False
        return bool(stored)

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash is foreign, or was made with other parameters than today's."""
        return is_foreign(stored) or self._argon2.check_needs_rehash(stored)


def _argon2(memory_kib: int, iterations: int) -> Argon2:
    return Argon2(time_cost=iterations, memory_cost=memory_kib, parallelism=1)


@cache
def _nobodys_hash(memory_kib: int, iterations: int) -> str:
    """Return the hash of a password that nobody knows; one is enough for each choice of parameters."""
    return _argon2(memory_kib, iterations).hash(secrets.token_urlsafe(16))

"""Remembers which tokens were checked, so that a client's next request costs no signature check.

What is remembered is that we signed a text and what it says, never that its session lives: that is asked every time.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from app.auth.jwt import MAXIMUM_LENGTH, AccessClaims
from app.auth.keys import SigningKey

CAPACITY = 10_000
"""Tokens; one more, and the oldest entry makes room. An entry takes about one kilobyte."""


class VerifiedTokens:
    """A bounded memory of checked access tokens, by their SHA-256 digest: the tokens themselves are not kept.

    It belongs to one reader, whose issuer and audience never change.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: dict[bytes, tuple[str, AccessClaims]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, *, accepted: Mapping[str, SigningKey], now: datetime) -> AccessClaims | None:
        """Return what a token says that was checked before. None as soon as it has expired, or its key is retired."""
        digest = _digest(token)
        entry = self._entries.get(digest) if digest else None
        if digest is None or entry is None:
            return None
        kid, claims = entry
        if kid in accepted and claims.expires_at > now:
            return claims
        del self._entries[digest]
        return None

    def add(self, token: str, *, kid: str, claims: AccessClaims) -> None:
        """Remember a token that has just been checked, with the key that signed it."""
        digest = _digest(token)
        if digest is None:
            return
        if len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = (kid, claims)


def _digest(token: str) -> bytes | None:
    """Return the digest of what may be a token, or None: megabytes are not even hashed."""
    if len(token) > MAXIMUM_LENGTH or not token.isascii():
        return None
    return hashlib.sha256(token.encode()).digest()

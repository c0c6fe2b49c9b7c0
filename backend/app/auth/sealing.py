"""Encrypts what must be read again and never leak with the database (AES-256-GCM). Knows nothing of what it holds."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
"""Of random bits: one key may seal some billions of contents before two nonces meet (NIST SP 800-38D, section 8.3)."""


class SealBroken(Exception):
    """None of the keys opens it: it was sealed under another key, for another place, or somebody changed it."""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What a seal held, and which key opened it: 0 is the first."""

    content: bytes
    key_number: int

    def __repr__(self) -> str:
        """Tell nothing of the content: a traceback may print this."""
        return f"Unsealed(key_number={self.key_number})"


def seal(content: bytes, *, key: bytes, place: str) -> bytes:
    """Return the content encrypted with a key of 32 bytes. It opens for the same place only, such as a row's name."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, place.encode())


def unseal(sealed: bytes, *, keys: Sequence[bytes], place: str) -> Unsealed:
    """Return what was sealed for a place, with the first key that opens it. Raises `SealBroken`."""
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for number, key in enumerate(keys):
        try:
            return Unsealed(AESGCM(key).decrypt(nonce, encrypted, place.encode()), number)
        except (InvalidTag, ValueError):  # A ValueError is a nonce that was cut short.
            continue
    raise SealBroken

"""How the seeds of authenticator apps lie in the database: sealed, each for its own row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from app.auth.keys import derive_key
from app.auth.sealing import seal, unseal
from app.config import Settings


@dataclass(frozen=True)
class SeedSeals:
    """Seals with the first of its keys, and opens what any of them has sealed."""

    keys: Sequence[bytes] = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "SeedSeals":
        """Return the seals of an installation, from its present secret and the former ones."""
        return cls([derive_key(secret, "totp-seed") for secret in settings.secrets])

    @property
    def name(self) -> str:
        """What a row keeps to say which key has sealed it: 64 bits of a digest, from which nobody finds the key."""
        return _name(self.keys[0])

    @property
    def former_names(self) -> frozenset[str]:
        """The same of the keys that seal nothing any more."""
        return frozenset(_name(key) for key in self.keys[1:])

    def seal(self, seed: bytes, row_id: UUID) -> bytes:
        """Return the seed encrypted for a row."""
        return seal(seed, key=self.keys[0], place=_place(row_id))

    def open(self, sealed: bytes, row_id: UUID) -> bytes:
        """Return the seed. Raises `SealBroken` when no key opens it for this row."""
        return unseal(sealed, keys=self.keys, place=_place(row_id)).content


def _name(key: bytes) -> str:
    return sha256(b"name of a key/" + key).hexdigest()[:16]


def _place(row_id: UUID) -> str:
    return f"totp_authenticators/{row_id}/seed"

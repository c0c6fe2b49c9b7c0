"""The keys that everything else is signed with. Each purpose has its own key, derived from the server secret."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import Key, OctKey


@dataclass(frozen=True)
class SigningKey:
    """One key that signs JWTs, with the only algorithm that may be used with it (RFC 8725, section 3.1)."""

    kid: str
    algorithm: str
    key: Key


@dataclass(frozen=True)
class KeyRing:
    """The key that signs now, and every key whose signatures still count, by `kid`.

    Whoever reads a token picks the key by `kid` alone; the algorithm comes with the key, never from the token.
    A further source of keys, such as key pairs in the database, only has to build another ring.
    """

    current: SigningKey
    accepted: Mapping[str, SigningKey]


def derive_key(secret: str, purpose: str) -> bytes:
    """Return 32 bytes for one purpose (HKDF with SHA-256, RFC 5869). Different purposes share nothing."""
    return HKDF(algorithm=SHA256(), length=32, salt=b"ostiary", info=purpose.encode()).derive(secret.encode())


def symmetric_key_ring(secret: str) -> KeyRing:
    """Return the ring of an installation whose access tokens are read by this service alone (HS256)."""
    material = derive_key(secret, "access-token/HS256")
    kid = base64.urlsafe_b64encode(hashlib.sha256(b"kid" + material).digest()[:9]).decode()
    signing = SigningKey(kid=kid, algorithm="HS256", key=OctKey.import_key(material))
    return KeyRing(current=signing, accepted={kid: signing})

"""The keys that everything else is signed with: derived from the server secret, or key pairs of their own."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

RSA_BITS = 3072
"""As hard to break as the other algorithms: 128 bits of security (NIST SP 800-57 part 1, table 2)."""

_PAIR_TYPES: Mapping[str, type[ECKey | OKPKey | RSAKey]] = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}


@dataclass(frozen=True)
class SigningKey:
    """One key that signs JWTs, with the only algorithm that may be used with it (RFC 8725, section 3.1)."""

    kid: str
    algorithm: str
    key: Key = field(repr=False)


@dataclass(frozen=True)
class KeyRing:
    """The key that signs now, and every key whose signatures still count, by `kid`.

    Whoever reads a token picks the key by `kid` alone; the algorithm comes with the key, never from the token.
    """

    current: SigningKey
    accepted: Mapping[str, SigningKey]


def derive_key(secret: str, purpose: str) -> bytes:
    """Return 32 bytes for one purpose (HKDF with SHA-256, RFC 5869). Different purposes share nothing."""
    return HKDF(algorithm=SHA256(), length=32, salt=b"ostiary", info=purpose.encode()).derive(secret.encode())


def symmetric_key(secret: str) -> SigningKey:
    """Return the HS256 key of a server secret. Whoever may check a token with it can make one as well."""
    material = derive_key(secret, "access-token/HS256")
    kid = base64.urlsafe_b64encode(hashlib.sha256(b"kid" + material).digest()[:9]).decode()
    return SigningKey(kid=kid, algorithm="HS256", key=OctKey.import_key(material))


def generate_key_pair(algorithm: str) -> SigningKey:
    """Return a new key pair for ES256, EdDSA (Ed25519) or RS256, named by its thumbprint (RFC 7638).

    RS256 takes a second or two of a processor: call it from a thread.
    """
    match algorithm:
        case "ES256":
            return _named(algorithm, ECKey.generate_key("P-256"))
        case "EdDSA":
            return _named(algorithm, OKPKey.generate_key("Ed25519"))
        case "RS256":
            return _named(algorithm, RSAKey.generate_key(RSA_BITS))
    raise ValueError(f"there are no key pairs for {algorithm}")


def private_half(pair: SigningKey) -> bytes:
    """Return the private key as PKCS #8 in DER: what has to be sealed before it is stored."""
    if not isinstance(pair.key, ECKey | OKPKey | RSAKey):
        raise TypeError("a shared key has no private half")
    return pair.key.as_der(private=True)


def key_pair(algorithm: str, private: bytes) -> SigningKey:
    """Return the key pair of a private half. The public half is always worked out from it.

    The private half is trusted, because the seal that held it was not broken: checking that the numbers of an RSA key
    are prime would take a tenth of a second.
    """
    native = load_der_private_key(private, password=None, unsafe_skip_rsa_key_validation=True)
    return _named(algorithm, _pair_type(algorithm).import_key(native))  # type: ignore[arg-type]  # the type's own check


def public_jwk(pair: SigningKey) -> dict[str, str]:
    """Return the public half as a JSON Web Key (RFC 7517). Raises `ValueError` for a shared key, which has none."""
    _pair_type(pair.algorithm)
    members = {name: str(value) for name, value in pair.key.as_dict(private=False).items()}
    return {**members, "kid": pair.kid, "use": "sig", "alg": pair.algorithm}


def _named(algorithm: str, key: ECKey | OKPKey | RSAKey) -> SigningKey:
    return SigningKey(kid=key.thumbprint(), algorithm=algorithm, key=key)


def _pair_type(algorithm: str) -> type[ECKey | OKPKey | RSAKey]:
    if algorithm not in _PAIR_TYPES:
        raise ValueError(f"there are no key pairs for {algorithm}")
    return _PAIR_TYPES[algorithm]

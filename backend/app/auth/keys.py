"""The keys that everything else is signed with: derived from the server secret, or pairs; and others' public keys."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from app.auth import base64url

RSA_BITS = 3072
"""As hard to break as the other algorithms: 128 bits of security (NIST SP 800-57 part 1, table 2)."""
RSA_BITS_ACCEPTED = range(2048, 8193)
"""Of other people's keys (RFC 7518, section 3.3)."""

_PAIR_TYPES: Mapping[str, type[ECKey | OKPKey | RSAKey]] = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}
_P256_BYTES = 32
_HIGHEST_EXPONENT = 1 << 32
"""A larger one makes every check slow. Nearly everybody uses 65537."""


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


def foreign_public_key(members: Mapping[str, str], *, kid: str, algorithm: str) -> SigningKey:
    """Return the public key of somebody else, read from the members of its JSON Web Key (RFC 7518, section 6).

    Raises `ValueError` when they make none: one is missing or no base64url, a point is not on its curve, or an RSA key
    is too weak, or so large that every check with it would be slow.
    """
    try:
        native = _PUBLIC_READERS[algorithm](members)
    except KeyError as error:
        raise ValueError("a member is missing") from error
    key = _pair_type(algorithm).import_key(native)  # type: ignore[arg-type]  # Each reader gives its own type.
    return SigningKey(kid=kid, algorithm=algorithm, key=key)


def _rsa_public_key(members: Mapping[str, str]) -> RSAPublicKey:
    modulus, exponent = _number(members["n"]), _number(members["e"])
    if modulus.bit_length() not in RSA_BITS_ACCEPTED or not 1 < exponent < _HIGHEST_EXPONENT:
        raise ValueError("an RSA key that is too weak, or too slow to use")
    return RSAPublicNumbers(exponent, modulus).public_key()


def _p256_public_key(members: Mapping[str, str]) -> EllipticCurvePublicKey:
    x, y = base64url.decode(members["x"]), base64url.decode(members["y"])
    if not len(x) == len(y) == _P256_BYTES:
        raise ValueError("a coordinate of another length than the curve's")
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), b"\x04" + x + y)


def _ed25519_public_key(members: Mapping[str, str]) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64url.decode(members["x"]))


def _number(text: str) -> int:
    return int.from_bytes(base64url.decode(text))


_PUBLIC_READERS: Mapping[
    str, Callable[[Mapping[str, str]], RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey]
] = {
    "ES256": _p256_public_key,
    "EdDSA": _ed25519_public_key,
    "RS256": _rsa_public_key,
}


def _named(algorithm: str, key: ECKey | OKPKey | RSAKey) -> SigningKey:
    return SigningKey(kid=key.thumbprint(), algorithm=algorithm, key=key)


def _pair_type(algorithm: str) -> type[ECKey | OKPKey | RSAKey]:
    if algorithm not in _PAIR_TYPES:
        raise ValueError(f"there are no key pairs for {algorithm}")
    return _PAIR_TYPES[algorithm]

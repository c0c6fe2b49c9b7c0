"""Keys of every algorithm, and signatures made without our code: good ones, and ones that only look good.

The set follows the families of Wycheproof's JSON Web Signature vectors, made afresh with keys of our own.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from app.auth.keys import SigningKey
from tests.auth.forge import as_bytes, base64url

ALGORITHMS = ("HS256", "ES256", "EdDSA", "RS256")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What PKCS #1 v1.5 writes before a SHA-256 hash (RFC 8017, section 9.2)."""

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Signer:
    """The public half of a key as the application holds it, and the private half beside it."""

    key: SigningKey
    sign: Sign
    private: Any

    def token(self, payload: bytes = b"{}", *, header: dict[str, Any] | str | None = None) -> str:
        """Return a compact JWS with a good signature."""
        said = as_bytes({"alg": self.key.algorithm} if header is None else header)
        return self.signed(f"{base64url(said)}.{base64url(payload)}")

    def signed(self, content: str) -> str:
        """Return a token with a good signature over header and payload as they are spelled."""
        return f"{content}.{base64url(self.sign(content.encode()))}"


@cache
def signer(algorithm: str) -> Signer:
    """Return the signer of an algorithm. It is the same one each time."""
    if algorithm == "HS256":
        secret = secrets.token_bytes(32)
        return _signer(algorithm, OctKey.import_key(secret), lambda c: hmac.digest(secret, c, "sha256"), secret)
    if algorithm == "ES256":
        pair = ec.generate_private_key(ec.SECP256R1())
        return _signer(algorithm, ECKey.import_key(pair.public_key()), lambda c: ecdsa(pair, c), pair)
    if algorithm == "EdDSA":
        edwards = ed25519.Ed25519PrivateKey.generate()
        return _signer(algorithm, OKPKey.import_key(edwards.public_key()), edwards.sign, edwards)
    numbers = rsa.generate_private_key(65537, 2048)
    key = RSAKey.import_key(numbers.public_key())
    return _signer(algorithm, key, lambda c: numbers.sign(c, padding.PKCS1v15(), SHA256()), numbers)


def _signer(algorithm: str, key: Key, sign: Sign, private: Any) -> Signer:
    return Signer(SigningKey(kid="a key", algorithm=algorithm, key=key), sign, private)


def other_keys() -> dict[str, Key]:
    """Return keys of kinds that none of our algorithms uses, beside the four that they do use."""
    return {
        **{algorithm: signer(algorithm).key.key for algorithm in ALGORITHMS},
        "P-384": ECKey.generate_key("P-384"),
        "P-521": ECKey.generate_key("P-521"),
        "secp256k1": ECKey.generate_key("secp256k1"),
        "Ed448": OKPKey.generate_key("Ed448"),
        "X25519": OKPKey.generate_key("X25519"),
        "for encryption": RSAKey.import_key(signer("RS256").private, {"use": "enc"}),
        "for wrapping": ECKey.import_key(signer("ES256").private, {"key_ops": ["deriveKey"]}),
    }


def bad_signatures(algorithm: str, content: bytes) -> dict[str, bytes]:
    """Return signatures over a content by name, none of which may verify, made with the private half."""
    own = signer(algorithm)
    good = own.sign(content)
    makers: dict[str, Callable[[Any, bytes, bytes], dict[str, bytes]]]
    makers = {"HS256": _macs, "ES256": _ecdsa, "EdDSA": _eddsa, "RS256": _rsa}
    return {**_misshapen(good), **makers[algorithm](own.private, content, good)}


def _misshapen(good: bytes) -> dict[str, bytes]:
    half = len(good) // 2
    return {
        "empty": b"",
        "one byte": good[:1],
        "all zero": bytes(len(good)),
        "all ones": b"\xff" * len(good),
        "half of it": good[:half],
        "the halves swapped": good[half:] + good[:half],
        "backwards": good[::-1],
        "without the last byte": good[:-1],
        "without the first byte": good[1:],
        "a zero behind": good + b"\x00",
        "a zero before": b"\x00" + good,
        "twice": good * 2,
        **{f"bit {bit} flipped": _flipped(good, bit) for bit in range(0, len(good) * 8, 1 if len(good) <= 64 else 7)},
    }


def _flipped(raw: bytes, bit: int) -> bytes:
    return (int.from_bytes(raw) ^ (1 << bit)).to_bytes(len(raw))


def _macs(secret: bytes, content: bytes, good: bytes) -> dict[str, bytes]:
    return {
        "HS384": hmac.digest(secret, content, "sha384"),
        "HS512": hmac.digest(secret, content, "sha512"),
        "HS512, cut": hmac.digest(secret, content, "sha512")[:32],
        "SHA-1": hmac.digest(secret, content, "sha1"),
        "the empty key": hmac.digest(b"", content, "sha256"),
        "another key": hmac.digest(secret[::-1], content, "sha256"),
        "a bare hash": hashlib.sha256(secret + content).digest(),
        "in hexadecimal": good.hex().encode(),
    }


def ecdsa(pair: ec.EllipticCurvePrivateKey, content: bytes, digest: Any = None) -> bytes:
    r, s = decode_dss_signature(pair.sign(content, ec.ECDSA(digest or SHA256())))
    size = (pair.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


def _ecdsa(pair: ec.EllipticCurvePrivateKey, content: bytes, good: bytes) -> dict[str, bytes]:
    r, s = int.from_bytes(good[:32]), int.from_bytes(good[32:])
    special = [0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1]
    points = {f"r and s special {i} {k}": (a, b) for i, a in enumerate(special) for k, b in enumerate(special)}
    points |= {f"r special {i}": (a, s) for i, a in enumerate(special)}
    points |= {f"s special {i}": (r, b) for i, b in enumerate(special)}
    return {
        **{name: a.to_bytes(32) + b.to_bytes(32) for name, (a, b) in points.items()},
        "in DER": encode_dss_signature(r, s),
        "padded to another curve's size": r.to_bytes(48) + s.to_bytes(48),
        "over SHA-384": ecdsa(pair, content, SHA384()),
        "over SHA-512": ecdsa(pair, content, SHA512()),
        "another key": ecdsa(ec.generate_private_key(ec.SECP256R1()), content),
        "another curve": ecdsa(ec.generate_private_key(ec.SECP384R1()), content),
        "secp256k1": ecdsa(ec.generate_private_key(ec.SECP256K1()), content),
    }


def _eddsa(pair: ed25519.Ed25519PrivateKey, content: bytes, good: bytes) -> dict[str, bytes]:
    point, scalar = good[:32], int.from_bytes(good[32:], "little")
    identity = (1).to_bytes(32, "little")
    return {
        **{
            f"s + {k} times the order": point + (scalar + k * ED25519_ORDER).to_bytes(32, "little") for k in range(1, 8)
        },
        "the order less s": point + (ED25519_ORDER - scalar).to_bytes(32, "little"),
        "s is zero": point + bytes(32),
        "the identity": identity + bytes(32),
        "the identity and s": identity + good[32:],
        "over the hash": pair.sign(hashlib.sha512(content).digest()),
        "another key": ed25519.Ed25519PrivateKey.generate().sign(content),
        "Ed448": ed448.Ed448PrivateKey.generate().sign(content),
    }


def _rsa(pair: rsa.RSAPrivateKey, content: bytes, good: bytes) -> dict[str, bytes]:
    n, size, s = pair.public_key().public_numbers().n, len(good), int.from_bytes(good)
    pss = padding.PSS(padding.MGF1(SHA256()), 32)
    numbers = {"0": 0, "1": 1, "n - 1": n - 1, "n": n, "n - s": n - s, "s + n": s + n}
    return {
        **{f"the number {name}": number.to_bytes(size + 1).removeprefix(b"\x00") for name, number in numbers.items()},
        "PS256": pair.sign(content, pss, SHA256()),
        "RS384": pair.sign(content, padding.PKCS1v15(), SHA384()),
        "RS512": pair.sign(content, padding.PKCS1v15(), SHA512()),
        "SHA-1": pair.sign(content, padding.PKCS1v15(), SHA1()),  # noqa: S303  # Must be refused.
        **{name: _raw_rsa(pair, message) for name, message in _encoded_messages(content, size)},
    }


def _raw_rsa(pair: rsa.RSAPrivateKey, message: bytes) -> bytes:
    """Apply the private key to an encoded message of whatever form."""
    n = pair.public_key().public_numbers().n
    return pow(int.from_bytes(message) % n, pair.private_numbers().d, n).to_bytes(len(message))


def _encoded_messages(content: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield encoded messages that are no PKCS #1 v1.5 (RFC 8017, section 9.2), but come near to it."""
    digest = hashlib.sha256(content).digest()
    genuine = _padded(SHA256_INFO + digest, size)
    for place in (0, 1, *range(2, size - 52, 20), *range(size - 52, size)):
        yield f"byte {place} of the message", genuine[:place] + bytes([genuine[place] ^ 1]) + genuine[place + 1 :]
    for name, info in _digest_infos(digest).items():
        yield name, _padded(info, size)
    for garbage in (1, 8, 150):
        yield f"{garbage} bytes behind the hash", _padded(SHA256_INFO + digest, size - garbage) + bytes(garbage)
    ending = b"\x00" + SHA256_INFO + digest
    yield "another padding", b"\x00\x01" + (b"\xfe" * (size - 2 - len(ending))) + ending
    yield "random padding", b"\x00\x02" + (b"\xff" * (size - 2 - len(ending))) + ending
    yield "zero padding", bytes(size - len(ending)) + ending
    yield "short padding before zeros", b"\x00\x01" + b"\xff" * 8 + bytes(size - 10 - len(ending)) + ending


def _padded(info: bytes, size: int) -> bytes:
    return b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info


def _digest_infos(digest: bytes) -> dict[str, bytes]:
    sha256 = bytes.fromhex("0609608648016503040201")
    return {
        "the bare hash": digest,
        "an octet string alone": b"\x04\x20" + digest,
        "no parameters": bytes.fromhex("302f300b") + sha256 + b"\x04\x20" + digest,
        "empty parameters": bytes.fromhex("3031300d") + sha256 + b"\x30\x00\x04\x20" + digest,
        "a long length": bytes.fromhex("308131") + SHA256_INFO[2:] + digest,
        "a longer length": bytes.fromhex("30820031") + SHA256_INFO[2:] + digest,
        "a long length of the hash": bytes.fromhex("3032") + SHA256_INFO[2:-1] + b"\x81\x20" + digest,
        "a huge length": bytes.fromhex("3084ffffffff") + SHA256_INFO[2:] + digest,
        "an indefinite length": b"\x30\x80" + SHA256_INFO[2:] + digest + b"\x00\x00",
        "a null behind": bytes.fromhex("3033") + SHA256_INFO[2:] + digest + b"\x05\x00",
        "a null behind, outside": SHA256_INFO + digest + b"\x05\x00",
        "SHA-384's name": SHA256_INFO.replace(sha256, sha256[:-1] + b"\x02") + digest,
        "a hash cut short": SHA256_INFO[:-1] + b"\x1f" + digest[:-1],
        "no hash": SHA256_INFO[:-1] + b"\x00",
        "the hash backwards": SHA256_INFO + digest[::-1],
    }

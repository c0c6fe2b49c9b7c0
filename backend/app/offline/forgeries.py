"""Signs ID tokens wrongly on purpose, each in a way that a careless reader takes for right."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from app.auth import base64url
from app.auth.keys import SigningKey, private_half


def unsigned(header: Mapping[str, str], payload: Mapping[str, Any]) -> str:
    """Return a token that says it needs no signature (`alg: none`, RFC 8725, section 2.1)."""
    return f"{_content({**header, 'alg': 'none'}, payload)}."


def signed_with_the_public_key(header: Mapping[str, str], payload: Mapping[str, Any], pair: SigningKey) -> str:
    """Return a token whose shared secret is the published key, as PEM (RFC 8725, section 2.1)."""
    content = _content({**header, "alg": "HS256"}, payload)
    pem = _native(pair).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{content}.{base64url.encode(hmac.digest(pem, content.encode(), 'sha256'))}"


def signed_with_another_algorithm(header: Mapping[str, str], payload: Mapping[str, Any], pair: SigningKey) -> str:
    """Return a token that the right key has signed, soundly, with an algorithm that is not the key's (RS512)."""
    content = _content({**header, "alg": "RS512"}, payload)
    return f"{content}.{base64url.encode(_native(pair).sign(content.encode(), PKCS1v15(), SHA512()))}"


def _native(pair: SigningKey) -> RSAPrivateKey:
    key = load_der_private_key(private_half(pair), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the provider signs with RSA keys")
    return key


def _content(header: Mapping[str, str], payload: Mapping[str, Any]) -> str:
    return ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, payload))

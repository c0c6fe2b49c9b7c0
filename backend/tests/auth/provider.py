"""A provider with real keys, and ID tokens that are wrong in one point and right in every other."""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any

import pytest

from app.auth.jwks import read_jwks
from app.auth.keys import SigningKey, public_jwk
from app.auth.oidc.id_token import Identity, IdTokenRejected, read_id_token
from app.auth.oidc.provider import Provider
from tests.auth.signatures import signer

ISSUER = "https://id.example.com"
CLIENT_ID = "our-client"
PHONE_ID = "our-phone-app"
PROVIDER = Provider(
    name="example",
    issuers=(ISSUER,),
    client_id=CLIENT_ID,
    client_secret="what only the provider and we know",
    audiences=(CLIENT_ID, PHONE_ID),
)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
NONCE = "the nonce of this flow, 256 bits in real life"
ACCESS_TOKEN = "an access token of the provider"

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": CLIENT_ID,
    "azp": CLIENT_ID,
    "sub": "110169484474386276334",
    "iat": SECONDS - 1,
    "exp": SECONDS + 3599,
    "nonce": NONCE,
    "email": "ada@example.com",
    "email_verified": True,
    "name": "Ada Lovelace",
}


class Absent(Enum):
    """Given for a member: leave it out."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


def published(algorithm: str) -> dict[str, Any]:
    """Return the entry of the provider's key set for its key of an algorithm."""
    return dict(public_jwk(replace(signer(algorithm).key, kid=f"{algorithm} key")))


@cache
def provider_keys(*algorithms: str) -> Mapping[str, SigningKey]:
    """Return the provider's keys as they are read from its key set: of every algorithm, or of these."""
    return read_jwks({"keys": [published(each) for each in algorithms or ("RS256", "ES256", "EdDSA")]})


def id_token(
    *, algorithm: str = "RS256", header: Mapping[str, Any] | None = None, raw: str | None = None, **changes: Any
) -> str:
    """Return a token of the provider that is right but for these changes of its claims and of its header.

    `raw` is a payload that Python could not write.
    """
    said = present({"alg": algorithm, "typ": "JWT", "kid": f"{algorithm} key", **(header or {})})
    payload = json.dumps(present({**CLAIMS, **changes})) if raw is None else raw
    return signer(algorithm).token(payload.encode(), header=said)


def with_claim(name: str, raw_json: str) -> str:
    """Return a token with a claim written as it stands, even where Python could not write it."""
    others = json.dumps({key: value for key, value in CLAIMS.items() if key != name})
    return id_token(raw=f'{others[:-1]}, "{name}": {raw_json}}}')


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ABSENT}


def half_hash(text: str, algorithm: str = "sha256") -> str:
    """Return what `at_hash` says of an access token (OpenID Connect Core 1.0, section 3.1.3.6)."""
    digest = hashlib.new(algorithm, text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def read(
    token: str,
    *,
    provider: Provider = PROVIDER,
    audiences: Collection[str] = (CLIENT_ID,),
    keys: Mapping[str, SigningKey] | None = None,
    nonce: str = NONCE,
    access_token: str | None = ACCESS_TOKEN,
    now: datetime = NOW,
    max_age: timedelta | None = None,
) -> Identity:
    return read_id_token(
        token,
        provider=provider,
        audiences=audiences,
        keys=provider_keys() if keys is None else keys,
        nonce=nonce,
        access_token=access_token,
        now=now,
        max_age=max_age,
    )


def refusal(token: str, **reading: Any) -> str:
    """Return why a token is refused. Anything but a clean refusal fails the test."""
    with pytest.raises(IdTokenRejected) as raised:
        read(token, **reading)
    return str(raised.value)


def is_accepted(token: str, **reading: Any) -> bool:
    """Whether a token is taken. Anything but a clean acceptance or refusal fails the test."""
    try:
        read(token, **reading)
    except IdTokenRejected:
        return False
    return True

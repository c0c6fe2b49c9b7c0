"""Makes the provider's ID tokens as Google's are: RS256, `typ: JWT`, an hour long. Faults go in here."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.auth import base64url
from app.auth.jwt import sign_payload
from app.auth.keys import SigningKey
from app.offline import forgeries
from app.offline.faults import Fault, Faults
from app.offline.key_pairs import KeyPairs
from app.offline.people import Person

ID_TOKEN_TTL = timedelta(hours=1)
SOMEBODY_ELSE = "https://somebody-else.example"
"""Another issuer, and another client, in tokens that are wrong."""
_FAR = timedelta(minutes=10)
"""More than the clocks of two machines may be apart, in the eyes of any reader."""


@dataclass(frozen=True)
class Statement:
    """What one ID token is about."""

    person: Person
    client_id: str
    scopes: Collection[str]
    nonce: str | None = None
    access_token: str | None = None
    authenticated_at: datetime | None = None
    """When the person signed in, if the application asked for it by `max_age`."""


@dataclass(frozen=True)
class IdTokens:
    """Signs statements, rightly or with the faults that are switched on."""

    issuer: str
    keys: KeyPairs
    faults: Faults

    async def signing_key(self) -> SigningKey:
        """Return the key pair that signs at present, the only one that is published."""
        return await (self.keys.second() if Fault.KEY_ROLL in self.faults else self.keys.first())

    async def sign(self, statement: Statement, *, now: datetime) -> str:
        """Return the ID token of a statement (OpenID Connect Core 1.0, section 2)."""
        payload = _spoiled(self._payload(statement, now), self.faults)
        pair = await self.signing_key()
        kid = "unknown" if Fault.WRONG_KID in self.faults else pair.kid
        header = {"alg": pair.algorithm, "kid": kid, "typ": "JWT"}
        if Fault.NONE_ALG in self.faults:
            return forgeries.unsigned(header, payload)
        if Fault.HS256_WITH_PUBLIC_KEY in self.faults:
            return forgeries.signed_with_the_public_key(header, payload, pair)
        if Fault.WRONG_ALG in self.faults:
            return forgeries.signed_with_another_algorithm(header, payload, pair)
        return sign_payload(header, payload, key=pair)

    def _payload(self, statement: Statement, now: datetime) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "aud": statement.client_id,
            "azp": statement.client_id,
            **claims_of(statement.person, statement.scopes),
            "iat": int(now.timestamp()),
            "exp": int((now + ID_TOKEN_TTL).timestamp()),
        }
        if statement.nonce is not None:
            payload["nonce"] = statement.nonce
        if statement.access_token is not None:
            payload["at_hash"] = _left_half(statement.access_token)
        if statement.authenticated_at is not None:
            payload["auth_time"] = int(statement.authenticated_at.timestamp())
        return payload


def claims_of(person: Person, scopes: Collection[str]) -> dict[str, Any]:
    """Return what an application with these scopes may know of a person (OpenID Connect Core 1.0, section 5.4)."""
    claims: dict[str, Any] = {"sub": person.subject}
    if person.hosted_domain is not None:
        claims["hd"] = person.hosted_domain
    if "email" in scopes:
        claims |= {"email": person.email, "email_verified": person.email_verified}
    if "profile" in scopes:
        given, _, family = person.name.partition(" ")
        claims |= {"name": person.name, "given_name": given, **({"family_name": family} if family else {})}
    return claims


def _left_half(access_token: str) -> str:
    """Return the `at_hash` of an access token (OpenID Connect Core 1.0, section 3.1.3.6)."""
    return base64url.encode(hashlib.sha256(access_token.encode()).digest()[:16])


def _spoiled(payload: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Return what the token says instead, with the faults that are switched on."""
    changes: dict[Fault, dict[str, Any]] = {
        Fault.WRONG_AUD: {"aud": SOMEBODY_ELSE},
        Fault.WRONG_ISS: {"iss": SOMEBODY_ELSE},
        Fault.WRONG_AZP: {"azp": SOMEBODY_ELSE},
        Fault.FURTHER_AUD: {"aud": [payload["aud"], SOMEBODY_ELSE], "azp": SOMEBODY_ELSE},
        Fault.WRONG_NONCE: {"nonce": "the nonce of another flow"},
        Fault.WRONG_AT_HASH: {"at_hash": _left_half("another access token")},
        Fault.EXPIRED: _moved(payload, -ID_TOKEN_TTL - _FAR),
        Fault.ISSUED_IN_FUTURE: _moved(payload, _FAR),
        Fault.UNVERIFIED: {"email_verified": False},
        Fault.CHANGED_ADDRESS: {"email": f"new.{payload.get('email', 'address@example.com')}"},
        Fault.CHANGED_SUB: {"sub": f"2{payload['sub'][1:]}"},
        Fault.EMPTY_SUB: {"sub": ""},
    }
    for fault, change in changes.items():
        if fault in faults:
            payload = {**payload, **change}
    if Fault.MISSING_NONCE in faults:
        payload.pop("nonce", None)
    return payload


def _moved(payload: dict[str, Any], by: timedelta) -> dict[str, Any]:
    return {name: payload[name] + int(by.total_seconds()) for name in ("iat", "exp")}

"""Reads a provider's ID token, in full, and says who came (OpenID Connect Core 1.0, section 3.1.3.7)."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.auth import base64url
from app.auth.emails import EmailInvalid, parse_email
from app.auth.jwt import (
    ForeignToken,
    TokenRejected,
    UnknownKey,
    read_foreign_token,
    text_claim,
    texts_claim,
    time_claim,
)
from app.auth.keys import SigningKey
from app.auth.names import TextRefused, person_name
from app.auth.oidc.flow import same_text
from app.auth.oidc.provider import Provider

CLOCK_SKEW = timedelta(seconds=60)
"""How far apart the provider's clock and ours may be."""
MAXIMUM_AGE = timedelta(minutes=10)
"""Since an ID token was made. It answers a flow, and no flow lives longer; how long it says it lives is no matter."""
MAXIMUM_SUBJECT_LENGTH = 255

_ACCESS_TOKEN_HASHES = {"EdDSA": hashlib.sha512}
"""What `at_hash` is made with, where it is not the SHA-256 in the algorithm's name: Ed25519 is built on SHA-512."""


class IdTokenRejected(Exception):
    """The token does not say, as it must, who came to us. The argument says why, for logs."""


class UnknownProviderKey(IdTokenRejected):
    """The token names a key that is not among the provider's, or not yet: its keys may be read once more."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at a provider. Issuer and subject say who it is; everything else may change."""

    issuer: str
    """The provider's first issuer, whichever spelling the token had."""
    subject: str
    email: str | None
    """As mail would be sent to it. None when there is none, or what stands there is no address."""
    email_verified: bool
    """Whether the provider says so, with JSON's true and nothing else. False without an address."""
    name: str | None
    hosted_domain: str | None
    authenticated_at: datetime | None
    """When the user last proved to the provider who they are, where it says so."""
    methods: tuple[str, ...]
    """How they did (`amr`, RFC 8176), where it says so."""
    open_for_userinfo: bool = False
    """Whether the token does not say which address, or not whether it is verified: the provider may say it elsewhere."""


def read_id_token(  # noqa: PLR0913  # Each is a check that a caller must not be able to leave out.
    token: str,
    *,
    provider: Provider,
    audiences: Collection[str],
    keys: Mapping[str, SigningKey],
    nonce: str,
    access_token: str | None,
    now: datetime,
    max_age: timedelta | None = None,
) -> Identity:
    """Return who came, if the provider signed this token with one of its keys, for us, for this flow, just now.

    `audiences` are the client ids that this door takes; `access_token` is the one that came with the ID token, or None
    when none did; `max_age` is what was asked for, if it was. Raises `UnknownProviderKey` when none of the keys has the
    name in the token, `IdTokenRejected` for everything else that is wrong, missing or of a wrong type.
    """
    try:
        read = read_foreign_token(token, keys=keys)
        claims = read.payload
        _check_parties(claims, provider, audiences)
        _check_times(claims, now, max_age)
        _check_ties(read, nonce, access_token)
        _check_organisation(claims, provider)
        return _identity(claims, provider)
    except UnknownKey as error:
        raise UnknownProviderKey(str(error)) from error
    except TokenRejected as error:
        raise IdTokenRejected(str(error)) from error


def with_userinfo(identity: Identity, document: object) -> Identity:
    """Return the identity with what a userinfo answer adds to it, for providers whose ID tokens say less.

    `document` is the JSON as it was read. It must be about the same subject (OpenID Connect Core 1.0, section 5.3.2),
    or `IdTokenRejected` is raised. What the signed token says is never replaced: an address that it names without
    saying whether it is verified is verified if userinfo says so of the same address.
    """
    if not isinstance(document, Mapping) or document.get("sub") != identity.subject:
        raise IdTokenRejected("userinfo is about somebody else")
    try:
        named = replace(identity, name=identity.name or _name(document), open_for_userinfo=False)
        if not identity.open_for_userinfo:
            return named
        email, verified = _email(document)
        if identity.email is None:
            return replace(named, email=email, email_verified=verified)
        return replace(named, email_verified=verified and email == identity.email)
    except TokenRejected as error:
        raise IdTokenRejected(str(error)) from error


def _check_parties(claims: Mapping[str, Any], provider: Provider, audiences: Collection[str]) -> None:
    """Check from whom and for whom. A token for several must have been asked for by us (`azp`)."""
    if text_claim(claims, "iss") not in provider.issuers:
        raise TokenRejected("issuer is not the provider")
    named = claims.get("aud")
    parties = [named] if isinstance(named, str) else texts_claim(claims, "aud")
    if not set(parties) & set(audiences):
        raise TokenRejected("audience is not us")
    if (len(parties) > 1 or "azp" in claims) and text_claim(claims, "azp") not in audiences:
        raise TokenRejected("asked for by somebody else")


def _check_times(claims: Mapping[str, Any], now: datetime, max_age: timedelta | None) -> None:
    issued_at = time_claim(claims, "iat")
    if time_claim(claims, "exp") <= now - CLOCK_SKEW:
        raise TokenRejected("expired")
    if max(issued_at, time_claim({"nbf": 0, **claims}, "nbf")) > now + CLOCK_SKEW:
        raise TokenRejected("issued in the future, or not valid yet")
    if issued_at <= now - MAXIMUM_AGE - CLOCK_SKEW:
        raise TokenRejected("made too long ago to answer a flow")
    if max_age is None and "auth_time" not in claims:
        return
    proved_at = time_claim(claims, "auth_time")
    if proved_at > now + CLOCK_SKEW or (max_age is not None and proved_at <= now - max_age - CLOCK_SKEW):
        raise TokenRejected("the user's proof is too old, or of the future")


def _check_ties(token: ForeignToken, nonce: str, access_token: str | None) -> None:
    """Check what ties the token to this flow (`nonce`), and the access token beside it to this token (`at_hash`)."""
    if not same_text(text_claim(token.payload, "nonce"), nonce):
        raise TokenRejected("nonce is another flow's")
    if access_token is None or "at_hash" not in token.payload:
        return
    digest = _ACCESS_TOKEN_HASHES.get(token.algorithm, hashlib.sha256)(access_token.encode()).digest()
    if not same_text(text_claim(token.payload, "at_hash"), base64url.encode(digest[: len(digest) // 2])):
        raise TokenRejected("another access token came with it")


def _check_organisation(claims: Mapping[str, Any], provider: Provider) -> None:
    """Check `hd` here and not in the question: the user carries the question, and can change it."""
    if provider.hosted_domain is not None and claims.get("hd") != provider.hosted_domain:
        raise TokenRejected("not of the organisation")


def _identity(claims: Mapping[str, Any], provider: Provider) -> Identity:
    email, verified = _email(claims)
    return Identity(
        issuer=provider.issuer,
        subject=_subject(claims),
        email=email,
        email_verified=verified,
        name=_name(claims),
        hosted_domain=_optional_text(claims, "hd"),
        authenticated_at=time_claim(claims, "auth_time") if "auth_time" in claims else None,
        methods=tuple(texts_claim({"amr": [], **claims}, "amr")),
        open_for_userinfo=not claims.get("email") or (email is not None and "email_verified" not in claims),
    )


def _subject(claims: Mapping[str, Any]) -> str:
    """Return `sub`: at most 255 ASCII characters (OpenID Connect Core 1.0, section 2), none of them a control."""
    subject = text_claim(claims, "sub")
    if len(subject) > MAXIMUM_SUBJECT_LENGTH or not subject.isascii() or not subject.isprintable() or subject.isspace():
        raise TokenRejected("claim sub names nobody")
    return subject


def _email(claims: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the address, and whether the provider has verified it. What is no address is none."""
    text = _optional_text(claims, "email")
    try:
        address = parse_email(text or "").deliverable
    except EmailInvalid:
        return None, False
    return address, claims.get("email_verified") is True


def _name(claims: Mapping[str, Any]) -> str | None:
    """Return the name, unless there is none that could be shown: somebody chose it, and nothing depends on it."""
    try:
        return person_name(_optional_text(claims, "name") or "")
    except TextRefused:
        return None


def _optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    """Return a member that may be missing, null or empty. Raises `TokenRejected` when it is anything but text."""
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenRejected(f"claim {name} is not text")
    return value or None

"""What is asked of a provider on behalf of one person: tokens for a code, fresh tokens, the person, an end to a token.

Nothing is defaulted: an answer that lacks a member, or has one of the wrong type, ends what was begun.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

from app.auth.oidc.provider import Provider, ProviderMetadata
from app.exceptions import ProviderFailed
from app.services.federation.faults import INVALID_TOKEN, ProviderFault, told
from app.services.federation.outbound import Outbound

LONGEST_LIFETIME_SECONDS = 10 * 366 * 24 * 3600
"""Of an access token. More is no lifetime, and may be more than a date can hold."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
"""Visible ASCII: it goes into a header (RFC 6750, section 2.1)."""
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1000}(?: [\x21\x23-\x5b\x5d-\x7e]{1,1000})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessAnswer:
    """Tokens for the provider's own interfaces (RFC 6749, section 5.1)."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    """None: none was given; after a refresh the former one stays good (RFC 6749, section 6)."""
    expires_in: timedelta | None
    """How long the access token lives. None: the provider does not say."""
    scopes: tuple[str, ...] | None
    """What was granted. None: exactly what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer(AccessAnswer):
    """The tokens of a sign-in (OpenID Connect Core 1.0, section 3.1.3.3). The ID token has not been checked yet."""

    id_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeGrant:
    """An authorisation code, with what proves that it came back to whoever asked for it."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)
    """Of PKCE (RFC 7636, section 4.1)."""
    redirect_uri: str
    """The one of the question, letter for letter."""


async def exchange_code(
    outbound: Outbound, metadata: ProviderMetadata, provider: Provider, grant: CodeGrant
) -> TokenAnswer:
    """Return the tokens for an authorisation code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

    Raises `ProviderFailed`, whose reason is `INVALID_GRANT` for a code that is spent, too old or somebody else's; and
    `ProviderUnavailable`. Either way the code may be spent: only another flow gives another.
    """
    form = {
        "grant_type": "authorization_code",
        "code": grant.code,
        "redirect_uri": grant.redirect_uri,
        "code_verifier": grant.verifier,
    }
    with told(provider.name, "exchange"):
        document = await _ask_for_tokens(outbound, metadata, provider, form)
        return TokenAnswer(id_token=_token(document, "id_token"), **_access_members(document))


async def refresh(
    outbound: Outbound,
    metadata: ProviderMetadata,
    provider: Provider,
    *,
    refresh_token: str,
    scopes: tuple[str, ...] = (),
) -> AccessAnswer:
    """Return a fresh access token, for fewer scopes when some are named (RFC 6749, section 6).

    Raises `ProviderFailed`, whose reason is `INVALID_GRANT` once the person has withdrawn consent; and
    `ProviderUnavailable`, after which the same refresh token may be tried again.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if scopes:
        form["scope"] = " ".join(scopes)
    with told(provider.name, "refresh"):
        return AccessAnswer(**_access_members(await _ask_for_tokens(outbound, metadata, provider, form)))


async def fetch_userinfo(
    outbound: Outbound, metadata: ProviderMetadata, provider: Provider, *, access_token: str, subject: str
) -> Mapping[str, Any]:
    """Return what the provider says of a person (OpenID Connect Core 1.0, section 5.3).

    `subject` is who the ID token spoke of: the answer must speak of the same person (section 5.3.2). Raises
    `ProviderFailed` and `ProviderUnavailable`.
    """
    with told(provider.name, "userinfo"):
        if metadata.userinfo_endpoint is None:
            raise ProviderFailed(ProviderFault.NOT_OFFERED)
        document = (await outbound.get(metadata.userinfo_endpoint, bearer=access_token)).document
        if not subject or document.get("sub") != subject:
            raise ProviderFailed(ProviderFault.WRONG_SUBJECT)
        return document


async def revoke(
    outbound: Outbound, metadata: ProviderMetadata, provider: Provider, *, endpoint: str, token: str
) -> None:
    """End an access or refresh token at the provider (RFC 7009). A token that it does not know has ended already.

    Raises `ProviderFailed` and `ProviderUnavailable`.
    """
    form, authorization = _authenticated({"token": token}, metadata, provider)
    with told(provider.name, "revoke"):
        try:
            await outbound.tell(endpoint, form, authorization=authorization)
        except ProviderFailed as failure:
            if failure.reason != INVALID_TOKEN:
                raise


async def _ask_for_tokens(
    outbound: Outbound, metadata: ProviderMetadata, provider: Provider, form: Mapping[str, str]
) -> Mapping[str, Any]:
    form, authorization = _authenticated(form, metadata, provider)
    return (await outbound.post(metadata.token_endpoint, form, authorization=authorization)).document


def _authenticated(
    form: Mapping[str, str], metadata: ProviderMetadata, provider: Provider
) -> tuple[dict[str, str], str | None]:
    """Return a form and an Authorization header that say who we are (RFC 6749, section 2.3.1): in one of both only."""
    if metadata.secret_in_body:
        return {**form, "client_id": provider.client_id, "client_secret": provider.client_secret}, None
    # The header holds the two in the form encoding, so that a colon or a letter beyond ASCII does no harm.
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
    return dict(form), f"Basic {base64.b64encode(pair.encode()).decode()}"


def _access_members(document: Mapping[str, Any]) -> dict[str, Any]:
    if str(document.get("token_type")).lower() != "bearer":
        raise ProviderFailed(ProviderFault.INCOMPLETE)
    return {
        "access_token": _token(document, "access_token"),
        "refresh_token": _token(document, "refresh_token") if "refresh_token" in document else None,
        "expires_in": _lifetime(document["expires_in"]) if "expires_in" in document else None,
        "scopes": _scopes(document["scope"]) if "scope" in document else None,
    }


def _token(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ProviderFailed(ProviderFault.INCOMPLETE)
    return value


def _lifetime(value: object) -> timedelta:
    # True is an int to Python, and no number to anybody else.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LONGEST_LIFETIME_SECONDS:
        raise ProviderFailed(ProviderFault.INCOMPLETE)
    return timedelta(seconds=value)


def _scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, str) or not _SCOPES.fullmatch(value):
        raise ProviderFailed(ProviderFault.INCOMPLETE)
    return tuple(value.split(" "))

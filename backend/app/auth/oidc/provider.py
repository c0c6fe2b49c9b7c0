"""Who a provider is, as we configured it, and what it says of itself (OpenID Connect Discovery 1.0)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.auth.jwks import PROVIDER_ALGORITHMS
from app.auth.keys import SigningKey

SCOPES = ("openid", "email", "profile")
MAXIMUM_URL_LENGTH = 2048

_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+", re.ASCII)


class MetadataInvalid(ValueError):
    """The document does not describe the provider that we configured. The argument says why, for logs."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as the settings name it. Nothing that anybody sends can change a part of it."""

    name: str
    issuers: tuple[str, ...]
    """Every spelling of `iss` that counts. The first is where discovery lives, and what identities are kept by."""
    client_id: str
    client_secret: str = field(repr=False)
    audiences: tuple[str, ...]
    """Every client id whose ID tokens may be handed to us: our own, and those of our native apps."""
    scopes: tuple[str, ...] = SCOPES
    hosted_domain: str | None = None
    """The only organisation whose members may come (`hd`), in the provider's spelling. None: everybody."""
    domains: tuple[str, ...] = ()
    """Whose mailboxes it hands out itself, in lower case: for their addresses its word is proof."""
    answers_for_organisations: bool = False
    """Whether `hd` in its ID tokens names a domain whose mailboxes it hands out as well."""

    def is_authority_for(self, email: str, hosted_domain: str | None) -> bool:
        """Whether whom it names by an address owns it now, and not only did when it was verified once."""
        domain = email.rpartition("@")[2].lower()
        own = self.answers_for_organisations and hosted_domain is not None and hosted_domain.lower() == domain
        return own or domain in self.domains

    @property
    def issuer(self) -> str:
        """The one spelling of its name that is stored and compared."""
        return self.issuers[0]


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """Where the provider is to be asked for what."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    issuer_in_response: bool
    """Whether every answer of the authorisation endpoint names its issuer (RFC 9207)."""
    secret_in_body: bool
    """Whether the client secret goes into the form of a token request because the header is not taken."""
    algorithms: tuple[str, ...]
    """What it signs ID tokens with, of what we accept. See `signing`."""
    revocation_endpoint: str | None = None
    """Where tokens are ended (RFC 7009)."""

    def signing(self, keys: Mapping[str, SigningKey]) -> dict[str, SigningKey]:
        """Return those of the provider's keys whose algorithm it says it signs ID tokens with. The others are for more."""
        return {name: key for name, key in keys.items() if key.algorithm in self.algorithms}


def read_metadata(document: object, provider: Provider) -> ProviderMetadata:
    """Return what a provider's discovery document says (OpenID Connect Discovery 1.0, section 3).

    `document` is the JSON as it was read. The issuer must be ours, letter for letter (section 4.3): a document of
    somebody else would send our users and our secret to them. An endpoint may stand on another host, as Google's do,
    but not on another scheme. Raises `MetadataInvalid`; nothing that is missing is guessed.
    """
    if not isinstance(document, Mapping):
        raise MetadataInvalid("not a JSON object")
    if document.get("issuer") != provider.issuer:
        found = _shown(document.get("issuer"))
        raise MetadataInvalid(f"speaks for another issuer: it names {found}, and the settings {provider.issuer}")
    algorithms = tuple(
        each for each in _texts(document, "id_token_signing_alg_values_supported") if each in PROVIDER_ALGORITHMS
    )
    if not algorithms:
        raise MetadataInvalid("signs ID tokens with no algorithm that is accepted here")
    return ProviderMetadata(
        issuer=provider.issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", provider),
        token_endpoint=_endpoint(document, "token_endpoint", provider),
        jwks_uri=_endpoint(document, "jwks_uri", provider),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", provider)
        if "userinfo_endpoint" in document
        else None,
        issuer_in_response=document.get("authorization_response_iss_parameter_supported") is True,
        secret_in_body=_secret_in_body(document),
        algorithms=algorithms,
        revocation_endpoint=_endpoint(document, "revocation_endpoint", provider)
        if "revocation_endpoint" in document
        else None,
    )


def is_provider_url(text: str, *, loopback: bool) -> bool:
    """Whether a URL may be an issuer or an endpoint: https with a host, no user, no fragment, in plain characters.

    With `loopback`, http on this very machine as well.
    """
    if len(text) > MAXIMUM_URL_LENGTH or not _URL_CHARACTERS.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or port == 0:
        return False
    return parts.scheme == "https" or (loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS)


def _endpoint(document: Mapping[str, Any], name: str, provider: Provider) -> str:
    """Return an endpoint. A provider on this machine may name this machine; nobody else may make us call it by http."""
    url = document.get(name)
    if not isinstance(url, str) or not is_provider_url(url, loopback=provider.issuer.startswith("http:")):
        raise MetadataInvalid(f"{name} is missing or no acceptable URL")
    return url


def _shown(issuer: object) -> str:
    """Return the issuer that somebody else wrote as it may stand in a log: whole if it could be one, or not at all."""
    return issuer if isinstance(issuer, str) and is_provider_url(issuer, loopback=True) else "none"


def _secret_in_body(document: Mapping[str, Any]) -> bool:
    """Whether only the form is taken. Every server that follows RFC 6749, section 2.3.1, takes the header."""
    if "token_endpoint_auth_methods_supported" not in document:
        return False
    methods = _texts(document, "token_endpoint_auth_methods_supported")
    if not {"client_secret_basic", "client_secret_post"} & set(methods):
        raise MetadataInvalid("takes no client secret")
    return "client_secret_basic" not in methods


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    value = document.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MetadataInvalid(f"{name} is missing or no list of texts")
    return value

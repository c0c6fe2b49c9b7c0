"""The settings that name identity providers: how they are written, and what cannot be right. It reads nothing itself."""

import json
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import NoDecode

from app.plausibility import base_url, host_of

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
GOOGLE = "google"

_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_DOMAIN = r"^[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)+$"
_RESERVED_NAMES = {GOOGLE, "me"}
"""The first is built in; the second begins the paths of one's own account."""
_ISSUER = re.compile(r"(https?://[^/?#@\s]+)((?:/[A-Za-z0-9._~!$&'()*+,;=:-]+)*/?)", re.ASCII)
SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$"
_GOOGLE_ITSELF = "https://accounts.google.com"


class OidcProviderSetting(BaseModel):
    """One entry of OIDC_PROVIDERS."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=2, max_length=30, pattern=_NAME)
    issuer: str = Field(max_length=500)
    client_id: str = Field(min_length=1, max_length=300)
    client_secret: SecretStr = Field(min_length=1, max_length=500)
    scopes: list[Annotated[str, Field(pattern=SCOPE)]] = ["openid", "email", "profile"]
    domains: list[Annotated[str, Field(max_length=253, pattern=_DOMAIN)]] = []
    """Whose mailboxes the provider hands out: an unproved account with such an address gives way to whom it names."""


def _read_providers(value: object, info: ValidationInfo) -> list[OidcProviderSetting]:
    """Return the entries, written as JSON or given as values. A finding names the entry, and repeats no value."""
    try:
        written = json.loads(value) if isinstance(value, str) and value.strip() else value or []
    except ValueError:
        raise ValueError('is not JSON. Write a list: [{"name": "…", "issuer": "https://…", …}]') from None
    if not isinstance(written, list):  # A TypeError would pass pydantic by.
        raise ValueError("is no list. Put the entries into square brackets, a single one as well")  # noqa: TRY004
    entries = _read_entries(written, info)
    for member, text in (("name", "name"), ("issuer", "issuer")):
        values = [getattr(entry, member) for entry in entries]
        if len(set(values)) != len(values):
            raise ValueError(f"has two entries with one {text}. Each provider needs its own")
    return entries


def _read_entries(written: list[object], info: ValidationInfo) -> list[OidcProviderSetting]:
    """Return the entries. Raises one `ValueError` for all that cannot be right."""
    entries, findings = [], []
    for number, entry in enumerate(written, start=1):
        try:
            entries.append(_read_entry(number, entry, info))
        except ValueError as error:
            findings.append(str(error))
    if findings:
        raise ValueError(". ".join(findings))
    return entries


def _read_entry(number: int, entry: object, info: ValidationInfo) -> OidcProviderSetting:
    try:
        read = entry if isinstance(entry, OidcProviderSetting) else OidcProviderSetting.model_validate(entry)
    except ValidationError as error:
        wrong = [".".join(str(part) for part in each["loc"]) or "itself" for each in error.errors(include_input=False)]
        members = ", ".join(f"`{member}`" for member in wrong)
        raise ValueError(
            f"entry {number}: missing, wrong or unknown: {members}. An entry has name (2 to 30 of a-z, 0-9, -), issuer, "
            "client_id, client_secret, and perhaps lists of scopes and of domains (lower case)"
        ) from None
    if read.name in _RESERVED_NAMES:
        raise ValueError(f"entry {number}: the name is taken. Google has settings of its own; call others otherwise")
    if "openid" not in read.scopes:
        raise ValueError(f"entry {number}: scopes lack openid, so the provider would not say who somebody is")
    problem = issuer_problem(read.issuer, production=is_production(info))
    if problem:
        raise ValueError(f"entry {number}: the issuer {problem}")
    return read


def _check_google_secret(value: object, info: ValidationInfo) -> object:
    secret = value.get_secret_value() if isinstance(value, SecretStr) else value
    if info.data.get("GOOGLE_CLIENT_ID") and not secret:
        raise ValueError("is missing, and GOOGLE_CLIENT_ID is set. Both stand on one page of the Google console")
    if secret and not info.data.get("GOOGLE_CLIENT_ID"):
        raise ValueError("is set, and GOOGLE_CLIENT_ID is not. Both stand on one page of the Google console")
    return value


def _check_has_google(value: Any, info: ValidationInfo) -> Any:
    """Refuse what says something of a Google that there is not. In development the offline provider heeds it."""
    if value and is_production(info) and not info.data.get("GOOGLE_CLIENT_ID"):
        raise ValueError(
            "is set, and GOOGLE_CLIENT_ID is not: nobody can sign in with Google. Set that one, or neither"
        )
    return value


def _check_google_issuer(value: Any, info: ValidationInfo) -> Any:
    if not value:
        return ""
    if is_production(info):
        raise ValueError("is for development and tests. Take it away: in production Google is Google")
    if not info.data.get("GOOGLE_CLIENT_ID"):
        raise ValueError("needs GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, as the provider there knows this server")
    problem = issuer_problem(str(value), production=False)
    if problem:
        raise ValueError(f"is no issuer: it {problem}")
    return value


def issuer_problem(text: str, *, production: bool) -> str | None:
    """Say in a few words why a text cannot be an issuer, or return None.

    An issuer is https, with a host in lower case, without user, query or fragment (OpenID Connect Discovery 1.0,
    section 2); in development also http on this very machine.
    """
    found = _ISSUER.fullmatch(text)
    if found is None or base_url(found[1]) is None or found[1] != found[1].lower():
        return "is no URL of scheme, host and path alone. Copy it from the provider's documentation, letter for letter"
    if text.rstrip("/") == _GOOGLE_ITSELF:
        return "is Google's. Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET"
    if found[1].startswith("https://") or (not production and host_of(found[1]) in LOOPBACK_HOSTS):
        return None
    return "is not https. Only development takes http, and only on this machine"


def is_production(info: ValidationInfo) -> bool:
    """Whether the settings that were read before say so. When in doubt they do."""
    return bool(info.data.get("ENVIRONMENT", "production") == "production")


OidcProviders = Annotated[list[OidcProviderSetting], NoDecode, BeforeValidator(_read_providers)]
GoogleSecret = Annotated[SecretStr, BeforeValidator(_check_google_secret)]
GoogleIssuer = Annotated[str, BeforeValidator(_check_google_issuer)]
NeedsGoogle = AfterValidator(_check_has_google)
"""For settings that mean nothing without GOOGLE_CLIENT_ID."""

"""Reads what applications and browsers send: queries and forms in which each name stands once (RFC 6749, section 3.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import Request

from app.offline.clients import Client

_MOST_PARAMETERS = 50
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST_TIME = 10
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_FORM = "application/x-www-form-urlencoded"


class Unreadable(Exception):
    """A request that cannot be understood, or that must not be answered by a redirect. The text says why, for people."""


class Declined(Exception):
    """A request that the application is told about: an OAuth error code, and a text for its developer."""

    def __init__(self, code: str, description: str) -> None:
        self.code = code
        self.description = description
        super().__init__(description)


@dataclass(frozen=True)
class Destination:
    """Where the answer to an authorisation request goes."""

    client: Client
    redirect_uri: str
    state: str | None


@dataclass(frozen=True)
class AuthorizationRequest:
    """A checked authorisation request (OpenID Connect Core 1.0, section 3.1.2.1)."""

    destination: Destination
    scopes: tuple[str, ...]
    challenge: str
    nonce: str | None
    prompts: frozenset[str]
    login_hint: str | None
    hosted_domain: str | None
    max_age: int | None
    """How long ago the person may have signed in, in seconds."""
    offline: bool
    """Whether a refresh token is wanted: Google's `access_type=offline`."""
    include_granted: bool
    """Whether scopes that were granted before are to be added: Google's `include_granted_scopes`."""


def query_of(request: Request) -> dict[str, str]:
    """Return the parameters of a query. Raises `Unreadable`."""
    return _read(request.scope["query_string"])


async def form_of(request: Request) -> dict[str, str]:
    """Return the parameters of a form. Raises `Unreadable`, also for another content type."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Unreadable(f"The body must be of the type {_FORM}")
    return _read(await request.body())


def _read(raw: bytes) -> dict[str, str]:
    """Return the parameters by name. Empty ones count as absent, as RFC 6749 says."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise Unreadable("The parameters are not UTF-8, or too many") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise Unreadable("A parameter stands there twice")
    return parameters


def read_destination(parameters: Mapping[str, str], clients: Mapping[str, Client]) -> Destination:
    """Return where the answer goes. Raises `Unreadable` when nobody may be sent there (RFC 6749, section 4.1.2.1)."""
    client = clients.get(parameters.get("client_id", ""))
    if client is None:
        raise Unreadable("No application is registered under this client_id")
    redirect_uri = parameters.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        known = ", ".join(client.redirect_uris) or "there are none"
        raise Unreadable(f"The redirect_uri is none of those that are registered for {client.name} ({known})")
    return Destination(client=client, redirect_uri=redirect_uri, state=parameters.get("state"))


def read_request(parameters: Mapping[str, str], destination: Destination) -> AuthorizationRequest:
    """Return the rest of an authorisation request. Raises `Declined`, which the application is told about."""
    _check_kind(parameters)
    scopes = tuple(dict.fromkeys(parameters.get("scope", "").split(" ")))
    if "openid" not in scopes:
        raise Declined("invalid_scope", "scope must hold openid")
    return AuthorizationRequest(
        destination=destination,
        scopes=tuple(scope for scope in scopes if scope),
        challenge=_challenge(parameters),
        nonce=parameters.get("nonce"),
        prompts=_prompts(parameters),
        login_hint=parameters.get("login_hint"),
        hosted_domain=parameters.get("hd"),
        max_age=_max_age(parameters),
        offline=parameters.get("access_type") == "offline",
        include_granted=parameters.get("include_granted_scopes") == "true",
    )


def _check_kind(parameters: Mapping[str, str]) -> None:
    if "request" in parameters or "request_uri" in parameters:
        unsupported = "request" if "request" in parameters else "request_uri"
        raise Declined(f"{unsupported}_not_supported", "Request objects are not taken here")
    if parameters.get("response_type") != "code":
        raise Declined("unsupported_response_type", "response_type must be code")
    if parameters.get("response_mode", "query") != "query":
        raise Declined("invalid_request", "response_mode must be query")


def _challenge(parameters: Mapping[str, str]) -> str:
    """Return the PKCE challenge, without which nobody gets a code (RFC 7636, RFC 9700 section 2.1.1)."""
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise Declined("invalid_request", "PKCE with code_challenge_method S256 is required")
    return challenge


def _prompts(parameters: Mapping[str, str]) -> frozenset[str]:
    prompts = frozenset(parameters.get("prompt", "").split())
    if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise Declined("invalid_request", "prompt is none alone, or some of login, consent and select_account")
    return prompts


def _max_age(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_TIME):
        raise Declined("invalid_request", "max_age is a number of seconds")
    return int(text)

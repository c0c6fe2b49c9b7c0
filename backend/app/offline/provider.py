"""The provider itself: who is signed in where, who agreed to what, which codes and tokens are out. It knows no HTTP."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.auth import base64url
from app.offline.clients import Client
from app.offline.faults import Fault, Faults
from app.offline.id_tokens import IdTokens, Statement
from app.offline.key_pairs import KeyPairs
from app.offline.memory import Memory
from app.offline.parameters import AuthorizationRequest, Declined
from app.offline.people import Person

CODE_TTL = timedelta(seconds=60)
ACCESS_TOKEN_TTL = timedelta(hours=1)
_REQUEST_TTL = timedelta(minutes=10)
_LONG = timedelta(days=30)
_MOST = 1000
"""Browsers, requests, codes and grants that are remembered at once."""
MOST_PEOPLE = 20
"""People that one browser remembers."""


@dataclass(frozen=True)
class SignedIn:
    """A person who has signed in at the provider with some browser, and when."""

    person: Person
    at: datetime


@dataclass
class Browser:
    """One browser: whoever has signed in with it, by subject."""

    people: dict[str, SignedIn] = field(default_factory=dict)

    def sign_in(self, person: Person, *, now: datetime) -> SignedIn:
        """Note that a person has just signed in. The one who was first here is forgotten when there are too many."""
        self.people.pop(person.subject, None)
        self.people[person.subject] = signed_in = SignedIn(person, now)
        while len(self.people) > MOST_PEOPLE:
            self.people.pop(next(iter(self.people)))
        return signed_in


@dataclass
class Pending:
    """An authorisation request that a person is busy with."""

    request: AuthorizationRequest
    browser: Browser
    chosen: SignedIn | None = None


@dataclass
class Grant:
    """What a person agreed to once, and everything that comes of it."""

    client: Client
    person: Person
    scopes: tuple[str, ...]
    authenticated_at: datetime | None
    """Told to the application if it asked by `max_age`."""
    ended: bool = False


@dataclass
class Code:
    """An authorisation code."""

    grant: Grant
    request: AuthorizationRequest
    expires_at: datetime
    spent: bool = False


@dataclass(frozen=True)
class Access:
    """What an access token stands for: a grant, or a part of its scopes."""

    grant: Grant
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Tokens:
    """What the token endpoint gives."""

    access_token: str
    id_token: str
    refresh_token: str | None
    scopes: tuple[str, ...]


class OfflineProvider:
    """An OpenID provider in memory."""

    def __init__(
        self, *, issuer: str, clients: Iterable[Client], name: str, faults: Faults | None, keys: KeyPairs | None
    ) -> None:
        self.issuer = issuer
        self.name = name
        self.clients: dict[str, Client] = {client.client_id: client for client in clients}
        self.faults = faults if faults is not None else Faults()
        self.id_tokens = IdTokens(issuer, keys or KeyPairs(), self.faults)
        self.browsers: Memory[Browser] = Memory(most=_MOST, ttl=_LONG)
        self.requests: Memory[Pending] = Memory(most=_MOST, ttl=_REQUEST_TTL)
        # Kept longer than they count, so that a code that comes twice ends what it gave (RFC 6749, section 4.1.2).
        self.codes: Memory[Code] = Memory(most=_MOST, ttl=_REQUEST_TTL)
        self.consents: Memory[tuple[str, ...]] = Memory(most=_MOST, ttl=_LONG)
        self.access_tokens: Memory[Access] = Memory(most=_MOST, ttl=ACCESS_TOKEN_TTL)
        self.refresh_tokens: Memory[Grant] = Memory(most=_MOST, ttl=_LONG)

    def is_agreed(self, request: AuthorizationRequest, person: Person, *, now: datetime) -> bool:
        """Whether the person has agreed to all of this before."""
        return set(request.scopes) <= set(self._granted(request, person, now))

    def sign_in_silently(self, request: AuthorizationRequest, browser: Browser, *, now: datetime) -> SignedIn:
        """Return who is signed in, for `prompt=none`. Raises `Declined` when somebody would have to be asked."""
        fitting = [each for each in browser.people.values() if is_wanted(request, each.person)]
        if not fitting:
            raise Declined("login_required", "Nobody who fits the request is signed in")
        if len(fitting) > 1:
            raise Declined("account_selection_required", "Several people are signed in; name one by login_hint")
        if is_too_long_ago(request, fitting[0], now=now):
            raise Declined("login_required", "The person signed in longer ago than max_age")
        if not self.is_agreed(request, fitting[0].person, now=now):
            raise Declined("consent_required", "The person has not agreed to this yet")
        return fitting[0]

    def issue_code(self, request: AuthorizationRequest, signed_in: SignedIn, *, now: datetime) -> str:
        """Return a code for somebody who has agreed. It counts once, for a minute."""
        client, person = request.destination.client, signed_in.person
        before = self._granted(request, person, now)
        granted = tuple(dict.fromkeys([*request.scopes, *before]))
        self.consents.keep(_consent_key(client.client_id, person), granted, now=now)
        grant = Grant(
            client=client,
            person=person,
            scopes=granted if request.include_granted else request.scopes,
            authenticated_at=signed_in.at if request.max_age is not None else None,
        )
        return self.codes.add(Code(grant=grant, request=request, expires_at=now + CODE_TTL), now=now)

    async def redeem(self, client: Client, form: Mapping[str, str], *, now: datetime) -> Tokens:
        """Return the tokens of a code, which is spent by the attempt. Raises `Declined` (RFC 6749, section 5.2)."""
        code = self.codes.find(form.get("code", ""), now=now)
        if code is None or code.grant.client.client_id != client.client_id:
            raise Declined("invalid_grant", "The code is unknown, or another application's")
        if code.spent and Fault.SPENT_CODE_TAKEN not in self.faults:
            code.grant.ended = True
            raise Declined("invalid_grant", "The code has been used; what it gave has ended")
        code.spent = True
        if code.expires_at <= now:
            raise Declined("invalid_grant", "The code has expired")
        if form.get("redirect_uri") != code.request.destination.redirect_uri:
            raise Declined("invalid_grant", "The redirect_uri is not the one of the authorisation request")
        if not _fits(form.get("code_verifier", ""), code.request.challenge):
            raise Declined("invalid_grant", "The code_verifier does not fit the challenge")
        refresh_token = self.refresh_tokens.add(code.grant, now=now) if code.request.offline else None
        return await self._issue(
            code.grant, code.grant.scopes, nonce=code.request.nonce, refresh_token=refresh_token, now=now
        )

    async def refresh(self, client: Client, form: Mapping[str, str], *, now: datetime) -> Tokens:
        """Return new tokens for a refresh token, which stays the same, as Google's do. Raises `Declined`."""
        grant = self.refresh_tokens.find(form.get("refresh_token", ""), now=now)
        if grant is None or grant.ended or grant.client.client_id != client.client_id:
            raise Declined("invalid_grant", "The refresh token is unknown, revoked, or another application's")
        scopes = tuple(form["scope"].split()) if "scope" in form else grant.scopes
        if not set(scopes) <= set(grant.scopes):
            raise Declined("invalid_scope", "A refresh does not widen the scope")
        return await self._issue(grant, scopes, nonce=None, refresh_token=None, now=now)

    def find_access(self, token: str, *, now: datetime) -> Access | None:
        """Return what an access token stands for, while it counts."""
        access = self.access_tokens.find(token, now=now)
        return None if access is None or access.grant.ended else access

    def revoke(self, token: str, *, now: datetime) -> None:
        """End everything that comes of the grant behind a token of either kind, as Google does (RFC 7009)."""
        access = self.access_tokens.find(token, now=now)
        grant = access.grant if access else self.refresh_tokens.find(token, now=now)
        if grant is not None:
            grant.ended = True
            self.consents.forget(_consent_key(grant.client.client_id, grant.person))

    async def _issue(
        self, grant: Grant, scopes: tuple[str, ...], *, nonce: str | None, refresh_token: str | None, now: datetime
    ) -> Tokens:
        access_token = self.access_tokens.add(Access(grant, scopes), now=now)
        statement = Statement(
            person=grant.person,
            client_id=grant.client.client_id,
            scopes=scopes,
            nonce=nonce,
            access_token=access_token,
            authenticated_at=grant.authenticated_at,
        )
        return Tokens(access_token, await self.id_tokens.sign(statement, now=now), refresh_token, scopes)

    def _granted(self, request: AuthorizationRequest, person: Person, now: datetime) -> tuple[str, ...]:
        key = _consent_key(request.destination.client.client_id, person)
        return self.consents.find(key, now=now) or ()


def is_wanted(request: AuthorizationRequest, person: Person) -> bool:
    """Whether a person is one that the application asks for, by `hd` and `login_hint`."""
    hinted = request.login_hint is None or person.is_called(request.login_hint)
    return hinted and person.belongs_to(request.hosted_domain)


def is_too_long_ago(request: AuthorizationRequest, signed_in: SignedIn, *, now: datetime) -> bool:
    """Whether the application wants somebody who signed in later than this (`max_age`)."""
    return request.max_age is not None and now - signed_in.at > timedelta(seconds=request.max_age)


def _consent_key(client_id: str, person: Person) -> str:
    return f"{client_id} {person.subject}"


def _fits(verifier: str, challenge: str) -> bool:
    """Whether a PKCE verifier fits its challenge (RFC 7636, section 4.6)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64url.encode(digest), challenge)

"""A sign-in through a provider, from the question that a browser carries there to the person that its answer proves.

Nothing is written here, and no database connection is held while a provider is waited for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from app.auth.actor import CurrentUser
from app.auth.google import authorization_extras
from app.auth.oidc.authorization import authorization_code, authorization_url
from app.auth.oidc.flow import new_flow
from app.auth.oidc.id_token import Identity, UnknownProviderKey, read_id_token, with_userinfo
from app.auth.oidc.provider import Provider, ProviderMetadata
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import InvalidRequest
from app.provider_settings import GOOGLE
from app.services.federation.documents import Keys
from app.services.federation.errands import LONGEST_SCOPES, Door, Errand
from app.services.federation.exchange import CodeGrant, TokenAnswer, exchange_code, fetch_userinfo
from app.services.federation.refusals import refusals_told
from app.services.federation.relying_party import RelyingParty


@dataclass(frozen=True)
class Wish:
    """What somebody who begins a sign-in wants of it."""

    door: Door
    return_to: str
    """Checked by `RelyingParty.return_to`."""
    transport: Transport = Transport.BEARER
    code_challenge: str | None = None
    link_to: CurrentUser | None = None
    """Whose account the identity is to be added to, after a fresh proof. None: somebody signs in."""
    scopes: tuple[str, ...] = ()
    """What the product wants to do at the provider, beside learning who comes. For a provider whose tokens are kept."""
    fresh: bool = False
    """Whether the user is to prove anew who they are, for what asks for a fresh proof."""


@dataclass(frozen=True)
class Proof:
    """Whom an answer proves, and the provider's own tokens that came along."""

    comer: Identity
    tokens: TokenAnswer | None = None
    """None: none came, or they are not to be kept."""
    authenticated_at: datetime | None = None
    """When they last proved to the provider who they are. None: nobody knows, so it counts as no fresh proof."""


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and what it keeps meanwhile."""

    errand: Errand
    url: str


def new_errand(provider: Provider, wish: Wish, *, now: datetime) -> Errand:
    """Return an errand with a fresh flow. The server keeps nothing of it."""
    user = wish.link_to
    flow = new_flow(
        provider.name,
        return_to=wish.return_to,
        transport=wish.transport,
        now=now,
        link_user_id=user.id if user else None,
    )
    return Errand(
        flow=flow,
        door=wish.door,
        code_challenge=wish.code_challenge,
        link_session_id=user.session_id if user else None,
        scopes=wish.scopes,
        fresh=wish.fresh,
    )


async def depart(party: RelyingParty, *, provider: Provider, wish: Wish, now: datetime) -> Departure:
    """Begin a sign-in.

    Raises `InvalidRequest` for scopes at a provider whose tokens are not kept, for too many, and for a fresh proof that
    could not be told from a stale one; `ProviderFailed` and `ProviderUnavailable` when the provider's documents cannot
    be had.
    """
    keep = party.keeps_tokens_of(provider)
    if len(" ".join(wish.scopes)) > LONGEST_SCOPES:
        raise InvalidRequest("Too many scopes at once: ask for what is needed now, and for the rest later")
    if wish.fresh and wish.door is Door.PAGE and provider.name == GOOGLE:
        raise InvalidRequest("Google does not say when it asked. Open /auth/google/login?fresh=true in the browser")
    if wish.scopes and not keep:
        raise InvalidRequest("Tokens of this provider are not kept here: there is nothing to agree to")
    metadata = await party.documents.metadata(provider)
    errand = new_errand(provider, wish, now=now)
    extras = {"prompt": "login", "max_age": "0"} if wish.fresh else {}
    if provider.name == GOOGLE:
        chosen = wish.fresh or wish.link_to is not None
        extras = authorization_extras(provider, keep_tokens=keep, choose_account=chosen, ask_again=wish.fresh)
    asking = replace(provider, scopes=tuple(dict.fromkeys((*provider.scopes, *wish.scopes))))
    url = authorization_url(metadata, asking, errand.flow, _redirect_uri(party, provider, wish.door), **extras)
    return Departure(errand=errand, url=url)


async def read_answer(work: Work, party: RelyingParty, *, errand: Errand, answer: Iterable[tuple[str, str]]) -> Proof:
    """Return whom the answer of the authorisation endpoint proves. `answer` is every parameter, as often as it came.

    A refusal is noted in `work`, whose transaction has not begun yet.

    Raises `FlowInvalid` for an answer that is not this errand's, before anything is asked; `ProviderRefused` when the
    provider said no; `ProviderFailed`, `ProviderUnavailable` and `IdTokenInvalid`.
    """
    provider, now = party.provider(errand.flow.provider), work.now
    with refusals_told(work, provider.name, errand=errand):
        metadata = await party.documents.metadata(provider)
        code = authorization_code(answer, flow=errand.flow, provider=provider, metadata=metadata)
        redirect_uri = _redirect_uri(party, provider, errand.door)
        grant = CodeGrant(code=code, verifier=errand.flow.verifier, redirect_uri=redirect_uri)
        tokens = await exchange_code(party.outbound, metadata, provider, grant)
        read = partial(
            read_id_token,
            tokens.id_token,
            provider=provider,
            audiences=(provider.client_id,),
            nonce=errand.flow.nonce,
            access_token=tokens.access_token,
            now=now,
            max_age=_max_age(errand, now),
        )
        signed = await _with_keys(party, provider, metadata, read)
        comer = await _with_address(party, provider, metadata, tokens, signed)
    return Proof(comer, tokens if party.keeps_tokens_of(provider) else None, _authenticated_at(errand, comer, now))


async def read_credential(work: Work, party: RelyingParty, *, errand: Errand, credential: str) -> Proof:
    """Return whom an ID token proves that a page or an app hands over. Raises `IdTokenInvalid` and for keys as above."""
    provider, now = party.provider(errand.flow.provider), work.now
    with refusals_told(work, provider.name, errand=errand):
        read = partial(
            read_id_token,
            credential,
            provider=provider,
            audiences=provider.audiences,
            nonce=errand.flow.nonce,
            access_token=None,
            now=now,
        )
        comer = await _with_keys(party, provider, await party.documents.metadata(provider), read)
        return Proof(comer, authenticated_at=_authenticated_at(errand, comer, now))


def _max_age(errand: Errand, now: datetime) -> timedelta | None:
    """Return how long ago the user's proof may be: since the flow began, where that was asked for.

    Google does not know the question (see `authorization_extras`).
    """
    return now - errand.flow.begun_at if errand.fresh and errand.flow.provider != GOOGLE else None


def _authenticated_at(errand: Errand, comer: Identity, now: datetime) -> datetime | None:
    """Return when the user last proved to the provider who they are, where it says so.

    Google says it to almost nobody. There, whoever was asked to choose and to agree has done so just now: if the
    question was not before a script that could have changed it. A page that begins a sign-in by a request of its own
    is told the question; a browser that is sent on keeps it to itself.
    """
    if comer.authenticated_at is not None:
        return min(comer.authenticated_at, now)
    unchanged = errand.fresh and errand.door is Door.CALLBACK
    return now if unchanged and errand.flow.provider == GOOGLE else None


async def _with_keys(
    party: RelyingParty, provider: Provider, metadata: ProviderMetadata, read: Callable[..., Identity]
) -> Identity:
    """Read a token with the keys at hand, and once more with newer ones when it names a key that is not among them."""
    keys: Keys = await party.documents.keys(provider)
    try:
        return read(keys=metadata.signing(keys))
    except UnknownProviderKey:
        return read(keys=metadata.signing(await party.documents.search_keys(provider)))


async def _with_address(
    party: RelyingParty, provider: Provider, metadata: ProviderMetadata, tokens: TokenAnswer, identity: Identity
) -> Identity:
    """Ask for what the ID token leaves open about the address; many providers say it at another place."""
    if not identity.open_for_userinfo or metadata.userinfo_endpoint is None:
        return identity
    document = await fetch_userinfo(
        party.outbound, metadata, provider, access_token=tokens.access_token, subject=identity.subject
    )
    return with_userinfo(identity, document)


def _redirect_uri(party: RelyingParty, provider: Provider, door: Door) -> str:
    return party.page_uri(provider) if door is Door.PAGE else party.callback_uri(provider)

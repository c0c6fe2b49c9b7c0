"""What providers publish about themselves, as one process holds it: where to ask them what, and their public keys."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar

from app.auth.jwks import KeySetInvalid, read_jwks
from app.auth.keys import SigningKey
from app.auth.oidc.provider import MetadataInvalid, Provider, ProviderMetadata, read_metadata
from app.exceptions import ProviderFailed, ProviderUnavailable
from app.services.federation.faults import ProviderFault, told
from app.services.federation.outbound import Outbound

SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(hours=24)
"""Between these two, how long a document is kept is what its own Cache-Control header says."""
PAUSE = timedelta(minutes=1)
"""Between two attempts to get a newer document, while the one at hand still serves."""
FIRST_PAUSE = timedelta(seconds=5)
"""Between two attempts to get a first one."""

Clock = Callable[[], float]
Keys = Mapping[str, SigningKey]
T = TypeVar("T")


def discovery_url(provider: Provider) -> str:
    """Return where a provider publishes its discovery document (OpenID Connect Discovery 1.0, section 4.1)."""
    return f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"


async def fetch_metadata(outbound: Outbound, provider: Provider) -> tuple[ProviderMetadata, timedelta]:
    """Return what a provider says of itself now, and how long that is fresh.

    Raises `ProviderUnavailable`, and `ProviderFailed` for what is no discovery document of this issuer.
    """
    answer = await outbound.get(discovery_url(provider))
    try:
        return read_metadata(answer.document, provider), answer.fresh_for
    except MetadataInvalid as error:
        raise ProviderFailed(ProviderFault.WRONG_METADATA) from error


class ProviderDocuments:
    """The documents of every provider. One for each process; no provider waits for another.

    A document is asked for again when its time is over, by whoever needs it first; all who need it meanwhile wait for
    the same answer. When there is none that can be used, the one at hand stays, and the next attempt waits a minute.
    While there is none at hand either, `ProviderUnavailable` and `ProviderFailed` are raised.
    """

    def __init__(self, outbound: Outbound, clock: Clock = time.monotonic) -> None:
        """Prepare; `clock` counts seconds, from any moment."""
        self._outbound = outbound
        self._clock = clock
        self._metadata: dict[Provider, _Kept[ProviderMetadata]] = {}
        self._keys: dict[Provider, _Kept[Keys]] = {}

    async def metadata(self, provider: Provider) -> ProviderMetadata:
        """Return where to ask a provider what (OpenID Connect Discovery 1.0, section 4)."""
        return await self._kept_metadata(provider).get()

    async def keys(self, provider: Provider) -> Keys:
        """Return the public keys of a provider, by `kid`."""
        return await self._kept_keys(provider).get()

    async def search_keys(self, provider: Provider) -> Keys:
        """Return the keys after another look: a token names one that is not among them.

        The provider is asked at most once a minute, however many such tokens come.
        """
        return await self._kept_keys(provider).search()

    async def close(self) -> None:
        """Give up what is under way."""
        for metadata in self._metadata.values():
            await metadata.close()
        for keys in self._keys.values():
            await keys.close()

    def _kept_metadata(self, provider: Provider) -> "_Kept[ProviderMetadata]":
        fetch = partial(self._fetch_metadata, provider)
        return self._metadata.setdefault(provider, _Kept(fetch, self._clock))

    def _kept_keys(self, provider: Provider) -> "_Kept[Keys]":
        return self._keys.setdefault(provider, _Kept(partial(self._fetch_keys, provider), self._clock))

    async def _fetch_metadata(self, provider: Provider) -> tuple[ProviderMetadata, timedelta]:
        with told(provider.name, "discovery", url=discovery_url(provider)):
            return await fetch_metadata(self._outbound, provider)

    async def _fetch_keys(self, provider: Provider) -> tuple[Keys, timedelta]:
        metadata = await self.metadata(provider)
        with told(provider.name, "keys", url=metadata.jwks_uri):
            answer = await self._outbound.get(metadata.jwks_uri)
            try:
                keys = read_jwks(answer.document)
            except KeySetInvalid:
                keys = {}
            if not keys:  # An empty set would lock everybody out, and says nothing that anybody needs to know at once.
                raise ProviderFailed(ProviderFault.NO_KEYS)
            return keys, answer.fresh_for


class _Kept(Generic[T]):
    """One document of one provider, and when to ask for the next."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[T, timedelta]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._due_at = self._searched_at = -math.inf
        self._fetching: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the document, asked for when it is due."""
        if self._clock() >= self._due_at:
            return await self._next()
        if self._value is None:
            raise ProviderUnavailable("asked_in_vain_a_moment_ago")
        return self._value

    async def search(self) -> T:
        """Return the document after another attempt to get a newer one, at most once a minute.

        Only those who search wait for it: others go on with a document that is not due yet.
        """
        if self._fetching is None:
            if self._clock() - self._searched_at < PAUSE.total_seconds():
                return await self.get()
            self._searched_at = self._clock()
        return await self._next()

    async def close(self) -> None:
        """Give up what is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _next(self) -> T:
        """Fetch in a task of its own: a request that hangs up harms none of those that wait for the same answer."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh())
            self._fetching.add_done_callback(self._end_fetching)
        return await asyncio.shield(self._fetching)

    def _end_fetching(self, task: asyncio.Task[T]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # Whoever still waits gets it; when nobody does, it has been logged.

    async def _refresh(self) -> T:
        try:
            self._value, fresh_for = await self._fetch()
        except (ProviderFailed, ProviderUnavailable):
            pause = FIRST_PAUSE if self._value is None else PAUSE
            self._due_at = max(self._due_at, self._clock() + pause.total_seconds())
            if self._value is None:
                raise
        else:
            self._due_at = self._clock() + min(max(fresh_for, SHORTEST), LONGEST).total_seconds()
        return self._value

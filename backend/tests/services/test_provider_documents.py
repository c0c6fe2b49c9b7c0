"""What one process holds of what providers publish: for how long, and what happens when they do not answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.auth.keys import SigningKey, generate_key_pair, public_jwk
from app.auth.oidc.provider import Provider
from app.exceptions import ProviderFailed, ProviderUnavailable
from app.services.federation.documents import FIRST_PAUSE, LONGEST, PAUSE, SHORTEST, ProviderDocuments
from app.services.federation.outbound import Outbound, TimeLimits
from tests import misbehaving as fault
from tests.contention import at_once
from tests.misbehaving import Misbehaving, misbehaving

DISCOVERY = "/.well-known/openid-configuration"
SHORT, LONG, A_MINUTE = SHORTEST.total_seconds(), LONGEST.total_seconds(), PAUSE.total_seconds()


class Clock:
    """A clock at the edge of the process, which a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Publisher:
    """A provider that publishes two documents, and one process that holds them."""

    server: Misbehaving
    provider: Provider
    documents: ProviderDocuments
    clock: Clock

    def publish(self, *keys: SigningKey, **headers: str) -> None:
        """Publish these keys from now on, and where they are."""
        self.server.replies[DISCOVERY] = fault.says(discovery(self.server.url), **headers)
        self.server.replies["/keys"] = fault.says({"keys": [public_jwk(key) for key in keys]}, **headers)

    async def names(self) -> set[str]:
        """Return the names of the keys that count."""
        return set(await self.documents.keys(self.provider))

    async def search(self) -> set[str]:
        """Return them after another look."""
        return set(await self.documents.search_keys(self.provider))


def discovery(url: str, **changes: object) -> dict[str, Any]:
    """The document of a provider at a URL, with changes. None leaves a member out."""
    document: dict[str, Any] = {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def provider_at(url: str, name: str = "acme") -> Provider:
    return Provider(name=name, issuers=(url,), client_id="us", client_secret="a-secret-of-ours", audiences=("us",))


@pytest.fixture(scope="module")
def keys() -> list[SigningKey]:
    return [generate_key_pair("ES256") for _ in range(3)]


@pytest.fixture(scope="module")
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(allow_loopback_http=True, limits=TimeLimits(connect=20, read=20, total=60))
    yield client
    await client.close()


@pytest.fixture
async def publisher(outbound: Outbound, keys: list[SigningKey]) -> AsyncIterator[Publisher]:
    """A provider that publishes the first key, and says nothing of how long to keep it."""
    async with misbehaving() as server:
        clock = Clock()
        documents = ProviderDocuments(outbound, clock)
        one = Publisher(server, provider_at(server.url), documents, clock)
        one.publish(keys[0])
        yield one
        await documents.close()


async def test_documents_are_read_once_however_many_ask(publisher: Publisher, keys: list[SigningKey]) -> None:
    assert await at_once(50, publisher.names) == 50 * [{keys[0].kid}]
    metadata = await publisher.documents.metadata(publisher.provider)
    assert metadata.token_endpoint == f"{publisher.server.url}/token"
    assert (publisher.server.asked(DISCOVERY), publisher.server.asked("/keys")) == (1, 1)


async def test_an_issuer_with_a_path_publishes_below_it(outbound: Outbound) -> None:
    """OpenID Connect Discovery 1.0, section 4.1: a slash at the end of the issuer is not doubled."""
    async with misbehaving() as server:
        for issuer in (f"{server.url}/tenant", f"{server.url}/other/"):
            path = f"{issuer.removeprefix(server.url).rstrip('/')}{DISCOVERY}"
            server.replies[path] = fault.says(discovery(server.url, issuer=issuer))
            assert (await ProviderDocuments(outbound).metadata(provider_at(issuer))).issuer == issuer


# For how long.


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, SHORT),
        ({"cache_control": "max-age=1"}, SHORT),
        ({"cache_control": "no-store"}, SHORT),
        ({"cache_control": "max-age=3600"}, 3600),
        ({"cache_control": "max-age=3600", "age": "600"}, 3000),
        ({"cache_control": "max-age=31536000"}, LONG),
    ],
    ids=str,
)
async def test_documents_are_kept_as_long_as_they_say_within_bounds(
    publisher: Publisher, keys: list[SigningKey], headers: dict[str, str], seconds: float
) -> None:
    """JW-15: neither at every sign-in nor for ever."""
    assert (SHORT, LONG) == (5 * 60, 24 * 3600)
    publisher.publish(keys[0], **headers)
    await publisher.names()
    publisher.publish(keys[1], **headers)
    publisher.clock.seconds += seconds - 0.001
    assert await publisher.names() == {keys[0].kid}
    publisher.clock.seconds += 0.001
    assert await publisher.names() == {keys[1].kid}
    assert (publisher.server.asked(DISCOVERY), publisher.server.asked("/keys")) == (2, 2)


async def test_a_provider_may_move_its_keys(publisher: Publisher, keys: list[SigningKey]) -> None:
    await publisher.names()
    moved = discovery(publisher.server.url, jwks_uri=f"{publisher.server.url}/elsewhere")
    publisher.server.replies[DISCOVERY] = fault.says(moved)
    publisher.server.replies["/elsewhere"] = fault.says({"keys": [public_jwk(keys[1])]})
    publisher.clock.seconds += SHORT
    assert await publisher.names() == {keys[1].kid}


# Failures.


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(fault.says({}, 500), id="500"),
        pytest.param(fault.exactly(b""), id="closed connection"),
        pytest.param(fault.raw(200, b'{"keys": ['), id="truncated"),
        pytest.param(fault.says({}), id="no key set"),
        pytest.param(fault.says({"keys": []}), id="no key"),
        pytest.param(
            fault.says({"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}), id="only a key that never counts"
        ),
        pytest.param(fault.redirect(302, "/other"), id="redirect"),
        pytest.param(fault.gzip_bomb(), id="gzip bomb"),
        pytest.param(fault.endless(b" " * 4096), id="huge"),
    ],
)
async def test_the_keys_at_hand_stay_while_there_are_no_better_ones(
    publisher: Publisher, keys: list[SigningKey], reply: fault.Reply
) -> None:
    """JW-15, 3.1-13: one fetch that fails locks nobody out; the next attempt comes a minute later."""
    await publisher.names()
    publisher.server.replies["/keys"] = reply
    publisher.clock.seconds += SHORT
    with capture_logs() as logs:
        assert await at_once(10, publisher.names) == 10 * [{keys[0].kid}]
        publisher.clock.seconds += A_MINUTE - 0.001
        assert await publisher.names() == {keys[0].kid}
    assert publisher.server.asked("/keys") == 2
    assert [(line["event"], line["provider"], line["step"]) for line in logs] == [("provider.failed", "acme", "keys")]
    publisher.publish(keys[1])
    publisher.clock.seconds += 0.001
    assert await publisher.names() == {keys[1].kid}


async def test_the_discovery_document_at_hand_stays_as_well(publisher: Publisher) -> None:
    """3.1-13"""
    before = await publisher.documents.metadata(publisher.provider)
    publisher.server.replies[DISCOVERY] = fault.says({}, 500)
    for wait in (LONG, A_MINUTE, A_MINUTE):
        publisher.clock.seconds += wait
        assert await publisher.documents.metadata(publisher.provider) == before
    assert publisher.server.asked(DISCOVERY) == 4


async def test_without_a_first_document_the_provider_is_asked_again_after_seconds(
    publisher: Publisher, keys: list[SigningKey]
) -> None:
    """Whoever opens the sign-in page again and again does not make us ask as often; and one bad second is soon over."""
    publisher.server.replies[DISCOVERY] = fault.says({}, 500)
    failures = await asyncio.gather(*(publisher.names() for _ in range(20)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {ProviderUnavailable}
    with pytest.raises(ProviderUnavailable):
        await publisher.names()
    assert (publisher.server.asked(DISCOVERY), publisher.server.asked("/keys")) == (1, 0)
    publisher.publish(keys[0])
    publisher.clock.seconds += FIRST_PAUSE.total_seconds()
    assert await publisher.names() == {keys[0].kid}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        pytest.param({"issuer": "https://evil.example.com"}, "speaks for another issuer", id="another issuer"),
        pytest.param({"issuer": None}, "speaks for another issuer", id="no issuer"),
        pytest.param({"token_endpoint": "http://evil.example.com/token"}, "token_endpoint", id="http"),
        pytest.param({"jwks_uri": "file:///etc/passwd"}, "jwks_uri", id="a file"),
        pytest.param({"authorization_endpoint": None}, "authorization_endpoint", id="an endpoint is missing"),
    ],
)
async def test_metadata_of_somebody_else_is_neither_used_nor_kept(
    publisher: Publisher, keys: list[SigningKey], changes: dict[str, object], cause: str
) -> None:
    """MD-02, 3.1-27: the issuer is the configured one, letter for letter, before anything of the document counts."""
    publisher.server.replies[DISCOVERY] = fault.says(discovery(publisher.server.url, **changes))
    with capture_logs() as logs, pytest.raises(ProviderFailed) as caught:
        await publisher.documents.metadata(publisher.provider)
    assert caught.value.reason == "wrong_metadata"
    assert cause in logs[0]["cause"]
    assert logs[0]["url"] == f"{publisher.server.url}{DISCOVERY}"
    publisher.publish(keys[0])
    publisher.clock.seconds += FIRST_PAUSE.total_seconds()
    assert (await publisher.documents.metadata(publisher.provider)).issuer == publisher.server.url
    publisher.server.replies[DISCOVERY] = fault.says(discovery(publisher.server.url, **changes))
    publisher.clock.seconds += SHORT
    assert (await publisher.documents.metadata(publisher.provider)).issuer == publisher.server.url


@pytest.mark.parametrize(
    ("issuer", "named"),
    [("{ours}/", "{ours}/"), ("https://a b\n.example", "none"), ("https://a:b@c.example", "none"), (7, "none")],
)
async def test_two_spellings_of_an_issuer_stand_side_by_side_in_the_log(
    publisher: Publisher, issuer: object, named: str
) -> None:
    """MD-02: what the provider writes stands there only if it could be an issuer."""
    ours = publisher.server.url
    written = issuer.format(ours=ours) if isinstance(issuer, str) else issuer
    publisher.server.replies[DISCOVERY] = fault.says(discovery(ours, issuer=written))
    with capture_logs() as logs, pytest.raises(ProviderFailed):
        await publisher.documents.metadata(publisher.provider)
    said = f"speaks for another issuer: it names {named.format(ours=ours)}, and the settings {ours}"
    assert logs[0]["cause"] == said


async def test_the_keys_of_a_provider_are_never_asked_for_by_http_in_production(publisher: Publisher) -> None:
    """JW-15, MD-02"""
    outbound = Outbound(allow_loopback_http=False)
    with pytest.raises(ProviderFailed):
        await ProviderDocuments(outbound).keys(publisher.provider)
    assert publisher.server.questions == []


# Unknown keys.


async def test_a_thousand_unknown_keys_cost_one_question_a_minute(publisher: Publisher, keys: list[SigningKey]) -> None:
    """JW-14: nobody makes us keep a provider busy with invented names."""
    await publisher.names()
    assert await at_once(1000, publisher.search) == 1000 * [{keys[0].kid}]
    publisher.clock.seconds += A_MINUTE - 0.001
    await at_once(1000, publisher.search)
    assert publisher.server.asked("/keys") == 2
    publisher.clock.seconds += 0.001
    await at_once(1000, publisher.search)
    assert (publisher.server.asked("/keys"), publisher.server.asked(DISCOVERY)) == (3, 1)


async def test_a_new_key_counts_as_soon_as_a_token_names_it(publisher: Publisher, keys: list[SigningKey]) -> None:
    """JW-14: a provider may change its keys long before we would ask again."""
    publisher.publish(keys[0], cache_control="max-age=86400")
    await publisher.names()
    publisher.publish(keys[0], keys[1])
    assert await publisher.names() == {keys[0].kid}
    assert await publisher.search() == {keys[0].kid, keys[1].kid}
    assert await publisher.names() == {keys[0].kid, keys[1].kid}


async def test_a_search_holds_nobody_up_whose_key_is_known(publisher: Publisher, keys: list[SigningKey]) -> None:
    """JW-14: a token that anybody can invent must not make everybody wait for a slow provider."""
    await publisher.names()
    released = asyncio.Event()
    publisher.server.replies["/keys"] = fault.after(released, fault.says({"keys": [public_jwk(keys[1])]}))
    searching = [asyncio.ensure_future(publisher.search()) for _ in range(5)]
    await asyncio.sleep(0)
    assert await publisher.names() == {keys[0].kid}
    assert not any(search.done() for search in searching)
    released.set()
    assert await asyncio.gather(*searching) == 5 * [{keys[1].kid}]


async def test_a_search_that_fails_leaves_the_keys_as_they_are(publisher: Publisher, keys: list[SigningKey]) -> None:
    """JW-15, 3.1-13"""
    publisher.publish(keys[0], cache_control="max-age=3600")
    await publisher.names()
    publisher.server.replies["/keys"] = fault.says({}, 500)
    assert await publisher.search() == {keys[0].kid}
    publisher.clock.seconds += 3599
    assert await publisher.names() == {keys[0].kid}
    assert publisher.server.asked("/keys") == 2


# Several at once.


async def test_providers_do_not_wait_for_one_another(publisher: Publisher, keys: list[SigningKey]) -> None:
    """One that hangs, or fails, is nothing to the others."""
    released = asyncio.Event()
    async with misbehaving() as slow:
        provider = provider_at(slow.url, "slow")
        slow.replies[DISCOVERY] = fault.after(released, fault.says(discovery(slow.url)))
        slow.replies["/keys"] = fault.says({"keys": [public_jwk(keys[2])]})
        waiting = asyncio.ensure_future(publisher.documents.keys(provider))
        await slow.until_asked(DISCOVERY)
        assert await publisher.names() == {keys[0].kid}
        assert not waiting.done()
        released.set()
        assert set(await waiting) == {keys[2].kid}
        assert await publisher.names() == {keys[0].kid}


async def test_a_request_that_hangs_up_harms_no_other(publisher: Publisher, keys: list[SigningKey]) -> None:
    """V15.4.1"""
    released = asyncio.Event()
    publisher.server.replies["/keys"] = fault.after(released, publisher.server.replies["/keys"])
    calls = [asyncio.ensure_future(publisher.names()) for _ in range(10)]
    await publisher.server.until_asked("/keys")
    calls[0].cancel()
    released.set()
    assert await asyncio.gather(*calls[1:]) == 9 * [{keys[0].kid}]
    assert calls[0].cancelled()
    assert publisher.server.asked("/keys") == 1


async def test_closing_gives_up_what_is_under_way(publisher: Publisher) -> None:
    publisher.server.replies["/keys"] = fault.silence()
    waiting = asyncio.ensure_future(publisher.names())
    await publisher.server.until_asked("/keys")
    await publisher.documents.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting

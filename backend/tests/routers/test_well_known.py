"""What other services check our tokens with."""

from datetime import timedelta

import httpx2
import jwt
import pytest

from app.config import Settings
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.conftest import settings_for
from tests.instances import instance
from tests.keys import let_keys_age, retire, rotate, tend

PATH = "/.well-known/jwks.json"
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


async def kids(client: httpx2.AsyncClient) -> list[str]:
    return [key["kid"] for key in (await client.get(PATH)).json()["keys"]]


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
async def test_a_stranger_checks_our_tokens_with_what_is_published(settings: Settings, algorithm: str) -> None:
    """JW-03: by a library that is not ours."""
    async with instance(settings.model_copy(update={"ALGORITHM": algorithm})) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        published = jwt.PyJWKSet.from_dict((await running.http.get(PATH)).json())
        key = published[jwt.get_unverified_header(ada.tokens["access_token"])["kid"]]
        claims = jwt.decode(
            ada.tokens["access_token"],
            key,
            algorithms=[algorithm],
            audience=running.runtime.tokens.audience,
            issuer=running.runtime.tokens.issuer,
            options={"require": ["exp", "iat", "sub", "sid", "jti"]},
        )
        assert claims["sub"] == ada.id


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
async def test_nothing_private_is_published(settings: Settings, algorithm: str) -> None:
    """S74: no member of a private key, and none that is null."""
    async with instance(settings.model_copy(update={"ALGORITHM": algorithm})) as running:
        (key,) = (await running.http.get(PATH)).json()["keys"]
        assert PRIVATE_MEMBERS.isdisjoint(key)
        assert None not in key.values()
        assert (key["use"], key["alg"]) == ("sig", algorithm)


@pytest.mark.settings(ALGORITHM="HS256")
async def test_a_shared_key_is_never_published(client: httpx2.AsyncClient) -> None:
    """JW-03: it would let everybody sign."""
    response = await client.get(PATH)
    assert (response.status_code, response.json()) == (200, {"keys": []})


async def test_next_current_and_former_keys_are_published_and_retired_ones_are_not(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """JW-18: published before use, kept until the last token ended."""
    (first,) = await kids(client)
    second = await rotate(runtime)
    await runtime.keys.reload()
    assert set(await kids(client)) == {first, second}
    await let_keys_age(runtime, timedelta(hours=2))
    assert set(await kids(client)) == {first, second}
    await let_keys_age(runtime, timedelta(hours=24))
    assert await kids(client) == [second]
    await tend(runtime)
    await retire(runtime, second)
    await runtime.keys.reload()
    (third,) = await kids(client)
    assert third not in {first, second}


async def test_caches_and_pages_of_other_sites_may_have_the_keys(
    client: httpx2.AsyncClient, settings: Settings
) -> None:
    """They are public; a cache keeps them for a shorter time than a key is published before it signs."""
    response = await client.get(PATH, headers={"Origin": "https://shop.example.org"})
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert settings.signing_key_lead > timedelta(seconds=300)


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 30), (5, 150), (10, 300), (60, 300)])
async def test_a_cache_keeps_the_keys_for_no_more_than_half_of_the_lead(
    settings: Settings, minutes: int, seconds: int
) -> None:
    """JW-18: a verifier has the next key before the first token that it signed."""
    changed = settings.model_copy(update={"SIGNING_KEY_LEAD_MINUTES": minutes})
    async with instance(changed) as running:
        response = await running.http.get(PATH)
    assert response.headers["cache-control"] == f"public, max-age={seconds}"


async def test_no_credential_is_asked_for_and_none_is_looked_at(client: httpx2.AsyncClient) -> None:
    assert (await client.get(PATH, headers={"Authorization": "Bearer nonsense"})).status_code == 200


async def test_without_a_database_and_without_keys_a_verifier_is_told_to_come_back() -> None:
    """V16.5.2: an empty set would make every token void; and no cache keeps this answer."""
    for algorithm in ("ES256", "HS256"):
        away = settings_for("postgresql://nobody:a-secret@127.0.0.1:1/nothing", ALGORITHM=algorithm)
        async with instance(away) as alone:
            response = await alone.http.get(PATH)
            problem_of(response, 503, "DATABASE_UNAVAILABLE")
            assert response.headers["retry-after"] == "2"
            assert "max-age" not in response.headers.get("cache-control", "")

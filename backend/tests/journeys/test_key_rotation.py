"""Keys change under load: nobody notices, neither our clients nor a service that checks our tokens by itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import jwt
import pytest
from sqlalchemy import update

from app.models import StoredKey
from app.runtime import Runtime
from tests.accounts import API
from tests.conftest import settings_for
from tests.journeys.server import NO_TLS, ostiary, running
from tests.keys import stored_keys
from tests.rows import write
from tests.tokens import access_header

PASSWORD = "seven lanterns by the sea"
CLIENTS = 2
WATCHER = "watcher@example.com"
"""Refreshes in turn with nobody else: whoever comes with a token of the last but one generation is a thief."""
IN_A_ROW = 12
"""Requests on connections of their own, so that both workers have answered: a coin that falls so twelve times is none."""
PATIENCE_SECONDS = 40


class OutsideVerifier:
    """Another company's service: PyJWT and our published keys. It asks us for nothing else.

    As PyJWT does by default, it keeps our keys for five minutes, and looks for none that it does not know within 30
    seconds of the last look. So it depends on keys being published before they sign.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")

    def look(self) -> set[str | None]:
        """Read the keys again, as it would after five minutes, and return which it has now."""
        return {key.key_id for key in self._keys.get_jwk_set(refresh=True).keys}

    def accepts(self, token: str) -> bool:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["ES256"], audience=f"{self._issuer}{API}", issuer=self._issuer)
        except jwt.PyJWTError:
            return False
        return True


@dataclass
class Load:
    """Clients that call, refresh and have their tokens checked elsewhere, without a pause."""

    http: httpx2.AsyncClient
    verifier: OutsideVerifier
    answers: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    """The newest tokens of each client, by address."""

    async def sign_up(self, email: str) -> None:
        account = {"email": email, "password": PASSWORD}
        assert (await self.http.post(f"{API}/auth/register", json=account)).status_code == 201
        form = {"username": email, "password": PASSWORD}
        self.tokens[email] = (await self.http.post(f"{API}/auth/login", data=form)).json()

    async def keep_calling(self, email: str) -> None:
        while True:
            await self.call(email)
            accepted = await asyncio.to_thread(self.verifier.accepts, self.tokens[email]["access_token"])
            self.answers[f"outside {accepted}"] += 1
            await self.refresh(email)

    async def refresh(self, email: str) -> None:
        refresh = {"refresh_token": self.tokens[email]["refresh_token"]}
        response = await self.http.post(f"{API}/auth/refresh", json=refresh)
        self.answers[f"refresh {response.status_code}"] += 1
        if response.status_code == 200:
            self.tokens[email] = response.json()

    async def call(self, email: str) -> None:
        self.answers[f"me {await self.status_of(self.tokens[email]['access_token'])}"] += 1

    async def status_of(self, token: str) -> int:
        return (await self.http.get(f"{API}/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code

    async def published(self) -> set[str]:
        return {key["kid"] for key in (await self.http.get("/.well-known/jwks.json")).json()["keys"]}

    def signers(self) -> set[str]:
        """Return the keys that signed the newest tokens."""
        return {access_header(tokens["access_token"])["kid"] for tokens in self.tokens.values()}


@asynccontextmanager
async def load_on(url: str) -> AsyncIterator[Load]:
    """Put a server under load for as long as the block lasts. A client that stops fails the test."""
    async with httpx2.AsyncClient(base_url=url, headers={"Connection": "close"}, timeout=30, verify=NO_TLS) as http:
        load = Load(http, OutsideVerifier(url))
        emails = [f"client-{number}@example.com" for number in range(CLIENTS)]
        await asyncio.gather(*(load.sign_up(email) for email in (*emails, WATCHER)))
        tasks = [asyncio.create_task(load.keep_calling(email)) for email in emails]
        try:
            yield load
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def always(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as something holds many times in a row: on every worker, that is."""
    streak = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while streak < IN_A_ROW:
            streak = streak + 1 if await holds() else 0


async def command(folder: Path, url: str, *arguments: str) -> None:
    done = await asyncio.to_thread(ostiary, folder, "keys", *arguments, DATABASE_URL=url)
    assert done.returncode == 0, done.stderr


@pytest.mark.only("postgresql")
async def test_keys_rotate_under_load_and_nobody_notices(tmp_path: Path, empty_database_url: str) -> None:
    """JW-18, 3.5-02: no request fails, an outside verifier accepts before, during and after, a retired key is out.

    Two workers, and a command that is a process of its own: each learns of the change by itself.
    """
    url = empty_database_url
    with running(tmp_path, DATABASE_URL=url, WORKERS="2") as server:
        rows = Runtime.build(settings_for(url))
        async with load_on(server.url) as load:
            (first,) = load.signers()
            witness = load.tokens[WATCHER]["access_token"]

            await command(tmp_path, url, "rotate")
            second = (await stored_keys(rows))[1].kid

            async def both_are_published() -> bool:
                return await load.published() == {first, second}

            await always(both_are_published)
            assert load.signers() == {first}, "published before it is used"

            # The lead has passed, and meanwhile the time for which the outside verifier keeps our keys.
            async def the_verifier_has_both() -> bool:
                return await asyncio.to_thread(load.verifier.look) == {first, second}

            await always(the_verifier_has_both)
            now = datetime.now(UTC)
            await write(rows, update(StoredKey).where(StoredKey.kid == second).values(signs_from=now))

            async def the_second_signs() -> bool:
                await load.refresh(WATCHER)
                return bool(access_header(load.tokens[WATCHER]["access_token"])["kid"] == second)

            await always(the_second_signs)
            assert await load.status_of(witness) == 200, "kept until its last token has ended"
            assert await asyncio.to_thread(load.verifier.accepts, witness)
            undisturbed = load.answers.copy()

            await command(tmp_path, url, "retire", first)

            async def the_first_is_refused() -> bool:
                return await load.status_of(witness) == 401

            await always(the_first_is_refused)
            assert not await asyncio.to_thread(OutsideVerifier(server.url).accepts, witness)
        await rows.close()
    assert set(undisturbed) == set(load.answers) == {"me 200", "refresh 200", "outside True"}, load.answers
    assert min(undisturbed.values()) >= CLIENTS

"""Clients that refresh again and again through whatever happens, and the account of what they were given."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import httpx2

from app.models import Session
from app.runtime import Runtime
from tests.accounts import API
from tests.answers import problem_of
from tests.journeys.pair import begin_sessions
from tests.rows import add_users, find_session, let_time_pass
from tests.tokens import access_claims

ATTEMPTS = 100


@dataclass
class Chain:
    """A client that keeps one session alive. What it got no good answer to, it asks again with the same token."""

    http: httpx2.AsyncClient
    session_id: UUID
    tokens: list[str]
    """Every refresh token of the session that it was ever given, the newest last."""
    unanswered: int = 0
    """How often the connection broke."""
    failures: Counter[int] = field(default_factory=Counter)
    """How often the answer was an accident, or "not now", by its status."""

    async def present(self, token: str) -> httpx2.Response:
        return await self.http.post(f"{API}/auth/refresh", json={"refresh_token": token})

    async def refresh(self) -> None:
        """Trade the newest token for the next one. Being signed out is a failure of the test."""
        for _ in range(ATTEMPTS):
            try:
                response = await self.present(self.tokens[-1])
            except httpx2.TransportError:
                self.unanswered += 1
                continue
            if response.status_code < 500:
                assert response.status_code == 200, response.text
                self.tokens.append(response.json()["refresh_token"])
                return
            self.failures[response.status_code] += 1
        raise AssertionError(f"No answer in {ATTEMPTS} attempts")


@dataclass
class Crowd:
    """Clients who refresh all at once."""

    chains: list[Chain]
    _successes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    @property
    def unanswered(self) -> int:
        return sum(chain.unanswered for chain in self.chains)

    @property
    def failures(self) -> Counter[int]:
        return sum((chain.failures for chain in self.chains), Counter())

    @asynccontextmanager
    async def refreshing(self, times: int) -> AsyncIterator[None]:
        """Have each refresh so many times, beside what is done in the block."""
        self._successes = asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._refresh(chain, times)) for chain in self.chains]
            yield
            assert not all(task.done() for task in tasks), "the refreshes were over before the block was"

    async def after(self, refreshes: int) -> None:
        """Wait for so many more successful refreshes."""
        for _ in range(refreshes):
            await self._successes.acquire()

    async def _refresh(self, chain: Chain, times: int) -> None:
        for _ in range(times):
            await chain.refresh()
            self._successes.release()


async def crowd_of(number: int, runtime: Runtime, http: httpx2.AsyncClient) -> Crowd:
    """Sign so many people in, each of whom will refresh through this client."""
    made = await begin_sessions(runtime, await add_users(runtime, number), number)
    return Crowd([Chain(http, UUID(access_claims(each.access_token)["sid"]), [each.refresh_token]) for each in made])


async def check_account(runtime: Runtime, crowd: Crowd) -> None:
    """Assert that every session counted what its client counted, and that no token works outside the rule.

    By the rule a used token gets the same successor again, within the grace. After it, or at once when it is older
    than the parent of the newest, it ends the session. The sessions are over afterwards.
    """
    for turn, chain in enumerate(crowd.chains):
        grandparent, parent, newest = chain.tokens[-3:]
        session = await find_session(runtime, chain.session_id)
        assert len(set(chain.tokens)) == len(chain.tokens) == session.counter + 1
        assert session.ended_at is None
        assert (await chain.present(parent)).json()["refresh_token"] == newest
        if turn % 2:
            await let_time_pass(runtime, chain.session_id, Session.refreshed_at, by=timedelta(hours=1))
        for token in (parent if turn % 2 else grandparent, newest):
            assert problem_of(await chain.present(token), 401, "SESSION_ENDED")["cause"] == "refresh_token_reused"

"""Guesses that come all at once, at a server with two workers: no more get through than at one."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.accounts import API, PASSWORD
from tests.journeys.server import running
from tests.limits.conftest import redis_url
from tests.limits.trying import FREE

__all__ = ["redis_url"]

GUESSES = 200
EMAIL = "ada@example.com"


async def test_of_two_hundred_guesses_at_once_as_many_get_through_as_the_limit_says(
    tmp_path: Path, database_url: str
) -> None:
    """3.7-03, PW-07, S36: with two workers the database counts, without being told to."""
    await guess_all_at_once(tmp_path, DATABASE_URL=database_url)


@pytest.mark.only("sqlite")
async def test_the_same_counted_by_redis(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """3.7-03, PW-07, S36."""
    await guess_all_at_once(tmp_path, DATABASE_URL=database_url, LIMITS_STORAGE=redis_url)


async def guess_all_at_once(folder: Path, **settings: str) -> None:
    """Start a server with two workers, as it comes, and send it every guess at once."""
    limits = httpx2.Limits(max_connections=40)
    with running(folder, WORKERS="2", LOG_LEVEL="error", **settings) as server:
        server.wait_for_workers(2)
        async with httpx2.AsyncClient(base_url=server.url, timeout=60, limits=limits) as http:
            body = {"email": EMAIL, "password": PASSWORD}
            assert (await http.post(f"{API}/auth/register", json=body)).status_code == 201
            began = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(guess(http, number) for number in range(GUESSES)))
            took = asyncio.get_running_loop().time() - began
    counted = Counter(answers)
    assert set(counted) == {401, 429}
    # One more is let through for every five seconds that the guesses themselves have taken.
    assert FREE <= counted[401] <= FREE + int(took / 5)


async def guess(http: httpx2.AsyncClient, number: int) -> int:
    form = {"username": EMAIL, "password": f"guess number {number}"}
    return (await http.post(f"{API}/auth/login", data=form)).status_code

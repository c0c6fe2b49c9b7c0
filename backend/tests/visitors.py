"""The same people at another place or another device: their requests come from another address, or say another agent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
from fastapi import FastAPI

from tests.accounts import Person
from tests.conftest import BASE_URL

FIREFOX_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
HOME = "203.0.113.7"
ABROAD = "198.51.100.23"


@asynccontextmanager
async def visiting(
    app: FastAPI, person: Person, *, address: str = ABROAD, user_agent: str = FIREFOX_ON_LINUX
) -> AsyncIterator[Person]:
    """Yield the same person, with the same tokens, whose requests come from another place with another device."""
    transport = httpx2.ASGITransport(app=app, client=(address, 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers={"User-Agent": user_agent}) as http:
        yield replace(person, http=http)

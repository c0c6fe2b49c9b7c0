"""People who try to sign in, right and wrong, from wherever and on whatever device; and the passing of time for tries."""

from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.models import LimitBucket
from app.runtime import Runtime
from tests.accounts import API, Person
from tests.conftest import BASE_URL
from tests.contract import DocumentedErrors
from tests.cookies import set_cookies
from tests.rows import write

LIMITED = pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database")
FREE = 5
"""Wrong passwords that nobody has to wait after, at one account."""
WRONG = "wrong wrong wrong"
DEVICE_COOKIE = "__Host-ostiary-device"
"""Spelt out, so that a change of the application's own constant is seen."""


@dataclass
class Guesser:
    """Somebody at one address, perhaps with a device cookie."""

    app: FastAPI
    address: str = "198.51.100.23"
    headers: dict[str, str] = field(default_factory=dict)
    device: str = ""

    async def call(self, method: str, path: str, **kwargs: object) -> httpx2.Response:
        """Call a route below the API prefix, and keep the device cookie that comes back."""
        transport = DocumentedErrors(self.app, client=(self.address, 40_000))
        cookie = {"Cookie": f"{DEVICE_COOKIE}={self.device}"} if self.device else {}
        headers = {**self.headers, **cookie, **kwargs.pop("headers", {})}  # type: ignore[dict-item]
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
            response = await http.request(method, API + path, headers=headers, **kwargs)  # type: ignore[arg-type]
        for header in set_cookies(response):
            if header.name == DEVICE_COOKIE:
                self.device = header.value
        return response

    async def sign_in(self, email: str, password: str = WRONG, **fields: str) -> httpx2.Response:
        form = {"username": email, "password": password, **fields}
        return await self.call("POST", "/auth/login", data=form)

    async def statuses(self, number: int, email: str, password: str = WRONG) -> list[int]:
        """Try so many times and return what came of it."""
        return [(await self.sign_in(email, password)).status_code for _ in range(number)]

    async def use_up(self, person: Person) -> None:
        """Guess until the account says: wait."""
        assert await self.statuses(FREE + 1, person.email) == [401] * FREE + [429]


async def let_time_pass(runtime: Runtime, by: timedelta) -> None:
    """Move every bucket's moment back, as if all tries were longer ago."""
    moved = LimitBucket.full_at - int(by.total_seconds() * 1000)
    await write(runtime, update(LimitBucket).values(full_at=moved))

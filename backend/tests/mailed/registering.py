"""Registers and proves addresses as browsers and apps do."""

from dataclasses import dataclass, field

import httpx2

from app.auth.sign_up_browser import SIGN_UP_COOKIE
from app.models.role import ADMINISTRATOR
from app.runtime import Runtime
from app.services.accounts import NewAccount, register
from tests.accounts import API, CLIENT, PASSWORD, Person

ADA, GRACE = "ada@example.com", "grace@example.com"
OTHERS_PASSWORD = "seven grey wolves stare"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Tab:
    """A browser on a page of ours, which keeps its cookies; the test client's jar sends no secure one over http."""

    http: httpx2.AsyncClient
    page: dict[str, str] = field(default_factory=lambda: dict(OWN_PAGE))
    kept: str | None = None

    async def post(self, path: str, body: dict[str, object]) -> httpx2.Response:
        cookie = {"Cookie": f"{SIGN_UP_COOKIE}={self.kept}"} if self.kept else {}
        response = await self.http.post(API + path, json=body, headers={**self.page, **cookie})
        for header in response.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            if name == SIGN_UP_COOKIE:
                self.kept = rest.partition(";")[0]
        return response

    async def register(self, email: str = ADA, password: str = PASSWORD, **more: object) -> httpx2.Response:
        return await self.post("/auth/register", {"email": email, "password": password, **more})

    async def confirm(self, **brought: object) -> httpx2.Response:
        return await self.post("/auth/verification/confirm", brought)


async def resend(http: httpx2.AsyncClient, email: str = ADA) -> httpx2.Response:
    return await http.post(f"{API}/auth/verification/resend", json={"email": email})


async def log_in(http: httpx2.AsyncClient, email: str = ADA, password: str = PASSWORD) -> httpx2.Response:
    return await http.post(f"{API}/auth/login", data={"username": email, "password": password})


async def made(http: httpx2.AsyncClient, runtime: Runtime, email: str = GRACE, *, role: str = ADMINISTRATOR) -> Person:
    """Return somebody signed in whose account was made on the server, as by `ostiary users create-admin`."""
    async with runtime.database.begin(CLIENT) as work:
        account = NewAccount(email=email, password=PASSWORD)
        user = await register(work, runtime.hashing, account=account, role=role)
    return await Person(http, str(user.id), email, PASSWORD).sign_in()

"""People with accounts: they register, sign in and call through the API, as everybody does."""

from dataclasses import dataclass, field

import httpx2
from sqlalchemy import update

from app.auth.identifiers import new_id
from app.database import Client
from app.models import User
from app.runtime import Runtime

API = "/api/v1"
PASSWORD = "correct horse battery staple"
CLIENT = Client(address="127.0.0.1", user_agent="tests", request_id="test")


@dataclass
class Person:
    """Somebody with an account and, once signed in, with tokens."""

    http: httpx2.AsyncClient
    id: str
    email: str
    password: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header of the newest access token."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def sign_in(self) -> "Person":
        """Begin a session and return this person with its tokens. The one before stays alive."""
        response = await self.http.post(f"{API}/auth/login", data={"username": self.email, "password": self.password})
        assert response.status_code == 200, response.text
        return Person(self.http, self.id, self.email, self.password, response.json())

    async def refresh(self, token: str | None = None) -> httpx2.Response:
        """Present a refresh token, this person's newest unless another is given. Keeps what comes back."""
        response = await self.http.post(
            f"{API}/auth/refresh", json={"refresh_token": token or self.tokens["refresh_token"]}
        )
        if response.status_code == 200:
            self.tokens = response.json()
        return response

    async def get(self, path: str, **kwargs: object) -> httpx2.Response:
        return await self.call("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: object) -> httpx2.Response:
        return await self.call("POST", path, **kwargs)

    async def patch(self, path: str, **kwargs: object) -> httpx2.Response:
        return await self.call("PATCH", path, **kwargs)

    async def call(self, method: str, path: str, **kwargs: object) -> httpx2.Response:
        """Call a route below the API prefix with this person's access token."""
        return await self.http.request(method, API + path, headers=self.headers, **kwargs)  # type: ignore[arg-type]


class Accounts:
    """Makes people."""

    def __init__(self, http: httpx2.AsyncClient, runtime: Runtime) -> None:
        self._http = http
        self._runtime = runtime

    async def register(self, email: str | None = None, *, password: str = PASSWORD, name: str | None = None) -> Person:
        """Return somebody new who has not signed in yet."""
        email = email or f"{new_id().hex}@example.com"
        body = {"email": email, "password": password, "full_name": name}
        response = await self._http.post(f"{API}/auth/register", json=body)
        assert response.status_code == 201, response.text
        return Person(self._http, response.json()["id"], email, password)

    async def signed_in(self, email: str | None = None, *, name: str | None = None) -> Person:
        """Return somebody new with a session."""
        return await (await self.register(email, name=name)).sign_in()

    async def administrator(self) -> Person:
        """Return a signed-in administrator."""
        person = await self.register()
        await self.set_role(person, "admin")
        return await person.sign_in()

    async def set_role(self, person: Person, role: str) -> None:
        """Give a role behind the API's back, as the command line would."""
        async with self._runtime.database.begin(CLIENT) as work:
            await work.db.execute(update(User).where(User.email == person.email).values(role_name=role))

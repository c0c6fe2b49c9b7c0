"""What carries a session, and how each kind is presented. A further kind is one more entry of `CREDENTIALS`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2

from tests.accounts import Person
from tests.answers import problem_of
from tests.cookies import Browser, signed_in


@dataclass(frozen=True)
class Credential:
    """A way to carry a session."""

    name: str
    sign_in: Callable[[Person], Awaitable[Person]]
    """Begins a session that is carried this way; whoever is returned calls with it."""
    present: Callable[[Person, str], Awaitable[httpx2.Response]]
    """Asks for a path with this credential, and returns the first refusal on the way there, if there is one."""
    unknown: str = "TOKEN_INVALID"
    """The code of the refusal when the session is not only ended but gone, with its account."""
    has_tokens: bool = True
    """Whether the session is carried by an access token and a refresh token."""

    def check_refused(self, response: httpx2.Response, cause: str | None) -> None:
        """Assert that an answer refuses an ended session with its cause, or, without one, a session that is gone."""
        if cause is None:
            assert "cause" not in problem_of(response, 401, self.unknown)
        else:
            assert problem_of(response, 401, "SESSION_ENDED")["cause"] == cause


@dataclass
class CookieHolder(Person):
    """Somebody whose browser carries the session."""

    cookie: str = ""

    async def call(self, method: str, path: str, **kwargs: object) -> httpx2.Response:
        """Call a route below the API prefix as a page of the server does."""
        browser = Browser(self.http, self.cookie)
        response = await browser.call(method, path, **kwargs)
        self.cookie = browser.cookie
        return response


async def sign_in_by_cookie(person: Person) -> Person:
    browser = await signed_in(person)
    return CookieHolder(person.http, person.id, person.email, person.password, cookie=browser.cookie)


async def ask(person: Person, path: str) -> httpx2.Response:
    return await person.get(path)


async def refresh_and_ask(person: Person, path: str) -> httpx2.Response:
    """Refresh, and ask with the access token that comes of it."""
    refreshed = await person.refresh()
    return await person.get(path) if refreshed.status_code == 200 else refreshed


CREDENTIALS = (
    Credential("access_token", Person.sign_in, ask),
    Credential("refresh_token", Person.sign_in, refresh_and_ask, unknown="REFRESH_TOKEN_INVALID"),
    Credential("cookie", sign_in_by_cookie, ask, has_tokens=False),
)

"""What carries a session, and how each kind is presented. A further kind is one more entry of `CREDENTIALS`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2

from tests.accounts import Person
from tests.answers import problem_of


@dataclass(frozen=True)
class Credential:
    """A way to carry a session."""

    name: str
    sign_in: Callable[[Person], Awaitable[Person]]
    """Begins a session that is carried this way; whoever is returned calls with it."""
    present: Callable[[Person, str], Awaitable[httpx2.Response]]
    """Asks for a path with this credential, and returns the first refusal on the way there, if there is one."""
    unknown: str
    """The code of the refusal when the session is not only ended but gone, with its account."""

    def check_refused(self, response: httpx2.Response, cause: str | None) -> None:
        """Assert that an answer refuses an ended session with its cause, or, without one, a session that is gone."""
        if cause is None:
            assert "cause" not in problem_of(response, 401, self.unknown)
        else:
            assert problem_of(response, 401, "SESSION_ENDED")["cause"] == cause


async def with_access_token(person: Person, path: str) -> httpx2.Response:
    return await person.get(path)


async def with_refresh_token(person: Person, path: str) -> httpx2.Response:
    """Refresh, and ask with the access token that comes of it."""
    refreshed = await person.refresh()
    return await person.get(path) if refreshed.status_code == 200 else refreshed


ACCESS_TOKEN = Credential("access_token", Person.sign_in, with_access_token, unknown="TOKEN_INVALID")
REFRESH_TOKEN = Credential("refresh_token", Person.sign_in, with_refresh_token, unknown="REFRESH_TOKEN_INVALID")

CREDENTIALS = (ACCESS_TOKEN, REFRESH_TOKEN)

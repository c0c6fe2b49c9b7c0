"""People who add identities to their accounts."""

from typing import Any

import httpx2

from app.offline.people import Person as GooglePerson
from app.offline.testing import ADA
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.federation.browsers import Browser
from tests.rows import change_user, find_user
from tests.tokens import access_claims

GRACE = GooglePerson(email="grace@example.com", name="Grace Hopper")


async def link(
    browser: Browser, person: Person, comer: GooglePerson = ADA, provider: str = "google"
) -> httpx2.Response:
    """Add an identity to an account, and return the last answer."""
    begun = await browser.post(f"/auth/{provider}/link", {"return_to": "/settings"}, **person.headers)
    assert begun.status_code == 200, begun.text
    callback = await browser.visitor.sign_in(begun.json()["authorization_url"], comer)
    return await browser.open(callback)


async def verified(accounts: Accounts, runtime: Runtime, email: str = ADA.email) -> Person:
    """Return somebody who is signed in and has proved their address."""
    person = await accounts.signed_in(email)
    user = await find_user(runtime, person)
    await change_user(runtime, person, email_verified_at=user.created_at)
    return person


def user_id_of(tokens: dict[str, str]) -> str:
    return str(access_claims(tokens["access_token"])["sub"])


async def identities_of(person: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await person.get("/auth/me/identities")).json()["items"]
    return items


def as_person(http: httpx2.AsyncClient, tokens: dict[str, str]) -> Person:
    return Person(http, user_id_of(tokens), ADA.email, "", tokens)

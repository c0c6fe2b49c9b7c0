"""People with second factors: an authenticator app, passkeys, recovery codes."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
from sqlalchemy import update

from app.auth import totp
from app.models import TotpAuthenticator
from app.runtime import Runtime
from app.services.passkeys.party import relying_party
from tests.accounts import API, CLIENT, Accounts, Person
from tests.authenticator import Authenticator

Answer = dict[str, Any]


def page_of(runtime: Runtime) -> str:
    """Return the origin of a page that may use passkeys."""
    return relying_party(runtime.settings).origins[0]


def code_of(secret: str, *, steps: int = 0) -> str:
    """Return what an app shows for a secret as it was typed, now or so many steps from now."""
    text = secret.replace(" ", "")
    seed = base64.b32decode(text + "=" * (-len(text) % 8))
    return totp.code_at(seed, totp.step_of(datetime.now(UTC)) + steps)


def wrong_code_of(secret: str) -> str:
    """Return six digits that no app shows for this secret now, nor a moment before or after."""
    shown = {code_of(secret, steps=steps) for steps in range(-3, 4)}
    return next(
        code
        for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
        if code not in shown
    )


@dataclass
class Guarded:
    """Somebody whose account has a second factor."""

    person: Person
    secret: str = ""
    recovery_codes: list[str] = field(default_factory=list)
    device: Authenticator | None = None

    def code(self, *, steps: int = 0) -> str:
        """Return what their app shows."""
        return code_of(self.secret, steps=steps)


async def renewed(person: Person, answer: Mapping[str, Any]) -> None:
    """Keep the access token that came with a fresh proof."""
    person.tokens["access_token"] = answer["session"]["access_token"]


async def enrol_app(person: Person) -> Guarded:
    """Give a freshly signed-in person an authenticator app."""
    offer = await person.post("/auth/me/totp")
    assert offer.status_code == 200, offer.text
    secret = offer.json()["secret"]
    confirmed = await person.post("/auth/me/totp/confirm", json={"code": code_of(secret)})
    assert confirmed.status_code == 200, confirmed.text
    await renewed(person, confirmed.json())
    return Guarded(person, secret, confirmed.json()["recovery_codes"] or [])


async def with_app(accounts: Accounts, runtime: Runtime, email: str | None = None) -> Guarded:
    """Return somebody new, signed in, with an app whose present code has not been used yet."""
    guarded = await enrol_app(await accounts.signed_in(email))
    await forget_last_step(runtime)
    return guarded


async def add_passkey(person: Person, device: Authenticator, *, name: str = "Device") -> Answer:
    """Give a freshly proved person a passkey, and return the answer."""
    begun = await person.post("/auth/me/passkeys/options")
    assert begun.status_code == 200, begun.text
    body = {
        "name": name,
        "ceremony": begun.json()["ceremony"],
        "credential": device.create(begun.json()["publicKey"]),
    }
    added = await person.post("/auth/me/passkeys", json=body)
    assert added.status_code == 201, added.text
    answer: Answer = added.json()
    await renewed(person, answer)
    return answer


async def with_passkey(accounts: Accounts, runtime: Runtime, device: Authenticator | None = None) -> Guarded:
    """Return somebody new, signed in, with a passkey."""
    person, device = await accounts.signed_in(), device or Authenticator(page_of(runtime))
    answer = await add_passkey(person, device)
    return Guarded(person, recovery_codes=answer["recovery_codes"] or [], device=device)


async def forget_last_step(runtime: Runtime) -> None:
    """Let the code that the app shows now count again, as half a minute later the next one would."""
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(update(TotpAuthenticator).values(last_step=-1))


async def begin_sign_in(http: httpx2.AsyncClient, person: Person, **query: str) -> httpx2.Response:
    """Prove the password."""
    form = {"username": person.email, "password": person.password}
    return await http.post(f"{API}/auth/login", data=form, params=query)


async def pending_of(http: httpx2.AsyncClient, person: Person) -> str:
    """Prove the password, and return what names the sign-in that lacks a second factor."""
    answer = await begin_sign_in(http, person)
    assert (answer.status_code, answer.json()["code"]) == (403, "SECOND_FACTOR_REQUIRED"), answer.text
    return str(answer.json()["pending"])


async def finish(http: httpx2.AsyncClient, pending: str | None, **body: object) -> httpx2.Response:
    """Go on with a second factor."""
    return await http.post(f"{API}/auth/second-factor", json={"pending": pending, **body})


async def sign_in_with_passkey(http: httpx2.AsyncClient, device: Authenticator, **query: str) -> httpx2.Response:
    """Sign in with a passkey of a device."""
    begun = (await http.post(f"{API}/auth/passkey/options")).json()
    body = {"ceremony": begun["ceremony"], "credential": device.get(begun["publicKey"])}
    return await http.post(f"{API}/auth/passkey", json=body, params=query)

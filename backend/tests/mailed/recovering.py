"""Forgets passwords, changes addresses and says "this wasn't me", by the API and with what the mails hold."""

from datetime import UTC, datetime
from uuid import UUID

import httpx2
from sqlalchemy import select

from app.auth.identifiers import new_id
from app.models import Identity, Session
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.mailed.inbox import Letter, newest
from tests.rows import change_user

ADA, GRACE, NEW, THIEF = "ada@example.com", "grace@example.com", "countess@example.org", "thief@example.net"
NEW_PASSWORD = "nine pale lanterns hum"
THIEFS_PASSWORD = "seven grey wolves stare"
NOTICE, RESET, NOTE = "security_notice", "reset_password", "address_change_notice"
CONFIRM = "confirm_new_address"


async def proved(accounts: Accounts, runtime: Runtime, email: str = ADA) -> Person:
    """Return somebody who is signed in and whose address was proved long ago."""
    person = await accounts.signed_in(email)
    await change_user(runtime, person, email_verified_at=datetime(2026, 1, 1, tzinfo=UTC))
    return person


async def forget(http: httpx2.AsyncClient, email: str) -> httpx2.Response:
    return await http.post(f"{API}/auth/password/forgot", json={"email": email})


async def forgotten(runtime: Runtime, person: Person) -> Letter:
    """Forget a password, and return the mail."""
    assert (await forget(person.http, person.email)).status_code == 202
    return await newest(runtime, person, RESET)


async def reset(http: httpx2.AsyncClient, password: str = NEW_PASSWORD, **brought: str) -> httpx2.Response:
    return await http.post(f"{API}/auth/password/reset", json={**brought, "new_password": password})


async def ask_for(person: Person, email: str = NEW) -> httpx2.Response:
    return await person.post("/auth/me/email", json={"email": email})


async def confirm(person: Person, **brought: str) -> httpx2.Response:
    return await person.post("/auth/me/email/confirm", json=brought)


async def move(runtime: Runtime, person: Person, email: str = NEW) -> None:
    """Give an account another address, as its user does."""
    assert (await ask_for(person, email)).status_code == 202
    mail = await newest(runtime, email, CONFIRM)
    assert (await confirm(person, token=mail.token)).status_code == 204


async def disown(http: httpx2.AsyncClient, mail: Letter) -> httpx2.Response:
    """Follow the link of a notice and say "this wasn't me"."""
    route = {"/mail/veto": "/auth/email/veto", "/mail/undo": "/auth/undo"}[mail.page]
    return await http.post(API + route, json={"token": mail.token})


async def can_sign_in(http: httpx2.AsyncClient, email: str, password: str) -> bool:
    answer = await http.post(f"{API}/auth/login", data={"username": email, "password": password})
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200


async def end_cause(runtime: Runtime, session_id: UUID) -> str | None:
    (session,) = await runtime.database.read.entities(select(Session).where(Session.id == session_id))
    return session.end_cause


async def subjects_of(runtime: Runtime, person: Person) -> set[str]:
    """Return who somebody is at their providers."""
    statement = select(Identity).where(Identity.user_id == UUID(person.id))
    return {identity.subject for identity in await runtime.database.read.entities(statement)}


def identity(person: Person, subject: str, *, at: datetime) -> dict[str, object]:
    """Return the row of an identity that was added at some time."""
    return {
        "id": new_id(),
        "user_id": UUID(person.id),
        "issuer": "https://accounts.google.com",
        "subject": subject,
        "email": person.email,
        "email_verified": True,
        "created_at": at,
        "last_used_at": at,
    }

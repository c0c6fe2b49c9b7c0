"""The steps of a sign-in that lacks a second factor, for tests that post them as nobody should."""

import httpx2
from sqlalchemy import select, update

from app.models import PendingSignIn
from app.runtime import Runtime
from tests.accounts import API, Person
from tests.factors import begin_sign_in
from tests.rows import write

FINISH, OPTIONS, OFFER, CONFIRM = "", "/passkey/options", "/totp", "/totp/confirm"
OF_SECOND_FACTOR, OF_ENROLMENT = (FINISH, OPTIONS), (OFFER, CONFIRM)
STEPS = (*OF_SECOND_FACTOR, *OF_ENROLMENT)
OVER = (400, "PENDING_SIGN_IN_INVALID")
WRONG = (403, "SECOND_FACTOR_WRONG")


def body_of(step: str, pending: str | None, code: str = "123456") -> dict[str, object]:
    """Return a body as a step takes it."""
    bodies: dict[str, dict[str, object]] = {FINISH: {"method": "totp", "code": code}, CONFIRM: {"code": code}}
    return {"pending": pending, **bodies.get(step, {})}


async def take(
    http: httpx2.AsyncClient, step: str, body: object, *, transport: str = "bearer", cookie: str | None = None
) -> httpx2.Response:
    """Post a step, from a page of this server."""
    headers = {"Sec-Fetch-Site": "same-origin"} | ({"Cookie": cookie} if cookie else {})
    path = f"{API}/auth/second-factor{step}?transport={transport}"
    return await http.post(path, json=body, headers=headers)


def said(answer: httpx2.Response) -> tuple[int, str | None]:
    """Return status and code of an answer."""
    return answer.status_code, answer.json().get("code")


async def held(http: httpx2.AsyncClient, person: Person, stage: str) -> str:
    """Prove the password, and return what names the sign-in, which is at this stage."""
    answer = await begin_sign_in(http, person)
    assert (answer.status_code, answer.json().get("stage")) == (403, stage), answer.text
    return str(answer.json()["pending"])


async def change_pending(runtime: Runtime, **values: object) -> None:
    """Change every sign-in that is held."""
    await write(runtime, update(PendingSignIn).values(**values))


async def pending_rows(runtime: Runtime) -> list[PendingSignIn]:
    return list(await runtime.database.read.entities(select(PendingSignIn).order_by(PendingSignIn.id)))

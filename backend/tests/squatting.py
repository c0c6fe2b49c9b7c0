"""Somebody registers the address of somebody else, and puts there everything by which they could come back."""

from uuid import UUID

import httpx2

from app.models import Passkey, PendingSignIn, RecoveryCode, RememberedDevice, TotpAuthenticator
from app.runtime import Runtime
from tests.accounts import Person
from tests.answers import problem_of
from tests.authenticator import Authenticator
from tests.factors import (
    Guarded,
    add_passkey,
    enrol_app,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
)
from tests.mailed.registering import ADA, Tab
from tests.rows import count, find_user

OWNED = (TotpAuthenticator, Passkey, RecoveryCode, RememberedDevice, PendingSignIn)


async def squatting(http: httpx2.AsyncClient, runtime: Runtime) -> Guarded:
    """Return somebody who has registered the address of somebody else, and has put everything there that lets one come back."""
    made = await Tab(http).register(ADA, "seven grey wolves stare")
    assert made.status_code == 201, made.text
    person = await Person(http, made.json()["id"], ADA, "seven grey wolves stare").sign_in()
    guarded = await enrol_app(person)
    guarded.device = Authenticator(page_of(runtime))
    await add_passkey(person, guarded.device)
    await forget_last_step(runtime)
    done = await finish(http, await pending_of(http, person), method="totp", code=guarded.code(), remember_device=True)
    assert done.status_code == 200, done.text
    await pending_of(http, person)
    return guarded


async def nothing_is_left(runtime: Runtime, person: Person) -> None:
    for table in OWNED:
        owner = table.user_id == UUID(person.id)
        assert await count(runtime, table, owner) == 0, table.__tablename__
    assert not (await find_user(runtime, person)).has_second_factor


async def nobody_comes_back(http: httpx2.AsyncClient, squatter: Guarded, pending: str) -> None:
    """See that neither passkey, nor app, nor recovery code, nor what was begun lets the squatter in."""
    assert squatter.device
    problem_of(await sign_in_with_passkey(http, squatter.device), 403, "PASSKEY_REFUSED")
    for brought in (
        {"method": "totp", "code": squatter.code()},
        {"method": "recovery_code", "code": squatter.recovery_codes[0]},
    ):
        problem_of(await finish(http, pending, **brought), 400, "PENDING_SIGN_IN_INVALID")
    problem_of(await squatter.person.get("/auth/me"), 401, "SESSION_ENDED")

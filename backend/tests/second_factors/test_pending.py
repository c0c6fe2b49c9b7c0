"""What is held of a sign-in can do nothing but go on: for its own user, in its own way, for a while, once."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.auth.dependencies import PublicGuard
from app.auth.identifiers import new_id
from app.auth.tokens import digest_of
from app.models import Session, TotpAuthenticator
from app.routes import route_map
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.authenticator import Authenticator
from tests.contention import at_once
from tests.factors import (
    add_passkey,
    code_of,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    with_app,
    wrong_code_of,
)
from tests.rows import change_user, count, every_row, everything
from tests.second_factors.steps import (
    CONFIRM,
    FINISH,
    OF_ENROLMENT,
    OF_SECOND_FACTOR,
    OFFER,
    OPTIONS,
    OVER,
    STEPS,
    WRONG,
    body_of,
    change_pending,
    held,
    pending_rows,
    said,
    take,
)

_REQUIRED = pytest.mark.settings(SECOND_FACTOR="required")


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_with_nothing_in_its_hands_is_no_progress(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, step: str
) -> None:
    """3.5-04, 3.5-14: empty, made up, or the id of a sign-in that is held in place of its secret."""
    ada = await with_app(accounts, runtime)
    await pending_of(client, ada.person)
    (row,) = await pending_rows(runtime)
    before = await everything(runtime)
    made_up = (None, "", "ost_pf_", "ost_pf_" + "A" * 43, str(row.id), row.secret_digest.hex())
    for pending in made_up:
        assert said(await take(client, step, body_of(step, pending, ada.code()))) == OVER
    bodies: tuple[object, ...] = ({}, [], None, {"pending": 1}, {"pending": "x" * 101}, {"user_id": ada.person.id})
    for body in bodies:
        assert said(await take(client, step, body))[0] in {400, 422}
    assert await everything(runtime) == before


async def test_where_there_is_a_factor_no_other_one_can_be_added(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-14, 3.5-05: who has proved one factor of two adds none; not that it is asked of them either."""
    ada = await with_app(accounts, runtime)
    pending, before = await pending_of(client, ada.person), await apps_of(runtime)
    for step in OF_ENROLMENT:
        assert said(await take(client, step, body_of(step, pending, ada.code()))) == OVER
    assert await apps_of(runtime) == before
    assert (await finish(client, pending, method="totp", code=ada.code())).status_code == 200


@_REQUIRED
async def test_who_has_to_add_a_factor_cannot_go_on_with_another(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-14: the steps of the other stage lead nowhere, in whatever order."""
    person = await accounts.register()
    pending = await held(client, person, "enrolment")
    bodies = [body_of(step, pending) for step in OF_SECOND_FACTOR]
    bodies.append({"pending": pending, "method": "password", "password": PASSWORD})
    bodies.append({"pending": pending, "method": "recovery_code", "code": "0000-0000-0000-0000"})
    for step, body in zip((*OF_SECOND_FACTOR, FINISH, FINISH), bodies, strict=True):
        assert said(await take(client, step, body)) == OVER
    early = await take(client, CONFIRM, body_of(CONFIRM, pending))
    assert said(early) == (409, "ENROLMENT_NOT_BEGUN")
    assert await count(runtime, Session) == 0


@_REQUIRED
async def test_an_app_is_added_before_the_first_session(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-06: it takes a code of the secret that was shown last, and the sign-in ends with it."""
    person = await accounts.register()
    pending = await held(client, person, "enrolment")
    first, second = [(await take(client, OFFER, {"pending": pending})).json()["secret"] for _ in range(2)]
    for wrong in (code_of(first), wrong_code_of(second)):
        assert said(await take(client, CONFIRM, body_of(CONFIRM, pending, wrong))) == WRONG
    assert await count(runtime, Session) == 0
    done = await take(client, CONFIRM, body_of(CONFIRM, pending, code_of(second)))
    assert done.status_code == 200, done.text
    assert len(done.json()["recovery_codes"]) == 10
    assert said(await take(client, CONFIRM, body_of(CONFIRM, pending, code_of(second)))) == OVER
    assert said(await take(client, OFFER, {"pending": pending})) == OVER
    await held(client, person, "second_factor")
    assert await count(runtime, Session) == 1


@_REQUIRED
async def test_once_an_account_has_a_factor_no_older_sign_in_replaces_it(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-14, 3.5-06: who knows the password and waits, half-way, until its owner has added an app, is asked for that app."""
    person = await accounts.register()
    thiefs, owners = await held(client, person, "enrolment"), await held(client, person, "enrolment")
    secret = (await take(client, OFFER, {"pending": owners})).json()["secret"]
    done = await take(client, CONFIRM, body_of(CONFIRM, owners, code_of(secret)))
    assert done.status_code == 200, done.text
    before = await everything(runtime)
    for step in STEPS:
        assert said(await take(client, step, body_of(step, thiefs, code_of(secret)))) == OVER
    assert await everything(runtime) == before


async def test_the_old_app_is_asked_for_until_the_new_one_is_confirmed(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-06, TO-06: another enrolment that is begun and not finished opens nothing, and closes nothing."""
    ada = await with_app(accounts, runtime)
    offered = (await ada.person.post("/auth/me/totp")).json()["secret"]
    pending = await pending_of(client, ada.person)
    assert said(await finish(client, pending, method="totp", code=code_of(offered))) == WRONG
    assert (await finish(client, pending, method="totp", code=ada.code())).status_code == 200
    await ada.person.post("/auth/me/totp/confirm", json={"code": code_of(offered)})
    await forget_last_step(runtime)
    pending = await pending_of(client, ada.person)
    assert said(await finish(client, pending, method="totp", code=ada.code())) == WRONG
    assert (await finish(client, pending, method="totp", code=code_of(offered))).status_code == 200


async def test_somebody_elses_factor_finishes_no_sign_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04, 3.5-14: it is bound to who proved the first factor, and names nobody else."""
    ada, grace = await with_app(accounts, runtime), await with_app(accounts, runtime)
    before = await count(runtime, Session)
    for_ada, for_grace = await pending_of(client, ada.person), await pending_of(client, grace.person)
    for pending, other in ((for_ada, grace), (for_grace, ada)):
        assert said(await finish(client, pending, method="totp", code=other.code())) == WRONG
        code = other.recovery_codes[0]
        assert said(await finish(client, pending, method="recovery_code", code=code)) == WRONG
        own = await finish(client, pending, method="totp", code=other.code(), user_id=other.person.id)
        assert own.status_code in {403, 422}
    assert await count(runtime, Session) == before
    assert (await ada.person.get("/auth/me/factors")).json()["recovery_codes_left"] == 10


@_REQUIRED
async def test_somebody_elses_sign_in_confirms_no_app(client: httpx2.AsyncClient, accounts: Accounts) -> None:
    """3.5-14."""
    for_ada, for_grace = [await held(client, await accounts.register(), "enrolment") for _ in range(2)]
    secret = (await take(client, OFFER, {"pending": for_ada})).json()["secret"]
    answer = await take(client, CONFIRM, body_of(CONFIRM, for_grace, code_of(secret)))
    assert said(answer) == (409, "ENROLMENT_NOT_BEGUN")


@pytest.mark.parametrize("step", OF_SECOND_FACTOR)
async def test_it_goes_on_the_way_it_was_begun(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, step: str
) -> None:
    """3.5-04: what was begun with tokens gives no cookie, and the other way round."""
    ada = await with_app(accounts, runtime)
    await add_passkey(ada.person, Authenticator(page_of(runtime)))
    before = await count(runtime, Session)
    body = body_of(step, await pending_of(client, ada.person), ada.code())
    assert said(await take(client, step, body, transport="cookie")) == OVER
    await change_pending(runtime, transport="cookie")
    assert said(await take(client, step, body)) == OVER
    assert await count(runtime, Session) == before
    assert (await take(client, step, body, transport="cookie")).status_code == 200


@pytest.mark.parametrize("step", OF_SECOND_FACTOR)
async def test_it_ends_after_ten_minutes(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, step: str
) -> None:
    """3.5-04."""
    ada = await with_app(accounts, runtime)
    body = body_of(step, await pending_of(client, ada.person), ada.code())
    (row,) = await pending_rows(runtime)
    assert row.expires_at - row.created_at == timedelta(minutes=10)
    await change_pending(runtime, expires_at=datetime.now(UTC))
    assert said(await take(client, step, body)) == OVER


async def test_it_bears_five_wrong_answers(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-04: of whatever kind; asking for a passkey that the account lacks costs none, and brings none back."""
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    for number in range(5):
        assert said(await take(client, OPTIONS, {"pending": pending})) == WRONG
        factor = {"method": "recovery_code", "code": "0000-0000-0000-0000"}
        factor = factor if number % 2 else {"method": "password", "password": ada.person.password}
        assert said(await finish(client, pending, **factor)) == WRONG
    for step in OF_SECOND_FACTOR:
        assert said(await take(client, step, body_of(step, pending, ada.code()))) == OVER
    assert (await finish(client, await pending_of(client, ada.person), method="totp", code=ada.code())).is_success


async def test_it_is_finished_once(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-14: ten right answers at once begin one session."""
    ada = await with_app(accounts, runtime)
    pending, before = await pending_of(client, ada.person), await count(runtime, Session)
    codes = iter(ada.recovery_codes)
    answers = await at_once(10, lambda: finish(client, pending, method="recovery_code", code=next(codes)))
    assert sorted(said(answer) for answer in answers) == [(200, None)] + [OVER] * 9
    assert await count(runtime, Session) == before + 1
    assert (await ada.person.get("/auth/me/factors")).json()["recovery_codes_left"] == 9


@pytest.mark.parametrize("event", ["password", "everywhere", "others", "disabled", "ended", "factors", "deleted"])
async def test_it_ends_with_whatever_ends_the_sessions(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, event: str
) -> None:
    """3.5-01, 3.5-04: whoever is half-way in is out again."""
    ada, admin = await with_app(accounts, runtime), await accounts.administrator()
    pending = await pending_of(client, ada.person)
    target = f"/users/{ada.person.id}"
    calls = {
        "password": lambda: ada.person.post(
            "/auth/me/password", json={"current_password": PASSWORD, "new_password": "nine pale lanterns hum"}
        ),
        "everywhere": lambda: ada.person.post("/auth/logout/all"),
        "others": lambda: ada.person.post("/auth/logout/others"),
        "disabled": lambda: admin.patch(target, json={"is_active": False}),
        "ended": lambda: admin.call("DELETE", f"{target}/sessions"),
        "factors": lambda: admin.post(f"{target}/factors/reset", json={"reason": "Lost the phone"}),
        "deleted": lambda: ada.person.post("/auth/me/delete", json={"password": PASSWORD}),
    }
    answer = await calls[event]()
    assert answer.is_success, answer.text
    assert await pending_rows(runtime) == []
    before = await count(runtime, Session)
    for step in STEPS:
        assert said(await take(client, step, body_of(step, pending, ada.code()))) == OVER
    assert await count(runtime, Session) == before


async def test_nobody_signs_in_who_was_disabled_behind_the_scenes(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-01: the row of the account decides, when the session is to begin."""
    ada = await with_app(accounts, runtime)
    pending, before = await pending_of(client, ada.person), await count(runtime, Session)
    await change_user(runtime, ada.person, is_active=False)
    refused = await finish(client, pending, method="totp", code=ada.code())
    assert said(refused) == (401, "INVALID_CREDENTIALS")
    assert await count(runtime, Session) == before


async def test_it_opens_no_guarded_route(
    app: FastAPI, client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04, WA-14: as an access token, as a session cookie, and as the cookie that it is."""
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    before = await everything(runtime)
    guarded = [entry for entry in route_map(app) if not any(isinstance(guard, PublicGuard) for guard in entry.guards)]
    assert len(guarded) > 40
    carried = (
        {"Authorization": f"Bearer {pending}"},
        {"Cookie": f"__Host-ostiary={pending}"},
        {"Cookie": f"__Host-ostiary-pending={pending}"},
    )
    for entry in guarded:
        path = entry.path.replace("{provider}", "google")
        while "{" in path:
            path = path[: path.index("{")] + str(new_id()) + path[path.index("}") + 1 :]
        for method in entry.methods.split(","):
            for headers in carried:
                page = {"Sec-Fetch-Site": "same-origin", **headers}
                sent = {"data": {"code": "1"}} if path.startswith("/mail") else {"json": {}}
                answer = await client.request(method, path, headers=page, **sent)  # type: ignore[arg-type]
                assert answer.status_code == 401, (method, path, answer.text)
    assert await everything(runtime) == before


async def test_it_renews_no_session(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03: it is no refresh token, no one-time code, no mailed proof."""
    ada = await with_app(accounts, runtime)
    pending, before = await pending_of(client, ada.person), await count(runtime, Session)
    for path, body in (
        ("/auth/refresh", {"refresh_token": pending}),
        ("/auth/exchange", {"code": pending, "code_verifier": "x" * 43}),
        ("/auth/password/reset", {"token": pending, "new_password": "nine pale lanterns hum"}),
    ):
        assert (await client.post(API + path, json=body)).status_code in {400, 401, 422}
    assert await count(runtime, Session) == before


async def test_the_database_holds_no_token(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-04: who reads the database, or a copy of it, finishes nothing."""
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    assert pending not in repr(await every_row(runtime))
    (row,) = await pending_rows(runtime)
    assert row.secret_digest == digest_of(pending.encode())
    assert (row.methods, row.stage, row.transport) == ("pwd", "second_factor", "bearer")


async def apps_of(runtime: Runtime) -> list[tuple[object, ...]]:
    statement = select(*TotpAuthenticator.__table__.columns).order_by(TotpAuthenticator.id)
    return [tuple(row) for row in await runtime.database.read.all(statement)]

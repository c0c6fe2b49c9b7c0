"""Browsers that are not asked again: each for one account, for a while, until something changes that matters."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from app.auth.tokens import digest_of
from app.models import RememberedDevice, Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.cookies import FOREIGN_PAGE, OWN_PAGE, SetCookie, set_cookies
from tests.factors import Guarded, finish, forget_last_step, pending_of, with_app, wrong_code_of
from tests.rows import count, every_row, write
from tests.second_factors.steps import OVER, WRONG, said
from tests.tokens import access_claims

REMEMBERED, PENDING, SESSION = "__Host-ostiary-remembered", "__Host-ostiary-pending", "__Host-ostiary"
"""Spelt out, so that a change of the application's own names is seen."""


def kept_of(answer: httpx2.Response) -> dict[str, SetCookie]:
    return {cookie.name: cookie for cookie in set_cookies(answer)}


async def remember(client: httpx2.AsyncClient, ada: Guarded) -> str:
    """Sign in with both factors, have the browser remembered, and return what it keeps."""
    pending = await pending_of(client, ada.person)
    code = ada.recovery_codes.pop()
    done = await finish(client, pending, method="recovery_code", code=code, remember_device=True)
    assert done.status_code == 200, done.text
    return kept_of(done)[REMEMBERED].value


async def sign_in(client: httpx2.AsyncClient, person: Person, *remembered: str) -> httpx2.Response:
    form = {"username": person.email, "password": person.password}
    cookies = "; ".join(f"{REMEMBERED}={value}" for value in remembered)
    return await client.post(f"{API}/auth/login", data=form, headers={"Cookie": cookies})


async def is_asked(client: httpx2.AsyncClient, person: Person, *remembered: str) -> bool:
    """Whether somebody who has proved the password is asked for more."""
    answer = await sign_in(client, person, *remembered)
    assert answer.status_code in {200, 403}, answer.text
    return answer.status_code == 403


async def test_a_remembered_browser_stands_for_no_factor_of_its_session(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: the password is asked for as ever, the session says that it was all, and sensitive acts ask for more."""
    ada = await with_app(accounts, runtime)
    kept = await remember(client, ada)
    wrong = {"username": ada.person.email, "password": "not this one"}
    refused = await client.post(f"{API}/auth/login", data=wrong, headers={"Cookie": f"{REMEMBERED}={kept}"})
    assert refused.status_code == 401
    tokens = (await sign_in(client, ada.person, kept)).json()
    claims = access_claims(tokens["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")
    person = Person(client, ada.person.id, ada.person.email, PASSWORD, tokens)
    assert (await person.post("/auth/me/recovery-codes")).status_code == 401


async def test_a_browser_is_remembered_if_its_user_wants_it(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    done = await finish(client, await pending_of(client, ada.person), method="totp", code=ada.code())
    assert REMEMBERED not in kept_of(done)
    pending = await pending_of(client, ada.person)
    wrong = await finish(client, pending, method="totp", code=wrong_code_of(ada.secret), remember_device=True)
    assert (said(wrong), set_cookies(wrong)) == (WRONG, [])
    assert await count(runtime, RememberedDevice) == 0


async def test_the_cookie_lasts_as_long_as_it_counts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """CK-01: and the database holds no more than its digest."""
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    done = await finish(client, pending, method="totp", code=ada.code(), remember_device=True)
    cookie = kept_of(done)[REMEMBERED]
    assert cookie.attributes == {
        "Max-Age": str(30 * 86400),
        "Path": "/",
        "Secure": None,
        "HttpOnly": None,
        "SameSite": "Lax",
    }
    (row,) = await runtime.database.read.entities(select(RememberedDevice))
    assert row.expires_at - row.created_at == timedelta(days=30)
    assert row.secret_digest == digest_of(cookie.value.encode())
    assert cookie.value not in repr(await every_row(runtime))


async def test_it_counts_for_its_own_account_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: whoever brings their own browser to a stolen password is asked."""
    ada, grace = await with_app(accounts, runtime), await with_app(accounts, runtime)
    kept = await remember(client, ada)
    assert await is_asked(client, grace.person, kept)
    assert not await is_asked(client, ada.person, kept)
    assert await is_asked(client, ada.person, kept, kept)
    for made_up in ("", "ost_rd_", kept[:-1], kept + "A", kept.removeprefix("ost_rd_")):
        assert await is_asked(client, ada.person, made_up)


async def test_it_ends_after_its_days_however_often_it_was_used(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    kept = await remember(client, ada)
    assert not await is_asked(client, ada.person, kept)
    (listed,) = (await ada.person.get("/auth/me/factors")).json()["remembered_devices"]
    assert listed["last_used_at"] > listed["created_at"]
    await write(runtime, update(RememberedDevice).values(expires_at=datetime.now(UTC)))
    assert await is_asked(client, ada.person, kept)
    assert (await ada.person.get("/auth/me/factors")).json()["remembered_devices"] == []


@pytest.mark.parametrize("event", ["one", "all", "password", "app removed", "reset by an administrator"])
async def test_it_ends_with_what_makes_it_doubtful(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, event: str
) -> None:
    """3.5-01: each at once."""
    ada, admin = await with_app(accounts, runtime), await accounts.administrator()
    kept = await remember(client, ada)
    (listed,) = (await ada.person.get("/auth/me/factors")).json()["remembered_devices"]
    new = "nine pale lanterns hum"
    calls = {
        "one": lambda: ada.person.call("DELETE", f"/auth/me/remembered-devices/{listed['id']}"),
        "all": lambda: ada.person.call("DELETE", "/auth/me/remembered-devices"),
        "password": lambda: ada.person.post(
            "/auth/me/password", json={"current_password": PASSWORD, "new_password": new}
        ),
        "app removed": lambda: ada.person.call("DELETE", "/auth/me/totp"),
        "reset by an administrator": lambda: admin.post(
            f"/users/{ada.person.id}/factors/reset", json={"reason": "Lost the phone"}
        ),
    }
    answer = await calls[event]()
    assert answer.is_success, answer.text
    assert await count(runtime, RememberedDevice) == 0
    if event in {"one", "all", "password"}:
        ada.person.password = new if event == "password" else PASSWORD
        assert await is_asked(client, ada.person, kept)


async def test_nobody_forgets_somebody_elses_browser(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-09."""
    ada, grace = await with_app(accounts, runtime), await with_app(accounts, runtime)
    kept = await remember(client, ada)
    (listed,) = (await ada.person.get("/auth/me/factors")).json()["remembered_devices"]
    assert (await grace.person.get("/auth/me/factors")).json()["remembered_devices"] == []
    gone = await grace.person.call("DELETE", f"/auth/me/remembered-devices/{listed['id']}")
    assert said(gone) == (404, "NOT_FOUND")
    assert (await grace.person.call("DELETE", "/auth/me/remembered-devices")).status_code == 204
    assert not await is_asked(client, ada.person, kept)


@pytest.mark.settings(REMEMBER_DEVICE_DAYS=0)
async def test_where_no_browser_is_remembered_each_is_asked(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    pending = await pending_of(client, ada.person)
    done = await finish(client, pending, method="totp", code=ada.code(), remember_device=True)
    assert done.status_code == 200, done.text
    assert REMEMBERED not in kept_of(done)
    assert await count(runtime, RememberedDevice) == 0


async def test_a_browser_goes_on_with_what_it_keeps(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04, CK-01: with a cookie from beginning to end, and no token in any answer."""
    ada = await with_app(accounts, runtime)
    form = {"username": ada.person.email, "password": PASSWORD}
    held = await client.post(f"{API}/auth/login?transport=cookie", data=form, headers=OWN_PAGE)
    assert held.json()["code"] == "SECOND_FACTOR_REQUIRED"
    assert "pending" not in held.json()
    cookies = kept_of(held)
    assert cookies.keys() == {PENDING}
    assert cookies[PENDING].attributes == {
        "Max-Age": "600",
        "Path": "/",
        "Secure": None,
        "HttpOnly": None,
        "SameSite": "Lax",
    }
    path, before = f"{API}/auth/second-factor?transport=cookie", await count(runtime, Session)
    body = {"method": "totp", "code": ada.code(), "remember_device": True}
    kept = f"{PENDING}={cookies[PENDING].value}"
    assert said(await client.post(path, json=body, headers=OWN_PAGE)) == OVER
    foreign = await client.post(path, json=body, headers={**FOREIGN_PAGE, "Cookie": kept})
    assert said(foreign) == (403, "CROSS_SITE_REQUEST")
    twice = await client.post(path, json=body, headers={**OWN_PAGE, "Cookie": f"{kept}; {kept}"})
    assert said(twice) == OVER
    assert await count(runtime, Session) == before
    done = await client.post(path, json=body, headers={**OWN_PAGE, "Cookie": kept})
    assert done.status_code == 200, done.text
    assert "token" not in done.text
    given = kept_of(done)
    assert given[PENDING].attributes["Max-Age"] == "0"
    assert given.keys() == {PENDING, REMEMBERED, SESSION}
    me = await client.get(f"{API}/auth/me", headers={"Cookie": f"{SESSION}={given[SESSION].value}"})
    assert me.json()["email"] == ada.person.email
    await forget_last_step(runtime)
    assert said(await client.post(path, json=body, headers={**OWN_PAGE, "Cookie": kept})) == OVER
    known = {**OWN_PAGE, "Cookie": f"{REMEMBERED}={given[REMEMBERED].value}"}
    again = await client.post(f"{API}/auth/login?transport=cookie", data=form, headers=known)
    assert again.status_code == 200, again.text

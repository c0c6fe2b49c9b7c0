"""The pages that go on with a sign-in by mail, where the account has a second factor, or has to get one."""

import re
from datetime import UTC, datetime

import httpx2
import pytest
from sqlalchemy import delete, update

from app.mail.links import MailPage
from app.models import PendingSignIn, RecoveryCode, TotpAuthenticator
from app.pages.second_factor import APP, CONFIRM, PAGE
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.cookies import FOREIGN_PAGE, OWN_PAGE, set_cookies
from tests.factors import code_of, forget_last_step, with_app, with_passkey, wrong_code_of
from tests.pages.html import Page
from tests.pages.test_mailed import FRONT_END, code_in, newest, page_of, send
from tests.rows import change_user, count, living_sessions, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SESSION, FLOW, PENDING = "__Host-ostiary", "__Host-ostiary-mail", "__Host-ostiary-pending"


async def type_mailed_code(client: httpx2.AsyncClient, runtime: Runtime, person: Person) -> httpx2.Response:
    """Ask for a mail on the page, type its code, and return what follows. The address was proved before."""
    await change_user(runtime, person, email_verified_at=NOW)
    asked = await send(client, "/mail/sign-in/mail", email=person.email)
    flow = {cookie.name: cookie.value for cookie in set_cookies(asked)}[FLOW]
    code = code_in(await newest(runtime, "sign_in_code"))
    return await send(client, MailPage.SIGN_IN, cookie=f"{FLOW}={flow}", email=person.email, code=code)


def pending_of(answer: httpx2.Response) -> str:
    """Return the cookie of a sign-in that lacks a second factor, as the browser sends it."""
    kept = {cookie.name: cookie.value for cookie in set_cookies(answer)}
    assert SESSION not in kept
    return f"{PENDING}={kept[PENDING]}"


async def look(client: httpx2.AsyncClient, cookie: str) -> httpx2.Response:
    """Open the page, as after a reload."""
    return await client.get(PAGE, headers={**OWN_PAGE, "Cookie": cookie})


async def check_signed_in(client: httpx2.AsyncClient, done: httpx2.Response, person: Person) -> Page:
    """Check that a page came with a session of somebody, and that nothing of the sign-in is kept."""
    cookies = {cookie.name: cookie.value for cookie in set_cookies(done)}
    assert cookies[PENDING] == ""
    headers = {**OWN_PAGE, "Cookie": f"{SESSION}={cookies[SESSION]}"}
    assert (await client.get(f"{API}/auth/me", headers=headers)).json()["email"] == person.email
    return page_of(done)


def secret_in(page: Page) -> str:
    """Return the secret that a page shows, to be typed."""
    [secret] = re.findall(r"<code>([A-Z2-7 ]+)</code>", page.markup)
    return str(secret)


def has_form(page: Page) -> bool:
    """Whether a page has a form for a code."""
    return "input" in page.tags


@pytest.mark.parametrize("by", ["app", "recovery code"])
async def test_a_mailed_code_and_a_second_factor_sign_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, by: str
) -> None:
    """3.5-03: what the mail gives is no session yet; the page asks for the rest."""
    ada = await with_app(accounts, runtime, "ada@example.com")
    held = await type_mailed_code(client, runtime, ada.person)
    assert "second factor" in page_of(held, 403).text
    typed = ada.code() if by == "app" else ada.recovery_codes[0]
    done = await send(client, PAGE, cookie=pending_of(held), code=typed)
    await check_signed_in(client, done, ada.person)


async def test_a_wrong_code_is_told_and_may_be_typed_again(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_app(accounts, runtime)
    held = await type_mailed_code(client, runtime, ada.person)
    before = await living_sessions(runtime, ada.person)
    wrong = await send(client, PAGE, cookie=pending_of(held), code=wrong_code_of(ada.secret))
    page = page_of(wrong, 403)
    assert "not right" in page.text
    assert 'aria-invalid="true" aria-describedby="code-wrong code-hint"' in page.markup
    assert 'id="code-wrong"' in page.markup
    assert MailPage.SIGN_IN in page.addresses
    assert set_cookies(wrong) == []
    assert await living_sessions(runtime, ada.person) == before
    assert (await send(client, PAGE, cookie=pending_of(held), code=ada.code())).status_code == 200


async def test_without_the_cookie_or_from_another_site_nobody_goes_on(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04, 3.5-14."""
    ada = await with_app(accounts, runtime)
    held = await type_mailed_code(client, runtime, ada.person)
    page_of(await send(client, PAGE, code=ada.code()), 400)
    headers = {**FOREIGN_PAGE, "Cookie": pending_of(held)}
    page_of(await client.post(PAGE, data={"code": ada.code()}, headers=headers), 403)
    assert (await send(client, PAGE, cookie=pending_of(held), code=ada.code())).status_code == 200


async def test_whoever_has_a_passkey_types_a_recovery_code_here(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await with_passkey(accounts, runtime)
    held = await type_mailed_code(client, runtime, ada.person)
    page = page_of(held, 403)
    assert "cannot ask for your passkey" in page.text
    assert "Recovery code" in page.text
    assert "app" not in page.text
    assert f"{FRONT_END}/" not in page.addresses  # Nobody has said where it is.
    done = await send(client, PAGE, cookie=pending_of(held), code=ada.recovery_codes[1])
    await check_signed_in(client, done, ada.person)


@pytest.mark.settings(FRONTEND_URL=FRONT_END)
async def test_whoever_has_a_passkey_alone_is_told_where_it_works(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """There is no form for what nobody has."""
    ada = await with_passkey(accounts, runtime)
    await write(runtime, delete(RecoveryCode))
    page = page_of(await type_mailed_code(client, runtime, ada.person), 403)
    assert "cannot ask for your passkey" in page.text
    assert f"{FRONT_END}/" in page.addresses
    assert not has_form(page)


async def test_the_page_can_be_loaded_anew(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """It asks for the same as before, and looking costs no try."""
    ada = await with_app(accounts, runtime)
    held = await type_mailed_code(client, runtime, ada.person)
    for _ in range(6):
        assert has_form(page_of(await look(client, pending_of(held))))
    assert await count(runtime, PendingSignIn, PendingSignIn.tries > 0) == 0
    done = await send(client, PAGE, cookie=pending_of(held), code=ada.code())
    await check_signed_in(client, done, ada.person)
    over = page_of(await look(client, pending_of(held)), 400)
    assert over.addresses[-1] == MailPage.SIGN_IN


async def test_after_five_wrong_codes_the_page_leads_to_the_beginning(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04: no more code is taken, not even a right one."""
    ada = await with_app(accounts, runtime)
    cookie = pending_of(await type_mailed_code(client, runtime, ada.person))
    for _ in range(5):
        page_of(await send(client, PAGE, cookie=cookie, code="no-such-code"), 403)
    over = page_of(await send(client, PAGE, cookie=cookie, code=ada.code()), 400)
    assert "This sign-in is over" in over.text
    assert not has_form(over)
    assert over.addresses[-1] == MailPage.SIGN_IN


@pytest.mark.parametrize(("failures", "told"), [(5, "seconds"), (20, "15 minutes")])
async def test_whoever_has_to_wait_is_told_for_how_long_and_keeps_the_form(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, failures: int, told: str
) -> None:
    """A recovery code waits for nothing."""
    ada = await with_app(accounts, runtime)
    cookie = pending_of(await type_mailed_code(client, runtime, ada.person))
    await write(runtime, update(TotpAuthenticator).values(failures=failures, failed_at=datetime.now(UTC)))
    waiting = await send(client, PAGE, cookie=cookie, code=ada.code())
    page = page_of(waiting, 429)
    assert int(waiting.headers["Retry-After"]) > 0
    assert re.search(r"Wait \d+ seconds" if told == "seconds" else f"Wait {told}", page.text)
    assert has_form(page)
    done = await send(client, PAGE, cookie=cookie, code=ada.recovery_codes[0])
    await check_signed_in(client, done, ada.person)


@pytest.mark.settings(FRONTEND_URL=FRONT_END)
async def test_whoever_has_to_have_a_second_factor_adds_an_app_on_these_pages(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-03: without scripts, from the mail to the session; the recovery codes are shown, and one of them counts."""
    ada = await accounts.signed_in()
    await change_user(runtime, ada, must_enrol_factor=True)
    held = await type_mailed_code(client, runtime, ada)
    cookie = pending_of(held)
    assert APP in page_of(held, 403).addresses
    assert APP in page_of(await look(client, cookie)).addresses
    offered = page_of(await send(client, APP, cookie=cookie))
    secret = secret_in(offered)
    assert CONFIRM in offered.addresses
    assert [kind for kind in ("data:image/svg+xml,", "otpauth://totp/") if kind in offered.markup] != []
    done = await send(client, CONFIRM, cookie=cookie, code=code_of(secret))
    page = await check_signed_in(client, done, ada)
    codes = re.findall(r"<li><code>(.+)</code>", page.markup)
    assert len(codes) == 10
    assert page.addresses[-1] == f"{FRONT_END}/"
    await forget_last_step(runtime)
    again = await type_mailed_code(client, runtime, ada)
    await check_signed_in(client, await send(client, PAGE, cookie=pending_of(again), code=codes[0]), ada)


async def test_a_wrong_code_of_the_new_app_may_be_typed_again_or_the_app_be_offered_anew(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """What was shown last counts, and nothing is begun before a code of it."""
    ada = await accounts.signed_in()
    await change_user(runtime, ada, must_enrol_factor=True)
    cookie, before = pending_of(await type_mailed_code(client, runtime, ada)), await living_sessions(runtime, ada)
    early = page_of(await send(client, CONFIRM, cookie=cookie, code="123456"), 409)
    assert APP in early.addresses
    secret = secret_in(page_of(await send(client, APP, cookie=cookie)))
    wrong = page_of(await send(client, CONFIRM, cookie=cookie, code=wrong_code_of(secret)), 403)
    assert "not right" in wrong.text
    assert {APP, CONFIRM, MailPage.SIGN_IN} <= set(wrong.addresses)
    assert await living_sessions(runtime, ada) == before
    newer = secret_in(page_of(await send(client, APP, cookie=cookie)))
    assert newer != secret
    typed = f"{code_of(newer)[:3]} {code_of(newer)[3:]}"
    await check_signed_in(client, await send(client, CONFIRM, cookie=cookie, code=typed), ada)


async def test_a_sign_in_that_needs_a_code_of_the_app_gets_no_new_app(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-14: neither offered nor confirmed, and nothing without the cookie or from another site."""
    ada = await with_app(accounts, runtime)
    cookie = pending_of(await type_mailed_code(client, runtime, ada.person))
    for path in (APP, CONFIRM):
        page_of(await send(client, path, cookie=cookie, code=ada.code()), 400)
        page_of(await send(client, path, code=ada.code()), 400)
        foreign = await client.post(path, data={"code": "123456"}, headers={**FOREIGN_PAGE, "Cookie": cookie})
        page_of(foreign, 403)
    assert await count(runtime, TotpAuthenticator) == 1


@pytest.mark.settings(LIMITS_ENABLED=True)
async def test_an_address_that_fails_too_often_is_led_back_to_the_page(client: httpx2.AsyncClient) -> None:
    """S36: refused before anything is looked up, so the page knows nothing of the sign-in."""
    answers = [await send(client, PAGE, cookie=f"{PENDING}=ost_pf_none", code="123456") for _ in range(51)]
    assert {answer.status_code for answer in answers[:-1]} == {400}
    page = page_of(answers[-1], 429)
    assert "Too many tries. Wait " in page.text
    assert page.addresses[-1] == PAGE


@pytest.mark.settings(LIMITS_ENABLED=True)
async def test_no_page_of_somebody_else_uses_up_the_tries_of_who_opens_it(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    """S36: neither by a form that it sends nor by a picture that is this page."""
    person = await accounts.register()
    for _ in range(51):
        assert (await client.post(PAGE, data={"code": "123456"}, headers=FOREIGN_PAGE)).status_code == 403
        assert (await client.get(PAGE, headers=FOREIGN_PAGE)).status_code == 400
    form = {"username": person.email, "password": person.password}
    assert (await client.post(f"{API}/auth/login", data=form)).status_code == 200

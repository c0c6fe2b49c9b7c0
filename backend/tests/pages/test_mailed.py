"""The pages behind the links of mails, as somebody without scripts sees them, and as a program does that only looks."""

import re
from typing import Any

import httpx2
import pytest

from app.mail.links import MailPage
from app.mail.messages import KINDS, TestMail
from app.mail.sealing import open_mail
from app.models import MailedProof, OutgoingMail
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated
from tests.cookies import FOREIGN_PAGE, OWN_PAGE, Browser, set_cookies
from tests.outbox import mails_of
from tests.pages.html import Page
from tests.rows import change_user, count, everything, find_user, living_sessions

SESSION, FLOW = "__Host-ostiary", "__Host-ostiary-mail"
NEW_PASSWORD = "seven lanterns by the sea"
PAGES = sorted(set(MailPage))
WRONG = "MAILED_PROOF_INVALID"
ASKING = [MailPage.FORGOT, "/mail/sign-in/mail", "/mail/verify/mail"]
"""Where a page has a mail sent."""
FRONT_END = "http://localhost:3000"
ELSEWHERE = "This browser is not known as the one that registered it"


def page_of(response: httpx2.Response, status: int = 200) -> Page:
    """Return the page of an answer, which must be one for people."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    page = Page(response.text)
    assert page.inline == []
    return page


async def send(client: httpx2.AsyncClient, path: str, *, cookie: str = "", **form: str) -> httpx2.Response:
    """Send a form as a browser does from a page of ours."""
    return await client.post(path, data=form, headers={**OWN_PAGE, **({"Cookie": cookie} if cookie else {})})


async def texts(runtime: Runtime) -> list[tuple[OutgoingMail, str]]:
    """Return every mail with its text, the oldest first."""
    found = []
    for mail in await mails_of(runtime):
        rendered = open_mail(runtime.settings, mail.content_encrypted or b"", mail_id=mail.id, kind=mail.kind)
        assert rendered is not None
        found.append((mail, rendered.text))
    return found


async def newest(runtime: Runtime, kind: str) -> str:
    """Return the text of the newest mail of a kind."""
    return [text for mail, text in await texts(runtime) if mail.kind == kind][-1]


def code_in(text: str) -> str:
    [code] = re.findall(r"^ {4}(\d{8})$", text, re.MULTILINE)
    return str(code)


def link_in(text: str) -> str:
    [link] = re.findall(r"http://\S+#token=\S+", text)
    return str(link)


async def sign_up(accounts: Accounts) -> Person:
    return await accounts.signed_in("ada@example.com")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_our_own_files_and_sends_to_this_server(client: httpx2.AsyncClient, path: str) -> None:
    """S83, 3.6-11: under a strict policy, and nothing of it is kept."""
    response = await client.get(path)
    page = page_of(response)
    assert set(page.addresses) <= {
        f"{FRONT_END}/",
        "/assets/page.css",
        "/assets/mailed.js",
        "data:,",
        *MailPage,
        *ASKING,
    }
    assert "script-src 'self'; style-src 'self'" in response.headers["content-security-policy"]
    assert "form-action 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/mail/", "/mail", "/mail/nothing", "/mail/Verify", "/mail/verify/", "/mail/%00"])
async def test_there_is_no_other_page(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", [page for page in PAGES if page != MailPage.FORGOT])
async def test_a_form_of_another_site_is_refused(client: httpx2.AsyncClient, path: str) -> None:
    """3.3-10, 3.6-11: nor does a page sign somebody in, or say that it was not them, in their name."""
    strange = [FOREIGN_PAGE, {"Origin": "null"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {}]
    for headers in strange:
        page = page_of(await client.post(path, data={"token": "x"}, headers=dict(headers)), 403)
        assert "CROSS_SITE_REQUEST" in page.text


PROVING = pytest.mark.settings(EMAIL_VERIFICATION="optional")
NOTHING: list[dict[str, str]] = [
    {},
    {"token": ""},
    {"token": "ost_mr_" + "A" * 43},
    {"link": "http://127.0.0.1:8000/mail/reset#token=" + "A" * 43},
    {"email": "ada@example.com", "code": ""},
    {"email": "", "code": "12345678"},
    {"email": "ada@example.com", "code": "12345678"},
    {"email": "no address", "code": "\u0000"},
]


FURTHER = {
    MailPage.RESET: {"new_password": NEW_PASSWORD},
    MailPage.VERIFY: {"password": NEW_PASSWORD},
    MailPage.INVITATION: {"password": NEW_PASSWORD, "full_name": ""},
}
"""What pages ask for beside the proof."""


@pytest.mark.parametrize("path", [page for page in PAGES if page != MailPage.FORGOT])
async def test_what_proves_nothing_changes_nothing(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, path: str
) -> None:
    """3.4-09, PD-02: an empty form, which is what a program sends that presses every button, included."""
    cookie = await signed_in(client, await accounts.register("ada@example.com")) if path == MailPage.CHANGE else ""
    before = await everything(runtime)
    further = FURTHER.get(MailPage(path), {})
    for form in NOTHING:
        assert WRONG in page_of(await send(client, path, cookie=cookie, **form, **further), 400).text
    assert await everything(runtime) == before


async def test_nothing_that_was_typed_is_shown_again_by_a_refusal(client: httpx2.AsyncClient) -> None:
    """S87, PD-02."""
    form = {"email": f"{CANARY}@x", "code": CANARY, "token": "", "new_password": CANARY}
    check_nothing_repeated(await send(client, MailPage.RESET, **form))
    check_nothing_repeated(await send(client, MailPage.FORGOT, email=f"{CANARY}<script>"))


async def test_an_address_that_was_typed_is_shown_as_text(client: httpx2.AsyncClient) -> None:
    """3.8-08: in the form for the code."""
    odd = "a&b'c@example.com"
    response = await send(client, MailPage.FORGOT, email=odd)
    assert odd not in response.text
    assert "a&amp;b&#39;c@example.com" in response.text
    page_of(response)


@pytest.mark.parametrize("path", ASKING)
async def test_a_page_that_mails_says_the_same_of_every_address(
    client: httpx2.AsyncClient, accounts: Accounts, path: str
) -> None:
    """3.7-02: byte for byte, but for the address that was typed."""
    await accounts.register("ada@example.com")
    shown = set()
    for email in ("ada@example.com", "bob@example.com"):
        answer = await send(client, path, email=email)
        shown.add(answer.content.replace(email.encode(), b""))
    assert len(shown) == 1


async def test_a_password_is_reset_without_scripts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.6-11: the code of the mail does what its link does."""
    ada = await sign_up(accounts)
    page = page_of(await send(client, MailPage.FORGOT, email=ada.email))
    assert "/mail/reset" in page.addresses
    form = {"email": ada.email, "code": code_in(await newest(runtime, "reset_password"))}
    refused = page_of(await send(client, MailPage.RESET, **form, new_password="short"), 422)
    assert "new password: " in refused.text
    page_of(await send(client, MailPage.RESET, **form, new_password=NEW_PASSWORD))
    assert await living_sessions(runtime, ada) == set()
    await Person(client, ada.id, ada.email, NEW_PASSWORD).sign_in()


async def test_signing_in_without_scripts_sets_the_cookie_of_a_session(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await accounts.register("ada@example.com")
    asked = await send(client, "/mail/sign-in/mail", email=ada.email)
    flow = {cookie.name: cookie.value for cookie in set_cookies(asked)}[FLOW]
    form = {"email": ada.email, "code": code_in(await newest(runtime, "sign_in_code"))}
    page_of(await send(client, MailPage.SIGN_IN, **form), 400)
    done = await send(client, MailPage.SIGN_IN, cookie=f"{FLOW}={flow}", **form)
    page_of(done)
    cookies = {cookie.name: cookie.value for cookie in set_cookies(done)}
    assert cookies[FLOW] == ""
    headers = {**OWN_PAGE, "Cookie": f"{SESSION}={cookies[SESSION]}"}
    assert (await client.get("/api/v1/auth/me", headers=headers)).json()["email"] == ada.email


async def test_a_browser_that_asked_for_no_mail_to_sign_in_is_told_where_its_link_counts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-10: it has no button, and a refusal says the same; whatever is wrong, it tells nothing else."""
    ada = await accounts.register("ada@example.com")
    asked = await send(client, "/mail/sign-in/mail", email=ada.email)
    flow = {cookie.name: cookie.value for cookie in set_cookies(asked)}[FLOW]
    there = page_of(await client.get(MailPage.SIGN_IN, headers={"Cookie": f"{FLOW}={flow}"}))
    elsewhere = page_of(await client.get(MailPage.SIGN_IN))
    assert (MailPage.SIGN_IN in there.addresses, MailPage.SIGN_IN in elsewhere.addresses) == (True, False)
    assert ("open its link there" in there.text, "open its link there" in elsewhere.text) == (False, True)
    token = link_in(await newest(runtime, "sign_in_code")).rpartition("=")[2]
    refusals = [
        page_of(await send(client, MailPage.SIGN_IN, cookie=f"{FLOW}={cookie}", **form), 400).text
        for cookie in (flow, "x" * 43)
        for form in ({"token": token if cookie != flow else "x"}, {"email": ada.email, "code": "x"}, {})
    ]
    assert all("in the browser or app that asked for it" in refusal for refusal in refusals)


async def test_another_address_is_confirmed_and_vetoed_without_scripts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-18: where a mail holds no code, its link is pasted."""
    ada = await sign_up(accounts)
    await prove(runtime, ada)
    response = await ada.post("/auth/me/email", json={"email": "new@example.com"})
    assert response.status_code == 202, response.text
    form = {"email": "new@example.com", "code": code_in(await newest(runtime, "confirm_new_address"))}
    page_of(await send(client, MailPage.CHANGE, cookie=await signed_in(client, ada), **form))
    assert (await find_user(runtime, ada)).email == "new@example.com"
    pasted = f"  {link_in(await newest(runtime, 'address_change_notice'))} "
    page_of(await send(client, MailPage.VETO, link=pasted))
    assert (await find_user(runtime, ada)).email == "ada@example.com"
    page_of(await send(client, MailPage.VETO, link=pasted), 400)


async def test_a_browser_that_nobody_is_signed_in_to_confirms_no_new_address(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-05: whoever reads a stranger's mail is told that there is nothing to do, and another account's cookie does not do."""
    ada = await sign_up(accounts)
    await prove(runtime, ada)
    assert (await ada.post("/auth/me/email", json={"email": "new@example.com"})).status_code == 202
    form = {"email": "new@example.com", "code": code_in(await newest(runtime, "confirm_new_address"))}
    shown = page_of(await client.get(MailPage.CHANGE))
    assert ("form" in shown.tags, "type the code of the mail there" in shown.text) == (False, True)
    assert "NOT_AUTHENTICATED" in page_of(await send(client, MailPage.CHANGE, **form), 401).text
    others = await signed_in(client, await accounts.register())
    assert WRONG in page_of(await send(client, MailPage.CHANGE, cookie=others, **form), 400).text
    own = await signed_in(client, ada)
    assert "form" in page_of(await client.get(MailPage.CHANGE, headers={"Cookie": own})).tags
    page_of(await send(client, MailPage.CHANGE, cookie=own, **form))
    assert (await find_user(runtime, ada)).email == "new@example.com"


async def signed_in(client: httpx2.AsyncClient, person: Person) -> str:
    """Sign in as a browser does, and return the cookie of the session."""
    browser = Browser(client)
    assert (await browser.sign_in(person)).status_code == 200
    return f"{SESSION}={browser.cookie}"


@PROVING
async def test_an_address_is_confirmed_without_scripts_in_the_browser_that_registered(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-01: which keeps what it has set up, and is asked for nothing else."""
    kept = await register(client)
    shown = await client.get(MailPage.VERIFY, headers={"Cookie": kept})
    assert (ELSEWHERE in shown.text, 'type="password"' in shown.text) == (False, False)
    form = {"email": "ada@example.com", "code": code_in(await newest(runtime, "verify_address"))}
    done = page_of(await send(client, MailPage.VERIFY, cookie=kept, **form))
    assert "You can sign in now" in done.text
    await Person(client, "", "ada@example.com", PASSWORD).sign_in()


@PROVING
async def test_an_address_is_confirmed_elsewhere_with_a_password_of_its_owners(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-01: whoever registered it cannot come in with theirs."""
    await register(client)
    shown = await client.get(MailPage.VERIFY)
    assert (ELSEWHERE in shown.text, 'name="password"' in shown.text) == (True, True)
    form = {"email": "ada@example.com", "code": code_in(await newest(runtime, "verify_address"))}
    page_of(await send(client, MailPage.VERIFY, **form, password=NEW_PASSWORD))
    await Person(client, "", "ada@example.com", NEW_PASSWORD).sign_in()


@PROVING
async def test_who_confirms_without_a_password_is_led_to_one(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await register(client)
    form = {"email": "ada@example.com", "code": code_in(await newest(runtime, "verify_address"))}
    page = page_of(await send(client, MailPage.VERIFY, **form))
    assert MailPage.FORGOT in page.addresses


@PROVING
async def test_another_mail_to_confirm_an_address_can_be_asked_for(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    await accounts.register("ada@example.com")
    first = code_in(await newest(runtime, "verify_address"))
    page_of(await send(client, "/mail/verify/mail", email="ada@example.com"))
    second = code_in(await newest(runtime, "verify_address"))
    for code, status in ((first, 400), (second, 200)):
        page_of(await send(client, MailPage.VERIFY, email="ada@example.com", code=code), status)


async def test_an_invitation_is_accepted_without_scripts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-10: by its link, pasted, and once."""
    await invite(accounts)
    form = {"link": link_in(await newest(runtime, "invitation")), "password": NEW_PASSWORD, "full_name": "Bob"}
    page_of(await send(client, MailPage.INVITATION, **{**form, "password": "short"}), 422)
    page_of(await send(client, MailPage.INVITATION, **form))
    bob = await Person(client, "", "bob@example.com", NEW_PASSWORD).sign_in()
    assert (await bob.get("/auth/me")).json()["full_name"] == "Bob"
    page_of(await send(client, MailPage.INVITATION, **form), 400)


async def register(client: httpx2.AsyncClient) -> str:
    """Register from a page of ours, and return the cookie that the browser keeps."""
    body = {"email": "ada@example.com", "password": PASSWORD}
    response = await client.post("/api/v1/auth/register", json=body, headers=OWN_PAGE)
    assert response.status_code == 201, response.text
    [cookie] = set_cookies(response)
    return f"{cookie.name}={cookie.value}"


async def invite(accounts: Accounts) -> None:
    administrator = await accounts.administrator()
    response = await administrator.post("/invitations/", json={"email": "bob@example.com"})
    assert response.status_code == 202, response.text


async def prove(runtime: Runtime, person: Person) -> None:
    """Be somebody who has proved their address."""
    user = await find_user(runtime, person)
    await change_user(runtime, person, email_verified_at=user.created_at)


@PROVING
async def test_a_program_that_fetches_every_link_of_every_mail_consumes_nothing(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.6-11: GET and HEAD, with and without the fragment in the path or the query, and what the pages lead to."""
    await every_mail(client, accounts, runtime)
    mails = await texts(runtime)
    assert {mail.kind for mail, _ in mails} == set(KINDS) - {TestMail.kind}
    links = {link for _, text in mails for link in re.findall(r"http://\S+/\S+", text)}
    before = await everything(runtime)
    assert await count(runtime, MailedProof) >= 6
    for link in sorted(links):
        bare, _, token = link.partition("#")
        for url in (bare, f"{bare}?{token}", f"{bare}?utm_source=mail&{token}"):
            page = Page((await client.get(url)).text)
            assert (await client.head(url)).status_code == 200
            for address in page.addresses:
                await client.get(address)
    assert await everything(runtime) == before


async def every_mail(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """Have every kind of mail written whose link does something."""
    ada = await sign_up(accounts)
    await prove(runtime, ada)
    body: dict[str, Any] = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    assert (await ada.post("/auth/me/email", json={"email": "new@example.com"})).status_code == 202
    await send(client, MailPage.FORGOT, email=ada.email)
    await send(client, "/mail/sign-in/mail", email=ada.email)
    await invite(accounts)
    assert (await ada.post("/auth/me/email", json={"email": (await accounts.register()).email})).status_code == 202

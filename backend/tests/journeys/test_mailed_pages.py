"""Mails and what they lead to, as people do it: a real browser, the real server, and the mailbox beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from app.auth.identifiers import new_id
from app.database import Base, Database
from tests.accounts import API, PASSWORD
from tests.browser import Browsers
from tests.conftest import settings_for
from tests.journeys.mailbox import Mail, mails, newest
from tests.journeys.server import Server, running
from tests.rows import TRACES

NEW_PASSWORD = "seven lanterns by the sea"
REFUSED = "This link or code does not count"

EAGER = """addEventListener("load", () => setTimeout(() => {
  for (const form of document.forms) {
    for (const input of form.querySelectorAll("input[type=password]")) input.value = "seven lanterns by the sea";
    for (const input of form.querySelectorAll("input")) input.dispatchEvent(new Event("input", { bubbles: true }));
    for (const button of form.querySelectorAll("button:not([type=button])")) button.click();
    HOW
  }
  setTimeout(() => console.log("looked at"), 200);
}, 50));"""
"""What a program does to a page that looks for what is behind its buttons, and then waits for what comes of it.

It is nobody's hand: there is no gesture. The test asks the page nothing meanwhile, because Playwright's questions count as
one."""
WAYS = {"clicks": "", "asks the form": "form.requestSubmit();", "sends the form": "form.submit();"}


@dataclass(frozen=True)
class Installation:
    """One server for every journey here: its people do not know each other."""

    server: Server
    database_url: str

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("mailed")
    url = f"sqlite:///{folder}/journey.db"
    with running(folder, DATABASE_URL=url, LIMITS_ENABLED="false") as server:
        yield Installation(server, url)


@pytest.fixture
def ada(there: Installation) -> "Ada":
    """Somebody with an address of her own, and nothing else yet."""
    return Ada(there, f"ada-{new_id().hex}@example.com")


@dataclass(frozen=True)
class Ada:
    """Somebody who reads her mail."""

    there: Installation
    email: str

    def newest(self, kind: str, *, to: str | None = None) -> Mail:
        """Return the newest mail of a kind, to her or to another address."""
        return newest(self.there.server, kind, to=to or self.email)

    def call(self, path: str, body: object, *, token: str | None = None, status: int = 202) -> None:
        """Call the API as a program does."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = httpx2.post(f"{self.there.url}{API}{path}", json=body, headers=headers)
        assert response.status_code == status, response.text

    def register(self) -> None:
        self.call("/auth/register", {"email": self.email, "password": PASSWORD}, status=201)

    def prove(self) -> str:
        """Register, prove the address by a reset, and return an access token of a new session."""
        self.register()
        self.call("/auth/password/forgot", {"email": self.email})
        token = self.newest("reset_password").link.partition("#token=")[2]
        self.call("/auth/password/reset", {"token": token, "new_password": NEW_PASSWORD}, status=204)
        access = self.sign_in(NEW_PASSWORD)
        assert access
        return access

    def sign_in(self, password: str, *, email: str | None = None) -> str | None:
        """Return an access token, or None when address and password do not fit."""
        form = {"username": email or self.email, "password": password}
        answer = httpx2.post(f"{self.there.url}{API}/auth/login", data=form)
        assert answer.status_code in {200, 401}, answer.text
        return str(answer.json()["access_token"]) if answer.status_code == 200 else None


async def ask(page: Page, ada: Ada, path: str) -> None:
    """Have a mail sent by a page, by keyboard alone."""
    await page.goto(f"{ada.there.url}{path}")
    await page.keyboard.press("Tab")
    await page.keyboard.type(ada.email)
    await press(page, "Send me a mail")
    await expect(page.get_by_role("status")).to_contain_text("a mail is on its way")


async def open_link(page: Page, mail: Mail) -> None:
    """Follow the link of a mail; the token leaves the address at once."""
    await page.goto(mail.link)
    await expect(page).not_to_have_url(mail.link)
    assert "#" not in page.url


async def press(page: Page, name: str) -> None:
    """Come to a button by keyboard alone, and press it."""
    button = page.get_by_role("button", name=name, exact=True)
    for _ in range(12):
        if await button.evaluate("button => button === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")


async def is_done(page: Page) -> None:
    await expect(page.get_by_role("heading")).to_have_text("Done")


async def is_refused(page: Page, browsers: Browsers) -> None:
    await expect(page.get_by_role("alert")).to_contain_text(REFUSED)
    assert any("400" in complaint for complaint in browsers.take_complaints())


REGISTER = """async ([email, password]) => (await fetch("/api/v1/auth/register", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ email, password }),
})).status"""


SIGN_IN = """async ([username, password]) => (await fetch("/api/v1/auth/login?transport=cookie", {
  method: "POST",
  body: new URLSearchParams({ username, password }),
})).status"""


async def test_an_address_is_confirmed_by_link_in_the_browser_that_registered(ada: Ada, browsers: Browsers) -> None:
    """3.3-01, 3.6-11: by one button. What it has set up stays."""
    page = await browsers.open()
    await page.goto(f"{ada.there.url}/mail/forgot")
    assert await page.evaluate(REGISTER, [ada.email, PASSWORD]) == 201
    await open_link(page, ada.newest("verify_address"))
    await expect(page.get_by_role("textbox")).to_have_count(0)
    await press(page, "Confirm address")
    await is_done(page)
    assert ada.sign_in(PASSWORD)


async def test_an_address_is_confirmed_by_code_where_scripts_are_off(ada: Ada, browsers: Browsers) -> None:
    """3.3-01, 3.6-11: in another browser, with a password of its owner's. The link leads to the form for the code."""
    ada.register()
    page = await browsers.open(java_script_enabled=False)
    mail = ada.newest("verify_address")
    await page.goto(mail.link)
    await expect(page.locator("noscript p")).to_be_visible()
    await page.get_by_label("E-mail address that").fill(ada.email)
    await page.get_by_label("Code").fill(mail.code)
    await page.get_by_label("Password").fill(NEW_PASSWORD)
    await page.keyboard.press("Enter")
    await is_done(page)
    assert (ada.sign_in(PASSWORD), bool(ada.sign_in(NEW_PASSWORD))) == (None, True)


async def test_a_password_is_reset_by_link_and_once_only(ada: Ada, browsers: Browsers) -> None:
    """3.6-11: by keyboard alone. A mistake does not lose the link."""
    ada.register()
    page, other = await browsers.open(), await browsers.open()
    await ask(page, ada, "/mail/forgot")
    mail = ada.newest("reset_password")
    await open_link(page, mail)
    await expect(page.get_by_label("Code")).to_be_hidden()
    await page.get_by_label("New password").press_sequentially("short")
    await press(page, "Set password")
    await expect(page.get_by_text("new password: ")).to_be_visible()
    assert len(browsers.take_complaints()) == 1
    await page.go_back()
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await press(page, "Set password")
    await is_done(page)
    assert await page.evaluate("sessionStorage.length") == 0
    assert (ada.sign_in(PASSWORD), bool(ada.sign_in(NEW_PASSWORD))) == (None, True)
    await open_link(other, mail)
    await other.get_by_label("New password").fill(PASSWORD)
    await press(other, "Set password")
    await is_refused(other, browsers)


async def test_the_link_signs_in_in_the_same_browser_and_in_no_other(ada: Ada, browsers: Browsers) -> None:
    """3.3-10, SE-03: nor does the code."""
    ada.register()
    hers, his = await browsers.open(), await browsers.open()
    await ask(hers, ada, "/mail/sign-in")
    mail = ada.newest("sign_in_code")
    await his.goto(mail.link)
    await expect(his.get_by_text("open its link there, or type its code there")).to_be_visible()
    await expect(his.get_by_role("button")).to_have_text(["Send me a mail"])
    # Whoever has asked for a mail of their own there can try.
    await ask(his, ada, "/mail/sign-in")
    await open_link(his, mail)
    await press(his, "Sign in")
    await is_refused(his, browsers)
    await his.go_back()
    await press(his, "Type the code instead")
    await his.get_by_label("E-mail address that").fill(ada.email)
    await his.get_by_label("Code").fill(mail.code)
    await press(his, "Sign in")
    await is_refused(his, browsers)
    tab = await hers.context.new_page()
    await open_link(tab, mail)
    await press(tab, "Sign in")
    await is_done(tab)
    await tab.goto(f"{ada.there.url}{API}/auth/me")
    await expect(tab.locator("body")).to_contain_text(f'"email":"{ada.email}"')
    cookies = {cookie.get("name") for cookie in await hers.context.cookies()}
    assert ("__Host-ostiary" in cookies, "__Host-ostiary-mail" in cookies) == (True, False)


async def test_another_address_is_confirmed_and_the_old_one_vetoes(ada: Ada, browsers: Browsers) -> None:
    """3.3-18."""
    new = f"new-{ada.email}"
    ada.call("/auth/me/email", {"email": new}, token=ada.prove())
    mail = ada.newest("confirm_new_address", to=new)
    strange, page = await browsers.open(), await browsers.open()
    await open_unspent(strange, mail)
    await sign_in_here(page, ada, NEW_PASSWORD)
    await open_link(page, mail)
    await press(page, "Use this address")
    await is_done(page)
    assert ada.sign_in(NEW_PASSWORD, email=new)
    await open_link(page, ada.newest("address_change_notice"))
    await press(page, "Keep my address")
    await is_done(page)
    assert ada.sign_in(NEW_PASSWORD, email=new) is None
    await choose_password(page, ada)


async def open_unspent(page: Page, mail: Mail) -> None:
    """Follow the link of a change of address in a browser that nobody is signed in to: it says so, and has no button."""
    await page.goto(mail.link)
    await expect(page.get_by_role("status")).to_contain_text("type the code of the mail there")
    await expect(page.get_by_role("button")).to_have_count(0)


async def sign_in_here(page: Page, ada: Ada, password: str) -> None:
    """Sign a browser in, as the front end of a product does."""
    await page.goto(f"{ada.there.url}/mail/forgot")
    assert await page.evaluate(SIGN_IN, [ada.email, password]) == 200


async def test_this_was_not_me_takes_the_account_back(ada: Ada, browsers: Browsers) -> None:
    """SE-05."""
    body = {"current_password": NEW_PASSWORD, "new_password": "the thief has another one"}
    ada.call("/auth/me/password", body, token=ada.prove(), status=204)
    page = await browsers.open()
    await open_link(page, ada.newest("security_notice"))
    await press(page, "Undo it")
    await is_done(page)
    assert ada.sign_in("the thief has another one") is None
    await choose_password(page, ada)


async def choose_password(page: Page, ada: Ada) -> None:
    """Choose another password by the mail that has just come, and sign in with it."""
    await open_link(page, ada.newest("reset_password"))
    await page.get_by_label("New password").fill("once more seven lanterns")
    await press(page, "Set password")
    await is_done(page)
    assert ada.sign_in("once more seven lanterns")


async def test_a_program_that_runs_the_scripts_of_every_link_consumes_nothing(ada: Ada, browsers: Browsers) -> None:
    """3.6-11: it opens every link of every mail in Chromium, presses every button, and sends every form; by no hand."""
    new = f"new-{ada.email}"
    ada.call("/auth/me/email", {"email": new}, token=ada.prove())
    ada.call("/auth/password/forgot", {"email": ada.email})
    asking = await browsers.open()
    await sign_in_here(asking, ada, NEW_PASSWORD)
    await ask(asking, ada, "/mail/sign-in")
    links = {link for mail in mails(ada.there.server) if ada.email in mail.recipient for link in mail.links}
    pages = {link.partition("#")[0].removeprefix(ada.there.url) for link in links}
    assert pages >= {"/mail/verify", "/mail/reset", "/mail/change", "/mail/veto", "/mail/undo", "/mail/sign-in"}
    before = await rows(ada.there.database_url)
    for how, link in product(WAYS.values(), sorted(links)):
        # In the browser of whoever asked: there the links of the sign-in and of the change would count.
        scanner = await asking.context.new_page()
        await scanner.add_init_script(EAGER.replace("HOW", how))
        async with scanner.expect_console_message(lambda message: message.text == "looked at"):
            await scanner.goto(link)
    browsers.take_complaints()
    assert await rows(ada.there.database_url) == before
    await open_link(asking, ada.newest("sign_in_code"))
    await press(asking, "Sign in")
    await is_done(asking)


async def rows(url: str) -> dict[str, list[Any]]:
    """Return every row of every table but those that tell what happened, and how often somebody has tried."""
    database = Database(settings_for(url))
    tables = [table for table in Base.metadata.sorted_tables if table.name not in {*TRACES, "limit_buckets"}]
    try:
        return {t.name: list(await database.read.all(select(t).order_by(*t.primary_key))) for t in tables}
    finally:
        await database.close()

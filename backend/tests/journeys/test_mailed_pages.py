"""Mails and what they lead to, as people do it: a real browser, the real server, and the mailbox beside it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from app.database import Base, Database
from tests.accounts import API, PASSWORD
from tests.browser import Browsers
from tests.conftest import settings_for
from tests.journeys.mailbox import Mail, mails, newest
from tests.journeys.server import Server, running
from tests.rows import TRACES

pytestmark = pytest.mark.only("sqlite")

ADA = "ada@example.com"
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
    with running(folder, DATABASE_URL=url) as server:
        yield Installation(server, url)


@pytest.fixture
def ada(there: Installation) -> "Ada":
    """Somebody with an address of her own, and nothing else yet."""
    return Ada(there, f"ada-{new_id().hex}@example.com")


def call(server: Server, path: str, body: object, *, token: str | None = None, status: int = 202) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = httpx2.post(f"{server.url}{API}{path}", json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def register(server: Server, email: str = ADA) -> None:
    httpx2.post(f"{server.url}{API}/auth/register", json={"email": email, "password": PASSWORD}).raise_for_status()


def sign_in(server: Server, password: str = PASSWORD, *, email: str = ADA) -> str | None:
    """Return an access token, or None when they do not fit."""
    answer = httpx2.post(f"{server.url}{API}/auth/login", data={"username": email, "password": password})
    assert answer.status_code in {200, 401}, answer.text
    return str(answer.json()["access_token"]) if answer.status_code == 200 else None


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


async def test_an_address_is_confirmed_by_link_in_the_browser_that_registered(
    server: Server, browsers: Browsers
) -> None:
    """3.3-01, 3.6-11: by one button. What it has set up stays."""
    page = await browsers.open()
    await page.goto(f"{server.url}/mail/verify")
    assert await page.evaluate(REGISTER, [ADA, PASSWORD]) == 201
    await open_link(page, newest(server, "verify_address"))
    await expect(page.get_by_role("textbox")).to_have_count(0)
    await press(page, "Confirm address")
    await is_done(page)
    assert sign_in(server)


async def test_an_address_is_confirmed_by_code_where_scripts_are_off(server: Server, browsers: Browsers) -> None:
    """3.3-01, 3.6-11: in another browser, with a password of its owner's. The link leads to the form for the code."""
    register(server)
    page = await browsers.open(java_script_enabled=False)
    mail = newest(server, "verify_address")
    await page.goto(mail.link)
    await expect(page.get_by_text("The link of the mail needs scripts")).to_be_visible()
    await page.get_by_label("E-mail address that").fill(ADA)
    await page.get_by_label("Code").fill(mail.code)
    await page.get_by_label("Password").fill(NEW_PASSWORD)
    await press(page, "Confirm address")
    await is_done(page)
    assert (sign_in(server), bool(sign_in(server, NEW_PASSWORD))) == (None, True)


async def test_a_password_is_reset_by_link_and_once_only(server: Server, browsers: Browsers) -> None:
    """3.6-11, PW-09: by keyboard alone. A mistake does not lose the link."""
    register(server)
    page = await browsers.open()
    await page.goto(f"{server.url}/mail/forgot")
    await page.keyboard.press("Tab")
    await page.keyboard.type(ADA)
    await press(page, "Send me a mail")
    await expect(page.get_by_role("status")).to_contain_text("a mail is on its way")
    mail = newest(server, "reset_password")
    await open_link(page, mail)
    await expect(page.get_by_label("Code")).to_be_hidden()
    await page.get_by_label("New password").press_sequentially("short")
    await press(page, "Set password")
    await expect(page.get_by_text("new password: ")).to_be_visible()
    assert len(browsers.take_complaints()) == 1
    await page.go_back()
    await page.get_by_label("New password").fill("")
    await page.get_by_label("New password").press_sequentially(NEW_PASSWORD)
    await press(page, "Set password")
    await is_done(page)
    assert await page.evaluate("sessionStorage.length") == 0
    assert (sign_in(server), bool(sign_in(server, NEW_PASSWORD))) == (None, True)
    other = await browsers.open()
    await open_link(other, mail)
    await other.get_by_label("New password").fill(PASSWORD)
    await press(other, "Set password")
    await is_refused(other, browsers)


async def test_the_link_signs_in_in_the_same_browser_and_in_no_other(server: Server, browsers: Browsers) -> None:
    """3.3-10, SE-03."""
    register(server)
    hers, his = await browsers.open(), await browsers.open()
    await hers.goto(f"{server.url}/mail/sign-in")
    await hers.get_by_label("E-mail address", exact=True).fill(ADA)
    await press(hers, "Send me a mail")
    await expect(hers.get_by_role("status")).to_contain_text("a mail is on its way")
    mail = newest(server, "sign_in_code")
    await open_link(his, mail)
    await press(his, "Sign in")
    await is_refused(his, browsers)
    await his.goto(f"{server.url}/mail/sign-in")
    await press(his, "Type the code instead")
    await his.get_by_label("E-mail address that").fill(ADA)
    await his.get_by_label("Code").fill(mail.code)
    await press(his, "Sign in")
    await is_refused(his, browsers)
    tab = await hers.context.new_page()
    await open_link(tab, mail)
    await press(tab, "Sign in")
    await is_done(tab)
    await tab.goto(f"{server.url}{API}/auth/me")
    await expect(tab.locator("body")).to_contain_text(f'"email":"{ADA}"')
    cookies = {cookie.get("name") for cookie in await hers.context.cookies()}
    assert "__Host-ostiary" in cookies
    assert "__Host-ostiary-mail" not in cookies


async def test_another_address_is_confirmed_and_the_old_one_vetoes(server: Server, browsers: Browsers) -> None:
    """3.3-18."""
    token = await proved(server)
    call(server, "/auth/me/email", {"email": "mallory@example.com"}, token=token)
    page = await browsers.open()
    await open_link(page, newest(server, "confirm_new_address", to="mallory@example.com"))
    await press(page, "Use this address")
    await is_done(page)
    assert sign_in(server, NEW_PASSWORD, email="mallory@example.com")
    await open_link(page, newest(server, "address_change_notice", to=ADA))
    await press(page, "Keep my address")
    await is_done(page)
    assert sign_in(server, NEW_PASSWORD, email="mallory@example.com") is None
    await open_link(page, newest(server, "reset_password", to=ADA))


async def test_this_was_not_me_takes_the_account_back(server: Server, browsers: Browsers) -> None:
    """SE-05, 3.3-18."""
    token = await proved(server)
    body = {"current_password": NEW_PASSWORD, "new_password": "the thief has another one"}
    call(server, "/auth/me/password", body, token=token, status=204)
    page = await browsers.open()
    await open_link(page, newest(server, "security_notice"))
    await press(page, "Undo it")
    await is_done(page)
    assert sign_in(server, "the thief has another one") is None
    await open_link(page, newest(server, "reset_password"))
    await page.get_by_label("New password").fill(PASSWORD)
    await press(page, "Set password")
    await is_done(page)
    assert sign_in(server)


async def proved(server: Server) -> str:
    """Have Ada prove her address, by a reset, and return an access token of a new session."""
    register(server)
    call(server, "/auth/password/forgot", {"email": ADA})
    mail = newest(server, "reset_password")
    token = mail.link.partition("#token=")[2]
    call(server, "/auth/password/reset", {"token": token, "new_password": NEW_PASSWORD}, status=204)
    access = sign_in(server, NEW_PASSWORD)
    assert access
    return access


async def test_a_program_that_runs_the_scripts_of_every_link_consumes_nothing(
    server: Server, empty_database_url: str, browsers: Browsers
) -> None:
    """3.6-11: it opens every link of every mail in Chromium, presses every button, and sends every form; by no hand."""
    token = await proved(server)
    call(server, "/auth/me/email", {"email": "new@example.com"}, token=token)
    call(server, "/auth/password/forgot", {"email": ADA})
    asking = await browsers.open()
    await asking.goto(f"{server.url}/mail/sign-in")
    await asking.get_by_label("E-mail address", exact=True).fill(ADA)
    await press(asking, "Send me a mail")
    await expect(asking.get_by_role("status")).to_contain_text("a mail is on its way")
    links = {link for mail in mails(server) for link in mail.links}
    assert {link.partition("#")[0].rpartition("/")[2] for link in links} >= {
        "reset",
        "sign-in",
        "change",
        "veto",
        "undo",
    }
    async with rows(empty_database_url) as before:
        for how in WAYS.values():
            # In the browser of whoever asked: there the link of the sign-in would count.
            scanner = await asking.context.new_page()
            await scanner.add_init_script(EAGER.replace("HOW", how))
            for link in sorted(links):
                await scanner.goto("about:blank")
                async with scanner.expect_console_message(lambda message: message.text == "looked at"):
                    await scanner.goto(link)
        browsers.take_complaints()
        async with rows(empty_database_url) as after:
            assert after == before
    await open_link(asking, newest(server, "sign_in_code"))
    await press(asking, "Sign in")
    await is_done(asking)


@asynccontextmanager
async def rows(url: str) -> AsyncIterator[dict[str, list[Any]]]:
    """Yield every row of every table but those that tell what happened."""
    database = Database(settings_for(url))
    try:
        tables = [table for table in Base.metadata.sorted_tables if table.name not in TRACES | {"limit_buckets"}]
        yield {t.name: list(await database.read.all(select(t).order_by(*t.primary_key))) for t in tables}
    finally:
        await database.close()

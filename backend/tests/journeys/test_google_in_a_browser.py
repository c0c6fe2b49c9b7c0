"""Sign-in with Google as people do it: a real browser, the pages of examples/google, and the server that plays Google."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import update

from app.database import Database
from app.models import Session
from tests.accounts import API, CLIENT
from tests.browser import Browsers
from tests.conftest import settings_for
from tests.journeys.example_site import example_site
from tests.journeys.server import REPOSITORY, Server, running

pytestmark = pytest.mark.only("sqlite")

PAGE = (REPOSITORY / "docs" / "concepts" / "google.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PASSWORD = "seven lanterns by the sea"
OWN_PAGE, REDIRECT = "Sign in with Google", "Sign in with Google by redirect"
"""What the buttons of the example say: Google's answer comes to a page of the front end, or to the server."""

CALL = """async ([method, address, body]) => {
  const type = body instanceof Object ? "application/json" : "application/x-www-form-urlencoded";
  const response = await fetch(address, {
    method,
    credentials: "include",
    headers: body ? { "Content-Type": type } : {},
    body: body instanceof Object ? JSON.stringify(body) : body,
  });
  const text = await response.text();
  return [response.status, text ? JSON.parse(text) : null];
}"""
"""A page calls the server, with the browser's cookies and under the page's own policy."""


@dataclass(frozen=True)
class Installation:
    """A server in development, and a front end on another port of the same machine."""

    server: Server
    front_end: str

    async def call(self, page: Page, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Let a page of the front end call the server, and return status and answer."""
        status, answer = await page.evaluate(CALL, [method, f"{self.server.url}{API}{path}", body])
        return status, answer

    async def refuses(self, page: Page, method: str, path: str, body: object = None) -> tuple[int, str | None]:
        """Do the same, and return status and code of the refusal; no code when there is none."""
        status, answer = await self.call(page, method, path, body)
        return status, (answer or {}).get("code")


@contextmanager
def installation(folder: Path, database_url: str, *, host: str) -> Iterator[Installation]:
    """Start both. `host` is the name by which people open the front end."""
    with example_site(folder / "pages") as site:
        front_end = f"http://{host}:{site.port}"
        with running(folder, DATABASE_URL=database_url, FRONTEND_URL=front_end) as server:
            site.calls(server.url)
            yield Installation(server, front_end)


async def be(page: Page, email: str, name: str) -> None:
    """Be somebody at the offline Google, by keyboard alone. Google asks for consent when it sees somebody first."""
    await expect(page.get_by_text("This is not Google.")).to_be_visible()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Name", exact=True).fill(name)
    await page.keyboard.press("Enter")


async def allow(page: Page) -> None:
    await page.get_by_role("button", name="Allow").press("Enter")


async def test_the_pages_of_the_example_run_as_they_are(
    tmp_path: Path, empty_database_url: str, browsers: Browsers
) -> None:
    """S06, OA-01, OA-02, OA-19, 3.4: with the names of `make run`, by either door, under the pages' own strict policy."""
    with installation(tmp_path, empty_database_url, host="localhost") as there:
        page, other = await browsers.open(), await browsers.open()
        for door in (OWN_PAGE, REDIRECT):
            await begin(page, there, door)
            await be_grace(page, is_new=door is OWN_PAGE)
            await page.get_by_role("button", name="Deny").press("Enter")
            await says(page, "Google did not sign you in. Nothing has changed.")
        await other.goto(await answer_kept_from(page, there))
        await says(other, "That did not work. Please begin again.")
        # Of the two answers that a page has fetched: 403 and 400.
        assert len(browsers.take_complaints()) == 2
        assert "federation.signed_in" not in there.server.said
        for door, path in ((OWN_PAGE, "/auth/callback/"), (REDIRECT, "/")):
            await begin(other, there, door)
            await be_grace(other, is_new=door is OWN_PAGE)
            await says(other, "You are Grace Hopper (grace@gmail.com).")
            assert other.url == f"{there.front_end}{path}"
        assert await other.evaluate("sessionStorage.length") == 0
        await other.goto(first_link(there))
        await be_grace(other, is_new=False)
        await expect(other).to_have_title("Ostiary")
        assert other.url.removesuffix("#") == f"{there.server.url}/docs"
        await other.goto(f"{there.server.url}{API}/auth/me")
        await expect(other.locator("body")).to_contain_text('"email":"grace@gmail.com"')
        assert there.server.said.count("federation.signed_in") == 3


def first_link(there: Installation) -> str:
    """Return the address that the documentation lets people open first, with a cookie and without a front end."""
    links = {re.search(r"<(http://127\.0\.0\.1:8000/api/v1/auth/google/login\S+)>", text) for text in (PAGE, README)}
    [address] = {found and found[1] for found in links}
    assert address is not None
    return address.replace("http://127.0.0.1:8000", there.server.url)


async def begin(page: Page, there: Installation, door: str) -> None:
    await page.goto(there.front_end)
    await page.get_by_role("button", name=door, exact=True).press("Enter")


async def says(page: Page, text: str) -> None:
    await expect(page.get_by_role("status")).to_have_text(text)


async def test_the_example_says_why_it_cannot_go_on(
    tmp_path: Path, empty_database_url: str, browsers: Browsers
) -> None:
    """Where somebody opens it under the wrong name, or its callback by hand."""
    with installation(tmp_path, empty_database_url, host="localhost") as there:
        page = await browsers.open()
        await page.goto(there.front_end.replace("localhost", "127.0.0.1"))
        await page.get_by_role("button", name=OWN_PAGE, exact=True).press("Enter")
        await says(page, "The server does not answer this page. Is it running, and is this address its FRONTEND_URL?")
        assert any("CORS" in complaint for complaint in browsers.take_complaints())
        await page.goto(f"{there.front_end}/auth/callback/")
        await says(page, "There is no answer of Google's in this address. Please begin again.")


async def be_grace(page: Page, *, is_new: bool) -> None:
    """Be whom the form suggests at first, or click on her once this browser is known."""
    await page.get_by_role("button", name="Continue" if is_new else "Grace Hopper").press("Enter")


async def answer_kept_from(page: Page, there: Installation) -> str:
    """Sign in up to the last step, and return the address of the answer, which this browser never opens."""
    address = re.compile(re.escape(f"{there.front_end}/auth/callback?"))
    await page.route(address, lambda route: route.abort())
    await begin(page, there, OWN_PAGE)
    await be_grace(page, is_new=False)
    async with page.expect_request(address) as asked:
        await allow(page)
    return (await asked.value).url


async def test_a_google_account_is_added_and_removed_and_the_last_way_in_stays(
    tmp_path: Path, empty_database_url: str, browsers: Browsers
) -> None:
    """ID-06, 3.3: with cookies. An identity is added and removed after a fresh proof only."""
    with installation(tmp_path, empty_database_url, host="127.0.0.1") as there:
        page = await browsers.open()
        await page.goto(there.front_end)
        await sign_up(page, there, "ada@example.com")
        await let_proofs_grow_old(empty_database_url)
        refusal = await there.refuses(page, "POST", "/auth/google/link", {"return_to": "/"})
        assert refusal == (401, "INSUFFICIENT_USER_AUTHENTICATION")
        assert len(browsers.take_complaints()) == 1
        await there.call(page, "POST", "/auth/reauthenticate", {"password": PASSWORD})
        await add_google(page, there, "ada.private@example.org")
        # The identity signs in to the account with the password, in another browser, with a cookie.
        other = await browsers.open()
        await sign_in_with_cookie(other, there, "ada.private@example.org", is_new=False)
        assert (await there.call(other, "GET", "/auth/me"))[1]["email"] == "ada@example.com"
        await remove_google(page, there)
        assert (await there.call(other, "GET", "/auth/me"))[1].get("cause") == "way_in_removed"
        assert len(browsers.take_complaints()) == 1
        # Who has Google alone keeps it.
        await other.context.clear_cookies()
        await sign_in_with_cookie(other, there, "grace@example.org", is_new=True)
        identity = (await there.call(other, "GET", "/auth/me/identities"))[1]["items"][0]
        refusal = await there.refuses(other, "DELETE", f"/auth/me/identities/{identity['id']}")
        assert refusal == (409, "LAST_WAY_IN")
        assert len(browsers.take_complaints()) == 1
        assert len((await there.call(other, "GET", "/auth/me/identities"))[1]["items"]) == 1


async def sign_up(page: Page, there: Installation, email: str) -> None:
    """Register with a password, and sign in with a cookie."""
    status, _ = await there.call(page, "POST", "/auth/register", {"email": email, "password": PASSWORD})
    assert status == 201
    form = f"username={email}&password={PASSWORD.replace(' ', '+')}"
    status, _ = await there.call(page, "POST", "/auth/login?transport=cookie", form)
    assert status == 200


async def sign_in_with_cookie(page: Page, there: Installation, email: str, *, is_new: bool) -> None:
    """Sign in through Google, and land in the front end with the session already begun: no code, no token."""
    fresh = "&fresh=true" if is_new else ""  # Who comes for the first time is asked for consent in any case.
    await page.goto(f"{there.server.url}{API}/auth/google/login?transport=cookie{fresh}")
    await be(page, email, "Somebody")
    if is_new:
        await allow(page)
    await expect(page).to_have_title("Sign in")
    assert page.url.removesuffix("#") == f"{there.front_end}/"  # Until the page has tidied its address up.
    kept = {cookie.get("name"): cookie for cookie in await page.context.cookies(there.server.url)}
    assert kept["__Host-ostiary"].get("httpOnly")
    assert not any(name and name.startswith(("__Host-ostiary-flow", "__Host-ostiary-code")) for name in kept)


async def add_google(page: Page, there: Installation, email: str) -> None:
    status, answer = await there.call(page, "POST", "/auth/google/link", {"return_to": "/?page=settings"})
    assert status == 200
    async with page.expect_request(f"{there.front_end}/?page=settings&linked=google"):
        await page.goto(answer["authorization_url"])
        await be(page, email, "Ada in private")
        await allow(page)
    await expect(page).to_have_title("Sign in")


async def remove_google(page: Page, there: Installation) -> None:
    """Remove the only identity, which is not the only way in."""
    identities = (await there.call(page, "GET", "/auth/me/identities"))[1]["items"]
    assert [(i["provider"], i["email"]) for i in identities] == [("google", "ada.private@example.org")]
    status, _ = await there.call(page, "DELETE", f"/auth/me/identities/{identities[0]['id']}")
    assert status == 204
    assert (await there.call(page, "GET", "/auth/me/identities"))[1] == {"items": []}


async def let_proofs_grow_old(database_url: str) -> None:
    """Make everybody's proof eleven minutes old."""
    database = Database(settings_for(database_url))
    try:
        async with database.begin(CLIENT) as work:
            await work.db.execute(update(Session).values(authenticated_at=datetime.now(UTC) - timedelta(minutes=11)))
    finally:
        await database.close()

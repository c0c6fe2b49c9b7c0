"""A real Chromium, headless, for journeys as a person takes them: pages, forms, cookies, redirects, and the keyboard.

The fixture `browsers` gives every person a browser of their own, with cookies and storage of its own:

    async def test_ada_signs_in(tmp_path: Path, browsers: Browsers) -> None:
        with running(tmp_path, DATABASE_URL=…) as server:
            page = await browsers.open()                   # Ada's
            other = await browsers.open()                  # Somebody else's; nothing is shared.
            second_tab = await page.context.new_page()     # Ada's again, with her cookies.
            await page.goto(f"{server.url}/setup")
            await page.keyboard.type("…")
            await expect(page.get_by_role("heading")).to_have_text("Done")

`expect` is `playwright.async_api.expect`: it waits until a page has become what it must be. Nothing reaches beyond this
machine. Whatever a browser complains of (see `Browsers.complaints`) fails the test at its end, unless the test expects
it and takes it. Chromium starts with the test and ends with it, in a second or so: no state is left for the next one.
A test that uses it must be `async def`; Playwright's other interface would claim the thread's event loop.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, WebError, async_playwright

from tests.peers.chromium import find_chromium

PATIENCE_MILLISECONDS = 10_000
THIS_MACHINE = {"127.0.0.1", "localhost"}
NOWHERE = "http://127.0.0.1:1"
"""A proxy that nobody runs. Chromium asks it for every address but those of this machine: names are not even looked up."""


@dataclass
class Browsers:
    """The browsers of several people, and what they complain of."""

    _chromium: Browser
    complaints: list[str] = field(default_factory=list)
    """Errors on the console (a refused script, an answer of 400 and above), errors that a script did not catch, and
    requests to other machines."""

    async def open(self, *, java_script_enabled: bool = True) -> Page:
        """Return an empty page in a new browser."""
        context = await self._chromium.new_context(java_script_enabled=java_script_enabled)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.on("console", self._note_console)
        context.on("weberror", self._note_error)
        context.on("request", self._note_request)
        return await context.new_page()

    def take_complaints(self) -> list[str]:
        """Return the complaints up to now, which are then forgotten: for a test that expects some."""
        taken, self.complaints = self.complaints, []
        return taken

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def _note_error(self, error: WebError) -> None:
        self.complaints.append(str(error.error))

    def _note_request(self, request: Request) -> None:
        # Redirects are requests as well. Other schemes, such as `data:`, name no machine.
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https"} and parts.hostname not in THIS_MACHINE:
            self.complaints.append(f"asked another machine: {request.url}")


@pytest.fixture
async def browsers() -> AsyncIterator[Browsers]:
    """Browsers for as many people as a test needs; without Chromium on this machine the test fails and says what to do."""
    program = find_chromium()
    async with async_playwright() as playwright:
        # Without a sandbox, which root and most containers cannot have: it shows nothing but our own pages.
        chromium = await playwright.chromium.launch(
            executable_path=program,
            args=["--disable-quic", "--disable-background-networking", f"--proxy-server={NOWHERE}"],
            chromium_sandbox=False,
        )
        people = Browsers(chromium)
        try:
            yield people
        finally:
            await chromium.close()
    assert not people.complaints, people.complaints

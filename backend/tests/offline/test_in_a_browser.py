"""The provider's pages in a real browser, which holds `form-action` against every redirect as no other client does."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from playwright.async_api import Page, expect

from app.offline.testing import RunningProvider, site
from tests.browser import Browsers
from tests.offline.flows import CLIENT, address_of


@pytest.fixture
def callback(google: RunningProvider) -> Iterator[str]:
    """Where an application is answered, which sends people on to its front end: two further origins."""
    with site() as application, site() as front_end:
        landing = f"{front_end.issuer.replace('127.0.0.1', 'localhost')}/landed"

        async def send_on(request: Request) -> Response:
            return RedirectResponse(f"{landing}?{request.url.query}", 303)

        async def show() -> Response:
            return HTMLResponse('<title>Landed</title><link rel="icon" href="data:,">')

        application.app, front_end.app = FastAPI(), FastAPI()
        application.app.add_api_route("/callback", send_on)
        front_end.app.add_api_route("/landed", show)
        google.allow(CLIENT.client_id, f"{application.issuer}/callback")
        yield f"{application.issuer}/callback"


async def has_landed(page: Page) -> None:
    await expect(page).to_have_title("Landed")
    assert "/landed?" in page.url


async def test_people_come_through_to_the_front_end_by_keyboard_alone(
    google: RunningProvider, callback: str, browsers: Browsers
) -> None:
    """OA-16, 3.6: three origins in a row, after a form whose policy allows none of them; no complaint on the console."""
    page = await browsers.open()
    await page.goto(address_of(google, redirect_uri=callback))
    await expect(page.get_by_text("This is not Google.")).to_be_visible()
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Sign in to The shop")).to_be_visible()
    await page.get_by_role("button", name="Allow").press("Enter")
    await has_landed(page)
    assert "code=" in page.url
    # The second time, a click on the account is enough.
    await page.goto(address_of(google, redirect_uri=callback))
    await page.get_by_role("button", name="Grace Hopper").press("Enter")
    await has_landed(page)


async def test_what_is_wrong_is_shown_and_the_cursor_stands_there(
    google: RunningProvider, callback: str, browsers: Browsers
) -> None:
    page = await browsers.open()
    await page.goto(address_of(google, redirect_uri=callback))
    await page.get_by_label("Workspace domain").fill("no domain")
    await page.get_by_role("button", name="Continue").press("Enter")
    field = page.get_by_label("Workspace domain")
    await expect(field).to_be_focused()
    await expect(field).to_have_accessible_description("this is not a domain")
    assert len(browsers.take_complaints()) == 1  # Of the answer's status, 422.
    await field.fill("")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Deny").press("Enter")
    await has_landed(page)
    assert "error=access_denied" in page.url


@pytest.mark.parametrize("width", [320, 1280])
async def test_no_page_is_wider_than_the_window(google: RunningProvider, browsers: Browsers, width: int) -> None:
    """WCAG 2.2, 1.4.10: nobody has to scroll sideways, however long the words are."""
    page = await browsers.open()
    await page.set_viewport_size({"width": width, "height": 600})
    await page.goto(address_of(google, scope=f"openid {'x' * 300}"))
    for _ in range(2):
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.get_by_label("Name", exact=True).fill("n" * 200)
        await page.get_by_role("button", name="Continue").press("Enter")
        await expect(page.get_by_role("button", name="Allow")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.goto(address_of(google))

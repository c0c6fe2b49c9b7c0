"""The browser of the tests itself: it runs our pages, by the keyboard alone, and reaches nobody but this machine."""

from pathlib import Path

import pytest
from playwright.async_api import Error, Page, expect

from tests.browser import Browsers
from tests.journeys.server import running
from tests.peers.chromium import VARIABLE, ChromiumNotFound, find_chromium, install_chromium

PASSWORD = "seven lanterns by the sea"


@pytest.mark.only("sqlite")
async def test_the_first_administrator_is_made_by_keyboard_alone(
    tmp_path: Path, empty_database_url: str, browsers: Browsers
) -> None:
    """S44: the link of the first start, as a person follows it who has no mouse."""
    with running(tmp_path, DATABASE_URL=empty_database_url) as server:
        page = await browsers.open()
        await page.goto(f"{server.url}/setup#code={server.setup_code}")
        # Our script has taken the code out of the address, and the person to the next field.
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        assert page.url == f"{server.url}/setup"
        await type_and_tab(page, "root@example.com")
        await type_and_tab(page, "Root")
        await expect(page.get_by_label("Password")).to_be_focused()
        await type_and_tab(page, PASSWORD)
        await expect(page.get_by_role("button", name="Make administrator")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading")).to_have_text("Done")
        await expect(page.get_by_text("root@example.com administers")).to_be_visible()


async def type_and_tab(page: Page, text: str) -> None:
    await page.keyboard.type(text)
    await page.keyboard.press("Tab")


async def test_no_request_leaves_this_machine(browsers: Browsers) -> None:
    page = await browsers.open()
    addresses = ["http://somewhere.example/", "https://192.0.2.1/", "http://[2001:db8::1]/"]
    for address in addresses:
        with pytest.raises(Error, match="ERR_PROXY_CONNECTION_FAILED"):
            await page.goto(address)
    assert browsers.take_complaints() == [f"asked another machine: {address}" for address in addresses]


async def test_a_script_that_fails_is_heard_of(browsers: Browsers) -> None:
    page = await browsers.open()
    await page.goto("data:text/html,<script>console.error('broken'); throw new Error('gone')</script>")
    await expect(page.locator("body")).to_be_attached()
    assert sorted(browsers.take_complaints()) == ["broken ()", "gone"]


async def test_everybody_has_a_browser_of_their_own(browsers: Browsers) -> None:
    hers, his = await browsers.open(), await browsers.open()
    await hers.context.add_cookies([{"name": "hers", "value": "1", "url": "http://127.0.0.1"}])
    assert [cookie.get("name") for cookie in await hers.context.cookies()] == ["hers"]
    assert await his.context.cookies() == []


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that holds all programs that there are; none yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("tests.peers.chromium.USUAL_PLACES", ())
    return tmp_path


def test_without_a_browser_the_remedy_is_named(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in (find_chromium, install_chromium):
        with pytest.raises(ChromiumNotFound, match=r"run `make test` as root on Debian.*playwright install chromium"):
            attempt()
    monkeypatch.setenv(VARIABLE, str(programs / "mistyped"))
    with pytest.raises(ChromiumNotFound, match="mistyped', which is no program"):
        find_chromium()


def test_on_debian_root_gets_a_browser(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    said, brought = programs / "said", programs / "chromium"
    write_program(
        programs / "apt-get", f'echo "$@" >> {said}; [ "$2" = update ] || {{ : > {brought}; /bin/chmod +x {brought}; }}'
    )
    install_chromium()
    assert find_chromium() == brought
    assert said.read_text().split("\n")[1] == "--quiet=2 install --yes --no-install-recommends chromium"
    brought.unlink()
    write_program(programs / "apt-get", "exit 100")
    with pytest.raises(ChromiumNotFound, match="`apt-get --quiet=2 update` failed"):
        install_chromium()


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)

"""The mailbox of development: readable by whoever sits at this machine, and by nobody else."""

import httpx2
import pytest
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.main import create_app
from app.routes import route_map
from app.runtime import Runtime
from tests.conftest import BASE_URL, settings_for
from tests.outbox import CODE, TOKEN, change_mails, mails_of, notice, post, sign_in_code, the_mail, verification
from tests.pages.html import Page
from tests.rows import everything

MAILBOX = "/dev/mailbox"


def mailbox_routes(**changes: object) -> list[str]:
    app = create_app(settings_for("sqlite:///nothing.db", **changes))
    return [entry.path for entry in route_map(app) if entry.path.startswith(MAILBOX)]


async def test_an_empty_mailbox_says_so(client: httpx2.AsyncClient) -> None:
    page = Page((await client.get(MAILBOX)).text)
    assert "There is no mail yet." in page.text


async def test_mails_are_listed_newest_first(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    for name in ("ada", "grace", "joan"):
        await post(runtime, sign_in_code(f"{name}@example.com"))
    response = await client.get(MAILBOX)
    page = Page(response.text)
    newest_first = [str(mail.id) for mail in reversed(await mails_of(runtime))]
    assert [a.rpartition("/")[2] for a in page.addresses if a.startswith(f"{MAILBOX}/")] == newest_first
    assert page.text.index("joan@") < page.text.index("grace@") < page.text.index("ada@")
    assert page.inline == []
    assert response.headers["cache-control"] == "no-store"


async def test_a_mail_is_shown_with_its_link_to_follow(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)
    response = await client.get(f"{MAILBOX}/{mail.id}")
    page = Page(response.text)
    assert f"{BASE_URL}/mail/verify#token={TOKEN}" in page.addresses
    assert CODE in page.text
    assert page.inline == []
    assert "<title>Confirm your address for Ostiary</title>" in response.text
    assert f"{MAILBOX}/{mail.id}/html" in page.addresses
    assert "sandbox" in response.text
    assert "script-src" not in response.headers["content-security-policy"]


async def test_the_html_of_a_mail_can_do_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.6-08: what a mail program would not run does not run here, framed or opened by itself."""
    await post(runtime, verification(runtime))
    response = await client.get(f"{MAILBOX}/{(await the_mail(runtime)).id}/html")
    policy = response.headers["content-security-policy"]
    assert response.text.startswith("<!doctype html>")
    assert "sandbox;" in policy
    assert "default-src 'none'" in policy
    assert "allow-" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert response.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.settings(APP_NAME="<b>Shop</b>")
async def test_what_a_mail_says_is_text_on_our_page(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.8-08."""
    await post(runtime, notice(runtime, device="<script>alert(1)</script>"))
    for path in (MAILBOX, f"{MAILBOX}/{(await the_mail(runtime)).id}"):
        page = Page((await client.get(path)).text)
        assert not {"b", "script"} & set(page.tags)


async def test_reading_changes_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.6-11."""
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)
    before = await everything(runtime)
    for path in (MAILBOX, f"{MAILBOX}/{mail.id}", f"{MAILBOX}/{mail.id}/html"):
        assert (await client.get(path)).status_code == (await client.head(path)).status_code == 200
    assert await everything(runtime) == before


async def test_a_mail_that_is_not_there_is_not_found(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)
    assert (await client.get(f"{MAILBOX}/{new_id()}")).status_code == 404
    assert (await client.get(f"{MAILBOX}/nonsense")).status_code == 422
    await change_mails(runtime, content_encrypted=b"sealed under another secret")
    assert (await client.get(f"{MAILBOX}/{mail.id}")).status_code == 404
    assert "Sealed under another SECRET_KEY" in (await client.get(MAILBOX)).text


@pytest.mark.parametrize("peer", ["192.168.1.7", "10.0.0.1", "2001:db8::1", "::ffff:192.168.1.7", "testclient", ""])
async def test_whoever_is_not_on_this_machine_does_not_find_it(app: FastAPI, runtime: Runtime, peer: str) -> None:
    """V13.4.2, V15.2.3: it reads everybody's links and codes."""
    await post(runtime, verification(runtime))
    transport = httpx2.ASGITransport(app, client=(peer, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        for path in (MAILBOX, f"{MAILBOX}/{(await the_mail(runtime)).id}"):
            response = await http.get(path)
            assert response.status_code == 404
            assert CODE not in response.text


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Real-IP", "Via"])
async def test_who_comes_through_a_proxy_does_not_find_it(client: httpx2.AsyncClient, header: str) -> None:
    """V13.4.2: a proxy's visitors come from anywhere, and look like this machine."""
    assert (await client.get(MAILBOX)).status_code == 200
    assert (await client.get(MAILBOX, headers={header: "127.0.0.1"})).status_code == 404


ELSEWHERE: dict[str, dict[str, object]] = {
    "production": {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"},
    "production on localhost": {"ENVIRONMENT": "production", "PUBLIC_URL": "https://localhost"},
    "a public name": {
        "PUBLIC_URL": "https://accounts.example.com",
        "GOOGLE_CLIENT_ID": "x",
        "GOOGLE_CLIENT_SECRET": "x",
    },
    "every interface": {"HOST": "0.0.0.0"},  # noqa: S104  # Not served is what it is.
    "a mail server": {"SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none", "MAIL_FROM": "a@example.com"},
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_it_exists_in_development_on_this_machine_alone(name: str) -> None:
    """V13.4.2, V15.2.3."""
    assert len(mailbox_routes()) == 3
    assert mailbox_routes(**ELSEWHERE[name]) == []

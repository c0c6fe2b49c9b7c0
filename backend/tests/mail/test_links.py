"""Where mail leads to: the configured public URL, whatever a request says of itself."""

import httpx2
import pytest

from app.config import Settings
from app.mail.links import Link, is_ours, page_link
from app.runtime import Runtime
from tests.conftest import settings_for
from tests.mail import desk
from tests.outbox import TOKEN, mails_of, sealed_text

PUBLIC = "https://accounts.example.com"

HEADERS: dict[str, dict[str, str]] = {
    "X-Forwarded-Host": {"X-Forwarded-Host": "evil.example"},
    "X-Forwarded-Proto": {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example:1234"},
    "Forwarded": {"Forwarded": "for=1.2.3.4;host=evil.example;proto=http"},
    "X-Host": {"X-Host": "evil.example"},
    "X-Original-URL": {"X-Original-URL": "https://evil.example/", "X-Rewrite-URL": "https://evil.example/"},
    "X-Forwarded-Server": {"X-Forwarded-Server": "evil.example", "X-Original-Host": "evil.example"},
    "Origin and Referer": {"Origin": PUBLIC, "Referer": "https://evil.example/"},
    "another served Host": {"Host": "also.example.com"},
}


def settings(**changes: object) -> Settings:
    return settings_for("sqlite:///nothing.db", **changes)


@pytest.mark.settings(
    ENVIRONMENT="production",
    PUBLIC_URL=PUBLIC,
    ALLOWED_HOSTS=["also.example.com"],
    EXTENSIONS=[desk.NAME],
    SMTP_HOST="127.0.0.1",
    SMTP_SECURITY="none",
    MAIL_FROM="accounts@example.com",
    JOBS="apart",
)
@pytest.mark.parametrize("name", HEADERS)
async def test_no_header_of_a_request_changes_where_a_mail_leads(
    client: httpx2.AsyncClient, runtime: Runtime, name: str
) -> None:
    """3.6-05: Host and seven header variants."""
    headers = {"Host": "accounts.example.com", **HEADERS[name]}
    response = await client.post("/api/v1/desk/kept", headers=headers)
    assert response.status_code == 200, response.text
    (mail,) = await mails_of(runtime)
    text = sealed_text(runtime, mail)
    assert f"{PUBLIC}/mail/verify#token={TOKEN}" in text
    assert "evil" not in text
    assert "also.example.com" not in text


@pytest.mark.parametrize(
    "path",
    ["mail", "//evil.example", "/\\evil", "/a?b=c", "/a#b", "/@evil", "/a b", "/a\nb", "https://evil.example", ""],
)
def test_a_path_that_could_lead_elsewhere_makes_no_link(path: str) -> None:
    """3.6-03, 3.6-05."""
    with pytest.raises(ValueError, match="path of ours"):
        page_link(settings(), path)


def test_a_token_stays_in_the_fragment_whatever_it_holds() -> None:
    """V14.2.1: no server log and no Referer header gets to see it."""
    assert page_link(settings(), "/mail/verify", token="a#b&c/ü").url.endswith("/mail/verify#token=a%23b%26c%2F%C3%BC")


@pytest.mark.parametrize(
    "url",
    [f"{PUBLIC}.evil.example/", f"{PUBLIC}@evil.example/", "https://evil.example/", "//accounts.example.com/", PUBLIC],
)
def test_another_host_is_not_ours(url: str) -> None:
    """3.6-02, 3.6-05."""
    assert not is_ours(settings(PUBLIC_URL=PUBLIC), Link(url))


def test_a_link_shows_nothing_by_itself() -> None:
    """V16.2.5: a traceback or a log line may hold it."""
    assert TOKEN not in repr(page_link(settings(), "/mail/verify", token=TOKEN))

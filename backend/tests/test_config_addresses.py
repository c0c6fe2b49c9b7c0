"""Addresses in the settings: where this server is, who may call it from a browser, where its database is."""

import pytest

from app.config import ConfigurationError
from app.plausibility import base_url
from tests.configuring import is_accepted, load


@pytest.mark.parametrize(
    "url",
    [
        "https://accounts.example.com ",
        " https://accounts.example.com",
        "https://accounts.example.com\n",
        "https://accounts.exa\nmple.com",
        "https://accounts.exa\tmple.com",
        "https://accounts example.com",
        "https://accounts.example.com,https://other.example.com",
        "https://*.example.com",
        "https://@accounts.example.com",
        "https://accounts.example.com:",
        "https://accounts.example.com?",
        "https://accounts.example.com#",
    ],
)
def test_an_address_that_no_browser_would_show_so_is_refused_or_mended(url: str) -> None:
    """S85, MD-01, JW-12: it becomes the issuer of every token and the host that is served, byte for byte."""
    if is_accepted(PUBLIC_URL=url):
        assert load(PUBLIC_URL=url).PUBLIC_URL == "https://accounts.example.com"


@pytest.mark.parametrize("url", ["HTTPS://accounts.example.com", "https://Accounts.Example.COM"])
def test_capitals_in_the_address_make_no_difference(url: str) -> None:
    """S84, JW-12: "HTTPS" is https, for the issuer and for the transport header alike."""
    if is_accepted(PUBLIC_URL=url):
        assert load(PUBLIC_URL=url).PUBLIC_URL == "https://accounts.example.com"


@pytest.mark.parametrize(
    "url", ["https://accounts.example.com", "https://accounts.example.com/", "https://accounts.example.com//"]
)
def test_a_last_slash_is_taken_away(url: str) -> None:
    """JW-12, MD-01: one issuer, one spelling."""
    assert load(PUBLIC_URL=url).PUBLIC_URL == "https://accounts.example.com"


def test_development_finds_its_own_address() -> None:
    settings = load(ENVIRONMENT="development", PUBLIC_URL=None, PORT=9000)
    assert settings.PUBLIC_URL == "http://127.0.0.1:9000"


@pytest.mark.parametrize("url", ["sqlite", "postgresql", "postgres", "sqlite+aiosqlite"])
def test_a_database_url_without_its_slashes_is_refused(url: str) -> None:
    """S93: a scheme alone would fail later, with a trace instead of a remedy."""
    assert not is_accepted(DATABASE_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///ostiary.db",
        "postgresql://u:p@h/d",
        "postgres://h/d",
        "postgresql+asyncpg://u:p@h:5432/d?sslmode=require",
    ],
)
def test_a_database_url_may_name_a_driver_or_not(url: str) -> None:
    assert load(DATABASE_URL=url).DATABASE_URL.get_secret_value() == url


@pytest.mark.parametrize(
    ("public", "allowed", "served"),
    [
        ("https://accounts.example.com", "", ["accounts.example.com"]),
        ("https://Accounts.Example.com:8443", "", ["accounts.example.com"]),
        ("https://[2001:db8::1]:8443", "", ["[2001:db8::1]"]),
        (
            "https://a.example.com",
            "B.example.com, *.c.example.com",
            ["*.c.example.com", "a.example.com", "b.example.com"],
        ),
    ],
)
def test_only_named_hosts_are_served_in_production(public: str, allowed: str, served: list[str]) -> None:
    """S85, 3.2-11, 3.6-05"""
    assert load(PUBLIC_URL=public, ALLOWED_HOSTS=allowed).served_hosts == served


def test_development_serves_this_machine_too() -> None:
    settings = load(ENVIRONMENT="development", PUBLIC_URL="http://dev.example.com:8000")
    assert settings.served_hosts == ["127.0.0.1", "[::1]", "dev.example.com", "localhost"]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://App.Example.com/", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    """S81: RFC 6454, section 6.2, leaves a scheme's own port out; a front end named with it would never be let in."""
    assert base_url(url) == origin


def test_the_front_end_and_the_listed_origins_may_call() -> None:
    """S03, S81"""
    settings = load(
        FRONTEND_URL="https://App.example.com/", ALLOWED_ORIGINS="https://admin.example.com,https://app.example.com/"
    )
    assert settings.cors_origins == ["https://admin.example.com", "https://app.example.com"]


def test_no_origin_of_this_machine_may_call_a_public_installation_unless_it_is_named() -> None:
    """S72: a front end on localhost is what a developer has; in production nobody meant it."""
    if is_accepted():
        assert [origin for origin in load().cors_origins if "localhost" in origin] == []
    assert load(FRONTEND_URL="http://localhost:3000").cors_origins == ["http://localhost:3000"]


@pytest.mark.parametrize(
    "host", ["app.example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "[::2]"]
)
@pytest.mark.parametrize("name", ["FRONTEND_URL", "ALLOWED_ORIGINS"])
def test_a_front_end_without_https_refuses_the_start_in_production(name: str, host: str) -> None:
    """CK-03, S81: whoever sits between could write its pages, and they may call with the cookie."""
    with pytest.raises(ConfigurationError, match=f"{name}.* not https"):
        load(**{name: f"http://{host}:3000"})
    assert load(**{name: f"https://{host}:3000"}).cors_origins == [f"https://{host}:3000"]
    assert f"http://{host}:3000" in load(ENVIRONMENT="development", **{name: f"http://{host}:3000"}).cors_origins


def test_one_origin_without_https_among_good_ones_refuses_the_start() -> None:
    """S81"""
    assert not is_accepted(ALLOWED_ORIGINS="https://a.example.com,http://b.example.com")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("name", ["FRONTEND_URL", "ALLOWED_ORIGINS"])
def test_a_front_end_on_this_machine_needs_no_https(name: str, host: str) -> None:
    """Such a page never leaves the machine of whoever opens it: a developer's, against a real server."""
    assert load(**{name: f"http://{host}:3000"}).cors_origins == [f"http://{host}:3000"]


def test_the_server_itself_needs_https_in_production_wherever_it_is() -> None:
    """CK-05, S72: what a front end of a developer may do, a public installation may not."""
    assert not is_accepted(PUBLIC_URL="http://localhost:8000")


def test_development_may_let_every_origin_in() -> None:
    """S81: only there."""
    assert "*" in load(ENVIRONMENT="development", ALLOWED_ORIGINS="*").cors_origins

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.devices import UNKNOWN, device_name

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
SAFARI = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 {}Safari/605.1.15"
PHONE = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0", "Firefox on Linux"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Ubuntu"),
        (CHROME.format("143.0.0.0"), "Chrome on Windows"),
        (f"{CHROME.format('143.0.0.0')} Edg/143.0.0.0", "Edge on Windows"),
        (f"{CHROME.format('143.0.0.0')} OPR/120.0.0.0", "Opera on Windows"),
        (SAFARI.format("Macintosh; Intel Mac OS X 10_15_7", ""), "Safari on Mac OS X"),
        (SAFARI.format("iPhone; CPU iPhone OS 18_1 like Mac OS X", "Mobile/15E148 "), "Mobile Safari on iOS"),
        (PHONE, "Chrome Mobile on Android"),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "Python-HTTPX"),
        ("Wishlist/2.1 (build 7)", "Wishlist"),
        ("my own script", "my own script"),
    ],
)
def test_browser_and_system_are_named(user_agent: str, name: str) -> None:
    """SE-02: in words that their owner knows again."""
    assert device_name(user_agent).casefold() == name.casefold()


def test_an_update_of_the_browser_is_no_new_device() -> None:
    assert device_name(CHROME.format("142.0.1.2")) == device_name(CHROME.format("143.0.0.0"))


@pytest.mark.parametrize("user_agent", [None, "", "/", "/1.0", "   ", "   /2"], ids=ascii)
def test_who_says_nothing_is_unknown(user_agent: str | None) -> None:
    assert device_name(user_agent) == UNKNOWN


@pytest.mark.parametrize(
    "user_agent",
    [
        "x" * 100_000,
        "Mozilla/5.0 (" * 10_000,
        "Mozilla/5.0 (Linux; Android 10; " + "A" * 100_000 + ") Build/",
        "Firefox/" + "1." * 50_000,
        " " * 100_000 + "x",
        "\x00\x1b[2J\r\nSet-Cookie: a=b",
        "\u202e\ufeff" * 200,
        "💥" * 1000,
        "'; DROP TABLE sessions; --",
        "<script>alert(1)</script>/1",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_strange_texts_are_neither_an_accident_nor_long(user_agent: str) -> None:
    """3.9-03: a header of any size costs as much as one of ordinary size."""
    name = device_name(user_agent)
    assert 0 < len(name) <= 100


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=500))
def test_no_text_is_an_accident(user_agent: str) -> None:
    name = device_name(user_agent)
    assert 0 < len(name) <= 100
    assert name == device_name(user_agent[:400])

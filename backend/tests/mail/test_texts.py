import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.texts import LONGEST, is_network_address, one_line, shown

HARMLESS = [
    "Ada Lovelace",
    "Dr. Ada King",
    "J.R.R. Tolkien",
    "Müller-Lüdenscheidt",
    "O'Neill",
    "山田 太郎",
    "Ада",
    "👋 Ada",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_stays_a_name(name: str) -> None:
    assert shown(name) == name


DEFANGED = {
    "https://evil.example/reset?x=1": "https: / / evil. example/ reset?x=1",
    "evil.com": "evil. com",
    "Ada.evil.com/path": "Ada. evil. com/ path",
    "www.evil": "www. evil",
    "ada@evil.com": "ada@ evil. com",
    "mailto:eve": "mailto: eve",
    "javascript:alert(1)": "javascript: alert(1)",
    "evil\u3002com": "evil\u3002 com",
    "evil\uff0ecom": "evil. com",
    "evil\uff61com": "evil\u3002 com",
    "evil\u2024com": "evil. com",
    "https\uff1a\uff0f\uff0fevil\uff0ecom": "https: / / evil. com",
    "evil\u200b.\u200bcom": "evil. com",
    "ev\u00adil.c\u2060om": "evil. com",
    "xn--80ak6aa92e.com": "xn--80ak6aa92e. com",
    "evil.рф": "evil. рф",
    "\\\\evil\\share": "\\ \\ evil\\ share",
    "192.168.0.1/x": "192. 168. 0.1/ x",
}


@pytest.mark.parametrize("text", DEFANGED, ids=ascii)
def test_what_looks_like_a_link_is_taken_apart(text: str) -> None:
    """3.6-08: no mail program makes a link of it, in whatever spelling of the dot."""
    cleaned = DEFANGED[text].replace("0.1/", "0. 1/")
    assert shown(text) == cleaned


def test_control_and_direction_characters_are_taken_out() -> None:
    """3.6-08, 3.6-14: a name is one line, and is read in the order in which it is written."""
    assert shown("Ada\r\nBcc: eve\u202e\x00\x1b[31m") == "Ada Bcc: eve[31m"
    assert shown("\u2066\u200f\x07") == ""
    assert shown("a\tb\u2028c\u00a0d") == "a b c d"


def test_a_text_is_cut() -> None:
    assert shown("a" * 500) == "a" * (LONGEST - 1) + "…"
    assert len(shown("evil.com " * 500)) <= LONGEST


@given(st.text(max_size=400))
def test_whatever_somebody_is_called_is_one_short_line_without_a_link(text: str) -> None:
    """3.6-08."""
    result = shown(text)
    assert len(result) <= LONGEST
    assert result == result.strip()
    assert not any(unicodedata.category(character).startswith("C") for character in result)
    assert "://" not in result
    assert shown(result) == result or "…" in result


def test_a_subject_is_one_line() -> None:
    """3.6-08: a header cannot be added by it."""
    assert one_line("Reset\r\nBcc: eve@example.com\x00") == "Reset Bcc: eve@example.com"


@pytest.mark.parametrize("text", ["203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"])
def test_an_address_of_the_network_is_one(text: str) -> None:
    assert is_network_address(text)


@pytest.mark.parametrize("text", ["evil.com", "203.0.113.7/x", "fe80::1%evil.com", "", "testclient"])
def test_what_is_no_address_of_the_network_is_none(text: str) -> None:
    """3.6-08."""
    assert not is_network_address(text)

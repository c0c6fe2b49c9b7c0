"""What a person may be called: one line of readable text, never markup, never a trick with direction or control."""

import unicodedata

MAXIMUM_LENGTH = 200
_REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Zl", "Zp"}
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


class TextRefused(ValueError):
    """The text is not one line of readable text."""


def plain_text(value: str) -> str:
    """Return one line of text in NFC, without white space around it. Raises `TextRefused`."""
    text = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(c) in _REFUSED_CATEGORIES or c in _DIRECTION_MARKS for c in text):
        raise TextRefused("must be one line of text without control characters")
    if not text:
        raise TextRefused("must not be empty")
    return text


def person_name(value: str) -> str:
    """Return a name of at most 200 characters, measured in its normal form. Raises `TextRefused`."""
    name = plain_text(value)
    if len(name) > MAXIMUM_LENGTH:
        raise TextRefused(f"must have at most {MAXIMUM_LENGTH} characters")
    return name

"""Base64url without padding (RFC 7515, section 2), read strictly: one content has one spelling."""

import base64
import binascii


class Base64urlInvalid(ValueError):
    """The text is not what `encode` writes."""


def encode(raw: bytes) -> str:
    """Return bytes as text that is safe in a URL, a header or a cookie."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of a text without padding, foreign characters or unused bits. Raises `Base64urlInvalid`."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:  # A ValueError is a character beyond ASCII.
        raise Base64urlInvalid("not base64url") from error
    if encode(raw) != text:
        raise Base64urlInvalid("not canonical base64url")
    return raw

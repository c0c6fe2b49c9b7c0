"""Where a page of a list ended, as a text for whoever asks for the next one."""

import base64
import binascii
from uuid import UUID

from app.exceptions import FieldCode, FieldInvalid


def encode_cursor(last: UUID) -> str:
    """Return the cursor for the page after this row."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> UUID:
    """Return the row that a page ended with. Raises `FieldInvalid` for what is no cursor of ours."""
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise FieldInvalid("cursor", FieldCode.CURSOR_INVALID, "this is not a cursor that a page ended with") from error

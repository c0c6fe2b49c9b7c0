"""What the browser says about an answer: to which challenge it was given, on which page, and for what."""

import codecs
import json
from collections.abc import Collection
from enum import StrEnum
from typing import Any

from app.auth import base64url
from app.auth.passkeys.values import PasskeyRejected, Reason


class ClientDataType(StrEnum):
    """What the browser was asked to do (WebAuthn, section 5.8.1)."""

    CREATE = "webauthn.create"
    GET = "webauthn.get"


def check_client_data(raw: bytes, *, due: ClientDataType, challenge: bytes, origins: Collection[str]) -> None:
    """Raise `PasskeyRejected` unless the answer is to this challenge, on a page of ours that nobody embeds.

    WebAuthn, section 7.1, steps 5 to 11. An origin counts as it is written, with nothing made equal; and nobody may show
    our pages within their own, so an answer that says so, or names the page around it, is none.
    """
    data = _read(raw)
    if data.get("type") != due:
        raise PasskeyRejected(Reason.TYPE)
    if data.get("challenge") != base64url.encode(challenge):
        raise PasskeyRejected(Reason.CHALLENGE)
    if data.get("origin") not in tuple(origins):
        raise PasskeyRejected(Reason.ORIGIN)
    if data.get("crossOrigin", False) is not False or "topOrigin" in data:
        raise PasskeyRejected(Reason.CROSS_ORIGIN)


def _read(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that the bytes are in UTF-8, with or without a byte order mark, and each key once."""
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise PasskeyRejected(Reason.MALFORMED) from error
    if not isinstance(data, dict):
        raise PasskeyRejected(Reason.MALFORMED)
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key that comes twice")
    return data

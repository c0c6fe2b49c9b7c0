"""Looks into tokens as an attacker would, and makes refresh tokens that only a thief of the server secret could make."""

import base64
import json
from typing import Any
from uuid import UUID

from app.auth.keys import derive_key
from app.auth.tokens import RefreshToken, decode_refresh_token
from app.config import Settings
from tests.accounts import Person


def access_header(token: str) -> dict[str, Any]:
    return _decoded(token.split(".", 1)[0])


def access_claims(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[1])


def session_id_of(person: Person) -> UUID:
    return UUID(access_claims(person.tokens["access_token"])["sid"])


def refresh_key(settings: Settings) -> bytes:
    return derive_key(settings.SECRET_KEY.get_secret_value(), "refresh-token")


def refresh_content(settings: Settings, token: str) -> RefreshToken:
    return decode_refresh_token(token, refresh_key(settings))


def at_counter(settings: Settings, token: str, counter: int) -> str:
    """Return the genuine refresh token of the same session at another count."""
    return refresh_content(settings, token).at(counter).encode(refresh_key(settings))


def _decoded(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content

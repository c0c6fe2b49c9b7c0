"""Refuses JSON that two parsers could read in two ways: duplicate keys, NaN, bad UTF-8, endless depth."""

import json
import math
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.schemas.problems import UNREADABLE_BODY

_MOST_KEYS = 1000
"""Of one object. Thousands of unknown ones would each cost the validation an error."""


class StrictJson:
    """Looks at every JSON body as the route reads it, whoever wrote the route (RFC 8259, section 4).

    A refusal is raised where the body is read, as an HTTPException, which the framework lets through unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; its body passes through the check."""
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []

        async def checked_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    _check(b"".join(parts))
            return message

        await self._app(scope, checked_receive, send)


def _is_json(scope: Scope) -> bool:
    media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _check(body: bytes) -> None:
    if not body:
        return
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        if b"\\ud" in body.lower():
            # Half a surrogate pair: text that cannot be written down again (RFC 8259, section 8.2).
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, UNREADABLE_BODY) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs) or len(pairs) > _MOST_KEYS:
        raise ValueError("a duplicate key, or more keys than anybody reads")
    return value


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")

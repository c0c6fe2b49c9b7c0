"""Secrets that are easy to find again, and a client that remembers every secret which it has sent or got."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx2

from app.models import AuditEvent
from tests.cookies import set_cookies
from tests.federation.browsers import parameters_of

PASSWORD, NEW_PASSWORD, WRONG = "canary-Kx7 first passphrase", "canary-Lw8 second passphrase", "canary-Mv9 wrong guess"
SETUP_CODE = "canarynb2setupcode"
_SECRET = re.compile(r"password|token$|code$|code_|state|nonce|verifier|credential|proof|flow$", re.IGNORECASE)
_PUBLIC = re.compile(r"[A-Z_]+|.{0,11}")
"""Codes of problems, and names such as `bearer` and `S256`."""


class Secrets:
    """Everything secret that went over the wire: by name in queries, forms and JSON, and every cookie."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.seen: set[str] = {PASSWORD, NEW_PASSWORD, WRONG, SETUP_CODE}
        http.event_hooks["response"].append(self._note)

    async def _note(self, response: httpx2.Response) -> None:
        await response.aread()
        body = response.request.content.decode()
        location = response.headers.get("location", "")
        pairs = [
            *parse_qsl(response.request.url.query.decode()),
            *(parameters_of(location).items() if location else ()),
        ]
        pairs += [*_pairs(body), *_pairs(response.text)]
        self.seen |= {value for name, value in pairs if _SECRET.search(name) and not _PUBLIC.fullmatch(value)}
        self.seen |= {cookie.value for cookie in set_cookies(response) if cookie.value}
        self.seen |= {value for value in [response.request.headers.get("authorization", "")[7:]] if value}

    def among(self, events: Iterable[AuditEvent]) -> set[str]:
        """Return those of them that stand in the log."""
        written = [cell for event in events for cell in cells(event)]
        return {secret for secret in self.seen if any(secret in cell for cell in written)}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    try:
        yield from _strings(json.loads(text))
    except ValueError:
        yield from parse_qsl(text)


def _strings(content: Any) -> Iterator[tuple[str, str]]:
    items = content.items() if isinstance(content, dict) else ()
    for name, value in items:
        if isinstance(value, str):
            yield name, value
        yield from _strings(value)


def cells(event: AuditEvent) -> list[str]:
    return [json.dumps(v) if isinstance(v, dict) else str(v) for v in vars(event).values()]

"""Gives every request an id and the address of its client, and writes one log line when it has been answered."""

import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.identifiers import new_id
from app.auth.networks import Network, client_address, forwarded, forwarded_for
from app.logs import begin_request
from app.middleware.raw_headers import all_values, first_value

log = structlog.get_logger()

HEADER = "X-Request-ID"
_NAME = HEADER.lower().encode()
_ACCEPTED = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_LONGEST_PATH = 200


class RequestContext:
    """Outermost middleware. A well-formed id that comes along is kept, so that a proxy's log and ours can be joined.

    Who is the client is decided here, once, for logs, sessions, limits and the audit log alike. Nothing else is taken
    from what proxies say: neither scheme nor host.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access_log: bool,
        trusted: Sequence[Network] = (),
        forwarded_header: str = "X-Forwarded-For",
    ) -> None:
        self._app = app
        self._access_log = access_log
        self._trusted = trusted
        self._forwarded_header = forwarded_header.lower().encode()
        self._read_hops = forwarded if forwarded_header == "Forwarded" else forwarded_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under its id."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        given = first_value(scope, _NAME)
        request_id = given.decode() if given and _ACCEPTED.fullmatch(given) else new_id().hex
        scope["ostiary.request_id"] = request_id
        scope["client"] = self._client(scope)
        header = (_NAME, request_id.encode())

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with(header, message.get("headers", ()))
            await send(message)

        begin_request(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._access_log and scope["type"] == "http":
                _write_line(scope, status, time.perf_counter() - began)

    def _client(self, scope: Scope) -> tuple[str, int] | None:
        """Return the client's address, and the port of whoever is connected."""
        peer, port = scope.get("client") or (None, 0)
        if self._trusted:
            values = [value.decode("latin-1") for value in all_values(scope, self._forwarded_header)]
            address = client_address(peer, self._read_hops(values), self._trusted)
        else:
            address = _own_form(peer)
        return (address, port) if address else None


def _with(header: tuple[bytes, bytes], others: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers with the request's id, in place of one that a route has set."""
    headers = [*others, header]
    if [name for name, _ in headers].count(_NAME) > 1:
        headers = [*(pair for pair in headers if pair[0] != _NAME), header]
    return headers


@lru_cache(maxsize=4096)
def _own_form(peer: str | None) -> str | None:
    """Return the address of whoever is connected. Remembered: taking one apart costs as much as a whole layer here."""
    return client_address(peer, (), ())


def _write_line(scope: Scope, status: int, seconds: float) -> None:
    """Write the access line: never the query, which may hold what should not be kept."""
    client = scope.get("client")
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"][:_LONGEST_PATH],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )

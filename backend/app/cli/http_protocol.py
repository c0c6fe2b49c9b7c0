"""HTTP/1.1 with an end to how much head a client may send, and to how long it may take over a request.

The server's parser alone would buffer without limit and wait for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.cli.drain import DrainState

MAXIMUM_HEAD_BYTES = 65536
"""Bytes of request line, headers, trailers or chunk extensions that may come without a piece of body between them."""
HEAD_SECONDS = 15
"""From the first byte, or from the connection, to the end of a head."""
BODY_SECONDS = 60
"""From the end of a head to the end of the body."""

_REFUSAL = "HTTP/1.1 {}\r\ncontent-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
_TOO_LARGE = _REFUSAL.format("431 Request Header Fields Too Large").encode()
_TOO_SLOW = _REFUSAL.format("408 Request Timeout").encode()


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses a request whose head does not end in time (RFC 6585, section 5; RFC 9110, section 15.5.9).

    Sixty megabytes of one header held a worker's event loop for six seconds when we measured it; a thousand
    connections that say nothing took every file the process may open.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._serving = self._receiving = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent does
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count it as long as it is neither a whole head nor a piece of body."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > max(MAXIMUM_HEAD_BYTES, len(data)):
            self._refuse(_TOO_LARGE)
        elif self._deadline is None:
            # Only now: a request that came whole needs no timer.
            self._wait_for_the_rest()

    def on_headers_complete(self) -> None:
        """Begin to serve: the head has ended.

        What comes behind a body is no header: it would pass by whoever has looked at the head (RFC 9110, section 6.5.1).
        """
        self.scope["headers"] = [*self.headers]
        self._head_bytes = 0
        self._serving = self._receiving = True
        self._stop_waiting()
        super().on_headers_complete()
        if isinstance(self.server_state, DrainState) and self.server_state.is_draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop waiting: the whole request is here."""
        self._receiving = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Be ready for the next request; the parent limits how long it may be in coming."""
        self._serving = False
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_the_rest(self) -> None:
        if self._receiving:
            self._wait(BODY_SECONDS)
        elif self._head_bytes and not self._serving:
            self._wait(HEAD_SECONDS)

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

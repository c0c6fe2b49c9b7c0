"""What a raw socket can do to the server."""

import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from tests.journeys.server import Server, running

REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MEGABYTE = b"a" * 1_000_000


def send(server: Server, *pieces: bytes) -> bytes:
    """Send pieces until the server closes, and return what it answered."""
    return converse(server, pieces)


def converse(server: Server, pieces: Iterable[bytes]) -> bytes:
    parts = urlsplit(server.url)
    answer = b""
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except ConnectionError:
            pass  # The server has closed; what it said before stands in the buffer, if the system kept it.
        try:
            while chunk := connection.recv(65536):
                answer += chunk
                if b"healthy" in answer:
                    break
        except ConnectionError:
            pass
    return answer


def test_heads_without_an_end_are_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    """S61, S86, JW-07, 3.1-24: one header, many headers, a request line, trailers: none is buffered without limit."""
    endless = {
        "one header": [REQUEST, b"Authorization: Bearer ", *[MEGABYTE] * 60],
        "many headers": [REQUEST, *[b"x: y\r\n" * 50_000] * 60],
        "a request line": [b"GET /", *[MEGABYTE] * 60],
        "trailers": [
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            *[b"x: y\r\n" * 50_000] * 60,
        ],
    }
    with running(tmp_path) as server:
        for kind, pieces in endless.items():
            answer = converse(server, pieces)
            # The refusal may be lost in the reset that follows when a client goes on sending.
            assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 4")), kind
        assert b"healthy" in send(server, REQUEST, b"\r\n")
        assert peak_memory(server.process.pid) < 250_000_000


def test_a_head_within_the_limit_is_served_however_it_is_cut(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        padding = [b"x-padding: " + b"p" * 1000 + b"\r\n"] * 40
        assert b"healthy" in send(server, REQUEST, *padding, b"\r\n")
        assert b"healthy" in send(server, *[bytes([byte]) for byte in REQUEST + b"\r\n"])


def test_a_long_body_in_many_pieces_is_not_taken_for_a_head(tmp_path: Path) -> None:
    head = b"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with running(tmp_path, MAX_BODY_BYTES="1000000") as server:
        body = [b'{"refresh_token": "', *[b"a" * 10_000] * 50, b'"}']
        length = f"Content-Length: {sum(map(len, body))}\r\n\r\n".encode()
        assert send(server, head + length, *body).startswith(b"HTTP/1.1 422 ")


def peak_memory(process_id: int) -> int:
    """The most memory that a process has held so far, in bytes; 0 where the system does not say."""
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

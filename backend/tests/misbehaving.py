"""A server on a socket of its own that answers whatever a test tells it to, down to the last byte or without any."""

import asyncio
import gzip
import ipaddress
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Question:
    """What somebody asked. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Misbehaving:
    """A running server: where it is, what it was asked, and what it answers at each path."""

    url: str
    questions: list[Question] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    arrivals: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def asked(self, path: str) -> int:
        """Return how often it was asked for a path."""
        return sum(question.path == path for question in self.questions)

    async def until_asked(self, path: str) -> None:
        """Wait for the first question at a path."""
        await self.arrivals[path].wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question, and close."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                question = await _read(reader)
                self.questions.append(question)
                self.arrivals[question.path].set()
                await self.replies.get(question.path, raw(404, b"nothing here"))(writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def misbehaving(trust: ssl.SSLContext | None = None) -> AsyncIterator[Misbehaving]:
    """Start a server on a free port of this machine, with TLS if it is told how; it stops with the block."""
    server = Misbehaving("")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=trust)
    server.url = f"http{'s' if trust else ''}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Question:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Question(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


# Answers.


def raw(status: int, body: bytes, /, **headers: str) -> Reply:
    """These bytes with this status. `content_type="…"` writes `Content-Type`, JSON unless it is said."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return exactly(head.encode() + b"\r\n" + body)


def says(document: object, status: int = 200, /, **headers: str) -> Reply:
    """A document as JSON."""
    return raw(status, json.dumps(document).encode(), **headers)


def exactly(answer: bytes) -> Reply:
    """These bytes, whether they are HTTP or not; no byte at all is a closed connection."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return reply


def redirect(status: int, to: str) -> Reply:
    return raw(status, b"{}", location=to)


def gzip_bomb() -> Reply:
    """Some kilobytes that would be megabytes."""
    return raw(200, gzip.compress(b'{"a":"' + b"a" * 4_000_000 + b'"}'), content_encoding="gzip")


def endless(piece: bytes) -> Reply:
    """A body without an end, as fast as it is read."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()

    return reply


def drip(pause_seconds: float) -> Reply:
    """A byte now and then: each soon enough, and the whole never."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return reply


def silence() -> Reply:
    """Nothing, with the connection open."""

    async def reply(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return reply


def after(event: asyncio.Event, then: Reply) -> Reply:
    """An answer that waits for its moment."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        await event.wait()
        await then(writer)

    return reply


# Certificates.


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and the context of a server that shows it."""

    authority: Path
    """The file that whoever wants to trust it must read."""
    context: ssl.SSLContext


def certificate(folder: Path, *, address: str = "127.0.0.1") -> Certificate:
    """Make a certificate for an IP address."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server of the tests")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(signed.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return Certificate(public, context)

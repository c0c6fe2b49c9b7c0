"""An SMTP server on a free port that takes mail, or makes trouble, as the test says. It speaks the real protocol."""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from enum import StrEnum

HOST = "127.0.0.1"


class Trouble(StrEnum):
    """What the server does instead of its work. Each is done once, in the order given; then it behaves."""

    REFUSE_CONNECTION = "421 at the greeting"
    STALL_AT_GREETING = "it never greets"
    STALL_AT_RCPT = "it never answers RCPT"
    STALL_AFTER_DATA = "it never answers the mail, and has not taken it"
    DROP_AT_GREETING = "it hangs up instead of greeting"
    DROP_AT_MAIL = "it hangs up at MAIL"
    DROP_IN_DATA = "it hangs up in the middle of the mail"
    DROP_AFTER_DATA = "it has taken the mail, and hangs up instead of saying so"
    REFUSE_SENDER = "550 at MAIL"
    TEMPORARY_AT_RCPT = "451 at RCPT"
    TEMPORARY_AFTER_DATA = "451 after the mail"
    REFUSE_RECIPIENT = "550 at RCPT"
    REFUSE_MAIL = "554 after the mail"
    GARBAGE = "an answer that is none"
    UNAVAILABLE_AT_MAIL = "421 at MAIL, and it hangs up"


@dataclass(frozen=True)
class Arrived:
    """A mail that the server has taken."""

    sender: str
    recipient: str
    content: bytes
    connection: int

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=SMTP_POLICY)

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    @property
    def html(self) -> str:
        body = self.message.get_body(("html",))
        assert body is not None
        return str(body.get_content())


@dataclass
class MailServer:
    """A running server: what arrived, and what it is to do wrong."""

    tls: ssl.SSLContext | None = None
    is_tls_at_once: bool = False
    offers_starttls: bool = True
    login: tuple[str, str] | None = None
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    troubles: deque[Trouble] = field(default_factory=deque)
    arrived: list[Arrived] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Every command, in order."""
    connections: int = 0
    port: int = 0
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody waits in vain."""
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a test to end a stall: the server then hangs up."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    """Who holds it keeps the server from taking mail."""
    handed_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a mail has come whole, and before it is taken."""

    def settings(self, **changes: object) -> dict[str, object]:
        """Return the settings by which mail comes here."""
        security = "none" if self.tls is None else "tls" if self.is_tls_at_once else "starttls"
        return {
            "SMTP_HOST": "localhost" if self.tls else HOST,
            "SMTP_PORT": self.port,
            "SMTP_SECURITY": security,
            "SMTP_TIMEOUT_SECONDS": 1,
            "MAIL_FROM": "accounts@example.com",
            **changes,
        }

    def makes(self, *troubles: Trouble) -> None:
        self.troubles.extend(troubles)

    async def wait_for(self, number: int) -> list[Arrived]:
        """Return what arrived as soon as it is so much."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: len(self.arrived) >= number)
        return self.arrived

    def next_trouble(self, *among: Trouble) -> Trouble | None:
        """Return the next trouble if it is one of these."""
        return self.troubles.popleft() if self.troubles and self.troubles[0] in among else None


class _HangUp(Exception):
    pass


class _Talk:
    """One connection."""

    def __init__(self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._number = server.connections
        self._is_encrypted = server.is_tls_at_once
        self._is_proved = server.login is None
        self._sender = self._recipient = ""

    async def hold(self) -> None:
        match self._server.next_trouble(
            Trouble.REFUSE_CONNECTION, Trouble.STALL_AT_GREETING, Trouble.DROP_AT_GREETING, Trouble.GARBAGE
        ):
            case Trouble.REFUSE_CONNECTION:
                await self._say("421 too busy")
                raise _HangUp
            case Trouble.STALL_AT_GREETING:
                await self._stall()
            case Trouble.DROP_AT_GREETING:
                raise _HangUp
            case Trouble.GARBAGE:
                await self._say("HTTP/1.1 400 Bad Request")
                raise _HangUp
        await self._say("220 mail.test ESMTP")
        while True:
            line = (await self._line()).decode()
            self._server.seen.append(line)
            verb, _, rest = line.partition(" ")
            await getattr(self, f"_on_{verb.lower()}", self._on_unknown)(rest)

    async def _on_ehlo(self, _: str) -> None:
        offers = list(self._server.extensions)
        if self._server.tls and self._server.offers_starttls and not self._is_encrypted:
            offers.append("STARTTLS")
        if self._server.login and (self._is_encrypted or self._server.tls is None):
            offers.append("AUTH PLAIN")
        lines = ["mail.test", *offers]
        await self._say("\r\n".join(f"250{'-' if n < len(lines) else ' '}{line}" for n, line in enumerate(lines, 1)))

    async def _on_starttls(self, _: str) -> None:
        assert self._server.tls is not None
        await self._say("220 go ahead")
        await self._writer.start_tls(self._server.tls)
        self._is_encrypted = True

    async def _on_auth(self, rest: str) -> None:
        _, name, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        self._is_proved = (name, password) == self._server.login
        await self._say("235 welcome" if self._is_proved else f"535 5.7.8 no such user {name} with {password}")

    async def _on_mail(self, rest: str) -> None:
        match self._server.next_trouble(Trouble.DROP_AT_MAIL, Trouble.REFUSE_SENDER, Trouble.UNAVAILABLE_AT_MAIL):
            case Trouble.DROP_AT_MAIL:
                raise _HangUp
            case Trouble.REFUSE_SENDER:
                await self._say("550 5.7.1 not from you")
                return
            case Trouble.UNAVAILABLE_AT_MAIL:
                await self._say("421 4.3.2 closing")
                raise _HangUp
        if not self._is_proved:
            await self._say("530 5.7.0 authentication required")
            return
        self._sender = rest.partition("<")[2].partition(">")[0]
        await self._say("250 ok")

    async def _on_rcpt(self, rest: str) -> None:
        recipient = rest.partition("<")[2].partition(">")[0]
        match self._server.next_trouble(Trouble.STALL_AT_RCPT, Trouble.TEMPORARY_AT_RCPT, Trouble.REFUSE_RECIPIENT):
            case Trouble.STALL_AT_RCPT:
                await self._stall()
            case Trouble.TEMPORARY_AT_RCPT:
                await self._say("451 4.7.1 greylisted, come back")
                return
            case Trouble.REFUSE_RECIPIENT:
                await self._say(f"550 5.1.1 <{recipient}>: nobody of that name")
                return
        self._recipient = recipient
        await self._say("250 ok")

    async def _on_data(self, _: str) -> None:
        await self._say("354 go on")
        if self._server.next_trouble(Trouble.DROP_IN_DATA):
            await self._line()
            raise _HangUp
        lines = []
        while (line := await self._line()) != b".":
            lines.append(line.removeprefix(b"."))
        content = b"\r\n".join([*lines, b""])
        match self._server.next_trouble(
            Trouble.STALL_AFTER_DATA, Trouble.TEMPORARY_AFTER_DATA, Trouble.REFUSE_MAIL, Trouble.DROP_AFTER_DATA
        ):
            case Trouble.STALL_AFTER_DATA:
                await self._stall()
            case Trouble.TEMPORARY_AFTER_DATA:
                await self._say("451 4.3.0 try again")
            case Trouble.REFUSE_MAIL:
                # As content filters do, with what they found.
                quoted = " ".join(content.decode(errors="replace").split())
                await self._say(f"554 5.7.1 spam: {quoted[-300:]}")
            case Trouble.DROP_AFTER_DATA:
                await self._take(content)
                raise _HangUp
            case _:
                await self._take(content)
                await self._say("250 taken")

    async def _on_rset(self, _: str) -> None:
        await self._say("250 ok")

    async def _on_quit(self, _: str) -> None:
        await self._say("221 bye")
        raise _HangUp

    async def _on_unknown(self, _: str) -> None:
        await self._say("502 unknown")

    async def _take(self, content: bytes) -> None:
        self._server.handed_over.set()
        async with self._server.changed:
            self._server.arrived.append(Arrived(self._sender, self._recipient, content, self._number))
            self._server.changed.notify_all()

    async def _stall(self) -> None:
        self._server.stalled.set()
        await self._server.resumed.wait()
        raise _HangUp

    async def _line(self) -> bytes:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise _HangUp
        return line.rstrip(b"\r\n")

    async def _say(self, text: str) -> None:
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()


@asynccontextmanager
async def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    is_tls_at_once: bool = False,
    offers_starttls: bool = True,
    login: tuple[str, str] | None = None,
    extensions: Iterable[str] = ("8BITMIME", "SMTPUTF8"),
) -> AsyncIterator[MailServer]:
    """Run a server until the block ends."""
    state = MailServer(
        tls=tls,
        is_tls_at_once=is_tls_at_once,
        offers_starttls=offers_starttls,
        login=login,
        extensions=tuple(extensions),
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        try:
            with suppress(_HangUp, ConnectionError, ssl.SSLError):
                await _Talk(state, reader, writer).hold()
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, HOST, 0, ssl=tls if is_tls_at_once else None, limit=1 << 20)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        state.resumed.set()
        server.close()
        await server.wait_closed()

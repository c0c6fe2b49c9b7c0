"""Hands mail over to an SMTP server: one connection, one mail after the other, and a limit to every wait.

STARTTLS is demanded, not offered; certificates are checked against the trust store of the system.
"""

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from app.config import Settings
from app.mail.composing import Envelope
from app.mail.texts import one_line
from app.mail.transport import Failure
from app.plausibility import host_of

PATIENCE_AFTER_DATA = 6
"""Times as long as for any other answer (RFC 5321, section 4.5.3.2.6): who gives up here sends twice."""
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_OURS_TO_MEND = {530, 534, 535, 538}
"""The server wants another authentication: no fault of the recipient (RFC 4954, section 6)."""
_LAST_TEMPORARY = 499
_NOT_AVAILABLE = 421
_LONGEST_CAUSE = 200
_CONNECTION_STEPS = 6
"""Answers that a connection may take: greeting, EHLO, STARTTLS, EHLO, and two for the authentication."""


class Postman:
    """Sends mail by the settings' server. It connects with the first mail, and again when the server has hung up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._timeout = settings.SMTP_TIMEOUT_SECONDS
        self._connection: SMTP | None = None
        self.is_handing_over = False
        """Whether the server is being given a mail just now: only its answer will tell whether it has it."""

    async def __aenter__(self) -> Self:
        """Return this. Nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take leave of the server, without waiting for long."""
        if self._connection is not None and self._connection.is_connected:
            with suppress(SMTPException, OSError):
                await self._connection.quit(timeout=1)
        self._drop()

    @property
    def longest_seconds(self) -> float:
        """How long one mail can take at most, a fresh connection included."""
        return self._timeout * (_CONNECTION_STEPS + PATIENCE_AFTER_DATA + 3)

    async def deliver(self, envelope: Envelope) -> None:
        """Hand over one mail, and return when the server has answered for it. Raises `Failure`.

        A server that has hung up on a kept connection before it got the mail is called a second time at once.
        """
        was_connected = self._connection is not None and self._connection.is_connected
        try:
            async with asyncio.timeout(self.longest_seconds):
                await self._attempt(envelope, calls_again=was_connected)
        except TimeoutError:
            self._drop()
            raise Failure("no answer in time", is_servers=True) from None

    async def _attempt(self, envelope: Envelope, *, calls_again: bool) -> None:
        try:
            connection = await self._connected()
            await self._introduce(connection, envelope)
        except (SMTPException, OSError) as error:
            self._drop()
            if calls_again and _has_hung_up(error):
                await self._attempt(envelope, calls_again=False)
                return
            raise _failure(error) from None
        await self._hand_over(connection, envelope)

    async def _hand_over(self, connection: SMTP, envelope: Envelope) -> None:
        self.is_handing_over = True
        try:
            await connection.data(envelope.content, timeout=self._timeout * PATIENCE_AFTER_DATA)
        except SMTPDataError as error:
            await self._clear(connection)
            raise _answered("DATA", error, with_text=False) from None
        except (SMTPException, OSError) as error:
            self._drop()
            # It may have arrived: the next attempt has the same Message-ID.
            raise Failure(f"DATA: {_short(error)}", is_servers=True) from None
        finally:
            self.is_handing_over = False

    async def _connected(self) -> SMTP:
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        settings = self._settings
        connection = SMTP(
            hostname=settings.SMTP_HOST,
            port=settings.SMTP_PORT or _PORTS[settings.SMTP_SECURITY],
            username=settings.SMTP_USERNAME or None,
            password=settings.SMTP_PASSWORD.get_secret_value() or None,
            # The library would ask the name service who we are, and block.
            local_hostname=host_of(settings.PUBLIC_URL),
            timeout=self._timeout,
            use_tls=settings.SMTP_SECURITY == "tls",
            start_tls=settings.SMTP_SECURITY == "starttls",
        )
        async with asyncio.timeout(self._timeout * _CONNECTION_STEPS):
            await connection.connect()
        self._connection = connection
        return connection

    async def _introduce(self, connection: SMTP, envelope: Envelope) -> None:
        """Say whom the mail is from and for. Raises the library's errors, and `Failure` where the server cannot do it."""
        options, encoding = [], "ascii"
        if envelope.needs_utf8:
            if connection.is_ehlo_or_helo_needed:
                await connection.ehlo()
            if not connection.supports_extension("smtputf8"):
                raise Failure("the server takes no address with letters beyond ASCII (SMTPUTF8)", is_final=True)
            options, encoding = ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"
        await connection.mail(envelope.sender, options=options, encoding=encoding)
        try:
            await connection.rcpt(envelope.recipient, encoding=encoding)
        except SMTPRecipientRefused as error:
            await self._clear(connection)
            raise _answered("RCPT", error) from None

    async def _clear(self, connection: SMTP) -> None:
        """Take back a half-told mail, so that the connection serves the next one."""
        try:
            await connection.rset()
        except (SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _has_hung_up(error: Exception) -> bool:
    """Whether the server was gone, or went, before it had the mail: nothing can have arrived."""
    return isinstance(error, SMTPServerDisconnected) or getattr(error, "code", 0) == _NOT_AVAILABLE


def _failure(error: Exception) -> Failure:
    """Return what an error before the mail itself was handed over means."""
    if isinstance(error, SMTPAuthenticationError):
        # Without the server's text, which may repeat what it was sent.
        return Failure(f"AUTH: {error.code}", is_servers=True)
    if isinstance(error, SMTPResponseException):
        step = "MAIL" if isinstance(error, SMTPSenderRefused) else "connection"
        return Failure(f"{step}: {_answer(error)}", is_servers=True)
    return Failure(f"connection: {_short(error)}", is_servers=True)


def _answered(step: str, error: SMTPResponseException, *, with_text: bool = True) -> Failure:
    """Return what a refusal of this one mail means: 5xx is the last word, unless it is for us to mend."""
    is_final = error.code > _LAST_TEMPORARY and error.code not in _OURS_TO_MEND
    cause = f"{step}: {_answer(error)}" if with_text else f"{step}: {error.code}"
    return Failure(cause, is_final=is_final, is_servers=error.code == _NOT_AVAILABLE)


def _answer(error: SMTPResponseException) -> str:
    text = error.message.encode("ascii", "replace").decode()
    return f"{error.code} {one_line(text)}"[:_LONGEST_CAUSE]


def _short(error: Exception) -> str:
    """Return an accident in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return "no answer in time"
    return one_line(str(error))[:_LONGEST_CAUSE] or type(error).__name__

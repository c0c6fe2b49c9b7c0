"""Which way mail leaves, and what became of it: the words that whoever sends and whoever counts have in common."""

from enum import StrEnum

from app.config import Settings


class WayOut(StrEnum):
    """Follows from the settings; it is none by itself."""

    SMTP = "smtp"
    MAILBOX = "mailbox"
    """Development without a server: mail stays here, to be read at `/dev/mailbox`."""
    NONE = "none"
    """Production without a server: a mail is noted as not sent, and its content is not kept."""


def way_out(settings: Settings) -> WayOut:
    """Return the way by which mail leaves this installation."""
    if settings.SMTP_HOST:
        return WayOut.SMTP
    return WayOut.NONE if settings.is_production else WayOut.MAILBOX


class Failure(Exception):
    """A mail was not taken. The cause says where and why, in a line; never what the mail said, and never a password."""

    def __init__(self, cause: str, *, is_final: bool = False, is_servers: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_final = is_final
        """No further attempt would change that."""
        self.is_servers = is_servers
        """It is the server that is away or does not want us, and not this one mail that it refuses."""

"""Puts a mail together as it travels (RFC 5322, MIME). The standard library writes the headers; nothing is glued."""

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from hashlib import sha256

from app.auth.emails import parse_email
from app.config import Settings
from app.mail.rendering import Rendered

NOWHERE = "mail.invalid"
"""The domain of message ids where no address of ours is set (RFC 6761): nothing leaves from there."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an SMTP server is handed: the same bytes at every attempt."""

    sender: str
    recipient: str
    needs_utf8: bool
    """Whether the recipient's local part has letters beyond ASCII, which only some servers take (RFC 6531)."""
    content: bytes = field(repr=False)


def message_domain(settings: Settings) -> str:
    """Return the domain that our message ids end with: the one that mail comes from."""
    return settings.MAIL_FROM.rpartition("@")[2] or NOWHERE


def compose(settings: Settings, rendered: Rendered, *, to: str, message_id: str, at: datetime) -> Envelope:
    """Return a rendered mail as it travels to an address.

    Raises `EmailInvalid` for an address that no mail can be sent to, and `ValueError` for a header that is no single line.
    """
    recipient = _deliverable(to)
    needs_utf8 = not recipient.isascii()
    message = EmailMessage(policy=SMTPUTF8 if needs_utf8 else SMTP)
    message["From"] = Address(settings.MAIL_FROM_NAME or settings.APP_NAME, addr_spec=_sender(settings))
    local, _, domain = recipient.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    if settings.MAIL_REPLY_TO:
        message["Reply-To"] = Address(addr_spec=settings.MAIL_REPLY_TO)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}>"
    # Holidays of people answer nobody (RFC 3834, section 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    # After the parts, because they would take a header of that name with them.
    message["Content-Language"] = rendered.locale
    # Otherwise it would be another one at each attempt.
    message.set_boundary(sha256(message_id.encode()).hexdigest()[:40])
    return Envelope(_sender(settings), recipient, needs_utf8, message.as_bytes())


def _sender(settings: Settings) -> str:
    return settings.MAIL_FROM or f"ostiary@{NOWHERE}"


def _deliverable(address: str) -> str:
    """Return an address with its domain in the ASCII form, which every server understands."""
    deliverable = parse_email(address).deliverable
    local, _, domain = deliverable.rpartition("@")
    return f"{local}@{domain.encode('idna').decode() if not domain.isascii() else domain}"

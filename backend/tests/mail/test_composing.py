"""A mail as it travels: headers that nobody can add to, parts that every program can read."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from app.auth.emails import EmailInvalid
from app.config import Settings
from app.mail.composing import Envelope, compose, message_domain
from app.mail.rendering import Rendered
from tests.conftest import settings_for

AT = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
RENDERED = Rendered(locale="de", subject="Grüße", text="Grüße\n.\nhttps://x\n", html="<p>Grüße</p>")


def settings(**changes: object) -> Settings:
    return settings_for("sqlite:///nothing.db", MAIL_FROM="accounts@example.com", **changes)


def composed(to: str = "ada@example.com", rendered: Rendered = RENDERED, /, **changes: object) -> Envelope:
    return compose(settings(**changes), rendered, to=to, message_id="1@example.com", at=AT)


def parsed(envelope: Envelope) -> EmailMessage:
    return message_from_bytes(envelope.content, policy=SMTP)


def test_both_parts_and_every_header_are_there() -> None:
    message = parsed(composed(APP_NAME="Läden"))
    assert message["From"] == "Läden <accounts@example.com>"
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Grüße")
    assert message["Date"] == "Mon, 23 Nov 2026 06:30:00 +0000"
    assert message["Message-ID"] == "<1@example.com>"
    assert message["Content-Language"] == "de"
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "text/html"]
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == RENDERED.text


def test_it_is_pure_ascii_with_short_lines() -> None:
    """RFC 5321, section 4.5.3.1.6: whatever stands in it, and however long a link is."""
    long = Rendered(locale="en", subject="ü" * 150, text="https://example.com/#" + "a" * 5000, html="<p>" + "ä" * 5000)
    content = composed("ada@example.com", long).content
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 78
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_each_attempt_is_the_same_byte_for_byte() -> None:
    assert composed().content == composed().content


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@example.com", "a\nb", "a\rb"])
def test_no_header_is_added_by_a_subject(subject: str) -> None:
    """3.6-08: CVE-2026-82661. The renderer makes one line of it; this would refuse it all the same."""
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline|carriage"):
        composed("ada@example.com", Rendered(locale="en", subject=subject, text="", html=""))


INJECTIONS = [
    "ada@example.com\r\nBcc: eve@example.com",
    "ada@example.com, eve@example.com",
    "ada@example.com>\r\nRCPT TO:<eve@example.com",
    "Ada <ada@example.com>",
    "ada@example.com\x00",
    '"a\r\nb"@example.com',
    "ada@example.com;eve@example.com",
    "",
]


@pytest.mark.parametrize("address", INJECTIONS)
def test_no_recipient_is_added_by_an_address(address: str) -> None:
    """3.6-08: neither a header nor a command."""
    with pytest.raises(EmailInvalid):
        composed(address)


@pytest.mark.parametrize("name", ["APP_NAME", "MAIL_FROM_NAME"])
def test_the_name_of_the_sender_is_quoted(name: str) -> None:
    message = parsed(composed(**{name: 'Ada, <eve@example.com> "x'}))
    assert [address.addr_spec for address in message["From"].addresses] == ["accounts@example.com"]
    assert message["From"].addresses[0].display_name == 'Ada, <eve@example.com> "x'


def test_an_international_domain_travels_in_ascii() -> None:
    """3.3-19: the stored address, and no look-alike of it."""
    envelope = composed("ada@exämple.com")
    assert (envelope.recipient, envelope.needs_utf8) == ("ada@xn--exmple-cua.com", False)


def test_a_local_part_beyond_ascii_asks_for_utf8() -> None:
    """3.3-19: RFC 6531. It is never folded to something that could be somebody else's."""
    envelope = composed("jürgen@exämple.com")
    assert (envelope.recipient, envelope.needs_utf8) == ("jürgen@xn--exmple-cua.com", True)
    assert "jürgen@".encode() in envelope.content


@pytest.mark.parametrize("address", ["a@x.invalid", "a@localhost", "a@x.test", "a@x.local", "a@x.onion", "nonsense"])
def test_reserved_domains_are_never_mailed(address: str) -> None:
    """3.3-15."""
    with pytest.raises(EmailInvalid):
        composed(address)


def test_message_ids_end_with_our_domain() -> None:
    assert message_domain(settings()) == "example.com"
    assert message_domain(settings_for("sqlite:///nothing.db")) == "mail.invalid"


def test_an_envelope_shows_no_content() -> None:
    """V16.2.5."""
    assert "Gr" not in repr(composed())

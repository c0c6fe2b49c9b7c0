"""Handing over by TLS and with a password, or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.mail import smtp
from app.mail.composing import Envelope
from app.mail.smtp import Postman
from app.mail.transport import Failure
from tests.conftest import settings_for
from tests.smtp import MailServer, Trouble, mail_server

LOGIN = ("mailer", "canary-Pass7Zq1Xw")
ENVELOPE = Envelope("accounts@example.com", "ada@example.com", needs_utf8=False, content=b"Subject: x\r\n\r\n.dot\r\n")
TO_JUERGEN = Envelope(
    "accounts@example.com", "jürgen@example.com", needs_utf8=True, content="Subject: ü\r\n\r\n".encode()
)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS with a certificate for a host, and the file by which it is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.9"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, private = folder / f"{name}.pem", folder / f"{name}.key"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return context, path


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for `localhost` that this machine trusts."""
    context, path = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return context


async def deliver(server: MailServer, envelope: Envelope = ENVELOPE, /, **changes: object) -> None:
    settings = settings_for("sqlite:///nothing.db", **server.settings(**{"SMTP_TIMEOUT_SECONDS": 5, **changes}))
    async with Postman(settings) as postman:
        await postman.deliver(envelope)


@asynccontextmanager
async def refused(server: MailServer, cause: str, *, is_final: bool = False) -> AsyncIterator[None]:
    """Hold that a block fails in this way, and that nothing has arrived."""
    with pytest.raises(Failure, match=cause) as failure:
        yield
    assert failure.value.is_final is is_final
    assert server.arrived == []


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
async def test_mail_goes_by_tls_with_a_password(trusted: ssl.SSLContext, *, at_once: bool) -> None:
    """V12.2.1, V12.3.1: certificate and name are checked; the password goes after that."""
    async with mail_server(tls=trusted, is_tls_at_once=at_once, login=LOGIN) as server:
        await deliver(server, SMTP_USERNAME=LOGIN[0], SMTP_PASSWORD=LOGIN[1])
        assert [mail.content for mail in server.arrived] == [ENVELOPE.content]
        if not at_once:
            assert server.seen.index("STARTTLS") < min(
                n for n, line in enumerate(server.seen) if line.startswith("AUTH")
            )


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
async def test_an_unknown_certificate_is_refused(tmp_path: Path, *, at_once: bool) -> None:
    """V12.3.2: the password is not even tried."""
    context, _ = certificate(tmp_path, "localhost")
    async with mail_server(tls=context, is_tls_at_once=at_once, login=LOGIN) as server:
        async with refused(server, "(?i)certificate"):
            await deliver(server, SMTP_USERNAME=LOGIN[0], SMTP_PASSWORD=LOGIN[1])
        assert not any(line.startswith("AUTH") for line in server.seen)


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V12.3.2."""
    context, path = certificate(tmp_path, "mail.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with mail_server(tls=context) as server, refused(server, "(?i)certificate"):
        await deliver(server)


@pytest.mark.parametrize("login", [None, LOGIN], ids=["without password", "with password"])
async def test_nothing_is_sent_where_starttls_was_taken_away(
    trusted: ssl.SSLContext, login: tuple[str, str] | None
) -> None:
    """V12.2.1: whoever sits between us and the server can strip the offer."""
    proof = {"SMTP_USERNAME": login[0], "SMTP_PASSWORD": login[1]} if login else {}
    async with mail_server(tls=trusted, offers_starttls=False, login=login) as server:
        async with refused(server, "STARTTLS extension not supported"):
            await deliver(server, **proof)
        assert all(line.startswith(("EHLO", "QUIT")) for line in server.seen)


async def test_a_wrong_password_is_for_us_to_mend(trusted: ssl.SSLContext) -> None:
    """V16.2.5: the mail waits, and the server's answer, which repeats the password, stays out of the cause."""
    async with mail_server(tls=trusted, login=LOGIN) as server:
        with pytest.raises(Failure) as failure:
            await deliver(server, SMTP_USERNAME=LOGIN[0], SMTP_PASSWORD="canary-Wrong7Zq1Xw")
        assert failure.value.cause == "AUTH: 535"
        assert (failure.value.is_final, failure.value.is_servers) == (False, True)
        assert "canary" not in repr(failure.value)


async def test_a_missing_password_is_for_us_to_mend() -> None:
    async with mail_server(login=LOGIN) as server, refused(server, "MAIL: 530"):
        await deliver(server)


async def test_a_letter_beyond_ascii_goes_where_it_is_taken() -> None:
    """3.3-19: RFC 6531. A server that does not take it gets nothing, least of all another address."""
    async with mail_server() as server:
        await deliver(server, TO_JUERGEN)
        assert [mail.recipient for mail in server.arrived] == ["jürgen@example.com"]
    async with mail_server(extensions=["8BITMIME"]) as server:
        async with refused(server, "SMTPUTF8", is_final=True):
            await deliver(server, TO_JUERGEN)
        assert not any(line.startswith("RCPT") for line in server.seen)


async def test_the_answer_to_a_whole_mail_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5321, section 4.5.3.2.6: it is longer than for other answers. Who gives up then sends twice."""
    assert smtp.PATIENCE_AFTER_DATA > 1
    monkeypatch.setattr(smtp, "PATIENCE_AFTER_DATA", 0.01)
    async with mail_server() as server, asyncio.timeout(10):
        server.makes(Trouble.STALL_AFTER_DATA)
        async with refused(server, "DATA: no answer in time"):
            await deliver(server, SMTP_TIMEOUT_SECONDS=60)


async def test_a_server_that_never_answers_is_left() -> None:
    """3.9-05: after SMTP_TIMEOUT_SECONDS, wherever it stalls."""
    for trouble in (Trouble.STALL_AT_GREETING, Trouble.STALL_AT_RCPT):
        async with mail_server() as server:
            server.makes(trouble)
            async with refused(server, "connection: no answer in time"):
                await deliver(server, SMTP_TIMEOUT_SECONDS=1)


async def test_we_say_who_we_are_by_the_public_name() -> None:
    """And ask no name service for it, which would block."""
    async with mail_server() as server:
        await deliver(server, PUBLIC_URL="https://accounts.example.com")
        assert server.seen[0] == "EHLO accounts.example.com"


async def test_a_wait_after_the_mail_is_longer_than_any_other() -> None:
    """RFC 5321, section 4.5.3.2: who gives up there sends twice. It is bounded all the same."""
    settings = settings_for("sqlite:///nothing.db", SMTP_TIMEOUT_SECONDS=10)
    assert Postman(settings).longest_seconds == 150

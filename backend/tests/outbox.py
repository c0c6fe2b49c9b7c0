"""Mails to post, and a post office to post them at: a runtime whose mail goes to a server of the test's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from app.jobs.mail import send_due_mail
from app.mail.links import page_link
from app.mail.messages import Message, NoticeEvent, Recipient, SecurityNotice, SignInCode, VerifyAddress
from app.mail.sealing import open_mail
from app.mail.transport import Failure
from app.models import OutgoingMail
from app.runtime import Runtime
from app.services import outbox
from tests.accounts import CLIENT
from tests.conftest import settings_for
from tests.journeys.pair import held
from tests.rows import write
from tests.smtp import MailServer, mail_server

CODE = "73195284"
TOKEN = "ost_vl_Canary7Zq1XwLk9Jh3Gf6Ds0Aq5WeR"
ADA = "ada@example.com"


def verification(runtime: Runtime, address: str = ADA, *, code: str = CODE, token: str = TOKEN) -> VerifyAddress:
    link = page_link(runtime.settings, "/mail/verify", token=token)
    return VerifyAddress(to=Recipient(address=address), link=link, code=code, valid_for=timedelta(hours=24))


def sign_in_code(address: str = ADA, *, code: str = CODE, minutes: int = 10) -> SignInCode:
    to = Recipient(address=address)
    return SignInCode(to=to, code=code, link=None, device=None, valid_for=timedelta(minutes=minutes))


def notice(runtime: Runtime, address: str = ADA, **changes: object) -> SecurityNotice:
    values: dict[str, object] = {
        "to": Recipient(address=address),
        "event": NoticeEvent.PASSWORD_CHANGED,
        "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "device": "Firefox on Linux",
        "client_address": "203.0.113.7",
        "undo": page_link(runtime.settings, "/mail/undo", token=TOKEN),
        "valid_for": timedelta(hours=72),
    }
    return SecurityNotice(**{**values, **changes})  # type: ignore[arg-type]  # Each field has the type of its default.


async def post(runtime: Runtime, *messages: Message) -> None:
    """Post mails in one transaction, as a request does."""
    async with runtime.database.begin(CLIENT) as work:
        await outbox.post(work, *messages)


async def mails_of(runtime: Runtime) -> Sequence[OutgoingMail]:
    """Return every row of the outbox, in the order of posting."""
    return await runtime.database.read.entities(select(OutgoingMail).order_by(OutgoingMail.id))


async def the_mail(runtime: Runtime) -> OutgoingMail:
    """Return the only row."""
    (mail,) = await mails_of(runtime)
    return mail


async def change_mails(runtime: Runtime, **values: object) -> None:
    await write(runtime, update(OutgoingMail).values(**values))


@dataclass
class Office:
    """Where the mail of a test goes."""

    runtime: Runtime
    server: MailServer

    async def post(self, *messages: Message) -> None:
        await post(self.runtime, *messages)

    async def send(self) -> None:
        """Run one round of the job."""
        await send_due_mail(self.runtime)

    async def send_again(self, rounds: int = 1) -> None:
        """Let the pauses pass, and run further rounds, whatever becomes of them."""
        for _ in range(rounds):
            await change_mails(self.runtime, due_at=datetime.now(UTC))
            try:
                await self.send()
            except Failure:
                continue


@asynccontextmanager
async def post_office(
    database_url: str, *, server: MailServer | None = None, **changes: object
) -> AsyncIterator[Office]:
    """Hold a runtime on this database that sends to a server, a new one unless one is given."""
    if server is not None:
        async with held(settings_for(database_url, **server.settings(**changes))) as runtime:
            yield Office(runtime, server)
        return
    async with mail_server() as own, post_office(database_url, server=own, **changes) as office:
        yield office


def sealed_text(runtime: Runtime, mail: OutgoingMail) -> str:
    """Return the text of a mail that waits, as the job would read it."""
    rendered = open_mail(runtime.settings, mail.content_encrypted or b"", mail_id=mail.id, kind=mail.kind)
    assert rendered is not None
    return rendered.text

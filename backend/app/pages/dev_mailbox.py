"""The mailbox of development: every mail that would have been sent, to be read by whoever sits at this machine."""

import re
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from app.auth.dependencies import Public, ReaderDep, SettingsDep
from app.config import Settings
from app.database import Reader
from app.exceptions import NotFoundError
from app.mail.rendering import Rendered
from app.mail.sealing import open_mail
from app.mail.transport import WayOut, way_out
from app.models import OutgoingMail
from app.pages.rendering import PageRoute, page
from app.services import outbox
from app.this_machine import check_on_this_machine, is_on_this_machine_only

_LIST_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_MAIL_HEADERS = {
    # What a mail program would not run does not run here either: no script, no form, nothing from elsewhere.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
_LINK = re.compile(r"https?://[^\s<>\"]+")

router = APIRouter(
    prefix="/dev/mailbox",
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[Public, Depends(check_on_this_machine)],
)


def is_served(settings: Settings) -> bool:
    """Whether mail stays here, and nobody but this machine could read it."""
    return way_out(settings) is WayOut.MAILBOX and is_on_this_machine_only(settings)


@router.get("")
async def show_mailbox(request: Request, read: ReaderDep, settings: SettingsDep) -> HTMLResponse:
    """List the mails, newest first."""
    mails = [(mail, _opened(settings, mail)) for mail in await outbox.list_mailbox(read)]
    return page(request, "mailbox.html", policy=_LIST_POLICY, title="Mailbox", mails=mails)


@router.get("/{mail_id}")
async def show_mail(request: Request, mail_id: UUID, read: ReaderDep, settings: SettingsDep) -> HTMLResponse:
    """Show one mail: its text, its links to follow, and its HTML in a frame that can do nothing."""
    mail, content = await _find(read, settings, mail_id)
    links = list(dict.fromkeys(_LINK.findall(content.text)))
    return page(
        request,
        "mailbox_mail.html",
        policy=_LIST_POLICY,
        title=content.subject,
        mail=mail,
        content=content,
        links=links,
    )


@router.get("/{mail_id}/html")
async def show_html(mail_id: UUID, read: ReaderDep, settings: SettingsDep) -> HTMLResponse:
    """Return the HTML of a mail as it is."""
    _, content = await _find(read, settings, mail_id)
    return HTMLResponse(content.html, headers=_MAIL_HEADERS)


async def _find(read: Reader, settings: Settings, mail_id: UUID) -> tuple[OutgoingMail, Rendered]:
    mail = await outbox.find_in_mailbox(read, mail_id=mail_id)
    content = _opened(settings, mail) if mail else None
    if mail is None or content is None:
        raise NotFoundError("Mail")
    return mail, content


def _opened(settings: Settings, mail: OutgoingMail) -> Rendered | None:
    return open_mail(settings, mail.content_encrypted or b"", mail_id=mail.id, kind=mail.kind)

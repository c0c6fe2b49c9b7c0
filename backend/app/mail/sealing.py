"""Keeps mail unreadable in the database: its links and codes open accounts."""

import hmac
import json
from hashlib import sha256
from uuid import UUID

from app.auth.emails import parse_email
from app.auth.keys import derive_key
from app.auth.sealing import SealBroken, seal, unseal
from app.config import Settings
from app.mail.rendering import Rendered

_CONTENT = "outgoing-mail/content"
_RECIPIENT = "outgoing-mail/recipient"


def seal_mail(settings: Settings, rendered: Rendered, *, mail_id: UUID, kind: str) -> bytes:
    """Return a mail encrypted. It opens for this row and this kind alone."""
    content = json.dumps([rendered.locale, rendered.subject, rendered.text, rendered.html]).encode()
    return seal(content, key=derive_key(settings.secrets[0], _CONTENT), place=_place(mail_id, kind))


def open_mail(settings: Settings, sealed: bytes, *, mail_id: UUID, kind: str) -> Rendered | None:
    """Return what was sealed, or None when no server secret of ours, present or former, opens it there."""
    keys = [derive_key(secret, _CONTENT) for secret in settings.secrets]
    try:
        content = unseal(sealed, keys=keys, place=_place(mail_id, kind)).content
    except SealBroken:
        return None
    locale, subject, text, html = json.loads(content)
    return Rendered(locale=locale, subject=subject, text=text, html=html)


def recipient_digest(settings: Settings, address: str, apart: str = "") -> bytes:
    """Return by what the mails to one address are counted, however it is spelt: a MAC of its normal form.

    `apart` names what is counted for itself. Raises `EmailInvalid`.
    """
    key = derive_key(settings.secrets[0], _RECIPIENT)
    return hmac.digest(key, f"{parse_email(address).normal}\0{apart}".encode(), sha256)


def _place(mail_id: UUID, kind: str) -> str:
    return f"outgoing_mails/{mail_id}/{kind}"

"""The addresses that mail may lead to: pages of ours, below the configured public URL, and nothing else."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from app.config import Settings


class MailPage(StrEnum):
    """The pages that mails lead to: `page_link(settings, MailPage.VERIFY, token=…)`. `app/pages/mailed.py` serves them."""

    VERIFY = "/mail/verify"
    """Proves the address of an account."""
    FORGOT = "/mail/forgot"
    """Asks for a mail by which a new password can be chosen. It takes no token."""
    RESET = "/mail/reset"
    """Chooses a new password."""
    CHANGE = "/mail/change"
    """Proves the address that an account is to have from now on."""
    VETO = "/mail/veto"
    """Stops a change of address, or undoes it."""
    UNDO = "/mail/undo"
    """Undoes what a security notice tells of."""
    SIGN_IN = "/mail/sign-in"
    """Signs in. Without a token it asks for a mail to sign in with."""
    INVITATION = "/mail/invitation"
    """Makes the account that somebody was invited to."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address of one of our pages. It may hold a token, so that it does not show itself."""

    url: str = field(repr=False)


def page_link(settings: Settings, path: str, *, token: str = "") -> Link:
    """Return the link to a page of ours, such as `/mail/verify`, with a token in its fragment.

    A fragment stays in the browser: no server log, no proxy and no Referer header gets to see it. What a request says of
    where it was sent (Host, Forwarded) never counts. Raises `ValueError` for a path that leads elsewhere.
    """
    if not path.startswith("/") or path.startswith("//") or any(character in path for character in "\\?#@\r\n\t "):
        raise ValueError("a link in a mail leads to a path of ours")
    fragment = f"#token={quote(token, safe='')}" if token else ""
    return Link(f"{settings.PUBLIC_URL}{path}{fragment}")


def is_ours(settings: Settings, link: Link) -> bool:
    """Whether a link leads to this installation."""
    return link.url.startswith(f"{settings.PUBLIC_URL}/")

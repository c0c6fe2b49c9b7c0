"""The addresses that mail may lead to: pages of ours, below the configured public URL, and nothing else."""

from dataclasses import dataclass, field
from urllib.parse import quote

from app.config import Settings


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

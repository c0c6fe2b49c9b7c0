"""Reads the mailbox of development as a person does who opens it beside the page that they are looking at."""

import html
import re
from dataclasses import dataclass

import httpx2

from tests.journeys.server import Server


@dataclass(frozen=True)
class Mail:
    """A mail as it is shown there."""

    kind: str
    recipient: str
    text: str

    @property
    def links(self) -> list[str]:
        """Every link but the signature's."""
        return re.findall(r"http://\S+/\S+", self.text)

    @property
    def link(self) -> str:
        """The link with a token."""
        [link] = [link for link in self.links if "#token=" in link]
        return link

    @property
    def code(self) -> str:
        """The code."""
        [code] = re.findall(r"^ {4}(\d{8})$", self.text, re.MULTILINE)
        return str(code)


def mails(server: Server) -> list[Mail]:
    """Return every mail, the newest first."""
    listed = httpx2.get(f"{server.url}/dev/mailbox").text
    entries = re.findall(
        r'href="(/dev/mailbox/[0-9a-f-]{36})".*?to (\S+), \d{4}-.*? UTC, (\w+) \(', listed, flags=re.DOTALL
    )
    return [Mail(kind, html.unescape(to), _text(f"{server.url}{path}")) for path, to, kind in entries]


def newest(server: Server, kind: str, *, to: str | None = None) -> Mail:
    """Return the newest mail of a kind, perhaps to one address."""
    return next(mail for mail in mails(server) if mail.kind == kind and to in {None, mail.recipient})


def _text(url: str) -> str:
    shown = re.search(r'<pre class="mail">(.*?)</pre>', httpx2.get(url).text, re.DOTALL)
    assert shown is not None
    return html.unescape(shown[1])

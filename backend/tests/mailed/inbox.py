"""Reads mails as the people do whom they are sent to."""

import re
from dataclasses import dataclass

from app.runtime import Runtime
from tests.accounts import Person
from tests.outbox import mails_of, sealed_text

_TOKEN = re.compile(r"(?P<page>/[\w/-]+)#token=(?P<token>[\w-]+)$", re.MULTILINE)
_CODE = re.compile(r"^ {4}(?P<code>\d{8})$", re.MULTILINE)


@dataclass(frozen=True)
class Letter:
    """A mail, and what its reader can do with it."""

    kind: str
    to: str
    text: str

    @property
    def token(self) -> str:
        """What stands in its link."""
        found = _TOKEN.search(self.text)
        assert found, self.text
        return found["token"]

    @property
    def page(self) -> str:
        """Where its link leads."""
        found = _TOKEN.search(self.text)
        assert found, self.text
        return found["page"]

    @property
    def has_link(self) -> bool:
        """Whether there is a token in it."""
        return _TOKEN.search(self.text) is not None

    @property
    def has_code(self) -> bool:
        """Whether there is a code in it."""
        return _CODE.search(self.text) is not None

    @property
    def code(self) -> str:
        """What can be typed in place of following the link."""
        found = _CODE.search(self.text)
        assert found, self.text
        return found["code"]


async def letters(runtime: Runtime, to: str | Person | None = None, kind: str | None = None) -> list[Letter]:
    """Return the mails to somebody, oldest first: all, or those of a kind."""
    address = to.email if isinstance(to, Person) else to
    mails = [Letter(mail.kind, mail.recipient, sealed_text(runtime, mail)) for mail in await mails_of(runtime)]
    return [mail for mail in mails if address in {None, mail.to} and kind in {None, mail.kind}]


async def newest(runtime: Runtime, to: str | Person, kind: str | None = None) -> Letter:
    """Return the last mail to somebody."""
    return (await letters(runtime, to, kind))[-1]

"""The people of the provider: whoever is made up on its page. A person's subject follows from the address."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.auth.emails import EmailInvalid, parse_email
from app.auth.names import TextRefused, person_name

_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


class PersonRefused(Exception):
    """Nobody can be like this. `problems` says for each field of the form what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(", ".join(problems))


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in at the provider."""

    email: str
    name: str
    email_verified: bool = True
    hosted_domain: str | None = None
    """The Workspace domain that the account belongs to, if it belongs to one (`hd`)."""

    @property
    def subject(self) -> str:
        """Return what the provider calls the person: 21 digits, the same after every restart and on every machine."""
        digest = hashlib.sha256(b"offline-provider/subject:" + parse_email(self.email).normal.encode()).digest()
        return f"1{int.from_bytes(digest) % 10**20:020}"

    def is_called(self, hint: str) -> bool:
        """Whether a `login_hint` means this person: by address, in any spelling of it, or by subject."""
        try:
            return hint == self.subject or parse_email(hint).normal == parse_email(self.email).normal
        except EmailInvalid:
            return False

    def belongs_to(self, domain: str | None) -> bool:
        """Whether the account is of this Workspace domain; `*` stands for any, None for no such wish."""
        return domain is None or self.hosted_domain == domain or (domain == "*" and self.hosted_domain is not None)


def read_person(form: Mapping[str, str]) -> Person:
    """Return the person that a form describes. Raises `PersonRefused`, which names each field that is wrong."""
    problems: dict[str, str] = {}
    email, name, domain = form.get("email", ""), form.get("name", ""), form.get("hosted_domain", "").strip().lower()
    try:
        email = parse_email(email).deliverable
    except EmailInvalid as error:
        problems["email"] = str(error)
    try:
        name = person_name(name)
    except TextRefused as error:
        problems["name"] = str(error)
    if domain and not _DOMAIN.fullmatch(domain):
        problems["hosted_domain"] = "this is not a domain"
    if problems:
        raise PersonRefused(problems)
    return Person(email=email, name=name, email_verified="email_verified" in form, hosted_domain=domain or None)

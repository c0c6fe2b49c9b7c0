"""Turns a message into subject, text and HTML, by templates that the installation may replace one by one."""

import re
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.config import Settings
from app.mail.links import Link, is_ours
from app.mail.locales import OWN_TEMPLATES, candidates
from app.mail.messages import MaskedAddress, Message, Recipient
from app.mail.texts import is_network_address, one_line, shown

_FOLDERS_KEPT = 8
_BLANK_LINES = re.compile(r"\n{3,}")
_FOR_SUBJECTS = ("event", "valid_for")
"""What a subject may tell, beside the name of the installation: nothing that somebody has chosen, and no secret."""
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail as its recipient reads it. It shows nothing of that by itself: links and codes are secrets."""

    locale: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, for templates: `24 hours`."""

    count: int
    unit: str
    """`minutes`, `hours` or `days`."""

    @classmethod
    def of(cls, length: timedelta) -> "Span":
        """Return a length in its largest whole unit; 24 hours stay hours. Raises `ValueError` for what has no whole minutes."""
        if length < _MINUTE or length % _MINUTE:
            raise ValueError("a mail tells whole minutes")
        if length > _DAY and not length % _DAY:
            return cls(length // _DAY, "days")
        return cls(length // _MINUTE, "minutes") if length % _HOUR else cls(length // _HOUR, "hours")


def render(settings: Settings, message: Message) -> Rendered:
    """Return a message in the best language for its recipient that there are templates in.

    Texts of people come out as one short line without links (`texts.shown`), escaped in HTML; the subject knows none of
    them. Raises `ValueError` for a link that does not lead to this installation, and jinja2's errors for a template that
    cannot be used.
    """
    environment = _environment(settings.MAIL_TEMPLATES)
    locale = _locale_of(environment, settings, message)
    known = {"app_name": one_line(settings.APP_NAME), "public_url": settings.PUBLIC_URL, "locale": locale}
    values = _values(settings, message)
    name = f"{locale}/{message.kind}"
    public = {key: value for key, value in values.items() if key in _FOR_SUBJECTS}
    subject = one_line(environment.get_template(f"{name}.subject").render(**known, **public))
    if not subject:
        raise ValueError(f"the template {name}.subject says nothing")
    known["subject"] = subject
    text = environment.get_template(f"{name}.txt").render(**known, **values)
    html = environment.get_template(f"{name}.html").render(**known, **values)
    return Rendered(locale=locale, subject=subject, text=_tidy(text), html=html)


@lru_cache(maxsize=_FOLDERS_KEPT)
def _environment(own: str) -> ImmutableSandboxedEnvironment:
    """Return the templates of an installation: its own folder, if it has one, goes before ours."""
    folders = [*([own] if own else []), str(OWN_TEMPLATES)]
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
    )


def _locale_of(environment: ImmutableSandboxedEnvironment, settings: Settings, message: Message) -> str:
    for locale in candidates(settings, message.to.locale):
        try:
            environment.get_template(f"{locale}/{message.kind}.subject")
        except TemplateNotFound:
            continue
        return locale
    raise TemplateNotFound(f"{message.kind}.subject")


def _values(settings: Settings, message: Message) -> dict[str, object]:
    """Return what templates may use, each value fit to be shown."""
    given = {item.name: getattr(message, item.name) for item in fields(message)}
    recipient: Recipient = given.pop("to")
    given["name"] = recipient.name if message.greets else None
    return {name: _fit(settings, name, value) for name, value in given.items()}


def _fit(settings: Settings, name: str, value: object) -> object:
    match value:
        case Link():
            if not is_ours(settings, value):
                raise ValueError("a link in a mail leads to PUBLIC_URL, and nowhere else")
            return value.url
        case timedelta():
            return Span.of(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        case StrEnum() | MaskedAddress():
            return value.value
        case str():
            return _fit_text(name, value)
    return value


def _fit_text(name: str, text: str) -> str | None:
    """Return a text that may be shown: codes and network addresses as they are, what people chose made harmless.

    None for what has nothing to show. Raises `ValueError` for a code that is none.
    """
    if name == "code":
        if not text.isascii() or not text.isalnum():
            raise ValueError("a code in a mail is made of letters and digits")
        return text
    if name == "client_address":
        return text if is_network_address(text) else None
    return shown(text) or None


def _tidy(text: str) -> str:
    """Return a text without the blank lines that directives leave behind."""
    lines = "\n".join(line if line == "-- " else line.rstrip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", lines).strip("\n") + "\n"

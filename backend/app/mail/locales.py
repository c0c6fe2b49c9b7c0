"""Languages of mail: which there are, and which one somebody gets."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.config import Settings

OWN_TEMPLATES = Path(__file__).parent / "templates"
_FALLBACK = "en"
_LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
_RANGE = re.compile(
    r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)(?:-[A-Za-z0-9-]{1,40})?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?"
)
_LONGEST_HEADER = 500


def template_folders(settings: Settings) -> list[Path]:
    """Return where templates lie: the installation's own folder first, if it has one."""
    return [*([Path(settings.MAIL_TEMPLATES)] if settings.MAIL_TEMPLATES else []), OWN_TEMPLATES]


def known_locales(settings: Settings) -> list[str]:
    """Return every language that there are templates in, such as `de`, in alphabetical order."""
    folders = (path for parent in template_folders(settings) for path in parent.iterdir() if path.is_dir())
    return sorted({path.name for path in folders if _LOCALE.fullmatch(path.name)})


def candidates(settings: Settings, locale: str | None) -> list[str]:
    """Return the languages to try, best first: the asked one, its parent (`de` of `de-AT`), the default, English."""
    wished = with_parent(locale) if locale else []
    return list(dict.fromkeys([*wished, settings.DEFAULT_LOCALE, _FALLBACK]))


def with_parent(locale: str) -> list[str]:
    """Return a language and its parent: `de-AT` and `de`."""
    return [locale, locale.partition("-")[0]]


def preferred_locale(settings: Settings, accept_language: str | None) -> str | None:
    """Return the known language that a browser likes best (RFC 9110, section 12.5.4), or None if it names none of ours.

    It is what a registration keeps as the account's language.
    """
    known = {name.lower(): name for name in known_locales(settings)}
    for wanted in _by_liking(accept_language or ""):
        for name in with_parent(wanted):
            if name in known:
                return known[name]
    return None


def _by_liking(header: str) -> Iterator[str]:
    ranges = [_RANGE.fullmatch(part) for part in header[:_LONGEST_HEADER].split(",")]
    liked = [(float(found[2] or 1), found[1].lower()) for found in ranges if found]
    return (name for quality, name in sorted(liked, key=lambda item: -item[0]) if quality > 0)

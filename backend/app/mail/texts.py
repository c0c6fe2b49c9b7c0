"""Texts that somebody else has chosen, made fit for a mail: one short line that no mail program turns into a link."""

import re
import unicodedata
from ipaddress import ip_address

LONGEST = 60
"""Characters. A name is longer only when it wants to say something."""

_LINKABLE = re.compile(
    r"[.\u3002]\w{2}"  # example.com, also with the ideographic full stop, which browsers take for a dot
    r"|[@/\\]|www"  # an address, a path
    r"|\w:\S",  # mailto:…, javascript:…, tel:…
    re.IGNORECASE,
)
_JOINTS = re.compile(r"([.:/\\@\u3002])(?=\S)")


def shown(text: str) -> str:
    """Return one line without control, formatting and direction characters, cut at 60, in which nothing is a link.

    Compatibility forms become plain ones first (NFKC), so that a full-width dot is seen to be a dot. Where something looks
    like a link, a blank after each joint takes it apart: `evil. com`. The text is not escaped: templates do that.
    """
    folded = unicodedata.normalize("NFKC", text[: 4 * LONGEST])
    spaced = "".join(" " if character.isspace() else character for character in folded)
    plain = " ".join("".join(filter(_is_shown, spaced)).split())
    if _LINKABLE.search(plain):
        plain = _JOINTS.sub(r"\1 ", plain)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters: a subject, say."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _is_shown(character: str) -> bool:
    """Whether it is a letter, mark, number, punctuation, symbol or blank: nothing that only has an effect."""
    return not unicodedata.category(character).startswith("C")


def is_network_address(text: str) -> bool:
    """Whether a text is an address of the network, IPv4 or IPv6, and nothing else."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text

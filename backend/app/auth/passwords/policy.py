"""Which passwords are accepted: long enough, not common, not made of the account's own words. Nothing else.

No rule asks for digits or symbols (NIST SP 800-63B-4, section 3.1.1.2; OWASP ASVS 5.0 V6.2.5).
"""

import re
import unicodedata
from enum import StrEnum
from functools import cache
from importlib.resources import files

from app.auth.passwords.hashing import MAXIMUM_LENGTH, normalize_password
from app.plausibility import runs_in_order

_WORD = re.compile(r"[^\W\d_]{3,}")
_SEPARATORS = re.compile(r"[\W_]+")
_EDGE = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_LEAST_OWN_CHARACTERS = 6
"""Characters that must remain of a password once the account's own words are taken out."""
_LEAST_DIFFERENT_CHARACTERS = 5
_FEW_ADDED = 8
_FEW_DIFFERENT_ADDED = 3
"""What does not make a common password a good one: `dragon202611!`, or `dragon` and twenty exclamation marks."""


class PasswordProblem(StrEnum):
    """Why a password is not accepted. The values are stable codes."""

    TOO_SHORT = "PASSWORD_TOO_SHORT"
    TOO_LONG = "PASSWORD_TOO_LONG"
    COMMON = "PASSWORD_COMMON"
    REPETITIVE = "PASSWORD_REPETITIVE"
    CONTAINS_OWN_WORDS = "PASSWORD_CONTAINS_OWN_WORDS"
    UNUSABLE_CHARACTER = "PASSWORD_UNUSABLE_CHARACTER"


EXPLANATIONS = {
    PasswordProblem.TOO_SHORT: "is too short",
    PasswordProblem.TOO_LONG: f"is longer than {MAXIMUM_LENGTH} characters",
    PasswordProblem.COMMON: "is one that many people use, or one of those with a few characters added",
    PasswordProblem.REPETITIVE: "repeats the same few characters",
    PasswordProblem.CONTAINS_OWN_WORDS: "is mostly made of your name, your address or the name of this service",
    PasswordProblem.UNUSABLE_CHARACTER: "holds a character that cannot be typed again reliably",
}


def password_problem(password: str, *, minimum_length: int, own_words: tuple[str, ...] = ()) -> PasswordProblem | None:
    """Return the first reason to refuse a new password, or None.

    Length is counted in code points after NFC. `own_words` are texts that an attacker would try first for this
    account: its address, the user's name, the service's name.
    """
    if len(password) > MAXIMUM_LENGTH:
        return PasswordProblem.TOO_LONG
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        return PasswordProblem.UNUSABLE_CHARACTER
    normal = normalize_password(password)
    if len(normal) < minimum_length:
        return PasswordProblem.TOO_SHORT
    return _guessable(normal.casefold(), own_words)


def _guessable(folded: str, own_words: tuple[str, ...]) -> PasswordProblem | None:
    rest = _without(folded, own_words)
    if rest != folded and (len(rest) < _LEAST_OWN_CHARACTERS or runs_in_order(rest) or _is_common(rest)):
        return PasswordProblem.CONTAINS_OWN_WORDS
    compact = _SEPARATORS.sub("", folded)
    core = _EDGE.sub("", compact)
    if len(set(folded)) < _LEAST_DIFFERENT_CHARACTERS or any(map(_repeats_a_unit, (folded, compact, core))):
        return PasswordProblem.REPETITIVE
    if runs_in_order(folded) or _is_common(folded) or _is_common(compact):
        return PasswordProblem.COMMON
    return None


def _is_common(folded: str) -> bool:
    """Whether many people use it, or it is one of those with a few characters added before or behind."""
    core = _EDGE.sub("", folded)
    added = folded.replace(core, "", 1)
    few = len(added) <= _FEW_ADDED or len(set(added)) <= _FEW_DIFFERENT_ADDED
    return folded in common_passwords() or (few and core in common_passwords())


def _repeats_a_unit(text: str) -> bool:
    """Whether the whole text is a shorter one said again: a text is a rotation of itself only then."""
    return len(text) > 1 and text in (text + text)[1:-1]


def _without(folded: str, own_words: tuple[str, ...]) -> str:
    words = {word for text in own_words for word in _WORD.findall(text.casefold())}
    for word in sorted(words, key=len, reverse=True):
        folded = folded.replace(word, "")
    return folded


@cache
def common_passwords() -> frozenset[str]:
    """Return the blocklist that ships with the application, folded: about 30,000 entries."""
    text = files(__package__).joinpath("common.txt").read_text(encoding="utf-8")
    return frozenset(line.casefold() for line in text.splitlines() if not line.startswith("# "))

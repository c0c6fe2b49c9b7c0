"""Recovery codes: the way in for who has lost every other second factor. Each counts once, which its caller ensures."""

import hashlib
import re
import secrets
from uuid import UUID

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: without i, l, o and u, which are mistaken for 1, 1, 0 and v."""
CODES = 10
_GROUPS = 4
_GROUP_LENGTH = 4
_LENGTH = _GROUPS * _GROUP_LENGTH
"""Of five bits each: 80 random bits."""

_NORMAL = re.compile(f"[{ALPHABET}]{{{_LENGTH}}}")
_LOOK_ALIKES = str.maketrans("oil", "011")
_DASHES = dict.fromkeys([ord("-"), *range(0x2010, 0x2016), 0x2212])
"""Hyphens, dashes and the minus sign of Unicode: text programs put them in place of the plain one."""


class RecoveryCodeMalformed(ValueError):
    """The text cannot be a recovery code, whoever it belongs to."""


def new_codes() -> tuple[str, ...]:
    """Return a set of ten codes of 80 random bits each, such as `7k3m-q0tz-9xwe-4hvb`. They are shown once."""
    return tuple(_new_code() for _ in range(CODES))


def normal_form(text: str) -> str:
    """Return what somebody typed as the 16 characters of a code. Raises `RecoveryCodeMalformed`.

    Case, white space and dashes do not matter; the letter o is read as 0, i and l as 1, as Crockford's base32 has it.
    """
    joined = "".join(text.split()).translate(_DASHES)
    normal = joined.lower().translate(_LOOK_ALIKES)
    # The change of case makes a plain k of the Kelvin sign, so it is asked what stood there before.
    if not joined.isascii() or not _NORMAL.fullmatch(normal):
        raise RecoveryCodeMalformed("this is not a recovery code")
    return normal


def digest_of_code(user_id: UUID, code: str) -> bytes:
    """Return what a row keeps in place of a user's code, however it is typed. Raises `RecoveryCodeMalformed`.

    SHA-256 over a label, the user's id and the normal form. A slow hash is for secrets that people choose: nobody tries
    the 2^80 codes that are equally likely here, and the id keeps one attempt from counting against every account.
    """
    return hashlib.sha256(f"recovery-code/{user_id}/{normal_form(code)}".encode()).digest()


def _new_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return "-".join(letters[start : start + _GROUP_LENGTH] for start in range(0, _LENGTH, _GROUP_LENGTH))

"""One-time codes of an authenticator app (TOTP, RFC 6238). Stores nothing: that a step counts once is for its caller."""

import base64
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlencode

Algorithm = Literal["SHA1", "SHA256", "SHA512"]
SHA1: Algorithm = "SHA1"
"""The one that every app knows. What breaks SHA-1 elsewhere, collisions, does not help against HMAC."""
DIGITS = 6
PERIOD = timedelta(seconds=30)
"""How long a time step is (RFC 6238, section 5.2)."""
SEED_BYTES = 20
"""160 bits, as RFC 4226, section 4, requirement R6, recommends."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_COUNTER_BYTES = 8
_CODE = re.compile(r"[0-9]{6}")
_NO_CODE = b"------"
"""Stands for what cannot be a code: as long as one, and never equal to one."""
_LONGEST_NAME = 64
"""Characters of a name in the URI: however they are escaped, a QR code still holds it."""


def new_seed() -> bytes:
    """Return 160 fresh random bits: what the app and the server share (RFC 4226, section 4; RFC 6238, section 5.1)."""
    return secrets.token_bytes(SEED_BYTES)


def step_of(now: datetime) -> int:
    """Return the number of the time step at an instant: whole periods of 30 s since 1970 (RFC 6238, section 4.2)."""
    return (now - _EPOCH) // PERIOD


def code_at(seed: bytes, step: int, digits: int = DIGITS, algorithm: Algorithm = SHA1) -> str:
    """Return the code of a time step, with leading zeros (RFC 4226, section 5.3; RFC 6238, section 4.2)."""
    mac = hmac.digest(seed, step.to_bytes(_COUNTER_BYTES, "big"), algorithm)
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def find_step(seed: bytes, code: str, now: datetime) -> int | None:
    """Return the time step that a code belongs to, or None. Taken are the present step and the one before it.

    The one before is for the time that typing and sending takes (RFC 6238, section 5.2); a step to come is never taken.
    A code is six ASCII digits and nothing else. Whatever is presented, the work is the same, and the comparison takes
    the same time. That no step counts twice, nor one before the last that counted, is for the caller to ensure.
    """
    presented = code.encode() if _CODE.fullmatch(code) else _NO_CODE
    current = step_of(now)
    found = None
    # If both have the same code, the later one counts: the earlier is then spent with it.
    for step in (current - 1, current):
        if hmac.compare_digest(code_at(seed, step).encode(), presented):
            found = step
    return found


def provisioning_uri(seed: bytes, issuer: str, account: str) -> str:
    """Return the `otpauth://` URI that sets up an app, for a QR code ("Key Uri Format" of Google Authenticator).

    Issuer and account only say which entry is whose. A colon parts them, so a colon within one becomes a space; each is
    cut after 64 characters. The URI holds the secret: it is shown to its owner once, and stands in no log.
    """
    issuer, account = _name(issuer), _name(account)
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    parameters = {
        "secret": _base32(seed),
        "issuer": issuer,
        "algorithm": SHA1,
        "digits": DIGITS,
        "period": PERIOD // timedelta(seconds=1),
    }
    # Spaces as %20: some apps show the plus sign of a form.
    return f"otpauth://totp/{label}?{urlencode(parameters, safe='', quote_via=quote)}"


def shown_secret(seed: bytes) -> str:
    """Return the secret for who cannot scan and types it: base32 (RFC 4648, section 6) in groups of four."""
    text = _base32(seed)
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _name(text: str) -> str:
    return " ".join(text.replace(":", " ").split())[:_LONGEST_NAME].strip()


def _base32(seed: bytes) -> str:
    return base64.b32encode(seed).decode().rstrip("=")

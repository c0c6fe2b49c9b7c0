"""The normal form of an address. Two spellings of one mailbox must never make two accounts, nor meet by accident."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

MAXIMUM_LENGTH = 254
"""Characters of an address that SMTP can carry (RFC 5321, section 4.5.3.1.3)."""


class EmailInvalid(ValueError):
    """The text is not an address that mail could be sent to."""


@dataclass(frozen=True)
class EmailAddress:
    """An address in two forms."""

    deliverable: str
    """What mail is sent to: as typed, in NFC, with the domain in lower case."""
    normal: str
    """What accounts are found by: the domain in its ASCII form (IDNA), the local part in lower case."""


def parse_email(text: str) -> EmailAddress:
    """Return both forms of an address, or raise `EmailInvalid`.

    Length is checked first, because parsers are slower than linear on hostile input (CVE-2024-3651). A display name
    is refused. No DNS is asked. The local part is only lower-cased, never folded further: what two mail systems
    could tell apart stays apart.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise EmailInvalid(f"an address has at most {MAXIMUM_LENGTH} characters")
    try:
        parsed = validate_email(text, check_deliverability=False, allow_display_name=False)
    except (EmailNotValidError, UnicodeError) as error:
        raise EmailInvalid("this is not an e-mail address") from error
    domain = (parsed.ascii_domain or parsed.domain).lower()
    local = unicodedata.normalize("NFC", parsed.local_part.lower())
    normal = f"{local}@{domain}"
    if len(normal) > MAXIMUM_LENGTH:
        raise EmailInvalid(f"an address has at most {MAXIMUM_LENGTH} characters")
    return EmailAddress(deliverable=parsed.normalized, normal=normal)


def mask_email(text: str) -> str:
    """Return what somebody typed as an address, fit for a log: its first character and domain, `a***@example.com`.

    What is no address is not shown at all: people type passwords into the wrong field.
    """
    try:
        address = parse_email(text).normal
    except EmailInvalid:
        return "***"
    return f"{address[0]}***@{address.rpartition('@')[2]}"

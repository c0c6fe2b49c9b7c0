"""One exchange with a passkey: its challenge, what it is for and how long, sealed into a text that the client gives back.

Nothing is stored when one begins, so nobody can fill a table by beginning. That it is used once is the business of who
stores its digest.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.auth import base64url
from app.auth.sealing import SealBroken, seal, unseal

CEREMONY_LIFETIME = timedelta(minutes=5)
MAXIMUM_LENGTH = 400
"""Characters of a sealed ceremony. Ours have some 270."""
_CHALLENGE_BYTES = 32


class CeremonyKind(StrEnum):
    """What a ceremony is for. One of another kind is none. The values stand in seals."""

    REGISTER = "register"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


class CeremonyInvalid(Exception):
    """The text is no ceremony of this kind that this server began, or not any more. The argument says why, for logs."""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What was begun."""

    kind: CeremonyKind
    challenge: bytes = field(repr=False)
    """32 random bytes, which the answer must name."""
    bound_to: UUID | None
    """The session or the pending sign-in that began it, and alone may end it. None: anybody did."""
    user_id: UUID | None
    expires_at: datetime

    @property
    def digest(self) -> bytes:
        """What names it where it is noted as spent: 32 bytes that do not tell the challenge."""
        return hashlib.sha256(b"ceremony" + self.challenge).digest()


def new_ceremony(
    kind: CeremonyKind, *, now: datetime, bound_to: UUID | None = None, user_id: UUID | None = None
) -> Ceremony:
    """Return a ceremony with a fresh challenge, which ends in five minutes."""
    begun = datetime.fromtimestamp(int(now.timestamp()), UTC)
    return Ceremony(kind, secrets.token_bytes(_CHALLENGE_BYTES), bound_to, user_id, begun + CEREMONY_LIFETIME)


def seal_ceremony(ceremony: Ceremony, key: bytes) -> str:
    """Return the ceremony as a text for the client, which neither reads nor changes it. The key has 32 bytes."""
    bound_to, user_id = (each and each.hex for each in (ceremony.bound_to, ceremony.user_id))
    values = [base64url.encode(ceremony.challenge), bound_to, user_id, int(ceremony.expires_at.timestamp())]
    content = json.dumps(values, separators=(",", ":")).encode()
    return base64url.encode(seal(content, key=key, place=_place(ceremony.kind)))


def open_ceremony(text: str, keys: Sequence[bytes], *, kind: CeremonyKind, now: datetime) -> Ceremony:
    """Return the ceremony that was sealed with one of the keys. Raises `CeremonyInvalid`, also for another kind.

    Whether it is bound to whoever brings it, and not yet spent, is for the caller to see.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise CeremonyInvalid("too long")
    try:
        content = unseal(base64url.decode(text), keys=keys, place=_place(kind)).content
        challenge, bound_to, user_id, expires = json.loads(content)
        ceremony = Ceremony(
            kind,
            base64url.decode(challenge),
            None if bound_to is None else UUID(bound_to),
            None if user_id is None else UUID(user_id),
            datetime.fromtimestamp(expires, UTC),
        )
    except (SealBroken, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CeremonyInvalid("not ours, or of another kind") from error
    if ceremony.expires_at <= now:
        raise CeremonyInvalid("begun too long ago")
    return ceremony


def _place(kind: CeremonyKind) -> str:
    return f"a ceremony with a passkey: {kind}"

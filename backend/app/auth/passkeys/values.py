"""What goes into the examination of a passkey and what comes out of it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Reason(StrEnum):
    """Why an answer was refused. The words are stable: they stand in logs and in the audit trail."""

    MALFORMED = "malformed"
    """It is not what a browser sends, or it is larger."""
    TYPE = "type"
    """The answer to a registration was sent to a sign-in, or the other way round."""
    CHALLENGE = "challenge"
    ORIGIN = "origin"
    """It was given to another page."""
    CROSS_ORIGIN = "cross_origin"
    """It was given to a page that another site had embedded."""
    RP_ID = "rp_id"
    """It was made for another relying party."""
    USER_PRESENCE = "user_presence"
    USER_VERIFICATION = "user_verification"
    BACKUP_FLAGS = "backup_flags"
    """It says that it is backed up and cannot be, or the opposite of what it said at its registration."""
    ALGORITHM = "algorithm"
    """Its key is for an algorithm that nobody asked for."""
    PUBLIC_KEY = "public_key"
    """Its key is none of its algorithm, or too weak."""
    ATTESTATION = "attestation"
    """It says that it attests nothing, and does."""
    CREDENTIAL_ID = "credential_id"
    """The parts of the answer do not agree which passkey it is, or it is not the stored one, or its id is too long."""
    USER_HANDLE = "user_handle"
    """It belongs to another account, or does not say to which although nobody else does."""
    SIGNATURE = "signature"
    COUNTER = "counter"
    """Never found here: for whoever refuses an answer because its counter is suspicious."""


class PasskeyRejected(Exception):
    """The answer is wrong. `reason` is for logs: whoever sent it learns no more than that."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom passkeys are made."""

    id: str
    """A domain without scheme and port. Its passkeys work there and on domains below it."""
    name: str
    """For people: some browsers show it."""
    origins: tuple[str, ...]
    """The pages and apps that may use them, each exactly as browsers write it, such as `https://accounts.example.com`."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A passkey as a browser is told of it."""

    credential_id: bytes
    transports: tuple[str, ...] = ()
    """By which ways its device is reached, as it was said at its registration."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that may be stored, once nobody else is known to have the same id."""

    credential_id: bytes
    public_key: bytes
    """In COSE form (RFC 9052)."""
    sign_count: int
    transports: tuple[str, ...]
    """At most 8 of at most 20 lower-case letters and hyphens."""
    backup_eligible: bool
    """Whether its owner's devices may share it."""
    backed_up: bool
    user_verified: bool
    aaguid: UUID
    """The model of its device, by its own word alone: good for a name to show, and for no decision."""


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """What was stored of a passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    user_handle: bytes
    """Of the account that it belongs to."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a right answer says, to be stored."""

    sign_count: int
    user_verified: bool
    """Whether the device asked for a PIN or a part of its user's body, now."""
    backed_up: bool
    counter_suspicious: bool
    """Whether the counter did not grow: perhaps two devices hold the key that one should (WebAuthn, section 6.1.1)."""

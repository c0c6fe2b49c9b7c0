"""What the device itself says and signs: for which relying party, with which consent, and, when it is new, its key."""

import hashlib
from dataclasses import dataclass
from enum import IntFlag
from typing import Any
from uuid import UUID

from app.auth.passkeys.cbor import CborInvalid, read_item, read_whole
from app.auth.passkeys.values import PasskeyRejected, Reason

LONGEST_CREDENTIAL_ID = 1023
"""Bytes (WebAuthn, section 7.1, step 25)."""
_FIXED = 37
_AAGUID = 16


class Flag(IntFlag):
    """One byte of what happened. The other two bits are reserved, and mean nothing yet (WebAuthn, section 6.1)."""

    USER_PRESENT = 0x01
    USER_VERIFIED = 0x04
    BACKUP_ELIGIBLE = 0x08
    BACKED_UP = 0x10
    ATTESTED = 0x40
    """A new passkey follows."""
    EXTENDED = 0x80
    """Answers to extensions follow."""


@dataclass(frozen=True, slots=True)
class Attested:
    """A new passkey, unproved as yet."""

    aaguid: UUID
    credential_id: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """The data of one answer. Answers to extensions are passed over: none that we ask for has one here."""

    rp_id_hash: bytes
    flags: Flag
    sign_count: int
    attested: Attested | None

    def has(self, flag: Flag) -> bool:
        """Whether a bit is set."""
        return bool(self.flags & flag)


def read_authenticator_data(raw: bytes) -> AuthenticatorData:
    """Return what the bytes say (WebAuthn, section 6.1). Raises `PasskeyRejected`, also for a byte too many."""
    if len(raw) < _FIXED:
        raise PasskeyRejected(Reason.MALFORMED)
    flags, end, attested = Flag(raw[32]), _FIXED, None
    if flags & Flag.ATTESTED:
        attested, end = _read_attested(raw, end)
    if flags & Flag.EXTENDED:
        end = _map_end(raw, end)
    if end != len(raw):
        raise PasskeyRejected(Reason.MALFORMED)
    return AuthenticatorData(raw[:32], flags, int.from_bytes(raw[33:_FIXED], "big"), attested)


def _read_attested(raw: bytes, start: int) -> tuple[Attested, int]:
    """Return the new passkey that begins at an offset, and the offset behind it (WebAuthn, section 6.5.1)."""
    length_at = start + _AAGUID
    id_at = length_at + 2
    if id_at > len(raw):
        raise PasskeyRejected(Reason.MALFORMED)
    key_at = id_at + int.from_bytes(raw[length_at:id_at], "big")
    if not id_at < key_at <= id_at + LONGEST_CREDENTIAL_ID:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    end = _map_end(raw, key_at)
    return Attested(UUID(bytes=raw[start:length_at]), raw[id_at:key_at], raw[key_at:end]), end


def _map_end(raw: bytes, start: int) -> int:
    try:
        value, end = read_item(raw, start)
    except CborInvalid as error:
        raise PasskeyRejected(Reason.MALFORMED) from error
    if not isinstance(value, dict):
        raise PasskeyRejected(Reason.MALFORMED)
    return end


def check_authenticator_data(data: AuthenticatorData, *, rp_id: str, user_verification_required: bool) -> None:
    """Raise `PasskeyRejected` unless it was made for this relying party, with what is due of consent.

    Somebody must always have been there: no passkey is made or used behind a user's back (WebAuthn, section 7.2, steps
    15 to 18; section 7.1, steps 14 to 17).
    """
    if data.rp_id_hash != hashlib.sha256(rp_id.encode()).digest():
        raise PasskeyRejected(Reason.RP_ID)
    if not data.has(Flag.USER_PRESENT):
        raise PasskeyRejected(Reason.USER_PRESENCE)
    if user_verification_required and not data.has(Flag.USER_VERIFIED):
        raise PasskeyRejected(Reason.USER_VERIFICATION)
    if data.has(Flag.BACKED_UP) and not data.has(Flag.BACKUP_ELIGIBLE):
        raise PasskeyRejected(Reason.BACKUP_FLAGS)


def unattested(attestation_object: bytes) -> bytes:
    """Return the authenticator data of an attestation object without its statement. Raises `PasskeyRejected`.

    We ask for no attestation, so none is looked at, of whichever format: the key is taken as self-asserted (WebAuthn,
    section 7.1, note to step 24), as if the browser had put `none` in the statement's place, which it does for who asks
    for none. An app that is no browser may pass on what a security key sends unasked; to refuse that would shut out good
    keys, and to verify it without a list of trusted makers would prove nothing, with much code that a stranger can reach.
    The one thing refused is the format `none` with a statement in it (section 8.7).
    """
    try:
        attestation: Any = read_whole(attestation_object)
    except CborInvalid as error:
        raise PasskeyRejected(Reason.MALFORMED) from error
    if not isinstance(attestation, dict):
        raise PasskeyRejected(Reason.MALFORMED)
    form, statement, data = (attestation.get(name) for name in ("fmt", "attStmt", "authData"))
    if not isinstance(form, str) or not isinstance(statement, dict | list) or not isinstance(data, bytes):
        raise PasskeyRejected(Reason.MALFORMED)
    if form == "none" and statement != {}:
        raise PasskeyRejected(Reason.ATTESTATION)
    return data

"""A relying party, a browser at one of its pages, and what becomes of an answer."""

from collections.abc import Callable, Mapping
from typing import Any

from app.auth.passkeys.options import UserVerification, authentication_options, registration_options
from app.auth.passkeys.values import Descriptor, NewPasskey, PasskeyRejected, RelyingParty, StoredPasskey, Used
from app.auth.passkeys.verification import verify_authentication, verify_registration
from tests.authenticator import GOOD, Authenticator, Quirks

APP = "android:apk-key-hash:2jmj7l5rSw0yVb_vlWAYkK_YBwk7XKmTNTS2xSTLZ6E"
PARTY = RelyingParty("example.com", "Example", ("https://accounts.example.com", "https://example.com:8443", APP))
CHALLENGE = bytes(range(32))
USER = bytes(range(100, 116))


def device(**abilities: Any) -> Authenticator:
    return Authenticator(PARTY.origins[0], **abilities)


def creation(*exclude: Descriptor) -> dict[str, Any]:
    return registration_options(
        PARTY, challenge=CHALLENGE, user_handle=USER, user_name="ada@example.com", display_name="Ada", exclude=exclude
    )


def request(*allow: Descriptor, verification: UserVerification = "preferred") -> dict[str, Any]:
    return authentication_options(PARTY, challenge=CHALLENGE, allow=allow, user_verification=verification)


def registered(on: Authenticator, quirks: Quirks = GOOD) -> NewPasskey:
    return verify_registration(PARTY, challenge=CHALLENGE, credential=on.create(creation(), quirks))


def kept(passkey: NewPasskey) -> StoredPasskey:
    """Return what a row of the passkey holds."""
    return StoredPasskey(
        passkey.credential_id, passkey.public_key, passkey.sign_count, passkey.backup_eligible, user_handle=USER
    )


def used(
    credential: Mapping[str, Any], stored: StoredPasskey, *, is_verified: bool = False, is_named: bool = False
) -> Used:
    return verify_authentication(
        PARTY,
        challenge=CHALLENGE,
        credential=credential,
        stored=stored,
        user_verification_required=is_verified,
        user_handle_required=is_named,
    )


def verdict(of: Callable[[], object]) -> str:
    """Return why something is refused, or "accepted". Anything but a clean verdict fails the test."""
    try:
        of()
    except PasskeyRejected as refused:
        return refused.reason.value
    return "accepted"


def registration_verdict(quirks: Quirks, **abilities: Any) -> str:
    """What becomes of a registration with quirks."""
    return verdict(lambda: registered(device(**abilities), quirks))


def use_verdict(quirks: Quirks, *, is_verified: bool = False, **abilities: Any) -> str:
    """What becomes of a use with quirks, of a passkey that was registered without."""
    on = device(**abilities)
    stored = kept(registered(on))
    answer = on.get(request(), quirks)
    return verdict(lambda: used(answer, stored, is_verified=is_verified))


def both_verdicts(quirks: Quirks) -> tuple[str, str]:
    """What becomes of a registration, and of a use, with quirks."""
    return registration_verdict(quirks), use_verdict(quirks)

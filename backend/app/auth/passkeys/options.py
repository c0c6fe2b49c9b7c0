"""What a browser is asked: the JSON that `PublicKeyCredential.parseCreationOptionsFromJSON()` and its twin take."""

from collections.abc import Sequence
from typing import Any, Literal

from app.auth import base64url
from app.auth.passkeys.answers import LONGEST_USER_HANDLE
from app.auth.passkeys.public_keys import ALGORITHMS
from app.auth.passkeys.values import Descriptor, RelyingParty

TIMEOUT_MILLISECONDS = 300_000
"""As long as a ceremony lasts. Browsers take it as a hint (WebAuthn, section 15.1)."""

UserVerification = Literal["required", "preferred", "discouraged"]
"""Whether the device shall ask for a PIN or a part of its user's body."""


def registration_options(  # noqa: PLR0913  # Each is said by name, and has no default that would do.
    party: RelyingParty,
    *,
    challenge: bytes,
    user_handle: bytes,
    user_name: str,
    display_name: str,
    exclude: Sequence[Descriptor],
) -> dict[str, Any]:
    """Return `PublicKeyCredentialCreationOptionsJSON` (WebAuthn, section 5.1.9).

    Devices that hold one of the passkeys to exclude make no second. The user handle, which devices hand out without
    asking, is random bytes that tell nothing of its user. Raises `ValueError` for one that is not 1 to 64 bytes.
    """
    if not 0 < len(user_handle) <= LONGEST_USER_HANDLE:
        raise ValueError("a user handle has 1 to 64 bytes")
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {"id": base64url.encode(user_handle), "name": user_name, "displayName": display_name},
        "challenge": base64url.encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": TIMEOUT_MILLISECONDS,
        "excludeCredentials": [_descriptor(each) for each in exclude],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
        # The browser's answer tells its page whether the passkey can be found without an address.
        "extensions": {"credProps": True},
    }


def authentication_options(
    party: RelyingParty, *, challenge: bytes, allow: Sequence[Descriptor], user_verification: UserVerification
) -> dict[str, Any]:
    """Return `PublicKeyCredentialRequestOptionsJSON` (WebAuthn, section 5.1.10).

    Without passkeys to allow, the browser offers whichever of this relying party it finds.
    """
    return {
        "challenge": base64url.encode(challenge),
        "timeout": TIMEOUT_MILLISECONDS,
        "rpId": party.id,
        "allowCredentials": [_descriptor(each) for each in allow],
        "userVerification": user_verification,
    }


def _descriptor(passkey: Descriptor) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "public-key", "id": base64url.encode(passkey.credential_id)}
    if passkey.transports:
        described["transports"] = list(passkey.transports)
    return described

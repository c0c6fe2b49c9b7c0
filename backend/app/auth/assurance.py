"""How somebody has proved who they are, by the names that tokens and sessions use for it, and how strong that is."""

from collections.abc import Iterable

PASSWORD = "pwd"
FEDERATED = "fed"
"""An identity provider says who somebody is. RFC 8176 has no name for it."""
MAILED_CODE = "email"
"""Somebody reads the mail of an account. RFC 8176 has no name for it: its `otp` is a device that makes codes, which this is
not. It raises nobody beside another method (NIST SP 800-63B-4, section 3.1.3.1), so it is not rated below."""
TOTP = "otp"
SYNCED_PASSKEY = "swk"
"""A passkey that its owner's devices share."""
DEVICE_PASSKEY = "hwk"
"""A passkey that cannot leave its device."""
USER_VERIFIED = "uv"
"""The passkey's device has verified its user, by whichever of `pin`, `fpt`, `face`; WebAuthn does not say."""
RECOVERY_CODE = "recovery"
"""A code from a list that its owner keeps (NIST SP 800-63B-4, section 3.1.2). RFC 8176 has no name for it."""
MULTI_FACTOR = "mfa"
"""A second factor was proved, or a passkey verified its user."""
_FACTORS = {
    PASSWORD: "knowledge",
    FEDERATED: "knowledge",
    TOTP: "possession",
    SYNCED_PASSKEY: "possession",
    DEVICE_PASSKEY: "possession",
    RECOVERY_CODE: "possession",
    USER_VERIFIED: "verification",
}
"""What kind of factor each method is (RFC 8176): two of different kinds make two factors.

What a provider asked for is not known here. It counts as the weakest, so that with a password it is still one factor.
"""
HIGHEST = 2


def authentication_level(methods: Iterable[str]) -> str:
    """Return the level that these methods reach, `aal1` or `aal2` (NIST SP 800-63B-4, section 2).

    It is the `acr` of tokens (RFC 9068, section 2.2.1). A method that is unknown here proves nothing.
    """
    factors = {_FACTORS[method] for method in methods if method in _FACTORS}
    return f"aal{max(1, min(HIGHEST, len(factors)))}"

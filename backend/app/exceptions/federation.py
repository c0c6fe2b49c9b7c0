"""What goes wrong with sign-in by other providers, and with the identities that accounts are linked to."""

from typing import ClassVar

from app.exceptions.general import (
    AppException,
    ConflictError,
    InvalidRequest,
    PermissionDenied,
    Refusal,
    ServiceUnavailable,
)


class LinkRequired(ConflictError, Refusal):
    """The provider's address has an account here: sign in to it as before, and add the provider there."""

    code = "LINK_REQUIRED"
    title = "This address has an account already; sign in as before and add this provider there"
    always: ClassVar = {"next_step": "sign_in_and_link"}


class IdentityTaken(ConflictError, Refusal):
    """This person of the provider belongs to another account, whose owner may remove it there."""

    code = "IDENTITY_TAKEN"
    title = "This identity belongs to another account; sign in there and remove it first"
    always: ClassVar = {"next_step": "sign_in_there_and_unlink"}


class LastWayIn(ConflictError):
    """Without this identity nobody could sign in to the account any more. Set a password or add another one first."""

    code = "LAST_WAY_IN"
    title = "This is the last way in to the account; add another one first"
    always: ClassVar = {"next_step": "set_password_or_link"}


class ReturnToRefused(InvalidRequest):
    """The address is no page of FRONTEND_URL, of ALLOWED_ORIGINS or of this server."""

    code = "RETURN_TO_REFUSED"
    title = "After signing in nobody is sent to this address"

    def __init__(self) -> None:
        super().__init__(
            "return_to must be a page on FRONTEND_URL, on one of ALLOWED_ORIGINS or on PUBLIC_URL, and no route of the API"
        )


class FlowInvalid(InvalidRequest):
    """The sign-in was begun in another browser, at another provider or too long ago, or it is finished already."""

    code = "FLOW_INVALID"
    title = "This sign-in is over, or was begun elsewhere; begin it again"


class IdTokenInvalid(InvalidRequest):
    """The ID token does not prove who signs in: its signature, issuer, audience, nonce or times are wrong."""

    code = "ID_TOKEN_INVALID"
    title = "The ID token does not prove who signs in"


class ProviderRefused(AppException):
    """The provider did not sign the user in. The `reason` member is its code, such as `access_denied`."""

    code = "PROVIDER_REFUSED"
    status_code = 403
    title = "The identity provider did not sign you in"

    def __init__(self, reason: str = "unknown") -> None:
        super().__init__()
        self.members["reason"] = reason


class IdentityRefused(ProviderRefused, Refusal):
    """Who comes from the provider gets no account here. The `reason` member is the decision table's rule."""

    code = "IDENTITY_REFUSED"
    title = "This identity cannot be used here"


class ProviderConsentRequired(PermissionDenied):
    """The user must let us do `scopes` at the provider: post these to `consent_path`, as /auth/google/link says."""

    code = "PROVIDER_CONSENT_REQUIRED"
    title = "Agree to this at the identity provider first"

    def __init__(self, scopes: tuple[str, ...] = (), consent_path: str = "/api/v1/auth/google/link") -> None:
        super().__init__()
        self.members.update(scopes=list(scopes), consent_path=consent_path)


class ProviderFailed(AppException):
    """The identity provider refused, or answered something that cannot be used. Begin the sign-in again."""

    code = "PROVIDER_FAILED"
    status_code = 502
    title = "The identity provider gave an answer that cannot be used"

    def __init__(self, reason: str = "unknown") -> None:
        super().__init__()
        self.reason = reason  # A few words of ours, never a piece of the answer.


class ProviderUnavailable(ServiceUnavailable):
    """The identity provider does not answer, not in time, or not now."""

    code = "PROVIDER_UNAVAILABLE"
    title = "The identity provider does not answer; try again in a moment"
    retry_after_seconds = 5

    def __init__(self, reason: str = "unknown") -> None:
        super().__init__()
        self.reason = reason  # For logs.

"""The catalogue of everything the application refuses or fails at. It knows nothing of HTTP beyond a status number.

Below `AppException` an ordinary one undoes its transaction; a `Refusal`, a planned "no", keeps what was written.
"""

from enum import StrEnum
from typing import ClassVar


class AppException(Exception):
    """An answer that is not a success, with a stable code a client can switch on.

    `message` is for people and may change; `code` never does. `members` become extra members of the problem
    document (RFC 9457, section 3.2), `headers` become headers of the answer; `always…` are those of a whole class.
    """

    code: str = "INTERNAL_ERROR"
    status_code: int = 500
    title: str = "Something went wrong on our side"
    always: ClassVar[dict[str, str]] = {}
    always_headers: ClassVar[dict[str, str]] = {}
    is_noted: bool = False
    """Whether whoever raises it has told the audit log already."""

    def __init__(self, message: str | None = None, code: str | None = None, status_code: int | None = None) -> None:
        self.message = message or self.title
        self.code = code or type(self).code
        self.status_code = status_code or type(self).status_code
        self.members: dict[str, object] = {**self.always}
        self.headers: dict[str, str] = {**self.always_headers}
        super().__init__(self.message)


class Refusal(AppException):
    """A planned "no" whose trace must be kept: the unit of work commits before it is answered."""


# What was asked for is not there, or cannot be done in the present state.


class NotFoundError(AppException):
    """The resource does not exist, or the caller may not learn that it does: both look alike on purpose."""

    code = "NOT_FOUND"
    status_code = 404
    title = "Not found"

    def __init__(self, resource: str = "Resource") -> None:
        super().__init__(f"{resource} not found")


class ConflictError(AppException):
    """The request contradicts the present state. The `next_step` member, where there is one, names the way out."""

    code = "CONFLICT"
    status_code = 409
    title = "Conflict with the present state"


class EmailTaken(ConflictError):
    """Another account has this address, in its normal form."""

    code = "EMAIL_TAKEN"
    title = "An account with this address exists already"


class LastAdministrator(ConflictError):
    """The change would leave the installation without an active administrator."""

    code = "LAST_ADMINISTRATOR"
    title = "The last active administrator cannot be demoted, disabled or deleted"


# The request itself is at fault.


class InvalidRequest(AppException):
    """The request cannot be understood."""

    code = "INVALID_REQUEST"
    status_code = 400
    title = "The request cannot be understood"


class MalformedBody(InvalidRequest):
    """The body is not what its content type says: broken JSON, a duplicate key, bad UTF-8."""

    code = "MALFORMED_BODY"
    title = "The body cannot be read"


class HostNotAllowed(InvalidRequest):
    """The Host header names none of the hosts that this installation serves."""

    code = "HOST_NOT_ALLOWED"
    title = "This host is not served here"


class BodyTooLarge(AppException):
    """The body is larger than the limit."""

    code = "BODY_TOO_LARGE"
    status_code = 413
    title = "The body is too large"


class UnsupportedMediaType(AppException):
    """The body comes in a content type that this route does not take."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status_code = 415
    title = "This content type is not taken here"


class MethodNotAllowed(AppException):
    """The path exists, but not with this method. The Allow header lists those it has."""

    code = "METHOD_NOT_ALLOWED"
    status_code = 405
    title = "This method is not allowed here"


class ValidationFailed(AppException):
    """One or more fields are wrong; the `errors` member says which and why, and never repeats the input."""

    code = "VALIDATION_FAILED"
    status_code = 422
    title = "One or more fields are not valid"

    def __init__(self, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__()
        self.members["errors"] = errors or []


class FieldInvalid(ValidationFailed):
    """One field is wrong for a reason that only the service can see, such as a common password."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        super().__init__([{"pointer": pointer, "code": code, "detail": detail}])


class NewPasswordRefused(FieldInvalid):
    """A new password is not accepted. It is no failure that a limit counts: nobody has guessed anything wrong."""


class FieldCode(StrEnum):
    """Why one field is refused, beside the reasons for passwords. Each value is stable."""

    EMAIL_INVALID = "EMAIL_INVALID"
    EMAIL_NOT_ALLOWED = "EMAIL_NOT_ALLOWED"
    NAME_INVALID = "NAME_INVALID"
    ROLE_UNKNOWN = "ROLE_UNKNOWN"
    LOCALE_UNKNOWN = "LOCALE_UNKNOWN"
    CURSOR_INVALID = "CURSOR_INVALID"


# Who is asking?


class NotAuthenticated(AppException):
    """No usable credential came with the request (RFC 6750, section 3)."""

    code = "NOT_AUTHENTICATED"
    status_code = 401
    title = "Sign in first"
    always_headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class TokenInvalid(NotAuthenticated):
    """The credential is not ours, not for this use, or its key was retired; a refresh may help (RFC 6750, 3.1)."""

    code = "TOKEN_INVALID"
    title = "The access token or session cookie is not valid"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message)
        self.headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{self.title}"'


class TokenExpired(TokenInvalid):
    """The access token has expired; a refresh gives a new one."""

    code = "TOKEN_EXPIRED"
    title = "The access token has expired"


class SessionEnded(TokenInvalid, Refusal):
    """The session behind the credential has ended; the `cause` member says why. Signing in begins another."""

    code = "SESSION_ENDED"
    title = "The session has ended"

    def __init__(self, cause: str = "unknown") -> None:
        super().__init__()
        self.members["cause"] = cause


class InsufficientUserAuthentication(NotAuthenticated):
    """The proof of who is calling is older than this route takes; another one will do (RFC 9470, section 3).

    The `max_age` member says how old it may be, in seconds; it is left out where a password was given and is no proof, however
    new. `methods` says which proofs do: at /auth/reauthenticate `pwd`, the password, or for an account with a second factor `totp`,
    `passkey`, `recovery_code`. Without a password it signs in anew: `fed` through a provider, with `?fresh=true`; `email` with a mailed
    code.
    """

    code = "INSUFFICIENT_USER_AUTHENTICATION"
    title = "Prove once more who you are"

    def __init__(self, max_age: int | None = 0, methods: tuple[str, ...] = ()) -> None:
        """`max_age` None: however new the proof is, it is of the wrong kind."""
        super().__init__()
        challenge = f'Bearer error="insufficient_user_authentication", error_description="{self.title}"'
        if max_age is not None:
            self.members["max_age"] = max_age
            challenge += f', max_age="{max_age}"'
        self.members["methods"] = list(methods)
        self.headers["WWW-Authenticate"] = challenge


class RefreshTokenInvalid(AppException):
    """The refresh token is forged, malformed, or belongs to a session that is gone."""

    code = "REFRESH_TOKEN_INVALID"
    status_code = 401
    title = "The refresh token is not valid"
    always_headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class InvalidCredentials(Refusal):
    """Wrong address, wrong password, no password set, or account disabled: one answer for all of them."""

    code = "INVALID_CREDENTIALS"
    status_code = 401
    title = "The address or the password is wrong"
    always_headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class WrongPassword(Refusal):
    """A signed-in caller was asked for the current password, and it is not this one."""

    code = "WRONG_PASSWORD"
    status_code = 403
    title = "The current password is wrong"


class CrossSiteRequest(AppException):
    """A request that would change something came with a cookie, and not from a page that may send it."""

    code = "CROSS_SITE_REQUEST"
    status_code = 403
    title = "This request does not come from a page that may send it"


class PermissionDenied(AppException):
    """The caller is known, and may not do this."""

    code = "PERMISSION_DENIED"
    status_code = 403
    title = "You may not do this"


class SetupCodeInvalid(AppException):
    """The first-administrator code is wrong or out of date, or an administrator exists already."""

    code = "SETUP_CODE_INVALID"
    status_code = 403
    title = "The set-up code is not valid, or not any more"


# Not now.


class ServiceUnavailable(AppException):
    """The request may succeed a little later; the Retry-After header says when to try again, in seconds."""

    code = "SERVICE_UNAVAILABLE"
    status_code = 503
    title = "Try again in a moment"
    retry_after_seconds: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.headers["Retry-After"] = str(self.retry_after_seconds)


class HashingBusy(ServiceUnavailable):
    """More passwords wait to be checked than this worker takes on."""

    code = "BUSY"
    title = "Too many sign-ins at once; try again in a moment"


class DatabaseUnavailable(ServiceUnavailable):
    """The database does not answer, or not in time."""

    code = "DATABASE_UNAVAILABLE"
    title = "The database does not answer; try again in a moment"
    retry_after_seconds = 2


class NotReady(ServiceUnavailable):
    """The process lives but cannot serve yet: the database is away, or its schema is not current."""

    code = "NOT_READY"
    title = "Not ready to serve"
    retry_after_seconds = 2

    def __init__(self, checks: dict[str, str] | None = None) -> None:
        super().__init__()
        self.members["checks"] = checks or {}

"""What is answered to whoever lacks a second factor, comes with a wrong one, or changes those of an account."""

from collections.abc import Sequence
from typing import ClassVar

from app.exceptions.general import AppException, ConflictError, Refusal


class SecondFactorRequired(Refusal):
    """The first factor is right, and another one is needed: go on at `POST /auth/second-factor`.

    The `stage` member is `second_factor`, and then `factors` says which the account has (`totp`, `passkey`, `recovery_code`,
    `password`); or `enrolment`: the account must have one and has none, so go on at `POST /auth/second-factor/totp`. `pending` names this
    sign-in for `expires_in` seconds; with `?transport=cookie` the browser keeps it instead.
    """

    code = "SECOND_FACTOR_REQUIRED"
    status_code = 403
    title = "A second factor is needed"
    always: ClassVar = {"next_step": "second_factor"}

    def __init__(self, stage: str = "second_factor", factors: Sequence[str] = (), expires_in: int = 600) -> None:
        super().__init__()
        self.members.update(stage=stage, factors=list(factors), expires_in=expires_in)


class PendingSignInInvalid(AppException):
    """The sign-in that this would finish is finished, too old, was tried too often, or was begun elsewhere."""

    code = "PENDING_SIGN_IN_INVALID"
    status_code = 400
    title = "This sign-in is over, or was begun elsewhere; begin it again"
    always: ClassVar = {"next_step": "sign_in"}


class SecondFactorWrong(Refusal):
    """The code, or the proof, is wrong, spent, or of a factor that the account does not have."""

    code = "SECOND_FACTOR_WRONG"
    status_code = 403
    title = "This second factor is not right"


class PasskeyRefused(Refusal):
    """The passkey is not known here, its proof is not right, or it was made for another page, question or account."""

    code = "PASSKEY_REFUSED"
    status_code = 403
    title = "This passkey is not taken"


class EnrolmentNotBegun(ConflictError):
    """There is no authenticator app to confirm: its secret was never shown, is too old, or was replaced by a newer one."""

    code = "ENROLMENT_NOT_BEGUN"
    title = "Begin again: there is no authenticator app to confirm"
    always: ClassVar = {"next_step": "begin_enrolment"}


class SecondFactorNeeded(ConflictError):
    """This account has to have a second factor, and this is its last one. Add another one first."""

    code = "SECOND_FACTOR_NEEDED"
    title = "This account has to have a second factor; add another one first"
    always: ClassVar = {"next_step": "add_second_factor"}


class TooManyPasskeys(ConflictError):
    """The account has as many passkeys as one may have."""

    code = "TOO_MANY_PASSKEYS"
    title = "This account has as many passkeys as it may have; remove one first"

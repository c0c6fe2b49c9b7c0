"""What is answered to whoever comes with something out of a mail, or has not come with it yet."""

from typing import ClassVar

from app.exceptions.general import AppException, ConflictError, Refusal


class EmailNotVerified(Refusal):
    """Who signs in has proved who they are, but not yet that the account's address is theirs (EMAIL_VERIFICATION).

    `POST /auth/verification/resend` sends another mail.
    """

    code = "EMAIL_NOT_VERIFIED"
    status_code = 403
    title = "Prove first that the address of this account is yours: follow the link in the mail"
    always: ClassVar = {"next_step": "verify_address"}


class SignUpClosed(AppException):
    """Nobody makes an account by themselves here (SIGN_UP): it takes an invitation, or an administrator."""

    code = "SIGN_UP_CLOSED"
    status_code = 403
    title = "Nobody can register here by themselves"


class InvitationOpen(ConflictError):
    """Nobody has accepted the invitation yet that somebody else has sent to this address, or that gives a higher role.

    It counts on. `DELETE /invitations/{id}` takes it back; after that the address can be invited anew.
    """

    code = "INVITATION_OPEN"
    title = "This address has an invitation already, by somebody else or to a higher role; take that back first"


class MailedProofInvalid(Refusal):
    """The link or code is wrong, used already, replaced by a newer mail, too old, or of another browser.

    A code is also refused after five wrong ones; the link of the same mail counts on. All of them are one answer.
    """

    code = "MAILED_PROOF_INVALID"
    status_code = 400
    title = "This link or code does not count, or not any more; ask for a new mail"

"""Getting an account back: a forgotten password, and "this wasn't me". Nobody is signed in by any of this."""

from fastapi import APIRouter, status

from app.auth.dependencies import HashingDep, Public, WorkDep
from app.auth.limited import Limited
from app.config import API_PREFIX
from app.exceptions import HashingBusy, LastAdministrator, MailedProofInvalid
from app.problems import problem_responses
from app.schemas.recovery import MailedRequest, MailedResponse, ResetPasswordRequest, UndoRequest
from app.services.mailed import reset, undo

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"])


@router.post(
    "/password/forgot",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Public, Limited("send-reset", account="email")],
)
async def forgot_password(body: MailedRequest, work: WorkDep) -> MailedResponse:
    """Have a mail sent by which a new password can be chosen, if there is an account with this address."""
    await reset.request_reset(work, email=body.email)
    return MailedResponse(expires_in=int(reset.VALID_FOR.total_seconds()))


@router.post(
    "/password/reset",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Public, Limited("mailed-code", account="email")],
    responses=problem_responses(MailedProofInvalid, HashingBusy),
)
async def reset_password(body: ResetPasswordRequest, work: WorkDep, hashing: HashingDep) -> None:
    """Choose a new password with what the mail holds. Every session of the account ends; sign in with it afterwards."""
    brought = reset.FromMail(token=body.token, email=body.email or "", code=body.code or "")
    await reset.reset_password(work, hashing, brought=brought, new=body.new_password)


@router.post(
    "/undo",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Public, Limited("mailed-link")],
    responses=problem_responses(MailedProofInvalid, LastAdministrator),
)
async def undo_change(body: UndoRequest, work: WorkDep) -> None:
    """Say "this wasn't me" with the link of a security notice, within 72 hours.

    Every session ends, the password counts no more, what was added since is gone, and a mail to the address of before lets
    its reader choose a new password.
    """
    await undo.undo(work, token=body.token)

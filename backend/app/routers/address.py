"""Another address for one's own account."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import HandoverDep, Public, SignedIn, WorkDep, fresh
from app.auth.limited import Limited
from app.config import API_PREFIX
from app.exceptions import LastAdministrator, MailedProofInvalid
from app.problems import problem_responses
from app.schemas.recovery import FromMailRequest, MailedRequest, MailedResponse, UndoRequest
from app.services.mailed import address, undo
from app.services.mailed.reset import FromMail

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"])


@router.post("/me/email", status_code=status.HTTP_202_ACCEPTED, dependencies=[Limited("change-address")])
async def request_change(
    body: MailedRequest, user: Annotated[CurrentUser, Depends(fresh(minutes=10))], work: WorkDep
) -> MailedResponse:
    """Have a mail sent to the address that your account is to have. The present one gets a mail that can stop it."""
    await address.request_change(work, user=user, email=body.email)
    return MailedResponse(expires_in=int(address.VALID_FOR.total_seconds()))


@router.post(
    "/me/email/confirm",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Limited("mailed-code", account="email")],
    responses=problem_responses(MailedProofInvalid),
)
async def confirm_change(body: FromMailRequest, user: SignedIn, work: WorkDep, handover: HandoverDep) -> None:
    """Give your account the address that the mail went to. The session must still live in which you asked for it."""
    brought = FromMail(token=body.token, email=body.email or "", code=body.code or "")
    handover.keep_device(user, await address.confirm_change(work, user=user, brought=brought))


@router.post(
    "/email/veto",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Public, Limited("mailed-link")],
    responses=problem_responses(MailedProofInvalid, LastAdministrator),
)
async def veto_change(body: UndoRequest, work: WorkDep) -> None:
    """Say that you did not ask for another address, with the link of the mail to the present one, within 72 hours.

    It undoes the change as well once it was confirmed. For the rest it does what `/auth/undo` does.
    """
    await undo.veto(work, token=body.token)

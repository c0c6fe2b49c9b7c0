"""Proving that the address of an account is one's own, by what a mail to it holds."""

from fastapi import APIRouter, status

from app.auth.dependencies import HashingDep, Public, WorkDep
from app.auth.limited import Limited
from app.auth.sign_up_browser import KnownSignUpBrowserDep
from app.config import API_PREFIX
from app.exceptions import HashingBusy, MailedProofInvalid
from app.problems import problem_responses
from app.schemas.recovery import MailedRequest, MailedResponse
from app.schemas.verification import ConfirmAddressRequest, ConfirmedAddressResponse
from app.services.mailed import verification
from app.services.mailed.reset import FromMail
from app.services.mailed.verification import Confirming

router = APIRouter(prefix=f"{API_PREFIX}/auth/verification", tags=["auth"])


@router.post(
    "/resend",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Public, Limited("send-verification", account="email")],
)
async def resend_verification(body: MailedRequest, work: WorkDep) -> MailedResponse:
    """Have another mail sent by which this address can be proved, if there is an account that waits for it."""
    await verification.resend_verification(work, email=body.email)
    return MailedResponse(expires_in=int(verification.VALID_FOR.total_seconds()))


@router.post(
    "/confirm",
    dependencies=[Public, Limited("mailed-code", account="email")],
    responses=problem_responses(MailedProofInvalid, HashingBusy),
)
async def confirm_address(
    body: ConfirmAddressRequest, work: WorkDep, hashing: HashingDep, browser: KnownSignUpBrowserDep
) -> ConfirmedAddressResponse:
    """Prove the address of an account. Nobody is signed in by it.

    The browser that registered keeps what it has set up. From another one, or an app, send the password along: anybody can
    register anybody's address, so every session, identity and password of before goes when its owner comes.
    """
    brought = FromMail(token=body.token, email=body.email or "", code=body.code or "")
    shown = Confirming(browser=browser, password=body.password)
    user = await verification.confirm_address(work, hashing, brought=brought, shown=shown)
    return ConfirmedAddressResponse(email=user.email, has_password=user.password_hash is not None)

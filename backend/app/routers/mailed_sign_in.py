"""Sign-in with a mailed code, or by the link of the same mail. Served where MAIL_SIGN_IN is on."""

from fastapi import APIRouter, status

from app.auth.dependencies import HandoverDep, Public, SignInContextDep, WorkDep
from app.auth.limited import Limited
from app.auth.mailed_flow import FlowDep, KeptFlowDep
from app.config import API_PREFIX
from app.exceptions import (
    CrossSiteRequest,
    InvalidCredentials,
    InvalidRequest,
    MailedProofInvalid,
    SecondFactorRequired,
)
from app.problems import problem_responses
from app.schemas.auth import CookieSessionResponse, TokenResponse
from app.schemas.mailed_sign_in import MailedCodeRequest, MailedCodeResponse, MailedSignInRequest
from app.services.mailed.reset import FromMail
from app.services.mailed.sign_in import VALID_FOR, request_code, sign_in_with_mail

router = APIRouter(prefix=f"{API_PREFIX}/auth/code", tags=["auth"])


@router.post(
    "/request",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Public, Limited("send-code", account="email")],
    responses=problem_responses(CrossSiteRequest),
)
async def request(body: MailedCodeRequest, work: WorkDep, new: FlowDep) -> MailedCodeResponse:
    """Have a code mailed, if there is an account with this address; the answer does not tell.

    The code counts for ten minutes, once, and only for whoever asked: with the `flow` of the answer, or, with
    `?transport=cookie`, in this browser, where the link of the mail does as well. Whoever asks again goes on with the flow
    that they have, so that the code of the mail before goes on counting.
    """
    flow = new.or_former(body.flow)
    await request_code(work, email=body.email, flow=flow.secret, with_link=flow.in_cookie)
    return MailedCodeResponse(expires_in=int(VALID_FOR.total_seconds()), flow=flow.shown)


@router.post(
    "/sign-in",
    dependencies=[Public, Limited("mailed-code", account="email")],
    responses=problem_responses(
        MailedProofInvalid, InvalidCredentials, SecondFactorRequired, InvalidRequest, CrossSiteRequest
    ),
)
async def sign_in(
    body: MailedSignInRequest, work: WorkDep, context: SignInContextDep, kept: KeptFlowDep, handover: HandoverDep
) -> TokenResponse | CookieSessionResponse:
    """Sign in with the code of the mail, or with the token of its link."""
    brought = FromMail(token=body.token, email=body.email or "", code=body.code or "")
    return await handover.begin(await sign_in_with_mail(work, context, brought=brought, flow=body.flow or kept))

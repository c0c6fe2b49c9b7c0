"""A sign-in that lacks a second factor goes on here, and can do nothing else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.auth.credentials import check_same_site, find_pending_cookie
from app.auth.dependencies import HandoverDep, HashingDep, Public, SignInContextDep, WorkDep, get_runtime
from app.auth.limited import Limited
from app.auth.second_factor_cookies import pending_cookie_header
from app.config import API_PREFIX
from app.exceptions import (
    CrossSiteRequest,
    EnrolmentNotBegun,
    HashingBusy,
    InvalidCredentials,
    PasskeyRefused,
    PendingSignInInvalid,
    RateLimited,
    SecondFactorWrong,
)
from app.problems import problem_responses
from app.schemas.auth import CookieSessionResponse, TokenResponse
from app.schemas.second_factors import (
    CeremonyResponse,
    EnrolledResponse,
    EnrolRequest,
    FinishRequest,
    LackingResponse,
    PendingRequest,
    TotpOfferResponse,
)
from app.services.sign_in.lacking import find_lacking
from app.services.sign_in.second_factor import Finish, ask_for_passkey, enrol_app, finish_sign_in, offer_app

router = APIRouter(prefix=f"{API_PREFIX}/auth/second-factor", tags=["second factors"])


async def get_kept_pending(request: Request) -> str | None:
    """Return what the browser keeps. It goes with an answer that gives a session. Raises `CrossSiteRequest`."""
    kept = find_pending_cookie(request)
    if kept is not None:
        check_same_site(request, get_runtime(request).settings)
    return kept


KeptPendingDep = Annotated[str | None, Depends(get_kept_pending)]
_TAKEN_AWAY = pending_cookie_header("", max_age=0)


@router.post(
    "",
    dependencies=[Public, Limited("second-factor")],
    responses=problem_responses(
        PendingSignInInvalid,
        SecondFactorWrong,
        PasskeyRefused,
        InvalidCredentials,
        HashingBusy,
        RateLimited,
        CrossSiteRequest,
    ),
)
async def finish(  # noqa: PLR0913, PLR0917  # Each is injected.
    body: FinishRequest,
    response: Response,
    work: WorkDep,
    hashing: HashingDep,
    context: SignInContextDep,
    kept: KeptPendingDep,
    handover: HandoverDep,
) -> TokenResponse | CookieSessionResponse:
    """Finish a sign-in whose answer was `SECOND_FACTOR_REQUIRED`, with a second factor of the account.

    It takes what that answer gave: `pending`, or the cookie, with the same `transport`; five wrong answers end it.
    """
    wanted = Finish(body.pending or kept, body.answer(), remember=body.remember_device)
    finished = await finish_sign_in(work, hashing, context, finish=wanted)
    response.headers.append("Set-Cookie", _TAKEN_AWAY)
    handover.remember(finished.remembered)
    return await handover.begin(finished.issued)


@router.post(
    "/status",
    dependencies=[Public, Limited("second-factor")],
    responses=problem_responses(PendingSignInInvalid, CrossSiteRequest),
)
async def read_lacking(
    body: PendingRequest, work: WorkDep, context: SignInContextDep, kept: KeptPendingDep
) -> LackingResponse:
    """Return what a sign-in still lacks: after a provider's callback, or when its page is loaded anew."""
    lacking = await find_lacking(work, token=body.pending or kept, transport=context.transport)
    return LackingResponse(stage=lacking.stage, factors=list(lacking.factors))


@router.post(
    "/passkey/options",
    dependencies=[Public, Limited("second-factor")],
    responses=problem_responses(PendingSignInInvalid, SecondFactorWrong, CrossSiteRequest),
)
async def passkey_options(
    body: PendingRequest, work: WorkDep, context: SignInContextDep, kept: KeptPendingDep
) -> CeremonyResponse:
    """Return what the browser is asked for, so that one of the account's passkeys answers."""
    return CeremonyResponse.of(await ask_for_passkey(work, token=body.pending or kept, transport=context.transport))


@router.post(
    "/totp",
    dependencies=[Public, Limited("second-factor")],
    responses=problem_responses(PendingSignInInvalid, CrossSiteRequest),
)
async def offer(
    body: PendingRequest, work: WorkDep, context: SignInContextDep, kept: KeptPendingDep
) -> TotpOfferResponse:
    """Begin to add an authenticator app, where the account must have a second factor and has none (`enrolment`)."""
    return TotpOfferResponse.of(await offer_app(work, token=body.pending or kept, transport=context.transport))


@router.post(
    "/totp/confirm",
    dependencies=[Public, Limited("second-factor")],
    responses=problem_responses(
        PendingSignInInvalid, EnrolmentNotBegun, SecondFactorWrong, InvalidCredentials, CrossSiteRequest
    ),
)
async def enrol(  # noqa: PLR0913, PLR0917  # Each is injected.
    body: EnrolRequest,
    response: Response,
    work: WorkDep,
    context: SignInContextDep,
    kept: KeptPendingDep,
    handover: HandoverDep,
) -> EnrolledResponse:
    """Show a code of the app, and finish the sign-in. The answer shows the recovery codes, this once."""
    enrolled = await enrol_app(work, context, token=body.pending or kept, code=body.code)
    response.headers.append("Set-Cookie", _TAKEN_AWAY)
    codes = enrolled.added.recovery_codes
    session = await handover.begin(enrolled.issued)
    return EnrolledResponse(recovery_codes=list(codes) if codes else None, session=session)

"""Sign-in through identity providers: by redirect, by a code that a page hands over, by an ID token."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, status

from app.auth import dependencies
from app.auth.actor import CurrentUser
from app.auth.dependencies import HandoverDep, Public, SignInContextDep, WorkDep
from app.auth.limited import Limited
from app.auth.transports import Transport
from app.config import API_PREFIX
from app.exceptions import (
    ConflictError,
    CrossSiteRequest,
    FlowInvalid,
    IdentityRefused,
    IdentityTaken,
    IdTokenInvalid,
    InvalidCredentials,
    InvalidRequest,
    LinkRequired,
    NotFoundError,
    ProviderFailed,
    ProviderRefused,
    ProviderUnavailable,
    ReturnToRefused,
    SecondFactorRequired,
)
from app.problems import problem_responses
from app.routers.errands import ErrandsDep, OwnPage, ProofDep
from app.schemas.auth import CookieSessionResponse, TokenResponse
from app.schemas.federation import (
    AuthorizationAnswerRequest,
    CredentialRequest,
    DepartureResponse,
    ExchangeRequest,
    LinkRequest,
    NonceResponse,
)
from app.services.federation import doors
from app.services.federation.errands import Door
from app.services.federation.flows import Wish, depart, new_errand
from app.services.federation.one_time_codes import redeem_code

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["providers"])

_ASKED = (NotFoundError, ProviderFailed, ProviderUnavailable)
"""What can go wrong when a sign-in begins."""
_ANSWERED = (
    *_ASKED,
    FlowInvalid,
    IdTokenInvalid,
    ProviderRefused,
    IdentityRefused,
    LinkRequired,
    IdentityTaken,
    InvalidCredentials,
    SecondFactorRequired,
    ConflictError,
)
"""What can go wrong when it ends."""

Freshly = Annotated[bool, Query(description="Have the user prove anew who they are: for what asks for a fresh proof.")]


@router.get(
    "/{provider}/login",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=Response,
    response_description="On to the provider; to `return_to` with an `error`, when the provider does not answer; or first "
    "to PUBLIC_URL, for a browser that came under another name of this server.",
    dependencies=[Public, Limited("provider")],
    responses=problem_responses(NotFoundError, ReturnToRefused),
)
async def begin(
    errands: ErrandsDep,
    return_to: Annotated[str, Query(max_length=512, description="A page of the front end; a path, or in full.")] = "/",
    transport: Annotated[Transport, Query(description="`cookie`: the session begins at once.")] = Transport.BEARER,
    code_challenge: Annotated[
        str | None, Query(max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$", description="SHA-256 of a `code_verifier`.")
    ] = None,
    fresh: Freshly = False,
) -> None:
    """Go to the provider. Open this address in the browser, do not fetch it.

    The browser comes back to `return_to` with a one-time `code` for /auth/exchange in the fragment (`#code=…`), or with
    a session cookie and nothing in the address (`?transport=cookie`), or with an `error`: a code of docs/errors.md. A
    page drops a `code` that it did not ask for.
    """
    if errands.go_to_public_url():
        return
    wish = Wish(Door.CALLBACK, errands.party.return_to(return_to), transport, code_challenge, fresh=fresh)
    errands.go_to_if_refused(wish.return_to)
    departure = await depart(errands.party, provider=errands.provider, wish=wish, now=datetime.now(UTC))
    errands.keep(departure.errand)
    errands.go_to(departure.url)


@router.get(
    "/{provider}/callback",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=Response,
    response_description="On to `return_to`: with `#code=`, a cookie, `?linked=`, or `?error=`.",
    dependencies=[Public, Limited("provider")],
    responses=problem_responses(NotFoundError, FlowInvalid),
)
async def callback(request: Request, errands: ErrandsDep, work: WorkDep, handover: HandoverDep) -> None:
    """Take the provider's answer, which the browser brings along, and go on to the front end.

    Nothing that the provider has put into this address stands in the next one.
    """
    answer = request.query_params.multi_items()
    errand = errands.take(work, dict(answer).get("state", ""), door=Door.CALLBACK)
    context = errands.context(errand.flow.transport)
    landing = await doors.land(work, errands.party, context, errand=errand, answer=answer)
    await handover.begin(landing.session) if landing.session else errands.keep_proof(landing.browser_proof)
    errands.go_to(landing.url)


@router.post(
    "/exchange",
    dependencies=[Public, Limited("provider")],
    responses=problem_responses(
        FlowInvalid, InvalidCredentials, SecondFactorRequired, InvalidRequest, CrossSiteRequest
    ),
)
async def exchange(
    body: ExchangeRequest, work: WorkDep, context: SignInContextDep, kept: ProofDep, handover: HandoverDep
) -> TokenResponse | CookieSessionResponse:
    """Trade the one-time code of the redirect for a session, within a minute.

    It takes what only the page that began the sign-in has: the `code_verifier`, or the cookie of its browser.
    """
    return await handover.begin(await redeem_code(work, context, code=body.code, proof=body.code_verifier or kept))


@router.post(
    "/{provider}/start",
    dependencies=[Public, OwnPage, Limited("provider")],
    responses=problem_responses(*_ASKED, InvalidRequest, CrossSiteRequest),
)
async def start(errands: ErrandsDep, fresh: Freshly = False) -> DepartureResponse:
    """Begin a sign-in whose answer comes to a page of the front end: FRONTEND_URL/auth/callback.

    For other providers than Google it comes to FRONTEND_URL/auth/callback/{provider}. A fresh proof by Google takes
    /auth/google/login: nobody but the browser knows the question there.
    """
    wish = Wish(Door.PAGE, errands.party.page_uri(errands.provider), fresh=fresh)
    departure = await depart(errands.party, provider=errands.provider, wish=wish, now=datetime.now(UTC))
    errands.keep(departure.errand)
    return DepartureResponse(authorization_url=departure.url)


@router.post(
    "/{provider}/code",
    dependencies=[Public, OwnPage, Limited("provider")],
    responses=problem_responses(*_ANSWERED, InvalidRequest, CrossSiteRequest),
)
async def hand_over_code(
    body: AuthorizationAnswerRequest,
    errands: ErrandsDep,
    work: WorkDep,
    context: SignInContextDep,
    handover: HandoverDep,
) -> TokenResponse | CookieSessionResponse:
    """Sign in with the answer that the page of the front end was called with."""
    errand = errands.take(work, body.state, door=Door.PAGE)
    issued = await doors.sign_in_with_answer(work, errands.party, context, errand=errand, answer=body.pairs())
    return await handover.begin(issued)


@router.post(
    "/{provider}/nonce",
    dependencies=[Public, OwnPage, Limited("provider")],
    responses=problem_responses(NotFoundError, CrossSiteRequest),
)
async def new_nonce(errands: ErrandsDep) -> NonceResponse:
    """Begin a sign-in whose ID token comes from the provider's own script, such as One Tap, or from an app's SDK."""
    wish = Wish(Door.ID_TOKEN, errands.party.front_end)
    errand = new_errand(errands.provider, wish, now=datetime.now(UTC))
    errands.keep(errand)
    return NonceResponse(nonce=errand.flow.nonce, client_id=errands.provider.client_id)


@router.post(
    "/{provider}/id-token",
    dependencies=[Public, OwnPage, Limited("provider")],
    responses=problem_responses(*_ANSWERED, InvalidRequest, CrossSiteRequest),
)
async def hand_over_id_token(
    body: CredentialRequest,
    errands: ErrandsDep,
    work: WorkDep,
    context: SignInContextDep,
    handover: HandoverDep,
) -> TokenResponse | CookieSessionResponse:
    """Sign in with an ID token that was made for the nonce of /auth/{provider}/nonce."""
    errand = errands.take(work, body.nonce, door=Door.ID_TOKEN)
    issued = await doors.sign_in_with_credential(
        work, errands.party, context, errand=errand, credential=body.credential
    )
    return await handover.begin(issued)


@router.post(
    "/{provider}/link",
    dependencies=[OwnPage, Limited("provider")],
    responses=problem_responses(*_ASKED, ReturnToRefused, CrossSiteRequest),
)
async def link(
    body: LinkRequest,
    user: Annotated[CurrentUser, Depends(dependencies.fresh(minutes=10))],
    errands: ErrandsDep,
) -> DepartureResponse:
    """Begin to add an identity to your account. The browser comes back to `return_to` with `linked` or `error`.

    With `scopes`, the user is asked to let this server do these at the provider as well. An identity that is there stays.
    """
    return_to = errands.party.return_to(body.return_to)
    wish = Wish(Door.CALLBACK, return_to, link_to=user, scopes=tuple(body.scopes))
    departure = await depart(errands.party, provider=errands.provider, wish=wish, now=datetime.now(UTC))
    errands.keep(departure.errand)
    return DepartureResponse(authorization_url=departure.url)

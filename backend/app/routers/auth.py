"""Sign-up, sign-in, tokens, and one's own account."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, status

from app.auth.actor import CurrentUser
from app.auth.body_route import BodyRoute
from app.auth.caller_route import CallerRoute
from app.auth.dependencies import (
    HandoverDep,
    HashingDep,
    Leaving,
    PlainForm,
    PreferredLocaleDep,
    Public,
    SignedIn,
    SignInContextDep,
    WorkDep,
    client_of,
    fresh_or_password,
    get_runtime,
)
from app.auth.hashing_route import HashingRoute
from app.auth.limited import Limited
from app.auth.sign_up_browser import SignUpBrowserDep
from app.config import API_PREFIX
from app.exceptions import (
    CrossSiteRequest,
    EmailNotVerified,
    EmailTaken,
    HashingBusy,
    InsufficientUserAuthentication,
    InvalidCredentials,
    InvalidRequest,
    LastAdministrator,
    PasskeyRefused,
    RateLimited,
    RefreshTokenInvalid,
    SecondFactorRequired,
    SecondFactorWrong,
    SessionEnded,
    SignUpClosed,
    WrongPassword,
)
from app.logs import name_caller
from app.models import EndCause, User
from app.problems import problem_responses
from app.schemas.auth import (
    AccessTokenResponse,
    ChangePasswordRequest,
    CookieSessionResponse,
    DeleteMeRequest,
    LoginForm,
    ReauthenticateRequest,
    RefreshRequest,
    RegisterRequest,
    TokenResponse,
    UpdateMeRequest,
)
from app.schemas.recovery import MailedResponse
from app.schemas.second_factors import CeremonyResponse, ProveAgainRequest
from app.schemas.users import UserResponse
from app.services import accounts, session_management, sign_up
from app.services.mailed.verification import VALID_FOR as VERIFICATION_VALID_FOR
from app.services.sessions.end import end_session, end_sessions_of
from app.services.sessions.refresh import refresh_session
from app.services.sign_in.again import PasswordProof, ask_for_passkey_again, prove_factor_again, prove_password_again
from app.services.sign_in.password import Credentials, sign_in_with_password

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"])
hashing_router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"], route_class=HashingRoute)
refresh_router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"], route_class=BodyRoute)
me_router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["auth"], route_class=CallerRoute)
"""Two routes that are called at every turn."""

_REGISTERED: dict[int | str, dict[str, Any]] = {
    status.HTTP_201_CREATED: {"model": UserResponse, "description": "The new account."},
    status.HTTP_202_ACCEPTED: {"model": MailedResponse, "description": "EMAIL_VERIFICATION is required: see the mail."},
}


@hashing_router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Public, Limited("register")],
    responses=_REGISTERED | problem_responses(EmailTaken, SignUpClosed, HashingBusy),
)
async def register(  # noqa: PLR0913, PLR0917  # Each is injected.
    body: RegisterRequest,
    response: Response,
    work: WorkDep,
    hashing: HashingDep,
    browser: SignUpBrowserDep,
    locale: PreferredLocaleDep,
) -> UserResponse | MailedResponse:
    """Make an account. It may sign in at once, unless EMAIL_VERIFICATION is required.

    Then the answer is 202, and the same for an address that has an account already: a mail says what became of it.
    """
    account = accounts.NewAccount(email=body.email, password=body.password, full_name=body.full_name, locale=locale)
    return _registered(response, await sign_up.sign_up(work, hashing, account=account, browser=browser))


def _registered(response: Response, user: User | None) -> UserResponse | MailedResponse:
    if user is not None:
        return UserResponse.model_validate(user)
    response.status_code = status.HTTP_202_ACCEPTED
    return MailedResponse(expires_in=int(VERIFICATION_VALID_FOR.total_seconds()))


@hashing_router.post(
    "/login",
    dependencies=[Public, PlainForm, Limited("sign-in", account="username")],
    responses=problem_responses(
        InvalidCredentials, EmailNotVerified, SecondFactorRequired, HashingBusy, InvalidRequest, CrossSiteRequest
    ),
)
async def login(
    form: Annotated[LoginForm, Form()],
    work: WorkDep,
    hashing: HashingDep,
    context: SignInContextDep,
    handover: HandoverDep,
) -> TokenResponse | CookieSessionResponse:
    """Sign in with address and password, sent as a form.

    With `?transport=cookie` the browser gets an `HttpOnly` cookie and the answer holds no token.
    """
    credentials = Credentials(email=form.username, password=form.password)
    return await handover.begin(await sign_in_with_password(work, hashing, context, credentials=credentials))


@refresh_router.post("/refresh", dependencies=[Public], responses=problem_responses(RefreshTokenInvalid, SessionEnded))
async def refresh(body: RefreshRequest, request: Request) -> TokenResponse:
    """Trade a refresh token for a new pair.

    The token before the current one gets the same successor for a short while, so two tabs or a lost answer do no
    harm. An older one ends the session: somebody else has a copy.
    """
    # Not dependencies of the signature: resolving them one by one takes longer than what is done here.
    runtime = get_runtime(request)
    presented = runtime.tokens.read_refresh(body.refresh_token)
    await runtime.tokens.check_can_sign()
    async with runtime.database.begin(client_of(request)) as work:
        issued = await refresh_session(work, presented=presented)
    name_caller(str(issued.claims.subject))
    return TokenResponse.model_validate(await runtime.tokens.sign(issued))


@router.post(
    "/reauthenticate",
    dependencies=[Limited("password-again")],
    responses=problem_responses(
        InsufficientUserAuthentication, WrongPassword, SecondFactorWrong, PasskeyRefused, HashingBusy, RateLimited
    ),
)
async def reauthenticate(
    body: ProveAgainRequest, user: SignedIn, work: WorkDep, hashing: HashingDep, handover: HandoverDep
) -> AccessTokenResponse | CookieSessionResponse:
    """Prove once more who you are, within this session, for what asks for a fresh proof.

    With the password; for an account with a second factor, with that.
    """
    replacement = handover.cookie_replacement(user)
    if isinstance(body, ReauthenticateRequest):
        proof = PasswordProof(password=body.password, replacement=replacement)
        return await handover.renew(await prove_password_again(work, hashing, user=user, proof=proof))
    proved = await prove_factor_again(work, user=user, answer=body.answer(), replacement=replacement)
    return await handover.renew(proved)


@router.post("/reauthenticate/passkey/options")
async def reauthenticate_options(user: SignedIn, work: WorkDep) -> CeremonyResponse:
    """Return what the browser is asked for, so that one of your passkeys answers."""
    return CeremonyResponse.of(await ask_for_passkey_again(work, user=user))


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(user: Leaving, work: WorkDep, handover: HandoverDep) -> None:
    """End this session: its tokens, or its cookie, are dead at once."""
    await end_session(work, session_id=user.session_id, cause=EndCause.LOGOUT)
    handover.take_back(user)


@router.post("/logout/others", status_code=status.HTTP_204_NO_CONTENT)
async def logout_others(user: SignedIn, work: WorkDep) -> None:
    """End every other session of yours, and keep this one."""
    await session_management.end_others(work, user=user)


@router.post("/logout/all", status_code=status.HTTP_204_NO_CONTENT)
async def logout_all(user: Leaving, work: WorkDep, handover: HandoverDep) -> None:
    """End every session of yours, this one too."""
    await end_sessions_of(work, user_id=user.id, cause=EndCause.LOGOUT_ALL)
    handover.take_back(user)


@me_router.get("/me")
async def read_me(user: SignedIn) -> UserResponse:
    """Return your own account."""
    return UserResponse.model_validate(user)


@router.patch("/me")
async def update_me(body: UpdateMeRequest, user: SignedIn, work: WorkDep) -> UserResponse:
    """Change your name, or the language that mail to you is written in."""
    changed = body.model_dump(exclude_unset=True)
    return UserResponse.model_validate(await accounts.update_profile(work, user=user, **changed))


@router.post(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Limited("password-again")],
    responses=problem_responses(WrongPassword, HashingBusy),
)
async def change_password(
    body: ChangePasswordRequest,
    user: Annotated[CurrentUser, Depends(fresh_or_password(minutes=10))],
    work: WorkDep,
    hashing: HashingDep,
    handover: HandoverDep,
) -> None:
    """Change your password, or set your first one. Every other session of yours ends."""
    change = accounts.change_password(work, hashing, user=user, current=body.current_password, new=body.new_password)
    handover.keep_device(user, await change)


@router.post(
    "/me/delete",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Limited("password-again")],
    responses=problem_responses(WrongPassword, LastAdministrator, HashingBusy),
)
async def delete_me(
    body: DeleteMeRequest,
    user: Annotated[CurrentUser, Depends(fresh_or_password(minutes=10))],
    work: WorkDep,
    hashing: HashingDep,
    handover: HandoverDep,
) -> None:
    """Delete your account and everything that hangs on it. This cannot be undone."""
    await accounts.delete_account(work, hashing, user=user, password=body.password)
    handover.take_back(user)

"""Sign-up, sign-in, tokens, and one's own account."""

from typing import Annotated

from fastapi import APIRouter, Form, status

from app.auth.dependencies import HashingDep, PlainForm, Public, SignedIn, TokensDep, WorkDep
from app.exceptions import (
    EmailTaken,
    HashingBusy,
    InvalidCredentials,
    InvalidRequest,
    LastAdministrator,
    RefreshTokenInvalid,
    SessionEnded,
    WrongPassword,
)
from app.models import EndCause
from app.problems import problem_responses
from app.schemas.auth import (
    ChangePasswordRequest,
    DeleteMeRequest,
    LoginForm,
    RefreshRequest,
    RegisterRequest,
    TokenResponse,
    UpdateMeRequest,
)
from app.schemas.users import UserResponse
from app.services import accounts, sessions, sign_in

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Public],
    responses=problem_responses(EmailTaken, HashingBusy),
)
async def register(body: RegisterRequest, work: WorkDep, hashing: HashingDep) -> UserResponse:
    """Make an account. It may sign in at once."""
    account = accounts.NewAccount(email=body.email, password=body.password, full_name=body.full_name)
    return UserResponse.model_validate(await accounts.register(work, hashing, account=account))


@router.post(
    "/login",
    dependencies=[Public, PlainForm],
    responses=problem_responses(InvalidCredentials, HashingBusy, InvalidRequest),
)
async def login(
    form: Annotated[LoginForm, Form()], work: WorkDep, hashing: HashingDep, tokens: TokensDep
) -> TokenResponse:
    """Sign in with address and password, sent as a form."""
    issued = await sign_in.sign_in_with_password(work, hashing, email=form.username, password=form.password)
    return TokenResponse.model_validate(await tokens.sign(issued))


@router.post("/refresh", dependencies=[Public], responses=problem_responses(RefreshTokenInvalid, SessionEnded))
async def refresh(body: RefreshRequest, work: WorkDep, tokens: TokensDep) -> TokenResponse:
    """Trade a refresh token for a new pair.

    The token before the current one gets the same successor for a short while, so two tabs or a lost answer do no
    harm. An older one ends the session: somebody else has a copy.
    """
    issued = await sessions.refresh_session(work, presented=tokens.read_refresh(body.refresh_token))
    return TokenResponse.model_validate(await tokens.sign(issued))


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(user: SignedIn, work: WorkDep) -> None:
    """End this session: its access and refresh tokens are dead at once."""
    await sessions.end_session(work, session_id=user.session_id, cause=EndCause.LOGOUT)


@router.post("/logout/all", status_code=status.HTTP_204_NO_CONTENT)
async def logout_all(user: SignedIn, work: WorkDep) -> None:
    """End every session of yours, this one too."""
    await sessions.end_sessions_of(work, user_id=user.id, cause=EndCause.LOGOUT_ALL)


@router.get("/me")
async def read_me(user: SignedIn) -> UserResponse:
    """Return your own account."""
    return UserResponse.model_validate(user)


@router.patch("/me")
async def update_me(body: UpdateMeRequest, user: SignedIn, work: WorkDep) -> UserResponse:
    """Change your name."""
    return UserResponse.model_validate(await accounts.update_profile(work, user=user, full_name=body.full_name))


@router.post(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(WrongPassword, HashingBusy),
)
async def change_password(body: ChangePasswordRequest, user: SignedIn, work: WorkDep, hashing: HashingDep) -> None:
    """Change your password. Every other session of yours ends."""
    await accounts.change_password(work, hashing, user=user, current=body.current_password, new=body.new_password)


@router.post(
    "/me/delete",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(WrongPassword, LastAdministrator, HashingBusy),
)
async def delete_me(body: DeleteMeRequest, user: SignedIn, work: WorkDep, hashing: HashingDep) -> None:
    """Delete your account and everything that hangs on it. This cannot be undone."""
    await accounts.delete_account(work, hashing, user=user, password=body.password)

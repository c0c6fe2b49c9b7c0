"""The accounts of others, for those who may see or administer them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import HandoverDep, ReaderDep, SignedIn, WorkDep, require
from app.config import API_PREFIX
from app.exceptions import LastAdministrator, NotFoundError
from app.problems import problem_responses
from app.routers.paging import SessionsAskedDep
from app.schemas.base import SearchText
from app.schemas.sessions import SessionListResponse
from app.schemas.users import UpdateUserRequest, UserListResponse, UserResponse
from app.services import session_management, users

router = APIRouter(prefix=f"{API_PREFIX}/users", tags=["users"])


@router.get("/", dependencies=[Depends(require(users.READ))])
async def list_users(
    read: ReaderDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    skip: Annotated[
        int, Query(ge=0, le=10_000, description="Better: `cursor`, which costs the same at any depth.")
    ] = 0,
    q: Annotated[SearchText | None, Query(description="Part of an address or a name.")] = None,
) -> UserListResponse:
    """List accounts in the order in which they were made."""
    page = await users.list_users(read, limit=limit, cursor=cursor, skip=skip, search=q)
    return UserListResponse.model_validate(page)


@router.get("/{user_id}", responses=problem_responses(NotFoundError))
async def get_user(user_id: UUID, user: SignedIn, read: ReaderDep) -> UserResponse:
    """Return an account: your own, or any if you may read users. What you may not see does not exist for you."""
    return UserResponse.model_validate(await users.get_user(read, actor=user, user_id=user_id))


@router.patch("/{user_id}", responses=problem_responses(NotFoundError, LastAdministrator))
async def update_user(
    user_id: UUID,
    body: UpdateUserRequest,
    user: Annotated[CurrentUser, Depends(require(users.WRITE))],
    work: WorkDep,
) -> UserResponse:
    """Disable or enable an account, or give it another role. A disabled user is signed out everywhere at once."""
    change = users.UserChange(is_active=body.is_active, role=body.role)
    return UserResponse.model_validate(await users.change_user(work, actor=user, user_id=user_id, change=change))


@router.get("/{user_id}/sessions", responses=problem_responses(NotFoundError))
async def list_sessions_of_user(
    user_id: UUID, user: Annotated[CurrentUser, Depends(require(users.READ))], read: ReaderDep, asked: SessionsAskedDep
) -> SessionListResponse:
    """List the sessions of a user, the newest first."""
    found = await session_management.list_sessions_of(read, actor=user, user_id=user_id, asked=asked)
    return SessionListResponse.of(found, current=user.session_id, now=asked.now)


@router.delete(
    "/{user_id}/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=problem_responses(NotFoundError)
)
async def end_sessions_of_user(
    user_id: UUID,
    user: Annotated[CurrentUser, Depends(require(users.WRITE))],
    work: WorkDep,
    handover: HandoverDep,
) -> None:
    """Sign a user out everywhere, at once."""
    await session_management.end_all_of(work, actor=user, user_id=user_id)
    handover.take_back(user, ended=user_id)

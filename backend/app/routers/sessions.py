"""One's own sessions: where one is signed in, how to end that, and why one was signed out."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, status

from app.auth.dependencies import HandoverDep, ReaderDep, SignedIn, WorkDep
from app.config import API_PREFIX
from app.exceptions import NotFoundError, PermissionDenied
from app.problems import problem_responses
from app.routers.paging import SessionsAskedDep
from app.schemas.sessions import SessionListResponse, SessionStoryResponse
from app.services import session_management
from app.services.sessions import overview

router = APIRouter(prefix=f"{API_PREFIX}/sessions", tags=["sessions"])


@router.get("/")
async def list_sessions(user: SignedIn, read: ReaderDep, asked: SessionsAskedDep) -> SessionListResponse:
    """List your own sessions, the newest first."""
    page = await overview.list_sessions(read, user_id=user.id, asked=asked)
    return SessionListResponse.of(page, current=user.session_id, now=asked.now)


@router.get("/{session_id}", responses=problem_responses(NotFoundError))
async def explain_session(session_id: UUID, user: SignedIn, read: ReaderDep) -> SessionStoryResponse:
    """Tell what happened to a session, ended ones too: one of yours, or any if you may read users."""
    now = datetime.now(UTC)
    session = await session_management.get_session(read, actor=user, session_id=session_id)
    timeline = await session_management.tell_story_of(read, actor=user, session=session, now=now)
    return SessionStoryResponse.of(session, timeline, current=user.session_id, now=now)


@router.delete(
    "/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(NotFoundError, PermissionDenied),
)
async def end_session(session_id: UUID, user: SignedIn, work: WorkDep, handover: HandoverDep) -> None:
    """End a session at once: one of yours, or with `users:write` that of somebody who ranks no higher than you."""
    await session_management.end_one(work, actor=user, session_id=session_id)
    handover.take_back(user, ended=session_id)

"""How lists of sessions are asked for, in one place for both routes that have one."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from app.services.sessions.overview import SessionsAsked


async def sessions_asked(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    ended: Annotated[bool, Query(description="List those that have ended as well, with why.")] = False,
) -> SessionsAsked:
    """Return which sessions somebody wants to see."""
    return SessionsAsked(now=datetime.now(UTC), limit=limit, cursor=cursor, ended=ended)


SessionsAskedDep = Annotated[SessionsAsked, Depends(sessions_asked)]

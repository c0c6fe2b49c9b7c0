"""An extension as a product could write it, whose routes call Google for their users."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.auth.dependencies import google_token

NAME = __name__
FILES = "https://www.googleapis.com/auth/drive.file"
CALENDAR = "https://www.googleapis.com/auth/calendar.readonly"

router = APIRouter(prefix="/drive")


@router.get("/files")
async def list_files(token: Annotated[str, Depends(google_token(scopes=[FILES]))]) -> str:
    """Return the token that would go to Google."""
    return token


@router.get("/plan")
async def plan(token: Annotated[str, Depends(google_token(scopes=[FILES, CALENDAR, "email"]))]) -> str:
    """Need more than one scope."""
    return token

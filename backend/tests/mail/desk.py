"""An extension whose routes post a mail, and then end in each of the ways in which a request can end."""

from fastapi import APIRouter, Request

from app.auth.dependencies import Public, WorkDep, get_runtime
from app.exceptions import ConflictError, Refusal
from app.services import outbox
from tests.outbox import verification

NAME = __name__
router = APIRouter(prefix="/desk", dependencies=[Public])


class Noted(Refusal):
    """A "no" after which what was written is kept."""

    code = "DESK_NOTED"
    status_code = 403
    title = "No, and a mail tells of it"


@router.post("/kept")
async def keep(request: Request, work: WorkDep) -> int:
    """Post and answer."""
    await outbox.post(work, verification(get_runtime(request)))
    return 1


@router.post("/refused")
async def refuse(request: Request, work: WorkDep) -> None:
    """Post, and refuse in a way that keeps what was written."""
    await outbox.post(work, verification(get_runtime(request)))
    raise Noted


@router.post("/conflict")
async def conflict(request: Request, work: WorkDep) -> None:
    """Post, and refuse in the ordinary way."""
    await outbox.post(work, verification(get_runtime(request)))
    raise ConflictError

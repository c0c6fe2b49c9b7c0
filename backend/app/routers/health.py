"""What load balancers and supervisors ask."""

from fastapi import APIRouter, Request

from app.auth.dependencies import Public
from app.exceptions import NotReady
from app.problems import problem_responses
from app.schemas.health import HealthResponse, ReadyResponse
from app.services import readiness

LIVE_PATH = "/health"
READY_PATH = "/health/ready"

router = APIRouter(tags=["health"], dependencies=[Public])


@router.get(LIVE_PATH)
@router.head(LIVE_PATH, include_in_schema=False)
async def health() -> HealthResponse:
    """Say that the process lives. Asks nothing of anybody, so a slow database restarts nobody."""
    return HealthResponse()


@router.head(READY_PATH, include_in_schema=False)
@router.get(READY_PATH, responses=problem_responses(NotReady))
async def ready(request: Request) -> ReadyResponse:
    """Say whether the process can serve: the database answers and its schema is current."""
    state = request.app.state
    return ReadyResponse(checks=await readiness.check_readiness(state.runtime.database, state.revisions))

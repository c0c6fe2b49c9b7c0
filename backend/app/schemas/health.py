"""What probes read."""

from typing import Literal

from app.schemas.base import ResponseModel


class HealthResponse(ResponseModel):
    """The process lives."""

    status: Literal["healthy"] = "healthy"


class ReadyResponse(ResponseModel):
    """The process can serve: each check says `ok`."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str]

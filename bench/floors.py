"""What the same server software does without our work: bare bytes, plain FastAPI routes, a bare transaction.

Answers are about as long as ours: `/bare/...` by a bare ASGI callable, `/plain/...` by FastAPI from a pydantic model. `/update/…` answers
bare bytes after one transaction on PostgreSQL.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel

from bench.transactions import Transactions


class Health(BaseModel):
    """As long as the answer of GET /health."""

    status: str


class User(BaseModel):
    """As long as the answer of GET /auth/me."""

    id: UUID
    email: str
    full_name: str | None
    is_active: bool
    role: str
    created_at: datetime


class Presented(BaseModel):
    """What POST /auth/refresh takes."""

    refresh_token: str


class Tokens(BaseModel):
    """As long as the answer of POST /auth/refresh."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"
    expires_in: int = 1800


USER_ID = UUID("0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c")
JOINED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EMAIL = "0199b1d2c3e47f5a8b6c7d8e9f0a1b2c@example.com"
ACCESS_TOKEN, REFRESH_TOKEN = "a" * 607, "r" * 119

plain = FastAPI(
    openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
)


@plain.get("/plain/health")
async def health() -> Health:
    """Stand beside GET /health."""
    return Health(status="healthy")


@plain.get("/plain/me")
async def me() -> User:
    """Stand beside GET /auth/me."""
    return User(id=USER_ID, email=EMAIL, full_name=None, is_active=True, role="user", created_at=JOINED)


@plain.post("/plain/refresh")
async def refresh(body: Presented) -> Tokens:
    """Stand beside POST /auth/refresh."""
    return Tokens(access_token=ACCESS_TOKEN, refresh_token=body.refresh_token)


BARE = {
    "/bare/health": Health(status="healthy"),
    "/bare/me": User(id=USER_ID, email=EMAIL, full_name=None, is_active=True, role="user", created_at=JOINED),
    "/bare/refresh": Tokens(access_token=ACCESS_TOKEN, refresh_token=REFRESH_TOKEN),
}
_BODIES = {path: answer.model_dump_json().encode() for path, answer in BARE.items()}


_transactions = Transactions()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer bare paths at once and hand everything else to FastAPI."""
    path = scope["path"]
    if path.startswith("/update/"):
        await _transactions.one()
        path = path.replace("/update/", "/bare/")
    body = _BODIES.get(path)
    if body is None:
        await plain(scope, receive, send)
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

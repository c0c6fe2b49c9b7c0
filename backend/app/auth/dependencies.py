"""What a route asks for in its signature: who may call it, the unit of work, the tools of this process.

Every route states who may call it: `SignedIn`, `require("a:permission")` or `public`. An application with a route
that states nothing does not start.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.requests import HTTPConnection
from fastapi.security import OAuth2PasswordBearer

from app.auth.actor import CurrentUser
from app.auth.passwords.pool import HashingPool
from app.config import API_PREFIX, Settings
from app.database import Client, Reader, Work
from app.exceptions import (
    AppException,
    InvalidRequest,
    NotAuthenticated,
    PermissionDenied,
    SessionEnded,
    TokenExpired,
    TokenInvalid,
    UnsupportedMediaType,
)
from app.runtime import Runtime
from app.services.sessions import find_current_user
from app.services.tokens import TokenIssuer

log = structlog.get_logger()


class Guard:
    """A dependency that decides who may call a route. Subclass it for a rule of your own."""

    statement: str
    """The rule in words, as `ostiary routes` prints it."""
    errors: tuple[type[AppException], ...] = ()
    """What it raises, for the API document."""


class BearerToken(OAuth2PasswordBearer):
    """Takes the access token from the Authorization header, and from nowhere else (RFC 9700, section 4.3.2)."""

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the token. Raises `NotAuthenticated` without one, `InvalidRequest` for two at once (RFC 6750, 2)."""
        headers = request.headers.getlist("authorization")
        if len(headers) > 1:
            raise InvalidRequest("More than one Authorization header")
        scheme, _, token = headers[0].partition(" ") if headers else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated
        return token.strip()


bearer_token = BearerToken(tokenUrl=f"{API_PREFIX}/auth/login", description="Sign in with address and password.")


def get_runtime(request: Request) -> Runtime:
    """Return what this process holds."""
    runtime: Runtime = request.app.state.runtime
    return runtime


class SignedInGuard(Guard):
    """Lets in whoever has an access token whose session lives and whose account is active, at this very moment."""

    statement = "signed in"
    errors = (NotAuthenticated, TokenInvalid, TokenExpired, SessionEnded, InvalidRequest)

    async def __call__(self, request: Request, token: Annotated[str, Depends(bearer_token)]) -> CurrentUser:
        """Return the caller. Raises `TokenInvalid`, `TokenExpired` or `SessionEnded`."""
        runtime, now = get_runtime(request), datetime.now(UTC)
        claims = await runtime.tokens.read_access(token, now=now)
        user = await find_current_user(runtime.database.read, claims=claims, now=now)
        structlog.contextvars.bind_contextvars(user_id=str(user.id))
        return user


class PublicGuard(Guard):
    """Lets everybody in, and says so."""

    statement = "public"

    async def __call__(self) -> None:
        """Do nothing: the statement is the point."""


get_current_user = SignedInGuard()
SignedIn = Annotated[CurrentUser, Depends(get_current_user)]
"""The signed-in caller: `async def route(user: SignedIn)`."""

public = PublicGuard()
Public = Depends(public)
"""For a route that everybody may call: `@router.get("/prices", dependencies=[Public])`."""


class PermissionGuard(Guard):
    """Lets in whoever is signed in and whose role carries a permission."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.statement = f"permission {permission}"
        self.errors = (PermissionDenied,)

    async def __call__(self, user: SignedIn) -> CurrentUser:
        """Return the caller. Raises `PermissionDenied`."""
        if not user.may(self.permission):
            log.warning("permission.denied", permission=self.permission)
            raise PermissionDenied
        return user


def require(permission: str) -> PermissionGuard:
    """Return the guard of a permission: `user: Annotated[CurrentUser, Depends(require("orders:read"))]`."""
    return PermissionGuard(permission)


async def check_form(request: Request) -> None:
    """Take a form only as `application/x-www-form-urlencoded`, and each of its fields only once.

    Raises `UnsupportedMediaType`, or `InvalidRequest` for a repeated field: two parsers could each believe another
    one (RFC 6749, section 3.2).
    """
    media_type = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise UnsupportedMediaType
    names = [name for name, _ in (await request.form()).multi_items()]
    if len(names) != len(set(names)):
        raise InvalidRequest("A field of the form stands there twice")


FORM_TYPE = "application/x-www-form-urlencoded"
PlainForm = Depends(check_form)
"""For a route that takes a form."""


def client_of(request: Request) -> Client:
    """Return where a request comes from, as far as the connection itself tells."""
    return Client(
        address=request.client.host if request.client else None,
        user_agent="".join(c for c in request.headers.get("user-agent", "") if c.isprintable()) or None,
        request_id=request.scope.get("ostiary.request_id", ""),
    )


async def get_work(request: Request) -> AsyncIterator[Work]:
    """Open the unit of work of this request; it is committed before the answer is sent."""
    async with get_runtime(request).database.begin(client_of(request)) as work:
        yield work


async def get_reader(request: Request) -> Reader:
    """Return the way to read without a transaction."""
    return get_runtime(request).database.read


async def get_hashing(request: Request) -> HashingPool:
    """Return the threads that hash passwords."""
    return get_runtime(request).hashing


async def get_tokens(request: Request) -> TokenIssuer:
    """Return what signs and reads tokens."""
    return get_runtime(request).tokens


async def get_settings(request: Request) -> Settings:
    """Return the settings of this process."""
    return get_runtime(request).settings


# "function" scope commits between the route and its answer. FastAPI's default commits after the answer has left,
# so that a failed commit would still be answered 200.
WorkDep = Annotated[Work, Depends(get_work, scope="function")]
ReaderDep = Annotated[Reader, Depends(get_reader)]
HashingDep = Annotated[HashingPool, Depends(get_hashing)]
TokensDep = Annotated[TokenIssuer, Depends(get_tokens)]
SettingsDep = Annotated[Settings, Depends(get_settings)]

"""What binds a mailed sign-in to the browser, or the app, that asked for it: a random value that it keeps until then."""

import secrets
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from app.auth.credentials import check_keeps_cookie, check_same_site, cookies_of
from app.auth.dependencies import get_runtime
from app.auth.transports import Transport

FLOW_COOKIE = "__Host-ostiary-mail"
_RANDOM_BYTES = 32
_SECONDS = 600
"""As long as the mail counts."""


@dataclass(frozen=True)
class NewFlow:
    """A value that was made just now."""

    secret: str = field(repr=False)
    in_cookie: bool
    """Whether a browser keeps it, in which the link of the mail can be opened."""

    @property
    def shown(self) -> str | None:
        """What a client gets that has to keep it by itself."""
        return None if self.in_cookie else self.secret


def begin_flow(request: Request, response: Response, transport: Transport) -> NewFlow:
    """Return a new value; a browser gets it in a cookie that no script can read. Raises `CrossSiteRequest`."""
    flow = NewFlow(secret=secrets.token_urlsafe(_RANDOM_BYTES), in_cookie=transport is Transport.COOKIE)
    if flow.in_cookie:
        check_keeps_cookie(request)
        check_same_site(request, get_runtime(request).settings)
        response.headers.append("Set-Cookie", _header(flow.secret, _SECONDS))
    return flow


def take_flow(request: Request, response: Response) -> str | None:
    """Return what the browser keeps, and take it away with an answer that gives a session.

    None without one, and for two: one is somebody else's. Raises `CrossSiteRequest` when another site makes it come.
    """
    values = [value for name, value in cookies_of(request) if name == FLOW_COOKIE]
    if values:
        check_same_site(request, get_runtime(request).settings)
        response.headers.append("Set-Cookie", _header("", 0))
    return values[0] if len(values) == 1 else None


async def get_new_flow(
    request: Request,
    response: Response,
    transport: Annotated[Transport, Query(description="`cookie` for pages of the same site.")] = Transport.BEARER,
) -> NewFlow:
    """Begin a flow, carried as the session is going to be."""
    return begin_flow(request, response, transport)


async def get_kept_flow(request: Request, response: Response) -> str | None:
    """Return what the browser keeps."""
    return take_flow(request, response)


NewFlowDep = Annotated[NewFlow, Depends(get_new_flow)]
KeptFlowDep = Annotated[str | None, Depends(get_kept_flow)]


def _header(value: str, max_age: int) -> str:
    """Return a Set-Cookie header. Lax, because whoever follows the link comes from a page of their mail."""
    return f"{FLOW_COOKIE}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"

"""What binds a mailed sign-in to the browser, or the app, that asked for it: a random value that it keeps until then."""

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from app.auth.credentials import check_keeps_cookie, check_same_site, cookies_of
from app.auth.dependencies import get_runtime
from app.auth.transports import Transport
from app.schemas.mailed_sign_in import FLOW_PATTERN

FLOW_COOKIE = "__Host-ostiary-mail"
_RANDOM_BYTES = 32
_SECONDS = 600
"""As long as the mail counts."""


@dataclass(frozen=True)
class Flow:
    """A value that mails count together with from now on."""

    secret: str = field(repr=False)
    in_cookie: bool
    """Whether a browser keeps it, in which the link of the mail can be opened."""

    @property
    def shown(self) -> str | None:
        """What a client gets that has to keep it by itself."""
        return None if self.in_cookie else self.secret

    def or_former(self, former: str | None) -> "Flow":
        """Return this, or the value that a client has which keeps it by itself. Browsers have theirs in the cookie."""
        return self if former is None or self.in_cookie else replace(self, secret=former)


def begin_flow(request: Request, response: Response, transport: Transport) -> Flow:
    """Return a value; a browser gets it in a cookie that no script can read. Raises `CrossSiteRequest`.

    The one that a browser has stays. Whoever asks once more may get no further mail, because there were enough of them
    lately; the mail of before counts with the value of before.
    """
    new = secrets.token_urlsafe(_RANDOM_BYTES)
    if transport is not Transport.COOKIE:
        return Flow(secret=new, in_cookie=False)
    check_keeps_cookie(request)
    check_same_site(request, get_runtime(request).settings)
    flow = Flow(secret=find_flow(request) or new, in_cookie=True)
    response.headers.append("Set-Cookie", _header(flow.secret, _SECONDS))
    return flow


def find_flow(request: Request) -> str | None:
    """Return what the browser keeps. None without one, for two, of which one is somebody else's, and for none of ours."""
    values = _values(request)
    return values[0] if len(values) == 1 and re.fullmatch(FLOW_PATTERN, values[0]) else None


def take_flow(request: Request, response: Response) -> str | None:
    """Return what `find_flow` does, and take it away with an answer that gives a session.

    Raises `CrossSiteRequest` when another site makes it come.
    """
    if _values(request):
        check_same_site(request, get_runtime(request).settings)
        response.headers.append("Set-Cookie", _header("", 0))
    return find_flow(request)


async def get_flow(
    request: Request,
    response: Response,
    transport: Annotated[Transport, Query(description="`cookie` for pages of the same site.")] = Transport.BEARER,
) -> Flow:
    """Begin a flow, or go on with the browser's, carried as the session is going to be."""
    return begin_flow(request, response, transport)


async def get_kept_flow(request: Request, response: Response) -> str | None:
    """Return what the browser keeps."""
    return take_flow(request, response)


FlowDep = Annotated[Flow, Depends(get_flow)]
KeptFlowDep = Annotated[str | None, Depends(get_kept_flow)]


def _values(request: Request) -> list[str]:
    return [value for name, value in cookies_of(request) if name == FLOW_COOKIE]


def _header(value: str, max_age: int) -> str:
    """Return a Set-Cookie header. Lax, because whoever follows the link comes from a page of their mail."""
    return f"{FLOW_COOKIE}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"

"""By what a browser is known again that has registered somebody: a secret that it keeps until the address is proved."""

import re
import secrets
from typing import Annotated

from fastapi import Depends, Request, Response

from app.auth.credentials import check_same_site, cookies_of
from app.auth.dependencies import get_runtime
from app.exceptions import CrossSiteRequest

SIGN_UP_COOKIE = "__Host-ostiary-sign-up"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = 24 * 3600
"""As long as the mail counts."""


async def keep_sign_up_browser(request: Request, response: Response) -> str | None:
    """Return the secret of this browser, which keeps it from now on; the one it has stays, for others it has registered.

    None for whom no page of ours has sent: else another site could register its own password from a visitor's browser, and
    have the visitor prove the address.
    """
    if not _comes_from_our_pages(request):
        return None
    secret = _find(request) or secrets.token_urlsafe(32)
    header = f"{SIGN_UP_COOKIE}={secret}; Max-Age={_SECONDS}; Path=/; Secure; HttpOnly; SameSite=Lax"
    response.headers.append("Set-Cookie", header)
    return secret


async def find_sign_up_browser(request: Request) -> str | None:
    """Return what the browser keeps, for a page of ours."""
    return _find(request) if _comes_from_our_pages(request) else None


SignUpBrowserDep = Annotated[str | None, Depends(keep_sign_up_browser)]
KnownSignUpBrowserDep = Annotated[str | None, Depends(find_sign_up_browser)]


def _find(request: Request) -> str | None:
    values = [value for name, value in cookies_of(request) if name == SIGN_UP_COOKIE]
    return values[0] if len(values) == 1 and _SECRET.fullmatch(values[0]) else None


def _comes_from_our_pages(request: Request) -> bool:
    try:
        check_same_site(request, get_runtime(request).settings)
    except CrossSiteRequest:
        return False
    return True

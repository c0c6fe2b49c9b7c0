"""Takes the credential out of a request: an access token, or a session cookie, never both."""

from fastapi import Request
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer

from app.auth.second_factor_cookies import PENDING_COOKIE, REMEMBERED_COOKIE
from app.auth.tokens import DEVICE_LIFETIME
from app.config import API_PREFIX, Settings
from app.exceptions import CrossSiteRequest, InvalidRequest

COOKIE_NAME = "__Host-ostiary"
"""The prefix makes browsers refuse it without `Secure`, with a `Domain` or another path, so no neighbour can set it."""
DEVICE_COOKIE_NAME = "__Host-ostiary-device"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES = frozenset({"same-origin", "none"})
"""What Sec-Fetch-Site says of a request from a page of ours, or from the address bar."""


class BearerToken(OAuth2PasswordBearer):
    """Takes the access token from the Authorization header, and from nowhere else (RFC 9700, section 4.3.2)."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Return the token, or None without one. Raises `InvalidRequest` for two at once (RFC 6750, section 2)."""
        return self.find(request)

    def find(self, request: HTTPConnection) -> str | None:
        """Do the same at once."""
        headers = [value for name, value in request.scope["headers"] if name == b"authorization"]
        if len(headers) > 1:
            raise InvalidRequest("More than one Authorization header")
        scheme, _, token = headers[0].decode("latin-1").partition(" ") if headers else ("", "", "")
        return token.strip(" \t") or None if scheme.lower() == "bearer" else None


def cookies_of(request: HTTPConnection) -> list[tuple[str, str]]:
    """Return every cookie of a request as it stands in its headers, also two of one name."""
    # Only what HTTP calls white space is none of the name: of U+00A0 a browser makes another name, which a
    # neighbouring host may set without what the prefix demands.
    headers = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"cookie"]
    pairs = [pair.strip(" \t") for header in headers for pair in header.split(";")]
    return [(name, value) for name, _, value in (pair.partition("=") for pair in pairs)]


class SessionCookie(APIKeyCookie):
    """Takes the session cookie, as it stands in the Cookie header."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Return its value, or None without one. Raises `InvalidRequest` for two of one name: one is somebody else's."""
        return self.find(request)

    def find(self, request: HTTPConnection) -> str | None:
        """Do the same at once."""
        values = [value for name, value in cookies_of(request) if name == COOKIE_NAME]
        if len(values) > 1:
            raise InvalidRequest("The session cookie came more than once")
        return values[0] if values else None


bearer_token = BearerToken(tokenUrl=f"{API_PREFIX}/auth/login", description="Sign in with address and password.")
session_cookie = SessionCookie(
    name=COOKIE_NAME, description="Set by a sign-in with `?transport=cookie`; browsers send it by themselves."
)


def session_cookie_header(value: str, *, max_age: int) -> str:
    """Return the Set-Cookie header that keeps a value for so many seconds.

    No script can read it, and browsers send it along with no request that another site makes, but for links.
    """
    return f"{COOKIE_NAME}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"


def find_device_cookie(request: HTTPConnection) -> str | None:
    """Return the value of the device cookie; None without one, and for two: it only ever makes things easier."""
    return _find_one(request, DEVICE_COOKIE_NAME)


def find_pending_cookie(request: HTTPConnection) -> str | None:
    """Return what the browser keeps of a sign-in that lacks a second factor; None without one, and for two."""
    return _find_one(request, PENDING_COOKIE)


def find_remembered_cookie(request: HTTPConnection) -> str | None:
    """Return what the browser keeps as one that is not asked for a second factor; None without it, and for two."""
    return _find_one(request, REMEMBERED_COOKIE)


def device_cookie_header(value: str) -> str:
    """Return the Set-Cookie header by which a browser is known again as one of its user's own."""
    age = int(DEVICE_LIFETIME.total_seconds())
    return f"{DEVICE_COOKIE_NAME}={value}; Max-Age={age}; Path=/; Secure; HttpOnly; SameSite=Lax"


def _find_one(request: HTTPConnection, name: str) -> str | None:
    values = [value for found, value in cookies_of(request) if found == name]
    return values[0] if len(values) == 1 else None


EXPIRED_COOKIE = session_cookie_header("", max_age=0)
"""Takes the cookie from the browser, with the attributes that it was set with."""


def check_keeps_cookie(request: Request) -> None:
    """Raise `CrossSiteRequest` for a page whose browser would drop our cookie without a word: one of another site."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise CrossSiteRequest(
            "This page is of another site than this API, so the browser would not keep the cookie. Open both under one "
            "site; in development, both as localhost"
        )


def check_same_site(request: Request, settings: Settings) -> None:
    """Raise `CrossSiteRequest` for a request that changes something and was not made by a page that may.

    Browsers attach cookies whoever makes the request; what they say of who made it cannot be forged by a page
    (Fetch Metadata, and RFC 6454 for Origin). A request that says nothing comes from no browser of today.
    """
    if request.method in SAFE_METHODS or _is_trusted(request, settings):
        return
    raise CrossSiteRequest


def _is_trusted(request: Request, settings: Settings) -> bool:
    sites, origins = request.headers.getlist("sec-fetch-site"), request.headers.getlist("origin")
    if len(sites) > 1 or len(origins) > 1:
        return False
    if origins:
        is_own = bool(sites) and sites[0] == "same-origin"
        return is_own or origins[0] in {settings.PUBLIC_URL, *settings.cors_origins}
    return bool(sites) and sites[0] in _OWN_PAGES

"""Second factors and passkeys in development: one page that drives every ceremony in a real browser, over the JSON routes.

It is an example to read as much as a page to use: its scripts, in `assets/dev_factors`, call what a front end calls.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from app.auth.credentials import find_pending_cookie, session_cookie
from app.auth.dependencies import Public, SettingsDep
from app.auth.second_factors import OFF
from app.config import Settings
from app.pages.rendering import PageRoute, page
from app.services.passkeys.party import relying_party
from app.this_machine import check_on_this_machine_by_any_name, is_on_this_machine_only

PATH = "/dev/factors"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

router = APIRouter(
    route_class=PageRoute, include_in_schema=False, dependencies=[Public, Depends(check_on_this_machine_by_any_name)]
)


def is_served(settings: Settings) -> bool:
    """Whether this is development, with second factors, and nobody but this machine could open the page."""
    return not settings.is_production and settings.SECOND_FACTOR != OFF and is_on_this_machine_only(settings)


def address(settings: Settings) -> str:
    """Return where the page can use passkeys: browsers have none for a network address."""
    own = urlsplit(settings.PUBLIC_URL)
    fitting = (origin for origin in relying_party(settings).origins if urlsplit(origin).port == own.port)
    return f"{next(fitting, settings.PUBLIC_URL)}{PATH}"


@router.get(PATH)
async def show_factors(request: Request, settings: SettingsDep) -> HTMLResponse:
    """Show the page. Whether the browser is signed in, or half-way, is told by the cookies that its scripts cannot read."""
    return page(
        request,
        "dev_factors.html",
        policy=_POLICY,
        title="Second factors and passkeys",
        has_session=session_cookie.find(request) is not None,
        has_pending=find_pending_cookie(request) is not None,
        elsewhere=_elsewhere(request, settings),
        remembers=settings.REMEMBER_DEVICE_DAYS,
        minimum_length=settings.PASSWORD_MIN_LENGTH,
    )


def _elsewhere(request: Request, settings: Settings) -> str:
    """Return where this page can use passkeys, if that is not here."""
    can = request.headers.get("host") in {urlsplit(origin).netloc for origin in relying_party(settings).origins}
    return "" if can else address(settings)

"""The page that says what has been done."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.auth.dependencies import get_runtime
from app.pages.rendering import page


def done_page(request: Request, title: str, text: str, *, way_on: str = "") -> HTMLResponse:
    """Return the page that says what has been done, with a way on: to the front end, if there is one."""
    return page(request, "mailed_done.html", title=title, done=text, way_on=way_on or front_end(request))


def front_end(request: Request) -> str:
    """Return where the front end begins; empty where nobody has said so."""
    settings = get_runtime(request).settings
    return f"{settings.FRONTEND_URL}/" if settings.has_front_end else ""

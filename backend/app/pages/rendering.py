"""Turns templates into answers with a strict content security policy, and refusals into pages."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.auth.dependencies import get_runtime
from app.exceptions import AppException
from app.problems import RENDERER

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_templates = Environment(loader=PackageLoader("app.pages"), autoescape=True, undefined=StrictUndefined)


def page(
    request: Request, template: str, *, status_code: int = 200, policy: str = _POLICY, **values: object
) -> HTMLResponse:
    """Return a page. Every value is escaped by the template engine."""
    text = _templates.get_template(template).render(app_name=get_runtime(request).settings.APP_NAME, **values)
    return HTMLResponse(text, status_code, headers={"Content-Security-Policy": policy})


class PageRoute(APIRoute):
    """A route for people: a refusal becomes a page that says what to do, not a JSON document. HEAD is answered as GET.

    It only says how refusals are to be shown. They are raised on, so that the unit of work sees them and undoes what
    was written.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.methods and "GET" in self.methods:
            # Whoever looks at a link before following it asks so (RFC 9110, section 9.3.2); the server sends no body.
            self.methods.add("HEAD")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            request.scope[RENDERER] = problem_page
            return await handle(request)

        return handle_for_people


def render_refusals(request: Request, renderer: Callable[[Request, AppException], Response]) -> None:
    """Show the refusals of this request in a way of its own."""
    request.scope[RENDERER] = renderer


def problem_page(request: Request, error: AppException) -> Response:
    """Return the page that says what went wrong."""
    response = page(
        request,
        "problem.html",
        status_code=error.status_code,
        title="That did not work",
        detail=error.message,
        code=error.code,
        errors=error.members.get("errors", []),
        request_id=request.scope.get("ostiary.request_id", ""),
    )
    response.headers.update(error.headers)
    return response

"""What holds for every body: its size, and that its JSON can be read in one way only. A request without one goes past."""

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.strict_json import StrictJson

_SIGNS = frozenset({b"content-length", b"transfer-encoding", b"content-type"})
"""Without one of the first two an HTTP/1.1 request has no body (RFC 9112, section 6.3). Who names a type means to send one."""


class Bodies:
    """Refuses bodies that are too large, and JSON with two meanings. A route that takes uploads sets its own limit."""

    def __init__(self, app: ASGIApp, *, max_body_size: int) -> None:
        self._app = app
        self._checked = RequestBodyLimitMiddleware(StrictJson(app), max_body_size=max_body_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = self._checked if _may_have_body(scope) else self._app
        await app(scope, receive, send)


def _may_have_body(scope: Scope) -> bool:
    if scope["type"] != "http" or not scope.get("http_version", "").startswith("1"):
        # Later versions of HTTP frame bodies without any header.
        return True
    return any(name in _SIGNS for name, _ in scope["headers"])

"""A route that asks for nothing but its caller, and is called without the framework's machinery for dependencies."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from app.auth.dependencies import SignedInGuard


class CallerRoute(APIRoute):
    """The route of an endpoint whose only parameter is `SignedIn`, and which returns the model that it is annotated with.

    For what is asked most often: `APIRouter(route_class=CallerRoute)`. It does what any route of such a signature does;
    the framework's machinery took longer than the guard and the answer together. Raises `ValueError` for an endpoint of any
    other signature, and for another status than 200.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        name, guard = self._guard()
        answer = TypeAdapter(self.response_model)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            caller = await guard.identify(Request(scope, receive, send))
            content = answer.dump_json(await endpoint(**{name: caller}), by_alias=True)
            await send_json(content, send)

        # For the route as it stands. Where a router with it is included, with guards of its own perhaps, it is any route.
        self.app = serve

    def _guard(self) -> tuple[str, SignedInGuard]:
        """Return the parameter of the endpoint, and who decides what it is."""
        dependant = self.dependant
        others = [*from_the_head(dependant), *dependant.body_params, *given_by_framework(dependant)]
        children = [(child.name, child.call) for child in dependant.dependencies]
        if others or self.status_code or len(children) != 1 or self.response_model is None:
            raise ValueError(f"{self.path} asks for more than its caller, or does not say what it returns")
        name, guard = children[0]
        if name is None or not isinstance(guard, SignedInGuard) or type(guard).__call__ is not SignedInGuard.__call__:
            raise ValueError(f"{self.path} does not ask for its caller by a SignedInGuard")
        return name, guard


async def send_json(content: bytes, send: Send) -> None:
    """Answer 200 with JSON that has been written already."""
    headers = [(b"content-length", b"%d" % len(content)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def from_the_head(dependant: Dependant) -> list[object]:
    """Return what an endpoint takes from the path, the query and the headers by itself."""
    fields = dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params
    return [field for each in fields for field in each]


def given_by_framework(dependant: Dependant) -> list[str]:
    """Return what an endpoint asks for that only the framework hands out."""
    names = (
        dependant.request_param_name,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    return [name for name in names if name]

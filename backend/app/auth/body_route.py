"""A public route that asks for nothing but its body, and is called without the framework's machinery for dependencies."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.caller_route import from_the_head, given_by_framework, send_json
from app.auth.dependencies import PublicGuard
from app.auth.whole_bodies import read_parts, replaying

_JSON = [b"application/json"]


class BodyRoute(APIRoute):
    """The route of an endpoint `(body: Model, request: Request) -> Model` with `dependencies=[Public]`, for what is hot.

    A body that is not what the model asks for is left to the framework, which says what is wrong with it. Of
    a refresh's 296 µs the framework took 80. Raises `ValueError` for an endpoint of any other signature.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        body_name, request_name = self._names()
        model = self.dependant.body_params[0].field_info.annotation
        answer, ordinary = TypeAdapter(self.response_model), AsyncExitStackMiddleware(self.app)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            parts = await read_parts(receive)
            asked = _validated(model, scope, parts)
            if asked is None:
                await ordinary(scope, replaying(parts, receive), send)
                return
            given = await endpoint(**{body_name: asked, request_name: Request(scope, receive, send)})
            await send_json(answer.dump_json(given, by_alias=True), send)

        self.app: ASGIApp = serve

    def _names(self) -> tuple[str, str]:
        """Return what the endpoint calls its body, and the request."""
        dependant = self.dependant
        others = from_the_head(dependant)
        guards = [child.call for child in dependant.dependencies]
        is_public = bool(guards) and all(isinstance(guard, PublicGuard) for guard in guards)
        request_name = dependant.request_param_name
        others += [name for name in given_by_framework(dependant) if name != request_name]
        if others or self.status_code or not is_public or len(dependant.body_params) != 1 or not request_name:
            raise ValueError(f"{self.path} is not public, or asks for more than its body and the request")
        return dependant.body_params[0].name, request_name


def _validated(model: Any, scope: Scope, parts: Sequence[Message]) -> BaseModel | None:
    """Return the body as the model. None: it does not fit, does not come as JSON alone, or has not come whole."""
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    if types != _JSON or any(part["type"] != "http.request" for part in parts):
        return None
    try:
        found: BaseModel = model.model_validate_json(b"".join(part.get("body", b"") for part in parts))
    except ValidationError:
        return None
    return found

"""Holds every error that a test sees against the OpenAPI document: what is answered must be what is promised."""

import re
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

PROBLEM = "application/problem+json"


class DocumentedErrors(httpx2.AsyncBaseTransport):
    """An in-process transport that fails the test when an API route answers an error it does not document."""

    def __init__(self, app: FastAPI, *, client: tuple[str, int] = ("127.0.0.1", 123)) -> None:
        self._inner = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=client)
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        await response.aread()
        if response.status_code >= 400:
            self._check(request, response)
        return response

    def _check(self, request: httpx2.Request, response: httpx2.Response) -> None:
        operation = self._operation(request)
        if operation is None:
            return
        assert response.headers["content-type"] == PROBLEM, response.text
        problem = response.json()
        assert problem["status"] == response.status_code
        documented = operation["responses"].get(str(response.status_code), {}).get("content", {}).get(PROBLEM, {})
        codes = documented.get("examples", {})
        assert problem["code"] in codes, f"{request.method} {request.url.path} does not document {problem['code']}"

    def _operation(self, request: httpx2.Request) -> dict[str, Any] | None:
        for pattern, operations in _documented(self._app):
            if pattern.match(request.url.path):
                operation: dict[str, Any] | None = operations.get(request.method.lower())
                return operation
        return None


_Documented = list[tuple[re.Pattern[str], dict[str, Any]]]
_DOCUMENTS: dict[tuple[object, ...], _Documented] = {}
"""Applications with the same routes have the same document: building one for each test would take a third of the time."""


def _documented(app: FastAPI) -> _Documented:
    """Return each path of the application's OpenAPI document as a pattern, with what is documented there.

    A concrete path comes before one with a parameter, as the router tries them in this order too.
    """
    contexts = [context for context in iter_route_contexts(app.routes) if context.include_in_schema]
    routes = tuple((context.path, context.endpoint) for context in contexts)
    if routes not in _DOCUMENTS:
        paths = sorted(app.openapi()["paths"].items(), key=lambda item: item[0].count("{"))
        _DOCUMENTS[routes] = [(compile_path(path)[0], operations) for path, operations in paths]
    return _DOCUMENTS[routes]

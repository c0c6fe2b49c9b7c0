"""Holds every error that a test sees against the OpenAPI document: what is answered must be what is promised."""

from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.routing import compile_path

PROBLEM = "application/problem+json"


class DocumentedErrors(httpx2.AsyncBaseTransport):
    """An in-process transport that fails the test when an API route answers an error it does not document."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        self._paths: dict[str, Any] = app.openapi()["paths"]
        self._patterns = {path: compile_path(path)[0] for path in self._paths}

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
        # A concrete path wins over one with a parameter, as the router tries them in this order too.
        for path in sorted(self._patterns, key=lambda p: p.count("{")):
            if self._patterns[path].match(request.url.path):
                operation: dict[str, Any] | None = self._paths[path].get(request.method.lower())
                return operation
        return None

"""The OpenAPI document: every route with every error it can answer, always as problem+json."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.auth.limited import LimitGuard
from app.exceptions import (
    AppException,
    BodyTooLarge,
    CrossSiteRequest,
    DatabaseUnavailable,
    MalformedBody,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.problems import MEDIA_TYPE, problem_responses
from app.routes import RouteEntry, route_map
from app.schemas.problems import Problem

DESCRIPTION = """
Press **Authorize** and sign in with an address and a password to try the routes that need it.

Every error is a problem document (RFC 9457). Switch on its `code`, which never changes.
"""


def install_openapi(app: FastAPI) -> None:
    """Make the application answer with our document, built once."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    # The framework documents this replacement as the way to extend the schema.
    app.openapi = build  # type: ignore[method-assign]


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    guards = {(entry.path, method.lower()): entry for entry in route_map(app) for method in entry.methods.split(",")}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, guards[path, method])
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    return document


def _complete(operation: dict[str, Any], entry: RouteEntry) -> None:
    """Add the errors that follow from the route's guard and input, and give every error its media type."""
    responses = operation.setdefault("responses", {})
    for status, response in problem_responses(*_implied(operation, entry)).items():
        own = responses.get(str(status), {})
        examples = own.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        merged = {**response["content"][MEDIA_TYPE]["examples"], **examples}
        phrase = response["description"].partition(":")[0]
        responses[str(status)] = {
            "description": f"{phrase}: {', '.join(merged)}",
            "content": {MEDIA_TYPE: {"examples": merged}},
        }
    for status, response in responses.items():
        if status.isdigit() and int(status) >= HTTPStatus.BAD_REQUEST:
            content = response.setdefault("content", {})
            content.pop("application/json", None)
            content.setdefault(MEDIA_TYPE, {})["schema"] = {"$ref": "#/components/schemas/Problem"}
    operation["x-guard"] = entry.guard


def _implied(operation: dict[str, Any], entry: RouteEntry) -> list[type[AppException]]:
    errors: list[type[AppException]] = [] if entry.path.startswith("/health") else [DatabaseUnavailable]
    for guard in entry.guards:
        errors += [error for error in guard.errors if error is not CrossSiteRequest or entry.methods != "GET"]
    if entry.limits:
        errors += LimitGuard.errors
    if "requestBody" in operation:
        errors += [MalformedBody, BodyTooLarge, UnsupportedMediaType]
    if "requestBody" in operation or operation.get("parameters"):
        errors += [ValidationFailed]
    return errors

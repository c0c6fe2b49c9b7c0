"""The only translator from exceptions to answers: `application/problem+json` (RFC 9457), always in one shape."""

import json
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.exceptions import (
    AppException,
    BodyTooLarge,
    HashingBusy,
    MalformedBody,
    MethodNotAllowed,
    NotFoundError,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.schemas.problems import UNREADABLE_BODY, Problem

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RENDERER = "ostiary.problem_renderer"
"""Where a route puts its own way of showing a refusal: a function of the request and the exception."""
_LONGEST_POINTER = 120
_MOST_FIELD_PROBLEMS = 20
_UNREADABLE = ("There was an error parsing the body", UNREADABLE_BODY)
_TOO_LARGE = "Content Too Large"
"""How the framework calls 413 (RFC 9110, section 15.5.14). Python does from 3.13 on."""
_UNREADABLE_FORM = (
    "Too many f",
    "Field exceeded",
    "Part exceeded",
    "Missing boundary",
    "Invalid multipart",
    "Malformed",
    "The Content-Disposition",
)
"""How the framework, and our own check, say that a body is not what its content type promises."""
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
_FORM_ERRORS = {"union_tag_invalid", "union_tag_not_found"}
_BODY_TYPE_ERRORS = {"model_attributes_type", "model_type", "dict_type"}


def problem_type(code: str) -> str:
    """Return the URI of a kind of problem; `docs/errors.md` explains each."""
    return f"urn:ostiary:problem:{code.lower().replace('_', '-')}"


def problem_response(error: AppException, request_id: str) -> Response:
    """Return the answer for an exception of the catalogue."""
    document = {
        "type": problem_type(error.code),
        "title": error.title,
        "status": error.status_code,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
        **error.members,
    }
    # ASCII escapes keep whatever a client sent in a field's name from breaking the encoding of the answer.
    return Response(
        json.dumps(document, ensure_ascii=True), error.status_code, headers=error.headers, media_type=MEDIA_TYPE
    )


def problem_responses(*errors: type[AppException]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can raise these: `responses=problem_responses(EmailTaken)`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = responses.setdefault(error.status_code, {"description": "", "content": {MEDIA_TYPE: {"examples": {}}}})
        entry["model"] = Problem
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"summary": error.title, "value": _example(error)}
        codes = ", ".join(entry["content"][MEDIA_TYPE]["examples"])
        entry["description"] = f"{HTTPStatus(error.status_code).phrase}: {codes}"
    return responses


def install_problem_handlers(app: FastAPI) -> None:
    """Make every refusal inside the router a problem document."""
    app.add_exception_handler(AppException, _on_app_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


class ErrorBoundary:
    """Outermost net: refusals raised by middleware, and accidents, which are logged whole and answered bare."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem document whatever is raised, unless the answer has begun already."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = replaced = False
        request_id = scope.get("ostiary.request_id", "")

        async def watch(message: Message) -> None:
            nonlocal started, replaced
            if message["type"] == "http.response.start":
                started, replaced = True, _is_plain_body_refusal(message)
                if replaced:
                    await problem_response(BodyTooLarge(), request_id)(scope, receive, send)
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            refusal = error if isinstance(error, AppException) else _accident(error)
            if started:
                raise
            await problem_response(refusal, request_id)(scope, receive, send)


def _is_plain_body_refusal(message: Message) -> bool:
    """Whether the framework's own body limit answers, which it does in plain text, past every exception handler."""
    content_type = dict(message.get("headers", [])).get(b"content-type", b"")
    return bool(message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and content_type.startswith(b"text/plain"))


def _accident(error: Exception) -> AppException:
    log.error("request.failed", exc_info=error)
    return AppException()


async def _on_app_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, AppException):  # Starlette's signature promises less than it does.
        raise error
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and _is_worth_a_line(error):
        log.warning("request.refused", error_code=error.code, cause=str(error.__cause__) if error.__cause__ else None)
    return _answer(request, error)


_told_of_busy = 0.0


def _is_worth_a_line(error: AppException) -> bool:
    """Whether a refusal is logged: of those under too much load one a second. A thousand would be load themselves."""
    global _told_of_busy  # noqa: PLW0603  # As one for all requests of the process.
    if not isinstance(error, HashingBusy):
        return True
    if time.monotonic() - _told_of_busy < 1:
        return False
    _told_of_busy = time.monotonic()
    return True


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    _forget_frames(error.__cause__)
    if error.status_code in _BODILESS:
        return Response(status_code=error.status_code, headers=error.headers)
    refusal = _from_status(error)
    if isinstance(refusal, MethodNotAllowed):
        refusal.headers["Allow"] = ", ".join(sorted(_methods_of_path(request)))
    return _answer(request, refusal)


def _forget_frames(cause: BaseException | None) -> None:
    """Forget where the cause of a refusal was caught.

    The framework's frame there holds the refusal, which holds its cause: a circle around all that the client had sent.
    """
    if cause is not None:
        cause.__traceback__ = None


def _methods_of_path(request: Request) -> set[str]:
    """Every method of every route that a path leads to; the framework names only those of the first."""
    contexts = [c for c in iter_route_contexts(request.app.routes) if c.methods and hasattr(c, "path_regex")]
    return {method for c in contexts if c.path_regex.match(request.url.path) for method in c.methods or ()}


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    details = error.errors()
    if _expected_json(request, details):
        return _answer(request, UnsupportedMediaType())
    return _answer(
        request, ValidationFailed([_field_problem(item, error.body) for item in details[:_MOST_FIELD_PROBLEMS]])
    )


def _from_status(error: HTTPException) -> AppException:
    """Return our exception for one that the framework, or an extension, raised as a bare status with a text."""
    refusal = _of_status(error)
    detail: object = error.detail  # FastAPI lets an extension pass anything.
    unsaid = {refusal.title, _standard_phrase(error.status_code), _TOO_LARGE, *_UNREADABLE}
    if isinstance(detail, str) and detail not in unsaid and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        refusal.message = detail
    refusal.headers.update(error.headers or {})
    return refusal


def _of_status(error: HTTPException) -> AppException:
    if error.detail in _UNREADABLE or str(error.detail).startswith(_UNREADABLE_FORM):
        return MalformedBody()
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError("Path")
    known: dict[int, type[AppException]] = {405: MethodNotAllowed, 413: BodyTooLarge, 415: UnsupportedMediaType}
    if error.status_code in known:
        return known[error.status_code]()
    phrase = _standard_phrase(error.status_code)
    refusal = AppException(phrase, _standard_code(error.status_code), error.status_code)
    refusal.title = phrase
    return refusal


def _standard_code(status: int) -> str:
    """Return the name of a status as its code. Python renamed two of them; a code never changes."""
    renamed = {414: "URI_TOO_LONG", 416: "RANGE_NOT_SATISFIABLE", 422: "UNPROCESSABLE_CONTENT"}
    try:
        return renamed.get(status) or HTTPStatus(status).name
    except ValueError:
        return f"STATUS_{status}"


def _standard_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _expected_json(request: Request, details: Sequence[Any]) -> bool:
    """Whether a whole body was refused because it did not come as JSON."""
    whole = any(tuple(item["loc"]) == ("body",) and item["type"] in _BODY_TYPE_ERRORS for item in details)
    return whole and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json"


def _field_problem(item: Any, body: Any) -> dict[str, str]:
    """Return what is wrong with one field. Pydantic's `input`, `ctx` and `url` are left out: they repeat the value."""
    source, *path = item["loc"]
    path = _without_form(path, body)
    if item["type"] in _FORM_ERRORS:
        # Its message repeats the value as well.
        expected = item.get("ctx", {}).get("expected_tags", "")
        item = {**item, "msg": f"Input should be {expected}" if expected else "Field required"}
        path = [*path, "method"]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path) or "/"
    if source != "body":
        pointer = pointer.removeprefix("/")
    # Parsers say which character they stumbled over; that is a piece of the input.
    detail = str(item["msg"]).split(", ")[0] if str(item["type"]).endswith("_parsing") else str(item["msg"])
    return {
        "pointer": pointer[:_LONGEST_POINTER],
        "code": str(item["type"]).upper().replace("VALUE_ERROR", "INVALID"),
        "detail": detail.removeprefix("Value error, "),
    }


def _without_form(path: list[Any], body: Any) -> list[Any]:
    """Return where a field stands. In a body that has several forms, its `method` says which, the path begins with the form."""
    names_form = isinstance(body, dict) and len(path) > 1 and path[0] == body.get("method", "password")
    return path[1:] if names_form else path


def _example(error: type[AppException]) -> dict[str, object]:
    return {
        "type": problem_type(error.code),
        "title": error.title,
        "status": error.status_code,
        "detail": error.title,
        "code": error.code,
        "request_id": "0199b1d2c3e47f5a8b6c7d8e9f0a1b2c",
    }


def _answer(request: Request, error: AppException) -> Response:
    render: Callable[[Request, AppException], Response] | None = request.scope.get(RENDERER)
    return render(request, error) if render else problem_response(error, request.scope.get("ostiary.request_id", ""))

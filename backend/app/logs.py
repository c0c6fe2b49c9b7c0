"""Structured logs: one event a line, with the request's id, and never a secret."""

import logging
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from app.config import Settings

_SECRET_NAMES = re.compile(
    r"password|passwd|token|secret|authorization|cookie|api_key|credential|(?:^|_)codes?$|(?:^|_)seed(?:_|$)|^uri$|^qr_svg$",
    re.IGNORECASE,
)
_PLAIN_NAMES = frozenset({"token_id", "status_code", "error_code", "event"})
_SECRET_VALUES = re.compile(
    r"ost_[a-z]{2}_[\w-]{20,}"  # whatever secret we hand out: each names its kind
    r"|eyJ[\w-]{10,2000}\.[\w-]+\.[\w-]*"  # a JWT
    r"|otpauth://[^\s\"'<>]+"  # what sets up an authenticator app
    r"|(?<![\w-])(?i:[0-9a-hjkmnp-tv-z]{4}(?:-[0-9a-hjkmnp-tv-z]{4}){3})(?![\w-])"  # a recovery code
    r"|(?<=://)[^/@\s:]{1,200}:[^/@\s]{1,200}(?=@)"  # user and password of a URL
    r"|\$(?:argon2|2[aby]|pbkdf2)[\w$,=+/.-]{10,}|pbkdf2_sha256\$[\w$=+/.-]{10,}"  # a stored hash
)
_ADDRESS = re.compile(
    r"(?<![\w.!#$%&*+/=?^`{|}~-])([\w!#$%&*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{0,63}(@[\w-]{1,63}\.[\w.-]{1,190})"
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HARMLESS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|(?!ost_)[a-z][a-z_.]{0,60}|[0-9]{4}(?:-[0-9]{2}){2}T[0-9:.]{8,15}Z"
)
"""What most values are: ids, words of ours, times. They need not be looked through for secrets."""
_LONGEST_VALUE = 20_000
REDACTED = "[redacted]"

Event = MutableMapping[str, Any]

# One variable that holds everything: structlog's own are one for each name, bound and reset at each request.
_REQUEST: ContextVar[dict[str, str] | None] = ContextVar("request", default=None)


def begin_request(request_id: str) -> None:
    """Have every event from here on, in this task and what it starts, name the request."""
    _REQUEST.set({"request_id": request_id})


def name_caller(user_id: str) -> None:
    """Have every further event of this request name who is calling. Outside of one, do nothing."""
    about = _REQUEST.get()
    if about is not None:
        about["user_id"] = user_id


def _merge_request(_: object, __: str, event: Event) -> Event:
    """Add what is known of the request, where the event does not say otherwise itself."""
    return {**(_REQUEST.get() or {}), **event}


def redact(_: object, __: str, event: Event) -> Event:
    """Take secrets out of an event: by the field's name, and by the look of the value, however deep it stands."""
    for name, value in event.items():
        if not name.startswith("_"):  # Those are structlog's own.
            event[name] = _clean(value, name)
    return event


def _keep_to_one_line(_: object, __: str, event: Event) -> Event:
    """Escape line breaks in what is shown as it stands: a client could write a log line of its own otherwise."""
    event["event"] = _CONTROL_CHARACTERS.sub(lambda found: ascii(found[0])[1:-1], str(event.get("event", "")))
    return event


def _clean(value: Any, name: str = "") -> Any:
    if _SECRET_NAMES.search(name) and name not in _PLAIN_NAMES:
        return REDACTED
    if isinstance(value, str):
        if _HARMLESS.fullmatch(value):
            return value
        return _ADDRESS.sub(r"\1***\2", _SECRET_VALUES.sub(REDACTED, value[:_LONGEST_VALUE]))
    if isinstance(value, dict):
        return {key: _clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return value if isinstance(value, int | float | None) else _clean(str(value))


def configure_logging(settings: Settings) -> None:
    """Send our events and those of every library to standard error, in one format."""
    as_json = settings.LOG_FORMAT == "json" or (settings.LOG_FORMAT == "auto" and settings.is_production)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _merge_request,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if not as_json:
        # Values are shown with their escapes, as the event is.
        renderer = structlog.dev.ConsoleRenderer(repr_native_str=True, colors=sys.stderr.isatty())
        shared.append(_keep_to_one_line)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.LOG_LEVEL),
        cache_logger_on_first_use=False,
    )
    _configure_standard_library(settings.LOG_LEVEL, shared, renderer)


def _configure_standard_library(
    level: str, shared: list[structlog.types.Processor], renderer: structlog.types.Processor
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # These speak of every statement and every step, with what is stored.
    for name in ("sqlalchemy.engine", "alembic.runtime", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.WARNING)

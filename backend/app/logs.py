"""Structured logs: one event a line, with the request's id, and never a secret."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.config import Settings

_SECRET_NAMES = re.compile(
    r"password|passwd|token|secret|authorization|cookie|api_key|credential|\bcode\b", re.IGNORECASE
)
_PLAIN_NAMES = frozenset({"token_id", "status_code", "error_code"})
_SECRET_VALUES = re.compile(r"ost_rt_[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*|(?<=://)[^/@\s:]+:[^/@\s]+(?=@)")
_ADDRESS = re.compile(r"([\w.+-])[\w.+-]*(@[\w-]+\.[\w.-]+)")
REDACTED = "[redacted]"

Event = MutableMapping[str, Any]


def redact(_: object, __: str, event: Event) -> Event:
    """Take secrets out of an event: by the field's name, and by the look of the value, tracebacks included."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name) and name not in _PLAIN_NAMES and name != "event":
            event[name] = REDACTED
        elif isinstance(value, str):
            event[name] = _ADDRESS.sub(r"\1***\2", _SECRET_VALUES.sub(REDACTED, value))
    return event


def configure_logging(settings: Settings) -> None:
    """Send our events and those of every library to standard error, in one format."""
    as_json = settings.LOG_FORMAT == "json" or (settings.LOG_FORMAT == "auto" and settings.is_production)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    # Native strings are shown with their escapes, so that a line break in a value cannot forge a second line.
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(repr_native_str=True, colors=sys.stderr.isatty())
    )
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
    # These two speak at info level of every statement and every step.
    for name in ("sqlalchemy.engine", "alembic.runtime"):
        logging.getLogger(name).setLevel(logging.WARNING)

"""Reads a JSON object that somebody else's server sent: nothing that two parsers could read in two ways."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

DEEPEST = 16
"""Objects and arrays within one another. What providers say has four or five."""


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body is (RFC 8259, in UTF-8), or None for anything else.

    None also for a key that comes twice, NaN and infinite numbers, half a surrogate pair, and more than `DEEPEST`
    levels. Nothing is raised, because the parser's exceptions hold the body.
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not _is_too_deep(value) else None


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
    return any(isinstance(each, dict | list) for each in level)


def _within(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _refuse("a key that comes twice")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(what: str) -> NoReturn:
    raise ValueError(what)

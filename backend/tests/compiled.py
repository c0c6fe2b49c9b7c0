"""Statements that are compiled once for all tests: each test has engines of its own, and each engine would compile them anew."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

_CACHES: dict[type[Dialect], Any] = {}


def sharing(create: Callable[..., AsyncEngine]) -> Callable[..., AsyncEngine]:
    """Return `create_async_engine` so that engines of the same kind share what they have compiled."""

    def create_sharing(url: Any, **options: Any) -> AsyncEngine:
        engine = create(url, **options)
        inner = engine.sync_engine
        inner._compiled_cache = _CACHES.setdefault(type(inner.dialect), inner._compiled_cache)
        return engine

    return create_sharing


def same_kind(dialect: Dialect, other: object) -> bool:
    """Whether both compile the same text, as all of a kind do: the tests' servers are of one version. For `__eq__`."""
    return type(dialect) is type(other)


def number_of_kind(dialect: Dialect) -> int:
    """Return the same number for all dialects of a kind: they are keys of the caches. For `__hash__`."""
    return hash(type(dialect))

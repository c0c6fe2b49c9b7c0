"""The route guard map: every route, ours and the product's, with who may call it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.auth.dependencies import Guard, PublicGuard
from app.config import ConfigurationError


@dataclass(frozen=True, order=True)
class RouteEntry:
    """One route: its path, its methods, who may call it, and where it was written."""

    path: str
    methods: str
    guards: tuple[str, ...]
    endpoint: str

    @property
    def guard(self) -> str | None:
        """Who may call it, in words; None when it does not say."""
        return ", ".join(self.guards) or None


def route_map(app: FastAPI) -> list[RouteEntry]:
    """Return every route of an application, in the order of their paths."""
    return sorted(_entry(context) for context in iter_route_contexts(app.routes))


def check_route_map(app: FastAPI) -> None:
    """Raise `ConfigurationError` that names each route without a guard, with two guards that contradict, or twice."""
    entries = route_map(app)
    findings = [
        f"{entry.methods} {entry.path} ({entry.endpoint}) does not say who may call it. Ask for SignedIn or "
        'require("a:permission") in its signature, or give it dependencies=[Public]'
        for entry in entries
        if not entry.guards
    ]
    findings += [
        f"{entry.methods} {entry.path} ({entry.endpoint}) says public and something else. Keep one"
        for entry in entries
        if PublicGuard.statement in entry.guards and len(entry.guards) > 1
    ]
    findings += _collisions(entries)
    if findings:
        raise ConfigurationError(findings)


def _collisions(entries: list[RouteEntry]) -> Iterator[str]:
    taken: dict[tuple[str, str], RouteEntry] = {}
    for entry in entries:
        for method in entry.methods.split(","):
            first = taken.setdefault((method, entry.path), entry)
            if first is not entry:
                yield f"{method} {entry.path} is taken twice: by {first.endpoint} and by {entry.endpoint}"


def _entry(context: Any) -> RouteEntry:
    endpoint = context.endpoint
    return RouteEntry(
        path=str(context.path),
        methods=",".join(sorted(getattr(context, "methods", None) or {"MOUNT"})),
        guards=tuple(sorted(_statements(getattr(context, "dependant", None)))),
        endpoint=f"{getattr(endpoint, '__module__', '?')}.{getattr(endpoint, '__qualname__', repr(endpoint))}",
    )


def _statements(dependant: Any) -> set[str]:
    """Return what the guards in a tree of dependencies say. `signed in` is implied by a permission."""
    calls = set(_calls(dependant)) if dependant is not None else set()
    statements = {call.statement for call in calls if isinstance(call, Guard)}
    specific = {s for s in statements if s not in {"signed in", PublicGuard.statement}}
    return (statements - {"signed in"}) if specific else statements


def _calls(dependant: Any) -> Iterator[Any]:
    for child in dependant.dependencies:
        yield child.call
        yield from _calls(child)

"""The route guard map: every route, ours and the product's, with who may call it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import WebSocketRoute

from app.auth.dependencies import GoogleTokenGuard, Guard, PublicGuard, SignedInGuard
from app.auth.limited import LimitGuard
from app.config import ConfigurationError

UNGUARDABLE = ("MOUNT", "WEBSOCKET")
"""What a guard does not reach: another application, and connections that no request of ours stands behind."""


@dataclass(frozen=True)
class RouteEntry:
    """One route: its path, its methods, who may call it and how often, and where it was written."""

    path: str
    methods: str
    guards: tuple[Guard, ...]
    limits: tuple[str, ...]
    """The names of the limits that count its calls."""
    endpoint: str

    @property
    def guard(self) -> str | None:
        """Who may call it, in words; None when it does not say. A further guard implies `signed in`."""
        further = {guard.statement for guard in self.guards if not isinstance(guard, SignedInGuard)}
        return ", ".join(sorted(further or {guard.statement for guard in self.guards})) or None


def route_map(app: FastAPI) -> list[RouteEntry]:
    """Return every route of an application, in the order of their paths."""
    entries = [_entry(context) for context in iter_route_contexts(app.routes)]
    return sorted(entries, key=lambda entry: (entry.path, entry.methods, entry.endpoint))


def check_route_map(app: FastAPI) -> None:
    """Raise `ConfigurationError` that names each route without a guard, with two guards that contradict, or twice."""
    entries = route_map(app)
    findings = [
        f"{entry.methods} {entry.path} ({entry.endpoint}) does not say who may call it. Ask for SignedIn or "
        'require("a:permission") in its signature, or give it dependencies=[Public]'
        for entry in entries
        if not entry.guards and entry.methods not in UNGUARDABLE
    ]
    findings += [
        f"{entry.methods} {entry.path} ({entry.endpoint}) says public and something else. Keep one"
        for entry in entries
        if len(entry.guards) > 1 and any(isinstance(guard, PublicGuard) for guard in entry.guards)
    ]
    findings += [
        f"{entry.methods} {entry.path} ({entry.endpoint}) cannot be guarded. Offer ordinary routes only"
        for entry in entries
        if entry.methods in UNGUARDABLE
    ]
    findings += _collisions(entries)
    if findings:
        raise ConfigurationError(findings)


def check_no_google_tokens(app: FastAPI) -> None:
    """Raise `ConfigurationError` that names each route which needs tokens of Google's. For where none are kept.

    Its users would consent again and again.
    """
    findings = [
        f"{entry.methods} {entry.path} ({entry.endpoint}) needs Google's tokens, which are not kept. Set "
        "GOOGLE_KEEP_TOKENS=true, and GOOGLE_CLIENT_ID"
        for entry in route_map(app)
        if any(isinstance(guard, GoogleTokenGuard) for guard in entry.guards)
    ]
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
    endpoint, methods = context.endpoint, getattr(context, "methods", None)
    calls = dict.fromkeys(_calls(getattr(context, "dependant", None)))
    socket = isinstance(context.original_route, WebSocketRoute)
    return RouteEntry(
        path=str(getattr(context, "path_format", None) or context.path),
        methods=",".join(sorted(methods or {"WEBSOCKET" if socket else "MOUNT"})),
        guards=tuple(call for call in calls if isinstance(call, Guard)),
        limits=tuple(call.limit.name for call in calls if isinstance(call, LimitGuard)),
        endpoint=f"{getattr(endpoint, '__module__', '?')}.{getattr(endpoint, '__qualname__', repr(endpoint))}",
    )


def _calls(dependant: Any) -> Iterator[Any]:
    """Yield everything in a tree of dependencies, what guards depend on included."""
    for child in dependant.dependencies if dependant is not None else ():
        yield child.call
        yield from _calls(child)

"""The product's own modules: found by name in EXTENSIONS, checked before anything is served."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import APIRouter

from app.config import API_PREFIX, ConfigurationError


@dataclass(frozen=True)
class Extension:
    """One module of the product that runs inside this application."""

    name: str
    router: APIRouter
    prefix: str
    """Where its routes are mounted: below the API, unless the module has a `prefix` of its own."""
    migrations: Path | None
    """The folder of its own Alembic versions, if it has tables."""
    sign_in_gates: tuple[Callable[..., Any], ...]
    """What it demands of everybody who signs in."""
    sign_in_observers: tuple[Callable[..., Any], ...]
    """What it wants told of a sign-in with a new device or from a new place."""


def load_extensions(names: Sequence[str]) -> list[Extension]:
    """Import every module and return what it offers; importing also makes its models known.

    Raises `ConfigurationError` that names each module that cannot be used and says why.
    """
    findings: list[str] = []
    extensions = []
    for name in names:
        try:
            extensions.append(_load(name))
        except ConfigurationError as error:
            findings += error.findings
    if findings:
        raise ConfigurationError(findings)
    return extensions


def _load(name: str) -> Extension:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigurationError([f"EXTENSIONS: {name} is no module's name. Write it as in an import: shop.api"])
    try:
        module = importlib.import_module(name)
    except (ImportError, SyntaxError) as error:
        raise ConfigurationError(
            [f"EXTENSIONS: {name} cannot be imported ({error}). Is it on the Python path, and spelt right?"]
        ) from error
    router = getattr(module, "router", None)
    if not isinstance(router, APIRouter):
        raise ConfigurationError([f"EXTENSIONS: {name} has no `router`. Give it one: router = APIRouter(prefix=...)"])
    prefix = getattr(module, "prefix", API_PREFIX)
    if not isinstance(prefix, str):
        raise ConfigurationError([f'EXTENSIONS: {name} has a `prefix` that is no text. Write it like "/shop"'])
    return Extension(
        name=name,
        router=router,
        prefix=prefix,
        migrations=_migrations(module),
        sign_in_gates=_hooks(module, "sign_in_gates"),
        sign_in_observers=_hooks(module, "sign_in_observers"),
    )


def _hooks(module: ModuleType, name: str) -> tuple[Callable[..., Any], ...]:
    """Return the functions that a module lists under this name, if it does."""
    hooks = getattr(module, name, ())
    if not isinstance(hooks, list | tuple) or not all(inspect.iscoroutinefunction(hook) for hook in hooks):
        raise ConfigurationError([f"EXTENSIONS: {module.__name__} has a `{name}` that is no list of async functions"])
    return tuple(hooks)


def _migrations(module: ModuleType) -> Path | None:
    """Return the folder that the module names as its `migrations`, else the one of that name beside it, if any."""
    named = getattr(module, "migrations", None)
    if isinstance(named, str | Path):
        if not Path(named).is_dir():
            raise ConfigurationError(
                [f"EXTENSIONS: {module.__name__} names {named} as its migrations, which is no folder"]
            )
        return Path(named)
    beside = Path(module.__file__ or "").parent / "migrations"
    return beside if beside.is_dir() else None

"""The source of the application, parsed, for the tests that hold it against the rules of the house."""

import ast
from functools import cache
from pathlib import Path

import app

APP = Path(app.__file__).parent
BACKEND = APP.parent
REPOSITORY = BACKEND.parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    """Return the dotted name of a file: `app/auth/__init__.py` is `app.auth`."""
    parts = path.relative_to(BACKEND).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> dict[str, Path]:
    """Return every module of the application with its file."""
    return {module_name(path): path for path in sorted(APP.rglob("*.py"))}


@cache
def parsed_modules() -> dict[str, ast.Module]:
    """Return every module of the application as a syntax tree. Nobody changes what is returned: all get the same."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in source_files().items()}

"""What the naive version did in passing, and nothing here does."""

import ast
import re

from fastapi import FastAPI

from tests.architecture.sources import BACKEND, parsed_modules


def test_nothing_is_configured_by_an_inner_class() -> None:
    """S10: pydantic's class-based Config is deprecated; a warning of its kind would fail the suite as well."""
    inner = [
        name
        for name, tree in parsed_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(child, ast.ClassDef) and child.name == "Config" for child in node.body)
    ]
    assert inner == []


def test_no_statement_is_written_in_the_legacy_style() -> None:
    """S10: `session.query(…)` is SQLAlchemy's old way, and knows no await."""
    legacy = [
        (name, node.lineno)
        for name, tree in parsed_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "query"
    ]
    assert legacy == []


async def test_every_route_is_called_by_a_test(app: FastAPI) -> None:
    """S98: a route that nobody calls in the suite is one that nobody knows."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (BACKEND / "tests").rglob("test_*.py"))
    paths = [path.removeprefix("/api/v1").partition("{")[0] for path in app.openapi()["paths"]]
    # Written whole, behind the prefix, and before an id or a query.
    assert [path for path in paths if not re.search(rf'["}}]{re.escape(path)}["{{?]', sources)] == []

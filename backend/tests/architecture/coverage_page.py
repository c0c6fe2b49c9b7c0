"""What the tests say they cover, and what `docs/security/coverage.md` says of them."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.sources import BACKEND, REPOSITORY, Function

TESTS = BACKEND / "tests"
PAGE = REPOSITORY / "docs" / "security" / "coverage.md"
# S24 (to S104: S256 is a word of PKCE), 3.7-01, JW-08, V13.4.2; each as a word of its own.
_ID = r"(?:S(?:0[1-9]|[1-9]\d|10[0-4])|3\.\d-\d\d|[A-Z]{2}-\d\d|V\d{1,2}\.\d{1,2}\.\d{1,2})"
_WORD = re.compile(rf"(?<![\w.-]){_ID}(?![\w-])")
_ROW = re.compile(rf"\| (?P<id>{_ID}) \|.*\| (?P<tests>[^|]+) \|")
_TEST = re.compile(r"`([\w/]+\.py::test_\w+)`")
_WITHOUT = ("Not yet: ", "Not here: ", "Not by a test: ", "Not by its id: ")


@dataclass(frozen=True)
class Row:
    """A row of the page: an id, and either the tests that cover it or why there is none."""

    id: str
    tests: tuple[str, ...]
    reason: str | None


def rows_of(page: str) -> list[Row]:
    """Return the rows of the page in order. ValueError: a row names no test and gives no reason, or both."""
    return [_row(match["id"], match["tests"]) for match in map(_ROW.fullmatch, page.splitlines()) if match]


def _row(entry: str, cell: str) -> Row:
    tests = tuple(_TEST.findall(cell))
    if tests and cell == ", ".join(f"`{test}`" for test in tests):
        return Row(entry, tests, None)
    if not tests and cell.startswith(_WITHOUT):
        return Row(entry, (), cell)
    raise ValueError(f"{entry}: neither tests nor a reason: {cell}")


def ids_of_tests(folder: Path = TESTS) -> dict[str, frozenset[str]]:
    """Return the ids that each test names in its docstring, by `routers/test_login.py::test_…`."""
    return {
        f"{path.relative_to(folder).as_posix()}::{function.name}": frozenset(
            _WORD.findall(ast.get_docstring(function) or "")
        )
        for path in sorted(folder.rglob("test_*.py"))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, Function) and function.name.startswith("test_")
    }


def findings(rows: Iterable[Row], tests: dict[str, frozenset[str]]) -> list[str]:
    """Return what is wrong with the rows, one sentence each."""
    rows = list(rows)
    listed = [row.id for row in rows]
    named = frozenset[str]().union(*tests.values())
    wrong = [f"{row.id}: there is no {test}" for row in rows for test in row.tests if test not in tests]
    wrong += [
        f"{row.id}: {test} does not name it"
        for row in rows
        for test in row.tests
        if test in tests and row.id not in tests[test]
    ]
    wrong += [
        f"{row.id}: a test names it, and the page says: {row.reason}" for row in rows if row.reason and row.id in named
    ]
    wrong += [f"{entry}: a test names it, and the page does not list it" for entry in sorted(named.difference(listed))]
    wrong += [f"{entry}: listed more than once" for entry in sorted(set(listed)) if listed.count(entry) > 1]
    return wrong

"""The budgets of the house: short functions, short files, names that say what is inside."""

import ast
import math
import sys
from collections.abc import Iterator
from statistics import median

import pytest

from tests.architecture.sources import Function, parsed_modules, source_files

FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "base_utils"}
BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {"app.problems", "app.database"}
"""The net under everything, and the undoing of a transaction. The loops of jobs may too: they must not die."""

MODULES = parsed_modules()
EVERY_MODULE = pytest.mark.parametrize("module", sorted(MODULES))


def percentile(values: list[int], share: float) -> int:
    """Return the value that a share of all values does not pass."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def functions() -> dict[str, int]:
    """Return the lines of every function: signature, docstring and body, without decorators."""
    return {
        f"{name}.{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, Function)
    }


def files() -> dict[str, int]:
    return {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in source_files().items()}


def test_functions_are_short() -> None:
    lines = functions()
    assert {name: length for name, length in lines.items() if length > 60} == {}
    assert percentile(list(lines.values()), 0.95) <= 35
    assert median(lines.values()) <= 8


def test_files_are_short() -> None:
    lines = files()
    assert {name: length for name, length in lines.items() if length > 400} == {}
    assert percentile(list(lines.values()), 0.95) <= 300
    assert median(lines.values()) <= 100


@EVERY_MODULE
def test_a_module_is_not_named_like_one_of_the_standard_library(module: str) -> None:
    assert module.rpartition(".")[2] not in sys.stdlib_module_names


@EVERY_MODULE
def test_a_module_has_a_name_that_says_what_is_inside(module: str) -> None:
    assert set(module.split(".")).isdisjoint(FORBIDDEN_NAMES)


@EVERY_MODULE
def test_a_module_opens_with_what_it_is_for(module: str) -> None:
    text = ast.get_docstring(MODULES[module]) or ""
    assert text
    assert text.split("\n\n")[0].endswith((".", "!", "?"))


@EVERY_MODULE
def test_nothing_catches_every_exception(module: str) -> None:
    """V16.5.3, S59: a check that fails must not pass because somebody caught too much."""
    if module in MAY_CATCH_ALL or module.startswith("app.jobs"):
        return
    assert list(broad_handlers(MODULES[module])) == []


def broad_handlers(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of handlers that catch everything: bare, or by one of the two broad names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            names = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)} if node.type else BROAD
            if names & BROAD:
                yield node.lineno


def test_the_search_for_broad_handlers_finds_each_form() -> None:
    source = "try: pass\nexcept {}: pass"
    forms = ["Exception", "BaseException as error", "(ValueError, Exception)", "builtins.object | Exception"]
    assert [len(list(broad_handlers(ast.parse(source.format(form))))) for form in forms] == [1, 1, 1, 1]
    assert list(broad_handlers(ast.parse("try: pass\nexcept: pass"))) == [2]
    assert list(broad_handlers(ast.parse(source.format("ValueError")))) == []


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith(("app.services", "app.auth"))))
def test_every_public_function_of_services_and_mechanism_is_explained(module: str) -> None:
    undocumented = [
        node.name
        for node in MODULES[module].body
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert undocumented == []

"""What a function of the application may end up calling, read from its source: nothing is run, so no way is overlooked."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from fastapi import FastAPI

from app.routes import route_map
from tests.architecture.sources import parsed_modules

BEGIN_SESSION = "app.services.sessions.issue.begin_session"
COMPLETE = "app.services.sign_in.stages.complete"
GATE = "app.services.second_factors.gate.require_second_factor"


class Reach:
    """Follows names from one to the next. A class counts as one, with all of its methods."""

    def __init__(self, modules: Mapping[str, ast.Module]) -> None:
        self._means = {name: _imported(tree) for name, tree in modules.items()}
        self._uses: dict[str, set[str]] = {}
        # All imports first, then what is used: a name may pass through several modules.
        for name, tree in modules.items():
            for label, node in _definitions(tree):
                self._uses.setdefault(f"{name}.{label}", set()).update(self._references(name, node))

    @classmethod
    @cache
    def of_application(cls) -> "Reach":
        """Return that of the whole application, read once."""
        return cls(parsed_modules())

    def from_(self, start: str) -> set[str]:
        """Return every name that this one leads to, itself among them."""
        seen, due = set[str](), [start]
        while due:
            name = self._resolved(due.pop())
            if name not in seen:
                seen.add(name)
                due += self._uses.get(name, ())
        return seen

    def users_of(self, target: str) -> set[str]:
        """Return what names this one directly."""
        return {name for name, uses in self._uses.items() if target in uses}

    def meant(self, module: str, node: ast.AST) -> str:
        """Return what a name or `module.name` in a module stands for; empty for anything else."""
        if isinstance(node, ast.Name):
            return self._resolved(self._means[module].get(node.id, f"{module}.{node.id}"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self._resolved(f"{self._means[module].get(node.value.id, node.value.id)}.{node.attr}")
        return ""

    def _references(self, module: str, node: ast.AST) -> Iterator[str]:
        yield from filter(None, (self.meant(module, each) for each in ast.walk(node)))

    def _resolved(self, name: str) -> str:
        """Return where a name is defined that a package only passes on."""
        module, _, label = name.rpartition(".")
        passed_on = self._means.get(module, {}).get(label)
        return name if passed_on is None or name in self._uses else self._resolved(passed_on)


def routes_that_reach(app: FastAPI, reach: Reach, *targets: str) -> set[str]:
    """Return each route, as `POST /path`, whose code leads to one of these names."""
    return {
        f"{method} {entry.path}"
        for entry in route_map(app)
        if reach.from_(entry.endpoint).intersection(targets)
        for method in entry.methods.split(",")
    }


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        yield from ((label, node) for label in _labels(node))


def _labels(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _imported(tree: ast.Module) -> dict[str, str]:
    means: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            means |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            means |= {alias.asname or alias.name: alias.name for alias in node.names}
    return means

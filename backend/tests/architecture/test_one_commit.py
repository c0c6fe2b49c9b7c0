import ast

from tests.architecture.sources import parsed_modules


def modules_with(attribute: str, *, of: str | None = None) -> set[str]:
    """Return the modules that use an attribute of that name, wherever it is said, of an object if one is named."""
    return {
        name
        for name, tree in parsed_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == attribute and (of is None or ends_with(node.value, of))
    }


def ends_with(node: ast.expr, name: str) -> bool:
    """Whether an expression ends with a name: `engine`, and `database.engine` too."""
    return (isinstance(node, ast.Attribute) and node.attr == name) or (isinstance(node, ast.Name) and node.id == name)


def test_only_the_unit_of_work_commits() -> None:
    """V2.3.3, S34: whoever else committed would split an operation in two halves."""
    assert modules_with("commit") == {"app.database"}


def test_only_the_unit_of_work_rolls_back() -> None:
    """V2.3.3: undoing by hand would hide from the unit of work what happened."""
    assert modules_with("rollback") == {"app.database"}


def test_only_migrations_open_a_transaction_that_commits_by_itself() -> None:
    """V2.3.3: `engine.begin()` commits without writing the word."""
    assert modules_with("begin", of="engine") == {"app.migrations"}


def test_nobody_writes_a_commit_as_text() -> None:
    statements = [
        (name, node.value)
        for name, tree in parsed_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.strip().rstrip(";").upper() in {"COMMIT", "END", "ROLLBACK"}
    ]
    assert statements == []

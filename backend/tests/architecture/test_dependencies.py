"""What we depend on is chosen, pinned, hashed, and fetched from wherever the reader's own tools fetch from."""

import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.sources import BACKEND

SOURCES = sorted(BACKEND.glob("requirements*.in"), key=lambda path: path.stem)
LOCKS = sorted(BACKEND.glob("requirements*.txt"), key=lambda path: path.stem)
BANNED = {"ecdsa", "passlib", "psycopg2", "psycopg2-binary", "python-jose", "rsa"}
"""Unfixable timing leak, abandoned, blocking, and what would bring them back."""

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def names_in(path: Path) -> list[str]:
    """Return the names of all packages in a file, in their normal form (PEP 503)."""
    found = (REQUIREMENT.match(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [re.sub(r"[-_.]+", "-", match[1]).lower() for match in found if match and not match[0].startswith("-")]


def locked_entries(path: Path) -> list[str]:
    """Return each pinned package with its hashes, as one text."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if REQUIREMENT.match(line) and not line.startswith("-")]


def test_there_are_two_sources_and_their_locks() -> None:
    """S95."""
    assert [path.stem for path in SOURCES] == [path.stem for path in LOCKS] == ["requirements", "requirements-dev"]


@pytest.mark.parametrize("path", [*SOURCES, *LOCKS], ids=lambda path: path.name)
def test_no_banned_package_comes_along(path: Path) -> None:
    """3.1-01, 3.1-04, 3.2-02, S04, S09, S96."""
    assert len(names_in(path)) > 5
    assert set(names_in(path)) & BANNED == set()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_is_pinned_and_hashed(path: Path) -> None:
    """S95, V15.2.1, V15.2.4."""
    for entry in locked_entries(path):
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[\w.!+-]+( |$)", entry), entry
        assert HASH.search(entry), entry


@pytest.mark.parametrize("path", [*SOURCES, *LOCKS], ids=lambda path: path.name)
def test_no_file_names_where_packages_come_from(path: Path) -> None:
    """V15.2.4: a host in these files would override the reader's own mirror, or send them to ours."""
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"(?im)^\s*(?:-i|-f|--[\w-]*(?:url|index|links|host)[\w-]*)\b.*$", text) == []
    assert re.findall(r"(?i)\w+://\S*|git\+\S*|(?<=\S) @ \S+", text) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_chosen_dependency_has_its_reason(path: Path) -> None:
    """V15.2.1: a comment stands above each package, or above the few that serve one purpose together."""
    unexplained = []
    above = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        is_package = bool(REQUIREMENT.match(line)) and not line.startswith("-")
        if is_package and not above.startswith("#"):
            unexplained.append(line)
        above = line if not is_package else above
    assert unexplained == []


def test_every_chosen_dependency_is_in_its_lock() -> None:
    """S95: a lock that was not compiled again would be installed without what the code imports."""
    for source, lock in zip(SOURCES, LOCKS, strict=True):
        assert set(names_in(source)) - set(names_in(lock)) == set()


def test_every_extra_that_a_package_asks_for_is_pinned_as_such() -> None:
    """S95: pip takes `coverage[toml]` for another thing than `coverage`, and its newest release has no hash in the lock."""
    pinned = {
        Requirement(entry.split(" ")[0]).name: entry.split(" ")[0] for lock in LOCKS for entry in locked_entries(lock)
    }
    missing = []
    for name in pinned:
        with suppress(PackageNotFoundError):  # For another system than this one.
            asked = [Requirement(text) for text in requires(name) or ()]
            wanted = [one for one in asked if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""}))]
            missing += [f"{name}: {one}" for one in wanted if one.extras - Requirement(pinned[one.name]).extras]
    assert missing == []


def test_the_tools_agree_with_the_application_on_every_version() -> None:
    """V15.2.4: what is tested is what is deployed."""
    pins = [
        dict(re.sub(r"\[.*\]", "", entry.split(" ")[0]).split("==") for entry in locked_entries(lock)) for lock in LOCKS
    ]
    shared = set(pins[0]) & set(pins[1])
    assert {name: (pins[0][name], pins[1][name]) for name in shared if pins[0][name] != pins[1][name]} == {}

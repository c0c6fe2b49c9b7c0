"""How long `ostiary serve` takes from its start, installed and migrated, to its first answer."""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.processes import HOST, free_port, running
from bench.servers import Server

BAR_SECONDS = 1.2
_TIMES = 5
_PATIENCE_SECONDS = 30
_REQUEST = f"GET /health HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()


@dataclass(frozen=True)
class Starts:
    """Seconds of each start."""

    seconds: list[float]

    def summary(self) -> dict[str, Any]:
        """Return the median, the slowest and all of them."""
        return {"median": round(median(self.seconds), 2), "slowest": max(self.seconds), "all": self.seconds}


def measure_starts(like: Server, scratch: Path) -> Starts:
    """Start the server some times with the settings of another, which is not stopped for it, and stop it again."""
    return Starts([round(_start(like, scratch), 2) for _ in range(_TIMES)])


def _start(like: Server, scratch: Path) -> float:
    port = free_port()
    environment = {**like.environment, "PORT": str(port)}
    command = [str(Path(sys.executable).with_name("ostiary")), "serve"]
    began = time.perf_counter()
    with running(command, output=subprocess.DEVNULL, environment=environment, directory=scratch):
        while not _answers(port):
            if time.perf_counter() - began > _PATIENCE_SECONDS:
                raise TimeoutError("the server did not answer")
            time.sleep(0.005)
        return time.perf_counter() - began


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False

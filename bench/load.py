"""Runs wrk with one of our scripts and returns what it found."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Memory, memory_of, processor_seconds_of, running
from bench.servers import Server

_SCRIPTS = Path(__file__).resolve().parent / "wrk"
_TIMEOUT_SECONDS = 30
"""After so long an answer that has not come is an error. More than a sign-in waits behind two hundred others."""
HOW_TO_INSTALL = "wrk is not on PATH. Install it (`apt-get install wrk`, `brew install wrk`) and run this again."


class LoadFailed(Exception):
    """Wrk ended without a report."""


@dataclass(frozen=True)
class Plan:
    """How hard one measurement presses, and for how long. Threads are wrk's own."""

    seconds: int
    connections: int
    threads: int


@dataclass(frozen=True)
class Load:
    """What one run of wrk found. Latencies are in milliseconds; `busy` counts answers 503, which are no errors."""

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float
    errors: int
    busy: int


@dataclass(frozen=True)
class Cost:
    """What a server spent on a run: microseconds of processor time for each request, and memory half way through."""

    cpu_us: float
    memory: Memory


def installed() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


@contextmanager
def started(script: str, url: str, arguments: Sequence[str], plan: Plan) -> Iterator[subprocess.Popen[bytes]]:
    """Start wrk; it is stopped at the end of the block if it still runs."""
    command = ["wrk", f"-t{plan.threads}", f"-c{plan.connections}", f"-d{plan.seconds}s"]
    command += ["--timeout", f"{_TIMEOUT_SECONDS}s", "-s", f"{script}.lua", url, "--", *arguments]
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    with running(command, output=subprocess.PIPE, environment=environment, directory=_SCRIPTS) as process:
        yield process


def result(process: subprocess.Popen[bytes], plan: Plan) -> Load:
    """Wait for wrk and return what it reports. `Load.rate` counts successes alone. Raises `LoadFailed`."""
    try:
        output = process.communicate(timeout=plan.seconds + 2 * _TIMEOUT_SECONDS)[0].decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        raise LoadFailed("wrk did not end by itself") from error
    report = re.search(r"^REPORT (.*)$", output, re.MULTILINE)
    if report is None:
        raise LoadFailed(f"wrk gave no report:\n{output}")
    found = json.loads(report[1])
    rate = (found["requests"] - found["errors"] - found["busy"]) / found.pop("seconds")
    return Load(rate=round(max(rate, 0), 1), **found)


def measure(server: Server, script: str, path: str, arguments: Sequence[str], plan: Plan) -> tuple[Load, Cost]:
    """Load one path of a server, and return what came of it and what it cost. Raises `LoadFailed`."""
    before = processor_seconds_of(server.group)
    with started(script, server.url(path), [*arguments, str(plan.threads)], plan) as process:
        time.sleep(plan.seconds / 2)
        memory = memory_of(server.group)
        load = result(process, plan)
    spent = processor_seconds_of(server.group) - before
    return load, Cost(cpu_us=round(spent / max(load.requests, 1) * 1e6, 1), memory=memory)

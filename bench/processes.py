"""Starts processes that are certain to be stopped, and reads from /proc what they cost."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Memory:
    """What a server occupies, in MB. PSS: what several processes share is divided among them."""

    whole: float
    workers: list[float]


@contextmanager
def running(
    command: Sequence[str], *, output: IO[bytes] | int, environment: Mapping[str, str], directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program as the head of a group of its own, and stop the whole group at the end, however it comes."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=directory,
        # Ctrl-C in the terminal is for us alone; we stop what we started, in good order.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def memory_of(group: int) -> Memory:
    """Return what the processes of a group occupy together, and each that serves requests."""
    sizes = {pid: _pss_megabytes(pid) for pid in _members(group)}
    workers = [
        pid
        for pid in sizes
        if _stat(pid)[1:2] == [str(group).encode()] and b"resource_tracker" not in _read(pid, "cmdline")
    ]
    return Memory(round(sum(sizes.values()), 1), [round(sizes[pid], 1) for pid in workers or [group] if pid in sizes])


def processor_seconds_of(group: int) -> float:
    """Return the processor time that the living processes of a group have used."""
    ticks = [sum(map(int, _stat(pid)[11:13])) for pid in _members(group)]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
    finally:
        # Whatever is left, also when an impatient second Ctrl-C has interrupted the waiting.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _members(group: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[2]) == group]


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third on (the state); the second may hold anything."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def _pss_megabytes(pid: int) -> float:
    lines = _read(pid, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss:")) / 1024


def _read(pid: int, name: str) -> bytes:
    """Return a file of /proc, or nothing when the process has just ended."""
    with suppress(OSError):
        return Path("/proc", str(pid), name).read_bytes()
    return b""

"""The floor of everything that checks or sets a password: how many Argon2id hashes this machine computes.

Imported, it starts one process for each core and adds up what they report; run by itself, it is such a process.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from nacl.pwhash import argon2id

from bench.processes import ROOT, running

_NICENESS = 10
"""That of the application's hashing threads, so that other work on the machine slows both alike."""


@dataclass(frozen=True)
class Hashes:
    """What all processes together computed: verifications a second, and the processor time of one in microseconds."""

    rate: float
    cpu_us: float


def measure_hashes(*, seconds: int, processes: int, memory_kib: int, iterations: int) -> Hashes:
    """Verify passwords on all cores for so long."""
    command = [sys.executable, "-m", "bench.hashes", str(seconds), str(memory_kib), str(iterations)]
    with ExitStack() as cleanup:
        started = [
            cleanup.enter_context(
                running(command, output=subprocess.PIPE, environment=dict(os.environ), directory=ROOT)
            )
            for _ in range(processes)
        ]
        found = [list(map(float, process.communicate(timeout=seconds + 30)[0].split())) for process in started]
    return Hashes(rate=sum(rate for rate, _ in found), cpu_us=max(cpu_us for _, cpu_us in found))


def _verify_for(seconds: int, memory_kib: int, iterations: int) -> Hashes:
    """Verify a right password again and again."""
    password = b"correct horse battery staple"
    stored = argon2id.str(password, opslimit=iterations, memlimit=memory_kib * 1024)
    count, began, spent = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - began) < seconds:
        argon2id.verify(stored, password)
        count += 1
    return Hashes(rate=count / elapsed, cpu_us=(time.process_time() - spent) / count * 1e6)


if __name__ == "__main__":
    os.nice(_NICENESS)
    hashes = _verify_for(*map(int, sys.argv[1:]))
    print(hashes.rate, hashes.cpu_us)

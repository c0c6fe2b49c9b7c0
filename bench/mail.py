"""`python -m bench.mail`: how fast ten thousand mails are written, how fast they leave, and what memory that takes.

The mail server is a process beside that takes everything at once, so that the figures are ours. Each worker drains the
outbox as the server's job does, in a process of its own, by one connection.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app import migrations
from app.config import Settings
from app.database import Client, Database
from app.jobs.mail import send_due_mail
from app.logs import configure_logging
from app.mail.links import page_link
from app.mail.messages import Recipient, VerifyAddress
from app.runtime import Runtime
from app.services import outbox
from bench import machine, servers
from bench.processes import HOST, ROOT, free_port, running

_CLIENT = Client(address=None, user_agent="bench", request_id="bench")
_IN_ONE_TRANSACTION = 100
_EVERY_SECONDS = 0.05
_START_SECONDS = 20
_MILLION = 1_000_000


@dataclass(frozen=True)
class Drained:
    """What one worker did: mails would leave faster with more of them."""

    seconds: float
    memory_before: float
    """MB, resident, before the first mail."""
    memory_peak: float


def main() -> int:
    """Measure on each database, with one worker and with two, and print a table."""
    options = _options()
    if options.take:
        asyncio.run(_take(options.take))
    elif options.drain:
        print(json.dumps(vars(asyncio.run(_drain()))))
    else:
        print(machine.describe())
        print("| database | workers | mails | written/s | sent/s | memory before, MB | memory at most, MB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for kind in (servers.SQLITE, servers.POSTGRESQL):
            for workers in (1, 2):
                _measure(kind, workers, options.mails)
    return 0


def _measure(kind: str, workers: int, mails: int) -> None:
    with (
        servers.scratch_directory() as scratch,
        servers.database(kind, scratch=scratch, workers=workers) as url,
        _mail_server(scratch) as port,
    ):
        environment = _environment(url, port)
        settings = Settings.load(**environment)
        began = time.monotonic()
        asyncio.run(_write(settings, mails))
        writing = time.monotonic() - began
        began = time.monotonic()
        drained = _drain_in(workers, environment, scratch)
        sending = max(each.seconds for each in drained)
        left = asyncio.run(_left(settings))
    if left:
        raise RuntimeError(f"{left} mails are left")
    before, peak = (max(getattr(each, name) for each in drained) for name in ("memory_before", "memory_peak"))
    rates = f"{mails / writing:.0f} | {mails / sending:.0f}"
    print(f"| {kind} | {workers} | {mails} | {rates} | {before:.0f} | {peak:.0f} |", flush=True)


def _environment(url: str, port: int) -> dict[str, str]:
    return {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://accounts.example.com",
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "accounts@example.com",
        "LOG_LEVEL": "error",
    }


async def _write(settings: Settings, mails: int) -> None:
    """Write all mails into the outbox, each to its own address."""
    database = Database(settings, patient=True)
    await migrations.upgrade(database)
    await database.close()
    runtime = Runtime.build(settings)
    link = page_link(settings, "/mail/verify", token=secrets.token_urlsafe(32))
    for begin in range(0, mails, _IN_ONE_TRANSACTION):
        async with runtime.database.begin(_CLIENT) as work:
            for number in range(begin, min(begin + _IN_ONE_TRANSACTION, mails)):
                to = Recipient(address=f"person{number}@example.com")
                message = VerifyAddress(to=to, link=link, code="48151623", valid_for=timedelta(hours=24))
                await outbox.post(work, message)
    await runtime.close()


def _drain_in(workers: int, environment: dict[str, str], scratch: Path) -> list[Drained]:
    """Drain the outbox in so many processes at once."""
    command = [sys.executable, "-m", "bench.mail", "--drain"]
    everything = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": f"{ROOT}:{ROOT / 'backend'}", **environment}
    processes = [
        subprocess.Popen(command, env=everything, cwd=scratch, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    return [Drained(**json.loads(process.communicate()[0])) for process in processes]


async def _drain() -> Drained:
    """Run rounds of the job until nothing is due, and watch our own memory meanwhile."""
    settings = Settings.load()
    configure_logging(settings)
    runtime = Runtime.build(settings)
    before = peak = _resident_megabytes()
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(_EVERY_SECONDS):
            peak = max(peak, _resident_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    while await outbox.is_due(runtime.database.read, now=datetime.now(UTC)):
        await send_due_mail(runtime)
    seconds = time.monotonic() - began
    over.set()
    watcher.join()
    await runtime.close()
    return Drained(seconds, before, peak)


async def _left(settings: Settings) -> int:
    """Return how many mails have not been sent."""
    runtime = Runtime.build(settings)
    try:
        async with runtime.database.begin(_CLIENT) as work:
            return len(await outbox.claim(work, lasting=timedelta(minutes=1), limit=_MILLION))
    finally:
        await runtime.close()


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MILLION


@contextmanager
def _mail_server(scratch: Path) -> Iterator[int]:
    """Run a mail server in a process of its own and yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.mail", "--take", str(port)]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": f"{ROOT}:{ROOT / 'backend'}"}
    with running(command, output=subprocess.DEVNULL, environment=environment, directory=scratch):
        asyncio.run(_wait_for(port))
        yield port


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(_EVERY_SECONDS)
            else:
                writer.close()
                return


async def _take(port: int) -> None:
    """Take every mail, and forget it."""
    server = await asyncio.start_server(_talk, HOST, port)
    await server.serve_forever()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 bench\r\n")
    while line := await reader.readline():
        verb = line[:4].upper()
        writer.write({b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n"))
        if verb == b"DATA":
            await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"250 taken\r\n")
        if verb == b"QUIT":
            break
    writer.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.mail", description="Measure the outbox.")
    parser.add_argument("--mails", type=int, default=10_000, help="10000")
    parser.add_argument("--take", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--drain", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

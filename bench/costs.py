"""`python -m bench.costs`: what an audit event and a mail add to the request that causes them, on PostgreSQL.

Both are rows in the transaction of what they tell of. Measured within one process, with and without each, in turn.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import TextIO

import uvloop
from sqlalchemy import text

from app.auth.identifiers import new_id
from app.config import Settings
from app.database import Client, Database, Work
from app.logs import configure_logging
from app.mail.links import page_link
from app.mail.messages import AlreadyRegistered, Recipient
from app.models import AuditKind
from app.services import audit, outbox
from bench import machine, servers
from bench.processes import HOST

BAR_MS = 0.3
_TIMES = 400
_CLIENT = Client(address=HOST, user_agent=None, request_id="0" * 32)


def main() -> int:
    """Run the command; 1 stands for a cost above the bar."""
    argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__).parse_args()
    with (
        servers.scratch_directory() as scratch,
        servers.database(servers.POSTGRESQL, scratch=scratch, workers=1) as url,
    ):
        with servers.ostiary(url, scratch=scratch, workers=1) as server:
            environment = dict(server.environment)
        os.environ.update(environment)
        with Path(os.devnull).open("w") as nowhere:
            found = uvloop.run(_measure(Settings.load(), nowhere))
    print(f"On the request path, median of {_TIMES} (load average {machine.load_average()}):")
    for name, cost in found.items():
        print(f"  {name:<14} {cost:.3f} ms   {'met' if cost <= BAR_MS else 'MISSED'} (bar {BAR_MS} ms)")
    return int(any(cost > BAR_MS for cost in found.values()))


async def _measure(settings: Settings, nowhere: TextIO) -> dict[str, float]:
    # As a worker in production: the line of the log is part of the cost, where it goes is not.
    configure_logging(settings)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(nowhere)
    database = Database(settings)
    spent: dict[str, list[float]] = {"audit event": [], "mail": []}
    try:
        for _ in range(_TIMES):
            async with database.begin(_CLIENT) as work:
                # What begins the transaction is the request's own work.
                await work.execute(_NOTHING)
                for name, write in _WRITES.items():
                    began = time.perf_counter()
                    await write(work)
                    spent[name].append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    return {name: median(each) for name, each in spent.items()}


async def _event(work: Work) -> None:
    someone = new_id()
    detail = {"methods": ["pwd"], "transport": "bearer", "news": []}
    about = audit.About(actor_id=someone, target_id=someone, session_id=new_id())
    await audit.record(work, AuditKind.SESSION_CREATED, **about, detail=detail)


async def _mail(work: Work) -> None:
    link = page_link(work.settings, "/mail/forgot")
    to = Recipient(address=f"{new_id().hex}@example.com")
    await outbox.post(work, AlreadyRegistered(to=to, sign_in=link, reset=link))


_NOTHING = text("SELECT 1")
_WRITES = {"audit event": _event, "mail": _mail}


if __name__ == "__main__":
    sys.exit(main())

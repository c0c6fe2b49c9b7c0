"""Mail of a real server with two workers, to a real mail server: it arrives once, also when workers are killed."""

import asyncio
import os
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update

from app.models import OutgoingMail
from tests.conftest import settings_for
from tests.journeys.pair import ISSUER, held, served_by
from tests.journeys.server import Server, running
from tests.outbox import CODE, TOKEN, mails_of, post, sign_in_code, verification
from tests.rows import write
from tests.smtp import Trouble, mail_server

MAILS = 20


def kill_workers(server: Server) -> None:
    """Kill both workers, and return when the supervisor has started others."""
    killed = server.wait_for_workers(2)
    for worker in killed:
        os.kill(worker, signal.SIGKILL)
    server.wait_for_workers(2, without=killed)


async def test_twenty_mails_and_one_whose_worker_was_killed_arrive_once_each(database_url: str, tmp_path: Path) -> None:
    """3.9-05, 3.9-06: the last one's workers die between claim and sending, by SIGKILL; its claim ends by itself.

    The mails are posted by the test's own process, so that the workers find them and are not woken.
    """
    async with mail_server() as mail, held(settings_for(database_url, PUBLIC_URL=ISSUER, **mail.settings())) as runtime:
        settings = {name: str(value) for name, value in mail.settings(SMTP_TIMEOUT_SECONDS=300).items()}
        with running(tmp_path, **served_by(database_url, WORKERS="2", **settings)) as server:
            await post(runtime, *(sign_in_code(f"person{n}@example.com") for n in range(MAILS)))
            await mail.wait_for(MAILS)

            mail.makes(Trouble.STALL_AT_RCPT)
            await post(runtime, verification(runtime))
            await asyncio.wait_for(mail.stalled.wait(), 20)
            await asyncio.to_thread(kill_workers, server)
            (claimed,) = [row for row in await mails_of(runtime) if row.sent_at is None]
            assert claimed.claim is not None
            assert len(mail.arrived) == MAILS

            ended = update(OutgoingMail).where(OutgoingMail.id == claimed.id).values(claimed_until=datetime.now(UTC))
            await write(runtime, ended)
            await mail.wait_for(MAILS + 1)
        # Everything that was under way has ended with the server.
        arrived = Counter(each.recipient for each in mail.arrived)
        assert arrived == Counter(["ada@example.com", *(f"person{n}@example.com" for n in range(MAILS))])
        assert {row.sent_at is not None for row in await mails_of(runtime)} == {True}
        assert CODE in mail.arrived[-1].text
        for secret in (CODE, TOKEN):
            assert secret not in server.said

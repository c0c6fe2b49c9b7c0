"""Sends the mail of the outbox."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from app.auth.emails import EmailInvalid
from app.database import Work
from app.exceptions import DatabaseUnavailable
from app.jobs.periodic import Job, job_client
from app.mail.composing import Envelope, compose
from app.mail.smtp import Postman
from app.mail.transport import Failure, WayOut, way_out
from app.runtime import Runtime
from app.services import outbox
from app.services.outbox import ClaimedMail

log = structlog.get_logger()

ROUND = timedelta(minutes=5)
"""After so long a round ends, and the next one begins at once."""
CANCEL_AGAIN_SECONDS = 0.2
ANSWER_PATIENCE_SECONDS = 10.0
"""How long a server that stops waits for the answer to a mail that it has just handed over."""
_CLAIM_RESERVE = timedelta(seconds=30)
_SETTLE_PAUSES_SECONDS = (0.2, 1.0, 5.0, 10.0)


async def send_due_mail(runtime: Runtime) -> None:
    """Send what is due, a batch at a time: no more than that is ever in memory.

    Raises `Failure` when the mail server is away, so that this job pauses, longer each time; what has not been tried stays
    due. Raises `DatabaseUnavailable`.
    """
    if way_out(runtime.settings) is not WayOut.SMTP:
        return
    ends_at = time.monotonic() + ROUND.total_seconds()
    async with Postman(runtime.settings) as postman:
        while await outbox.is_due(runtime.database.read, now=datetime.now(UTC)):
            if time.monotonic() > ends_at:
                runtime.database.bells[outbox.JOB].set()
                return
            if not await _Batch(runtime, postman).send():
                return


class _Batch:
    """Some mails that one claim has taken."""

    def __init__(self, runtime: Runtime, postman: Postman) -> None:
        self._runtime = runtime
        self._postman = postman
        self._lasting = timedelta(seconds=postman.longest_seconds) + _CLAIM_RESERVE
        self._left: list[ClaimedMail] = []

    async def send(self) -> bool:
        """Claim and send, one after the other; what was not tried when this ends, however it ends, is given back.

        False: other workers had claimed everything.
        """
        begun = time.monotonic()
        await self._write(self._claim)
        has_some = bool(self._left)
        try:
            while self._left and time.monotonic() - begun < _CLAIM_RESERVE.total_seconds():
                await self._send_whole(self._left[0])
        finally:
            if self._left:
                await self._write(self._release)
        return has_some

    async def _claim(self, work: Work) -> None:
        self._left = await outbox.claim(work, lasting=self._lasting)

    async def _release(self, work: Work) -> None:
        await outbox.release(work, mails=self._left)

    async def _send_whole(self, mail: ClaimedMail) -> None:
        """Send one mail. A server that stops in the middle of it hears the answer first: else it would be sent twice."""
        sending = asyncio.create_task(self._send_one(mail))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            if self._postman.is_handing_over or mail not in self._left:
                await asyncio.wait([sending], timeout=ANSWER_PATIENCE_SECONDS)
            # Before Python 3.12 `wait_for`, by which the SMTP library waits, loses a cancellation that comes together with
            # what it waits for.
            while not sending.done():
                sending.cancel()
                await asyncio.wait([sending], timeout=CANCEL_AGAIN_SECONDS)
            await asyncio.gather(sending, return_exceptions=True)
            raise

    async def _send_one(self, mail: ClaimedMail) -> None:
        try:
            await self._postman.deliver(self._composed(mail))
        except Failure as failure:
            await self._settle(mail, partial(outbox.settle_failed, mail=mail, failure=failure))
            if failure.is_servers:
                raise
        else:
            await self._settle(mail, partial(outbox.settle_sent, mail=mail))

    def _composed(self, mail: ClaimedMail) -> Envelope:
        """Return a mail as it travels. Raises `Failure` when there is nothing to be sent any more."""
        if mail.expires_at <= datetime.now(UTC):
            raise Failure("it could not be sent in time", is_final=True)
        if mail.rendered is None:
            raise Failure("no server secret opens it; does SECRET_KEY_PREVIOUS lack a former one?")
        try:
            return compose(
                self._runtime.settings, mail.rendered, to=mail.recipient, message_id=mail.message_id, at=mail.created_at
            )
        except (EmailInvalid, ValueError) as error:
            raise Failure(f"cannot be put together: {type(error).__name__}", is_final=True) from None

    async def _settle(self, mail: ClaimedMail, write: Callable[[Work], Awaitable[object]]) -> None:
        """Write down what became of a mail. It is tried for a while: nobody else knows that it has been sent."""
        self._left.remove(mail)
        for pause in _SETTLE_PAUSES_SECONDS:
            try:
                await self._write(write)
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
            else:
                return
        await self._write(write)

    async def _write(self, write: Callable[[Work], Awaitable[object]]) -> None:
        async with self._runtime.database.begin(job_client(outbox.JOB)) as work:
            await write(work)


async def wait_for_mail(runtime: Runtime) -> None:
    """Return when somebody in this process has posted a mail since this last returned."""
    bell = runtime.database.bells[outbox.JOB]
    await bell.wait()
    # Before the round that follows looks for mail, so that a post in between rings again.
    bell.clear()


SEND_MAIL = Job(outbox.JOB, timedelta(seconds=5), send_due_mail, woken_by=wait_for_mail)
"""Woken by each post in the same process; what other processes have posted, or was delayed, it finds by itself."""

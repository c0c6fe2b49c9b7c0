"""The job against a real server that refuses, stalls and hangs up: every committed mail arrives once."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy import select

from app.jobs import periodic
from app.jobs.mail import SEND_MAIL, send_due_mail
from app.jobs.periodic import jobs_running
from app.jobs.purges import PURGE_MAIL, purge_job
from app.jobs.schedule import JOBS
from app.mail.transport import Failure
from app.models import OutgoingMail
from app.services import outbox
from tests.conftest import settings_for
from tests.contention import uncommitted
from tests.instances import instance
from tests.journeys.pair import held
from tests.outbox import (
    ADA,
    CODE,
    TOKEN,
    change_mails,
    mails_of,
    notice,
    post,
    post_office,
    sign_in_code,
    the_mail,
    verification,
)
from tests.smtp import MailServer, Trouble, mail_server
from tests.statements import recorded_statements

BEFORE_ANYTHING_ARRIVED = [
    Trouble.REFUSE_CONNECTION,
    Trouble.STALL_AT_GREETING,
    Trouble.DROP_AT_GREETING,
    Trouble.GARBAGE,
    Trouble.DROP_AT_MAIL,
    Trouble.UNAVAILABLE_AT_MAIL,
    Trouble.REFUSE_SENDER,
    Trouble.STALL_AT_RCPT,
    Trouble.TEMPORARY_AT_RCPT,
    Trouble.DROP_IN_DATA,
    Trouble.TEMPORARY_AFTER_DATA,
]
FOR_GOOD = [Trouble.REFUSE_RECIPIENT, Trouble.REFUSE_MAIL]


async def test_a_mail_arrives_as_it_was_posted(database_url: str) -> None:
    """3.9-05: text, HTML, headers, and nothing of it stays behind."""
    async with post_office(database_url, APP_NAME="Shop", MAIL_REPLY_TO="help@example.com") as office:
        await office.post(verification(office.runtime))
        posted = await the_mail(office.runtime)
        await office.send()
        (arrived,) = office.server.arrived
        assert (arrived.sender, arrived.recipient) == ("accounts@example.com", "ada@example.com")
        assert arrived.message["From"] == "Shop <accounts@example.com>"
        assert arrived.message["Reply-To"] == "help@example.com"
        assert arrived.message["Message-ID"] == f"<{posted.message_id}>"
        assert arrived.message["Auto-Submitted"] == "auto-generated"
        for part in (arrived.text, arrived.html):
            assert CODE in part
            assert TOKEN in part
        row = await the_mail(office.runtime)
        assert row.sent_at is not None
        assert (row.content_encrypted, row.claim, row.attempts) == (None, None, 1)
        await office.send_again()
        assert len(office.server.arrived) == 1


@pytest.mark.only("sqlite")  # What the server does is the same to both; the rows are another test's.
@pytest.mark.parametrize("trouble", BEFORE_ANYTHING_ARRIVED, ids=lambda trouble: trouble.name)
async def test_a_mail_that_was_not_taken_arrives_later_and_once(database_url: str, trouble: Trouble) -> None:
    """3.9-05, 3.9-06: whatever went wrong, and with the same Message-ID."""
    async with post_office(database_url) as office:
        office.server.makes(trouble)
        await office.post(verification(office.runtime))
        posted = await the_mail(office.runtime)
        with suppress(Failure):
            await office.send()
        row = await the_mail(office.runtime)
        assert office.server.arrived == []
        assert (row.sent_at, row.given_up_at, row.claim, row.attempts) == (None, None, None, 1)
        assert row.cause
        assert row.due_at > datetime.now(UTC) + timedelta(seconds=15)
        await office.send_again(2)
        (arrived,) = office.server.arrived
        assert arrived.message["Message-ID"] == f"<{posted.message_id}>"
        assert CODE in arrived.text


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("trouble", FOR_GOOD, ids=lambda trouble: trouble.name)
async def test_the_last_word_of_a_server_is_the_last_word(database_url: str, trouble: Trouble) -> None:
    """5xx for the recipient or the mail: it is given up with the cause, and the next one goes by the same connection."""
    async with post_office(database_url) as office:
        office.server.makes(trouble)
        await office.post(verification(office.runtime))
        await office.post(sign_in_code("grace@example.com"))
        await office.send()
        refused, taken = await mails_of(office.runtime)
        assert (refused.given_up_at is None, refused.content_encrypted) == (False, None)
        assert refused.cause in {"RCPT: 550 5.1.1 <ada@example.com>: nobody of that name", "DATA: 554"}
        assert taken.sent_at is not None
        await office.send_again()
        assert [mail.recipient for mail in office.server.arrived] == ["grace@example.com"]
        assert office.server.connections == 1


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("trouble", [*BEFORE_ANYTHING_ARRIVED, *FOR_GOOD], ids=lambda trouble: trouble.name)
async def test_no_trouble_brings_a_secret_into_log_or_database(database_url: str, trouble: Trouble) -> None:
    """V16.2.5: also when the server quotes the mail in its refusal, as filters do."""
    async with post_office(database_url) as office:
        office.server.makes(trouble)
        with structlog.testing.capture_logs() as logs:
            await office.post(verification(office.runtime))
            with suppress(Failure):
                await office.send()
        for secret in (CODE, TOKEN):
            assert secret not in repr(logs)
            assert secret not in str((await the_mail(office.runtime)).cause)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("trouble", [Trouble.DROP_AFTER_DATA], ids=lambda trouble: trouble.name)
async def test_a_lost_answer_sends_the_same_mail_again(database_url: str, trouble: Trouble) -> None:
    """The only way to arrive twice. Byte for byte the same: whoever keeps mail sees one."""
    async with post_office(database_url) as office:
        office.server.makes(trouble)
        await office.post(verification(office.runtime))
        with pytest.raises(Failure, match="DATA"):
            await office.send()
        await office.send_again()
        first, second = office.server.arrived
        assert first.content == second.content


async def test_a_server_that_is_away_delays_one_mail_and_touches_no_other(database_url: str) -> None:
    """3.9-05, 3.9-06: the round ends, and so the job pauses; everything is sent as soon as the server is back."""
    async with post_office(database_url) as office:
        office.server.makes(Trouble.DROP_AT_GREETING)
        await office.post(*(sign_in_code(f"person{n}@example.com") for n in range(5)))
        with pytest.raises(Failure):
            await office.send()
        assert sorted(mail.attempts for mail in await mails_of(office.runtime)) == [0, 0, 0, 0, 1]
        assert {mail.claim for mail in await mails_of(office.runtime)} == {None}
        await office.send()
        assert len(office.server.arrived) == 4
        await office.send_again()
        assert len(office.server.arrived) == 5


async def test_a_kept_connection_that_was_closed_is_opened_again(database_url: str) -> None:
    """Servers take so many mails by one connection. None is delayed by that."""
    async with post_office(database_url) as office:
        await office.post(*(sign_in_code(f"person{n}@example.com") for n in range(2)))
        async with office.server.changed:
            sending = asyncio.create_task(office.send())
            await office.server.changed.wait_for(lambda: len(office.server.arrived) == 1)
            office.server.makes(Trouble.UNAVAILABLE_AT_MAIL)
        await sending
        assert len(office.server.arrived) == 2
        assert office.server.connections == 2
        assert {mail.attempts for mail in await mails_of(office.runtime)} == {1}


async def test_many_mails_go_batch_by_batch_by_one_connection(database_url: str) -> None:
    """V15.1.3: no more than a batch is in memory at once."""
    async with post_office(database_url) as office:
        number = 2 * outbox.BATCH + 5
        await office.post(*(sign_in_code(f"person{n}@example.com") for n in range(number)))
        with recorded_statements(office.runtime) as seen:
            await office.send()
        claims = [statement for statement in seen if "MATERIALIZED" in statement]
        assert len(claims) == 3
        assert len({mail.recipient for mail in office.server.arrived}) == len(office.server.arrived) == number
        assert office.server.connections == 1


async def test_two_workers_send_each_mail_once(database_url: str) -> None:
    """V15.4.2: on either database."""
    async with post_office(database_url) as one, post_office(database_url, server=one.server) as other:
        await one.post(*(sign_in_code(f"person{n}@example.com") for n in range(60)))
        await asyncio.gather(one.send(), other.send())
        # Whoever found everything claimed by the other is done; what is left is its own round's.
        await one.send()
        assert Counter(mail.recipient for mail in one.server.arrived) == Counter(
            f"person{n}@example.com" for n in range(60)
        )


async def test_a_mail_whose_link_has_ended_is_not_sent(database_url: str) -> None:
    async with post_office(database_url) as office:
        await office.post(sign_in_code())
        await change_mails(office.runtime, expires_at=datetime.now(UTC))
        await office.send()
        assert office.server.connections == 0
        row = await the_mail(office.runtime)
        assert (row.given_up_at is not None, row.cause) == (True, "it could not be sent in time")


async def test_a_mail_that_no_secret_opens_waits_for_the_secret(database_url: str) -> None:
    """V13.3.4: a SECRET_KEY that was set wrongly may be set right."""
    async with post_office(database_url) as office:
        await office.post(sign_in_code())
        other = "Zr7Tn1Lk9Jh3Gf6Ds0Aq5WeR-yUiOpBxVzNmmQ2v8Xc4"
        async with held(settings_for(database_url, SECRET_KEY=other, **office.server.settings())) as wrong:
            await send_due_mail(wrong)
        assert "SECRET_KEY_PREVIOUS" in ((await the_mail(office.runtime)).cause or "")
        await office.send_again()
        assert len(office.server.arrived) == 1


async def test_a_server_that_stops_hears_the_answer_first(database_url: str) -> None:
    """A deployment sends no mail twice: the mail that is being handed over is settled, the others are given back."""
    async with post_office(database_url, SMTP_TIMEOUT_SECONDS=20) as office:
        await office.post(sign_in_code("a@example.com"), sign_in_code("b@example.com"))
        async with office.server.changed:
            sending = asyncio.create_task(office.send())
            # The server has the first mail, and has not answered: this block holds it.
            await office.server.handed_over.wait()
            sending.cancel()
            await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await sending
        (arrived,) = office.server.arrived
        sent, waiting = sorted(await mails_of(office.runtime), key=lambda mail: mail.recipient != arrived.recipient)
        assert (sent.sent_at is not None, waiting.sent_at, waiting.claim, waiting.attempts) == (True, None, None, 0)


async def test_a_server_that_stops_does_not_wait_for_one_that_stalls(database_url: str) -> None:
    """3.9-05: before the mail is handed over, nothing is lost by going."""
    async with post_office(database_url, SMTP_TIMEOUT_SECONDS=300) as office:
        office.server.makes(Trouble.STALL_AT_RCPT)
        await office.post(sign_in_code())
        sending = asyncio.create_task(office.send())
        await office.server.stalled.wait()
        sending.cancel()
        async with asyncio.timeout(5):
            with suppress(asyncio.CancelledError):
                await sending
        row = await the_mail(office.runtime)
        assert (row.claim, row.attempts) == (None, 0)


async def test_a_post_wakes_the_job_of_its_process(database_url: str) -> None:
    """Nobody waits five seconds for a code."""
    async with post_office(database_url) as office, jobs_running(office.runtime, [SEND_MAIL]):
        async with asyncio.timeout(4):
            for number in range(1, 4):
                await office.post(sign_in_code(f"person{number}@example.com"))
                await office.server.wait_for(number)


async def test_an_application_starts_and_answers_while_the_mail_server_stalls(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.9-05: neither start nor request waits for it."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    async with mail_server() as server:
        server.makes(Trouble.STALL_AT_GREETING)
        settings = settings_for(database_url, **server.settings(SMTP_TIMEOUT_SECONDS=300))
        async with held(settings) as runtime:
            await post(runtime, sign_in_code())
        async with asyncio.timeout(8), instance(settings) as running:
            await server.stalled.wait()
            assert (await running.http.get("/health")).status_code == 200


async def test_an_application_lives_on_without_a_mail_server(database_url: str) -> None:
    """3.9-06: the failure is contained; mail goes as soon as there is a server."""
    nobody = MailServer(port=9)
    async with instance(settings_for(database_url, **nobody.settings())) as running:
        await post(running.runtime, sign_in_code())
        assert (await running.http.get("/health")).status_code == 200
        assert (await the_mail(running.runtime)).sent_at is None


async def test_old_rows_are_deleted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """V14.2.4: a week later nothing tells who got mail, sent or not."""
    monkeypatch.setattr(outbox, "PURGED_AT_ONCE", 2)
    async with post_office(database_url) as office:
        await office.post(*(sign_in_code(f"person{n}@example.com") for n in range(5)))
        await change_mails(office.runtime, created_at=datetime.now(UTC) - outbox.KEPT - timedelta(minutes=1))
        await office.post(notice(office.runtime))
        await purge_job("purge", timedelta(hours=1), outbox.purge_mails, batch=2).run(office.runtime)
        assert [mail.kind for mail in await mails_of(office.runtime)] == ["security_notice"]


@pytest.mark.only("postgresql")
async def test_a_row_that_somebody_holds_stays_for_the_next_round(database_url: str) -> None:
    """V15.4.2: the job waits for nobody, so no request ever waits in a circle with it."""
    async with post_office(database_url) as office:
        await office.post(sign_in_code(), sign_in_code("grace@example.com"))
        await change_mails(office.runtime, created_at=datetime.now(UTC) - outbox.KEPT - timedelta(minutes=1))
        taken = select(OutgoingMail.id).where(OutgoingMail.recipient == ADA).with_for_update()
        async with uncommitted(office.runtime, taken):
            await PURGE_MAIL.run(office.runtime)
            assert [mail.recipient for mail in await mails_of(office.runtime)] == [ADA]


def test_the_server_runs_both_jobs() -> None:
    assert {SEND_MAIL, PURGE_MAIL} <= set(JOBS)

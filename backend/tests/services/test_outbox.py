"""Posting, claiming and settling: what is written, what is not, and what nobody can read."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import structlog
from jinja2 import UndefinedError
from sqlalchemy import delete, select, text

from app.auth.identifiers import new_id
from app.mail.messages import NoticeEvent, Recipient, VerifyAddress
from app.mail.rendering import Rendered
from app.mail.sealing import open_mail
from app.mail.transport import Failure
from app.models import AuditEvent, AuditKind, OutgoingMail, User
from app.runtime import Runtime
from app.services import outbox
from app.services.outbox import ClaimedMail, claim, pause_after, release, settle_failed, settle_sent
from tests.accounts import CLIENT, Accounts
from tests.outbox import ADA, CODE, TOKEN, change_mails, mails_of, notice, post, sign_in_code, the_mail, verification
from tests.rows import everything, find_user, write

SMTP = {
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": 9,
    "SMTP_SECURITY": "none",
    "MAIL_FROM": "accounts@example.com",
    "JOBS": "apart",
}
BY_SMTP = pytest.mark.settings(**SMTP)
LASTING = timedelta(minutes=3)
PRODUCTION = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"}


async def claimed(runtime: Runtime, **options: int) -> list[ClaimedMail]:
    async with runtime.database.begin(CLIENT) as work:
        return await claim(work, lasting=LASTING, **options)


async def held_back(runtime: Runtime) -> list[AuditEvent]:
    kind = AuditEvent.kind == AuditKind.MAIL_HELD_BACK
    return list(await runtime.database.read.entities(select(AuditEvent).where(kind)))


@BY_SMTP
async def test_a_post_is_a_row_of_its_transaction(runtime: Runtime) -> None:
    """3.9-05: it waits for nobody, and what is undone has never been posted."""
    with suppress(ZeroDivisionError):
        async with runtime.database.begin(CLIENT) as work:
            await outbox.post(work, verification(runtime))
            raise ZeroDivisionError
    assert await mails_of(runtime) == []
    assert not runtime.database.bells[outbox.JOB].is_set()
    async with runtime.database.begin(CLIENT) as work:
        await outbox.post(work, verification(runtime))
        assert not runtime.database.bells[outbox.JOB].is_set()
    assert runtime.database.bells[outbox.JOB].is_set()
    mail = await the_mail(runtime)
    assert (mail.kind, mail.recipient, mail.locale, mail.attempts) == ("verify_address", ADA, "en", 0)
    assert mail.message_id.endswith("@example.com")


@BY_SMTP
async def test_neither_code_nor_link_can_be_read_in_the_database(runtime: Runtime) -> None:
    """3.4-09, V14.2.4: a dump of the database opens no account."""
    await post(runtime, verification(runtime))
    stored = repr(await everything(runtime))
    sealed = (await the_mail(runtime)).content_encrypted
    assert sealed is not None
    for secret in (CODE, TOKEN, "/mail/verify"):
        assert secret not in stored
        assert secret.encode() not in sealed


@BY_SMTP
async def test_what_is_sealed_opens_for_its_row_and_kind_alone(runtime: Runtime) -> None:
    """V11.3.3: a row that somebody copies over another one opens nothing."""
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)

    def opened(mail_id: UUID, kind: str) -> Rendered | None:
        return open_mail(runtime.settings, mail.content_encrypted or b"", mail_id=mail_id, kind=kind)

    content = opened(mail.id, mail.kind)
    assert content is not None
    assert CODE in content.text
    assert opened(new_id(), mail.kind) is None
    assert opened(mail.id, "reset_password") is None


@BY_SMTP
async def test_no_log_and_no_repr_holds_what_a_mail_says(runtime: Runtime) -> None:
    """V16.2.5: links and codes are secrets."""
    with structlog.testing.capture_logs() as logs:
        await post(runtime, verification(runtime))
        (mail,) = await claimed(runtime)
        async with runtime.database.begin(CLIENT) as work:
            await settle_failed(work, mail=mail, failure=Failure("RCPT: 451"))
    for shown in (repr(logs), repr(verification(runtime)), repr(mail), repr(mail.rendered)):
        assert CODE not in shown
        assert TOKEN not in shown


@BY_SMTP
async def test_a_template_that_cannot_be_used_fails_the_request(runtime: Runtime) -> None:
    """Not a job hours later: the event is none that templates know."""
    with pytest.raises(UndefinedError):
        await post(runtime, notice(runtime, event="nonsense"))
    assert await mails_of(runtime) == []


@pytest.mark.settings(**SMTP, MAIL_PER_ADDRESS_PER_HOUR=3)
async def test_one_address_gets_so_many_mails_an_hour_and_no_more(runtime: Runtime) -> None:
    """3.7-10: however it is spelt; a caller learns nothing of it."""
    spellings = [ADA, "Ada@EXAMPLE.com", "ADA@example.com", ADA, "ada@Example.Com", ADA]
    for address in spellings:
        await post(runtime, verification(runtime, address))
    assert len(await mails_of(runtime)) == 3
    await post(runtime, verification(runtime, "grace@example.com"))
    assert len(await mails_of(runtime)) == 4
    events = await held_back(runtime)
    assert [(event.cause, event.subject, event.outcome) for event in events] == [
        ("too_many", "a***@example.com", "refused")
    ] * 3
    await change_mails(runtime, created_at=datetime.now(UTC) - timedelta(hours=1, seconds=1))
    await post(runtime, verification(runtime))
    assert len(await mails_of(runtime)) == 5


@BY_SMTP
async def test_each_kind_of_mail_is_counted_for_itself_and_by_its_own_clock(runtime: Runtime) -> None:
    """3.7-08: whoever causes many of one kind holds back no other; a code is sent again once the last one is over."""
    for _ in range(12):
        await post(runtime, verification(runtime))
    for _ in range(4):
        await post(runtime, sign_in_code())
    kinds = [mail.kind for mail in await mails_of(runtime)]
    assert (kinds.count("verify_address"), kinds.count("sign_in_code")) == (10, 2)
    await change_mails(runtime, created_at=datetime.now(UTC) - timedelta(minutes=10, seconds=1))
    await post(runtime, verification(runtime), sign_in_code())
    kinds = [mail.kind for mail in await mails_of(runtime)]
    assert (kinds.count("verify_address"), kinds.count("sign_in_code")) == (10, 3)


@BY_SMTP
async def test_one_address_gets_so_many_notices_of_one_event(runtime: Runtime) -> None:
    """3.7-10: whoever has the password could fill a mailbox; and one event hides no other."""
    for _ in range(20):
        await post(runtime, notice(runtime, event=NoticeEvent.NEW_DEVICE))
    for _ in range(20):
        await post(runtime, notice(runtime))
    assert len(await mails_of(runtime)) == 4 + 10


@pytest.mark.settings(**SMTP, MAIL_PER_ADDRESS_PER_HOUR=2)
async def test_no_stranger_can_hold_back_a_security_notice(runtime: Runtime) -> None:
    """SE-05, 3.7-08: a thief who fills the cap before changing the password changes it under the owner's eyes."""
    for _ in range(4):
        await post(runtime, verification(runtime))
    await post(runtime, notice(runtime))
    assert [mail.kind for mail in await mails_of(runtime)] == ["verify_address", "verify_address", "security_notice"]


@pytest.mark.settings(**SMTP, MAIL_PER_ADDRESS_PER_HOUR=2)
async def test_a_notice_uses_up_nothing_of_the_cap(runtime: Runtime) -> None:
    for _ in range(5):
        await post(runtime, notice(runtime))
    await post(runtime, verification(runtime))
    assert len(await mails_of(runtime)) == 6


@BY_SMTP
@pytest.mark.parametrize(
    "address",
    [
        "service@accounts.invalid",
        "a@localhost",
        "bot@machine.test",
        "x@printer.local",
        "no address",
        "a@b@c.example",
        "",
    ],
)
async def test_a_made_up_address_is_never_mailed(runtime: Runtime, address: str) -> None:
    """3.3-15: service accounts have one of a reserved domain; nobody could register that domain and read their mail."""
    await post(runtime, verification(runtime, address))
    assert await mails_of(runtime) == []
    assert [event.cause for event in await held_back(runtime)] == ["unmailable"]


@BY_SMTP
async def test_mail_goes_to_the_stored_address(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-19: a look-alike that somebody typed gets nothing. It is counted as another address, too."""
    ada = await accounts.register("Ada.Lovelace@example.com")
    user = await find_user(runtime, ada)
    assert Recipient.of(user).address == "Ada.Lovelace@example.com"
    assert Recipient.of(user).user_id == user.id
    await post(runtime, VerifyAddress(**{**vars(verification(runtime)), "to": Recipient.of(user)}))
    assert (await the_mail(runtime)).recipient == user.email


LOOK_ALIKES = [
    pytest.param("m\u0131ke@example.com", id="dotless i"),
    pytest.param("mik\u0435@example.com", id="Cyrillic e"),
    pytest.param("mik\u00e9@example.com", id="accent"),
    pytest.param("\uff4dike@example.com", id="full width"),
    pytest.param("mike@ex\u00e4mple.com", id="umlaut in the domain"),
    pytest.param("mike@example.com.example", id="longer domain"),
]


@pytest.mark.settings(**SMTP, MAIL_PER_ADDRESS_PER_HOUR=1)
@pytest.mark.parametrize("look_alike", LOOK_ALIKES)
async def test_look_alikes_are_other_addresses_on_the_real_database(runtime: Runtime, look_alike: str) -> None:
    """3.3-19: each gets its own mail, at its own address, and none uses up another one's cap."""
    await post(runtime, verification(runtime, "mike@example.com"), verification(runtime, look_alike))
    assert {mail.recipient for mail in await mails_of(runtime)} == {"mike@example.com", look_alike}


async def test_development_keeps_mail_and_sends_none(runtime: Runtime) -> None:
    """The mailbox page shows it, and a server that is set later gets none of it."""
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)
    assert mail.sent_at is not None
    assert mail.content_encrypted
    assert await claimed(runtime) == []


@pytest.mark.settings(**PRODUCTION)
async def test_production_without_a_server_keeps_no_content(runtime: Runtime) -> None:
    """V14.2.4: nothing piles up, and the row says why nothing came."""
    await post(runtime, verification(runtime))
    mail = await the_mail(runtime)
    assert (mail.content_encrypted, mail.cause) == (None, "SMTP_HOST is not set")
    assert mail.given_up_at is not None


@BY_SMTP
async def test_a_claim_takes_the_oldest_and_no_more_than_its_limit(runtime: Runtime) -> None:
    await post(runtime, *(sign_in_code(f"person{n}@example.com") for n in range(5)))
    first = await claimed(runtime, limit=3)
    second = await claimed(runtime, limit=3)
    assert [len(first), len(second)] == [3, 2]
    assert len({mail.id for mail in (*first, *second)}) == 5
    assert await claimed(runtime) == []
    assert {mail.attempts for mail in first} == {1}


@BY_SMTP
async def test_a_claim_ends_by_itself(runtime: Runtime) -> None:
    """3.9-06: a worker that was killed loses nothing; who comes back after that writes nothing."""
    await post(runtime, sign_in_code())
    (lost,) = await claimed(runtime)
    await change_mails(runtime, claimed_until=datetime.now(UTC) - timedelta(seconds=1))
    (mine,) = await claimed(runtime)
    async with runtime.database.begin(CLIENT) as work:
        assert not await settle_failed(work, mail=lost, failure=Failure("late", is_final=True))
        assert not await settle_sent(work, mail=lost)
        await release(work, mails=[lost])
    mail = await the_mail(runtime)
    assert (mail.claim, mail.sent_at, mail.given_up_at) == (mine.claim, None, None)
    async with runtime.database.begin(CLIENT) as work:
        assert await settle_sent(work, mail=mine)
    assert (await the_mail(runtime)).sent_at is not None


@BY_SMTP
async def test_what_was_sent_or_given_up_is_forgotten(runtime: Runtime) -> None:
    """V14.2.4: codes and links stay no longer than they must."""
    await post(runtime, sign_in_code("a@example.com"), sign_in_code("b@example.com"))
    sent, refused = await claimed(runtime)
    async with runtime.database.begin(CLIENT) as work:
        await settle_sent(work, mail=sent)
        await settle_failed(work, mail=refused, failure=Failure("RCPT: 550 5.1.1 nobody", is_final=True))
    for mail in await mails_of(runtime):
        assert mail.content_encrypted is None
        assert mail.claim is None
    assert {mail.cause for mail in await mails_of(runtime)} == {None, "RCPT: 550 5.1.1 nobody"}


@BY_SMTP
async def test_a_failure_delays_and_a_link_that_has_ended_gives_up(runtime: Runtime) -> None:
    """A code of ten minutes is not sent tomorrow."""
    await post(runtime, sign_in_code(minutes=10))
    (mail,) = await claimed(runtime)
    async with runtime.database.begin(CLIENT) as work:
        await settle_failed(work, mail=mail, failure=Failure("RCPT: 451 later"))
    row = await the_mail(runtime)
    assert row.given_up_at is None
    assert timedelta(seconds=20) < row.due_at - datetime.now(UTC) < timedelta(seconds=40)
    assert await claimed(runtime) == []
    await change_mails(
        runtime, due_at=datetime.now(UTC), expires_at=datetime.now(UTC) + timedelta(seconds=20), attempts=3
    )
    (mail,) = await claimed(runtime)
    async with runtime.database.begin(CLIENT) as work:
        await settle_failed(work, mail=mail, failure=Failure("RCPT: 451 later"))
    assert (await the_mail(runtime)).given_up_at is not None


@BY_SMTP
async def test_a_mail_is_given_up_after_a_day_at_the_latest(runtime: Runtime) -> None:
    await post(runtime, notice(runtime))
    mail = await the_mail(runtime)
    assert mail.expires_at - mail.created_at == timedelta(hours=24)


@BY_SMTP
async def test_what_was_not_tried_is_given_back_as_it_was(runtime: Runtime) -> None:
    await post(runtime, sign_in_code())
    taken = await claimed(runtime)
    async with runtime.database.begin(CLIENT) as work:
        await release(work, mails=taken)
    (again,) = await claimed(runtime)
    assert again.attempts == 1


def test_pauses_double_up_to_an_hour_and_never_march_in_step() -> None:
    """30 s, twice as long each time, a fifth more or less."""
    for attempts, seconds in ((1, 30), (2, 60), (5, 480), (8, 3600), (500, 3600)):
        drawn = [pause_after(attempts).total_seconds() for _ in range(50)]
        assert all(0.8 * seconds <= pause <= 1.2 * seconds for pause in drawn)
        assert len(set(drawn)) > 40


@BY_SMTP
async def test_the_account_may_go_before_its_mail(accounts: Accounts, runtime: Runtime) -> None:
    """The notice of a deletion arrives."""
    ada = await accounts.register()
    user = await find_user(runtime, ada)
    await post(runtime, notice(runtime, to=Recipient.of(user)))
    await write(runtime, delete(User).where(User.id == user.id))
    mail = await the_mail(runtime)
    assert (mail.user_id, mail.recipient) == (user.id, ada.email)


@BY_SMTP
async def test_a_former_server_secret_opens_what_was_posted_before(runtime: Runtime) -> None:
    """V13.3.4: SECRET_KEY may change while mail waits."""
    await post(runtime, sign_in_code())
    mail = await the_mail(runtime)
    secret = type(runtime.settings.SECRET_KEY)
    new = secret("Zr7Tn1Lk9Jh3Gf6Ds0Aq5WeR-yUiOpBxVzNmmQ2v8Xc4")
    other = runtime.settings.model_copy(update={"SECRET_KEY": new})
    former = other.model_copy(update={"SECRET_KEY_PREVIOUS": runtime.settings.SECRET_KEY})
    sealed = mail.content_encrypted or b""
    assert open_mail(other, sealed, mail_id=mail.id, kind=mail.kind) is None
    assert open_mail(former, sealed, mail_id=mail.id, kind=mail.kind) is not None


@pytest.mark.only("postgresql")
async def test_the_search_for_mail_that_waits_uses_its_index(runtime: Runtime) -> None:
    """V15.1.3: also when a million have been sent."""
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(text("SET LOCAL enable_seqscan = off"))
        statement = select(OutgoingMail.id).where(*outbox._claimable(work.now)).order_by(OutgoingMail.due_at).limit(20)
        compiled = statement.compile(work.db.get_bind(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(row[0] for row in await work.db.execute(text(f"EXPLAIN {compiled}")))
    assert "ix_outgoing_mails_due_at" in plan

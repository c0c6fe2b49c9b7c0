"""The app's codes: each counts once, whatever it is shown for; wrong ones are counted where nobody can take them back."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from app.auth import totp
from app.models import AuditKind, OutgoingMail, Session, TotpAuthenticator
from app.runtime import Runtime
from app.services.second_factors.seeds import SeedSeals
from tests.accounts import Accounts, Person
from tests.audit import events_of
from tests.contention import at_once
from tests.factors import Guarded, code_of, enrol_app, finish, forget_last_step, pending_of, with_app, wrong_code_of
from tests.rows import change_user, count, every_row, everything, write
from tests.second_factors.steps import WRONG, said

WAIT = (429, "RATE_LIMITED")
Show = Callable[[str], Awaitable[httpx2.Response]]


async def row_of(runtime: Runtime, person: Person) -> TotpAuthenticator:
    statement = select(TotpAuthenticator).where(TotpAuthenticator.confirmed_at.is_not(None))
    rows = await runtime.database.read.entities(statement)
    (row,) = [row for row in rows if str(row.user_id) == person.id]
    return row


async def change_apps(runtime: Runtime, **values: object) -> None:
    await write(runtime, update(TotpAuthenticator).values(**values))


async def sign_in(client: httpx2.AsyncClient, ada: Guarded, code: str) -> httpx2.Response:
    return await finish(client, await pending_of(client, ada.person), method="totp", code=code)


async def step_up(ada: Guarded, code: str) -> httpx2.Response:
    return await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": code})


async def test_a_code_counts_once(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """TO-03: the same again, as its own next sign-in, is a wrong one."""
    ada = await with_app(accounts, runtime)
    code = ada.code()
    assert (await sign_in(client, ada, code)).status_code == 200
    assert said(await sign_in(client, ada, code)) == WRONG


async def test_no_earlier_code_counts_after_a_newer_one(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-02, TO-03: the one before counts in its turn, and not after its successor; one to come never does."""
    ada = await with_app(accounts, runtime)
    step, answers = -1, []
    while totp.step_of(datetime.now(UTC)) != step:  # Else the codes were those of another half minute.
        await forget_last_step(runtime)
        step = totp.step_of(datetime.now(UTC))
        before, now, next_one = (ada.code(steps=steps) for steps in (-1, 0, 1))
        answers = [await sign_in(client, ada, code) for code in (next_one, before, now, before)]
    assert [answer.status_code for answer in answers] == [403, 200, 200, 403]
    assert (await row_of(runtime, ada.person)).last_step == step


@pytest.mark.parametrize("first", ["confirm", "sign-in", "step-up"])
async def test_a_code_that_counted_for_one_thing_counts_for_no_other(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, first: str
) -> None:
    """TO-04."""
    ada = await enrol_app(await accounts.signed_in())
    code = ada.code()
    if first == "confirm":
        # Half a minute may have passed since; the code that was shown is the one whose step is noted.
        step = (await row_of(runtime, ada.person)).last_step
        code = ada.code(steps=step - totp.step_of(datetime.now(UTC)))
    else:
        await forget_last_step(runtime)
        shown = await (sign_in(client, ada, code) if first == "sign-in" else step_up(ada, code))
        assert shown.status_code == 200, shown.text
    assert said(await sign_in(client, ada, code)) == WRONG
    assert said(await step_up(ada, code)) == WRONG


async def test_of_twenty_at_once_one_counts(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """TO-03, TO-04: half of them sign in, half of them step up."""
    ada = await with_app(accounts, runtime)
    pending = [await pending_of(client, ada.person) for _ in range(10)]
    code, before = ada.code(), await count(runtime, Session)
    calls = [finish(client, each, method="totp", code=code) for each in pending]
    due = iter([*calls, *(step_up(ada, code) for _ in range(10))])
    answers = await at_once(20, lambda: next(due))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {said(answer) for answer in answers} - {(200, None)} <= {WRONG, WAIT}
    has_begun = any(answer.is_success for answer in answers[:10])
    assert await count(runtime, Session) == before + has_begun


async def test_of_twenty_that_confirm_at_once_one_does(accounts: Accounts, runtime: Runtime) -> None:
    """TO-03, TO-06: one app, one set of recovery codes."""
    ada = await accounts.signed_in()
    secret = (await ada.post("/auth/me/totp")).json()["secret"]
    body = {"code": code_of(secret)}
    answers = await at_once(20, lambda: ada.post("/auth/me/totp/confirm", json=body))
    done = [answer for answer in answers if answer.is_success]
    assert len(done) == 1
    assert len(done[0].json()["recovery_codes"]) == 10
    assert {said(answer)[0] for answer in answers} <= {200, 401, 409}
    assert await count(runtime, TotpAuthenticator) == 1


async def test_a_seed_opens_in_its_own_row_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-05: whoever writes their own seed into somebody else's row opens nothing by it, and locks nobody else out."""
    ada, thief = await with_app(accounts, runtime), await with_app(accounts, runtime)
    hers, his = await row_of(runtime, ada.person), await row_of(runtime, thief.person)
    swapped = ((hers.id, his.seed_encrypted), (his.id, hers.seed_encrypted))
    table = TotpAuthenticator
    await write(runtime, *(update(table).where(table.id == key).values(seed_encrypted=seed) for key, seed in swapped))
    for code in (thief.code(), ada.code()):
        assert said(await sign_in(client, ada, code)) == WRONG
    code = ada.recovery_codes[0]
    pending = await pending_of(client, ada.person)
    assert (await finish(client, pending, method="recovery_code", code=code)).status_code == 200


async def test_the_database_shows_no_seed(accounts: Accounts, runtime: Runtime) -> None:
    """TO-05: not the bytes, not as it is typed, not in a mail or an event; and no answer shows it again."""
    ada = await with_app(accounts, runtime)
    offered = (await ada.person.post("/auth/me/totp")).json()
    dump = repr(await every_row(runtime))
    for secret in (ada.secret, offered["secret"]):
        rows = await runtime.database.read.entities(select(TotpAuthenticator))
        seeds = [SeedSeals.of(runtime.settings).open(row.seed_encrypted, row.id) for row in rows]
        seed = next(seed for seed in seeds if totp.shown_secret(seed) == secret)
        assert len(seed) == 20
        shapes = (secret, secret.replace(" ", ""), seed.hex(), repr(seed)[2:-1], "otpauth")
        assert [shape for shape in shapes if shape in dump] == []
    overview = (await ada.person.get("/auth/me/factors")).text
    assert ada.secret not in overview
    assert "secret" not in overview


async def test_a_secret_that_was_shown_counts_for_half_an_hour(accounts: Accounts, runtime: Runtime) -> None:
    """TO-06: and is no factor until then."""
    ada = await accounts.signed_in()
    secret = (await ada.post("/auth/me/totp")).json()["secret"]
    assert (await ada.get("/auth/me/factors")).json()["totp"] is None
    assert (await ada.sign_in()).tokens
    await change_apps(runtime, created_at=datetime.now(UTC) - timedelta(minutes=30))
    late = await ada.post("/auth/me/totp/confirm", json={"code": code_of(secret)})
    assert said(late) == (409, "ENROLMENT_NOT_BEGUN")
    assert (await ada.get("/auth/me/factors")).json()["totp"] is None


async def test_wrong_codes_are_counted_on_the_account(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-07, 3.5-07: over sign-ins and step-up alike. After five even the right one waits, and is not burnt by it."""
    ada = await with_app(accounts, runtime)
    wrong = wrong_code_of(ada.secret)
    for _ in range(3):
        assert said(await sign_in(client, ada, wrong)) == WRONG
    for _ in range(2):
        assert said(await step_up(ada, wrong)) == WRONG
    for refused in (await sign_in(client, ada, ada.code()), await step_up(ada, ada.code())):
        assert said(refused) == WAIT
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
        assert refused.json()["retry_after"] == int(refused.headers["Retry-After"])
    assert (await row_of(runtime, ada.person)).failures == 5
    await change_apps(runtime, failed_at=datetime.now(UTC) - timedelta(seconds=31))
    assert (await sign_in(client, ada, ada.code())).status_code == 200
    row = await row_of(runtime, ada.person)
    assert (row.failures, row.failed_at) == (0, None)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(4, 0), (5, 30), (6, 60), (7, 120), (9, 480), (10, 900), (1000, 900)]
)
async def test_the_wait_doubles_up_to_a_quarter_of_an_hour(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, failures: int, seconds: int
) -> None:
    """TO-07."""
    ada = await with_app(accounts, runtime)
    await change_apps(runtime, failures=failures, failed_at=datetime.now(UTC))
    wrong = await sign_in(client, ada, wrong_code_of(ada.secret))
    if not seconds:
        assert said(wrong) == WRONG
        return
    assert said(wrong) == WAIT
    assert seconds - 10 <= int(wrong.headers["Retry-After"]) <= seconds
    assert (await row_of(runtime, ada.person)).failures == failures
    await change_apps(runtime, failed_at=datetime.now(UTC) - timedelta(seconds=seconds))
    assert (await sign_in(client, ada, ada.code())).status_code == 200


async def test_of_twenty_wrong_codes_at_once_each_is_counted(accounts: Accounts, runtime: Runtime) -> None:
    """TO-07: five are looked at, however many come at the same moment."""
    ada = await with_app(accounts, runtime)
    wrong = wrong_code_of(ada.secret)
    answers = await at_once(20, lambda: step_up(ada, wrong))
    assert sorted(said(answer) for answer in answers) == [WRONG] * 5 + [WAIT] * 15
    assert (await row_of(runtime, ada.person)).failures == 5


async def test_the_owner_is_told_of_the_fifth_wrong_code(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-07: once, by mail; each of them stands in the audit log."""
    ada = await with_app(accounts, runtime)
    await change_user(runtime, ada.person, email_verified_at=datetime.now(UTC))
    mails = await count(runtime, OutgoingMail)
    for number in range(1, 6):
        await sign_in(client, ada, wrong_code_of(ada.secret))
        assert await count(runtime, OutgoingMail) == mails + (number == 5)
    events = [e for e in await events_of(runtime, AuditKind.SIGN_IN_CONTINUED) if e.cause == "SECOND_FACTOR_WRONG"]
    assert len(events) == 5


async def test_waiting_holds_up_no_other_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """TO-07: a stranger who knows the password keeps nobody out who has a recovery code."""
    ada = await with_app(accounts, runtime)
    await change_apps(runtime, failures=1000, failed_at=datetime.now(UTC))
    pending = await pending_of(client, ada.person)
    done = await finish(client, pending, method="recovery_code", code=ada.recovery_codes[0])
    assert done.status_code == 200, done.text
    assert (await row_of(runtime, ada.person)).failures == 1000


@pytest.mark.parametrize(
    "code",
    [
        "",
        "12345",
        "1234567",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        " 123456",
        "+12345",
        "12 345",
        "0x1234",
        "12345\n",
    ],
)
async def test_what_is_no_code_is_a_wrong_one(accounts: Accounts, runtime: Runtime, code: str) -> None:
    """TO-08, 3.5-14: and counted as one."""
    ada = await with_app(accounts, runtime)
    assert said(await step_up(ada, code)) == WRONG
    assert (await row_of(runtime, ada.person)).failures == 1


async def test_a_wrong_code_changes_nothing_but_its_count(accounts: Accounts, runtime: Runtime) -> None:
    ada = await with_app(accounts, runtime)
    before = await everything(runtime)
    assert said(await step_up(ada, wrong_code_of(ada.secret))) == WRONG
    await change_apps(runtime, failures=0, failed_at=None)
    assert await everything(runtime) == before

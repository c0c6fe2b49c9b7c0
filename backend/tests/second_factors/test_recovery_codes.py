"""Recovery codes: ten, each for one use and one account, never shown again."""

from datetime import UTC, datetime

import httpx2
from sqlalchemy import select

from app.auth.recovery_codes import digest_of_code, normal_form
from app.models import AuditKind, RecoveryCode, Session
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.audit import events_of
from tests.contention import at_once
from tests.factors import Guarded, finish, forget_last_step, pending_of, with_app, with_passkey
from tests.mailed.inbox import letters
from tests.mailed.proving import id_of
from tests.rows import change_user, count, every_row
from tests.second_factors.steps import WRONG, said
from tests.tokens import access_claims


async def use(client: httpx2.AsyncClient, ada: Guarded, code: str) -> httpx2.Response:
    return await finish(client, await pending_of(client, ada.person), method="recovery_code", code=code)


async def digests(runtime: Runtime, ada: Guarded) -> set[bytes]:
    statement = select(RecoveryCode.digest).where(RecoveryCode.user_id == id_of(ada.person.id))
    return {row.digest for row in await runtime.database.read.all(statement)}


async def test_each_of_the_ten_counts_once(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: in any order, and the session says by what it began."""
    ada = await with_app(accounts, runtime)
    assert len({normal_form(code) for code in ada.recovery_codes}) == 10
    for code in reversed(ada.recovery_codes):
        done = await use(client, ada, code)
        assert done.status_code == 200, done.text
        assert access_claims(done.json()["access_token"])["amr"] == ["pwd", "recovery", "mfa"]
    for code in ada.recovery_codes:
        assert said(await use(client, ada, code)) == WRONG
    assert await digests(runtime, ada) == set()


async def test_of_twenty_uses_at_once_one_counts(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-04: over sign-ins and step-up alike."""
    ada = await with_app(accounts, runtime)
    pending = [await pending_of(client, ada.person) for _ in range(10)]
    code, before = ada.recovery_codes[0], await count(runtime, Session)
    body = {"method": "recovery_code", "code": code}
    calls = [finish(client, each, **body) for each in pending]
    calls += [ada.person.post("/auth/reauthenticate", json=body) for _ in range(10)]
    due = iter(calls)
    answers = await at_once(20, lambda: next(due))
    assert sorted(said(answer) for answer in answers) == [(200, None)] + [WRONG] * 19
    assert await count(runtime, Session) == before + any(answer.is_success for answer in answers[:10])
    assert len(await digests(runtime, ada)) == 9


async def test_a_new_set_makes_the_old_one_worthless(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-04: as a whole."""
    ada = await with_app(accounts, runtime)
    made = await ada.person.post("/auth/me/recovery-codes")
    assert made.status_code == 200, made.text
    fresh = made.json()["recovery_codes"]
    assert len(fresh) == 10
    assert not set(fresh) & set(ada.recovery_codes)
    assert said(await use(client, ada, ada.recovery_codes[0])) == WRONG
    assert (await use(client, ada, fresh[0])).status_code == 200


async def test_of_many_new_sets_at_once_one_counts(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: never a mixture of two."""
    ada = await with_app(accounts, runtime)
    answers = await at_once(5, lambda: ada.person.post("/auth/me/recovery-codes"))
    sets = [answer.json()["recovery_codes"] for answer in answers if answer.is_success]
    kept = await digests(runtime, ada)
    user_id = id_of(ada.person.id)
    assert [{digest_of_code(user_id, code) for code in codes} == kept for codes in sets].count(True) == 1


async def test_somebody_elses_code_is_a_wrong_one(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-04: and it stays its owner's."""
    ada, grace = await with_app(accounts, runtime), await with_app(accounts, runtime)
    assert said(await use(client, ada, grace.recovery_codes[0])) == WRONG
    assert (await use(client, grace, grace.recovery_codes[0])).status_code == 200


async def test_the_database_holds_digests_alone(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: nor does any later answer show a code."""
    ada = await with_app(accounts, runtime)
    dump = repr(await every_row(runtime))
    for code in ada.recovery_codes:
        assert code not in dump
        assert normal_form(code) not in dump
    user_id = id_of(ada.person.id)
    assert await digests(runtime, ada) == {digest_of_code(user_id, code) for code in ada.recovery_codes}
    overview = await ada.person.get("/auth/me/factors")
    assert overview.json()["recovery_codes_left"] == 10
    assert not [code for code in ada.recovery_codes if code in overview.text]


async def test_only_the_first_factor_brings_a_set(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: a second one leaves the codes that somebody has written down as they are."""
    ada = await with_passkey(accounts, runtime)
    assert len(ada.recovery_codes) == 10
    secret = (await ada.person.post("/auth/me/totp")).json()["secret"]
    confirmed = await ada.person.post("/auth/me/totp/confirm", json={"code": Guarded(ada.person, secret).code()})
    assert confirmed.json()["recovery_codes"] is None
    user_id = id_of(ada.person.id)
    assert await digests(runtime, ada) == {digest_of_code(user_id, code) for code in ada.recovery_codes}


async def test_with_the_last_factor_the_codes_go(accounts: Accounts, runtime: Runtime) -> None:
    """SE-04: and without one there are none to be had."""
    ada = await with_app(accounts, runtime)
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204
    assert await digests(runtime, ada) == set()
    assert said(await ada.person.post("/auth/me/recovery-codes")) == (404, "NOT_FOUND")
    assert (await ada.person.sign_in()).tokens


async def test_the_owner_is_told_of_each_use_and_when_few_are_left(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-04, SE-05."""
    ada = await with_app(accounts, runtime)
    await change_user(runtime, ada.person, email_verified_at=datetime.now(UTC))
    for code in ada.recovery_codes[:8]:
        assert (await use(client, ada, code)).status_code == 200
    mails = [mail.text for mail in await letters(runtime, ada.person, "security_notice")]
    codes = [text for text in mails if "One of your recovery codes was used" in text]
    assert ["few are left" in text for text in codes] == [False] * 6 + [True] * 2
    left = [event.detail["left"] for event in await events_of(runtime, AuditKind.RECOVERY_CODE_SPENT) if event.detail]
    assert left == [9, 8, 7, 6, 5, 4, 3, 2]


async def test_a_code_is_no_code_of_the_app(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-14: neither passes as the other."""
    ada = await with_app(accounts, runtime)
    assert said(await use(client, ada, ada.code())) == WRONG
    pending = await pending_of(client, ada.person)
    mixed = await finish(client, pending, method="totp", code=ada.recovery_codes[0])
    assert mixed.status_code in {403, 422}
    await forget_last_step(runtime)
    assert (await finish(client, pending, method="totp", code=ada.code())).status_code == 200

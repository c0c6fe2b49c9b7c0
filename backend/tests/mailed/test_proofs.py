"""Mailed links and codes: one live value, spent once, by whoever was meant, in time, for its purpose."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
import structlog

from app.config import Settings
from app.exceptions import MailedProofInvalid
from app.models import Purpose
from app.runtime import Runtime
from app.services.mailed import proofs
from app.services.mailed.proofs import PREFIXES, TRIES
from tests.accounts import CLIENT, Accounts
from tests.conftest import SECRET, settings_for
from tests.instances import instance
from tests.mailed.proving import (
    ADA,
    another_code,
    end_proofs,
    follow,
    issue,
    proofs_in,
    type_code,
)
from tests.rows import change_user, every_row, everything

ONE_AT_A_TIME = sorted(set(Purpose) - {Purpose.UNDO, Purpose.VETO_ADDRESS, Purpose.SIGN_IN, Purpose.CHANGE_ADDRESS})
NEW_SECRET = "Kp7wX2nVbQ9sLd4Ft6Hy8Jm1Zc3Rg5Ua-eTiOoPyWxNvBq"


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_a_link_says_what_was_written_down_and_counts_once(
    accounts: Accounts, runtime: Runtime, purpose: Purpose
) -> None:
    """3.4-05, PW-07."""
    ada = await accounts.register(ADA)
    proof = await issue(runtime, purpose, user_id=UUID(ada.id), detail={"former": "old@example.com"})
    assert re.fullmatch(rf"{PREFIXES[purpose]}[\w-]{{43}}", proof.token)
    proved = await follow(runtime, proof.token, purpose)
    assert proved is not None
    assert (proved.user_id, proved.email_normal) == (UUID(ada.id), ADA)
    assert proved.detail == {"former": "old@example.com"}
    assert datetime.now(UTC) - proved.issued_at < timedelta(minutes=1)
    assert await follow(runtime, proof.token, purpose) is None


async def test_a_code_counts_once_and_takes_its_link_along(runtime: Runtime) -> None:
    """3.4-05: two ways to say one thing are one thing."""
    proof = await issue(runtime)
    assert proof.code is not None
    assert re.fullmatch(r"\d{8}", proof.code)
    assert await type_code(runtime, proof.code) is not None
    assert await type_code(runtime, proof.code) is None
    assert await follow(runtime, proof.token) is None


async def test_a_link_takes_its_code_along(runtime: Runtime) -> None:
    """3.4-05."""
    proof = await issue(runtime)
    assert await follow(runtime, proof.token) is not None
    assert await type_code(runtime, proof.code) is None


@pytest.mark.parametrize(("before", "between"), [("  ", ""), ("", " "), ("", "-"), ("\t", " - ")])
async def test_a_code_may_be_typed_as_people_write_numbers(runtime: Runtime, before: str, between: str) -> None:
    proof = await issue(runtime)
    assert proof.code is not None
    assert await type_code(runtime, before + proof.code[:4] + between + proof.code[4:]) is not None


async def test_a_value_of_one_purpose_is_worth_nothing_for_another_one(runtime: Runtime) -> None:
    """3.4-09: neither as it is, nor with the other one's prefix."""
    for purpose, other in pairwise((*Purpose, Purpose.VERIFY_ADDRESS)):
        proof = await issue(runtime, purpose)
        disguised = PREFIXES[other] + proof.token.removeprefix(PREFIXES[purpose])
        assert await follow(runtime, proof.token, other) is None
        assert await follow(runtime, disguised, other) is None
        assert await follow(runtime, disguised, purpose) is None
        assert await type_code(runtime, proof.code, other) is None
        assert await follow(runtime, proof.token, purpose) is not None


@pytest.mark.parametrize("purpose", ONE_AT_A_TIME)
async def test_only_the_newest_mail_counts(runtime: Runtime, purpose: Purpose) -> None:
    """PW-07: one live value for an address and a purpose, and other addresses and purposes keep theirs."""
    first = await issue(runtime, purpose)
    of_grace = await issue(runtime, purpose, email_normal="grace@example.com")
    notice = await issue(runtime, Purpose.UNDO)
    second = await issue(runtime, purpose)
    assert len(await proofs_in(runtime)) == 3
    assert await follow(runtime, first.token, purpose) is None
    assert await type_code(runtime, first.code, purpose) is None
    assert await type_code(runtime, second.code, purpose) is not None
    assert await follow(runtime, of_grace.token, purpose) is not None
    assert await follow(runtime, notice.token, Purpose.UNDO) is not None


@pytest.mark.parametrize("purpose", [Purpose.UNDO, Purpose.VETO_ADDRESS])
async def test_a_newer_notice_leaves_the_older_one_its_link(runtime: Runtime, purpose: Purpose) -> None:
    """SE-05: else a thief who changes two things could take the way back from the first."""
    first, second = [await issue(runtime, purpose, with_code=False) for _ in range(2)]
    assert first.code is second.code is None
    assert await follow(runtime, first.token, purpose) is not None
    assert await follow(runtime, second.token, purpose) is not None


async def test_what_is_too_old_counts_for_nothing(runtime: Runtime) -> None:
    """3.4-05, PW-07: on the dot."""
    proof = await issue(runtime)
    (row,) = await proofs_in(runtime)
    assert timedelta(minutes=59) < row.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    await end_proofs(runtime, now=datetime.now(UTC))
    assert await follow(runtime, proof.token) is None
    assert await type_code(runtime, proof.code) is None


async def test_five_wrong_codes_end_the_code_and_not_the_link(runtime: Runtime) -> None:
    """3.7-05: a stranger who types nonsense cannot take the owner's mail away."""
    proof = await issue(runtime)
    for _ in range(TRIES):
        assert await type_code(runtime, another_code(proof)) is None
    assert await type_code(runtime, proof.code) is None
    assert await follow(runtime, proof.token) is not None


async def test_the_fifth_code_may_be_the_right_one(runtime: Runtime) -> None:
    proof = await issue(runtime)
    for _ in range(TRIES - 1):
        assert await type_code(runtime, another_code(proof)) is None
    assert await type_code(runtime, proof.code) is not None


async def test_what_is_bound_to_a_browser_counts_there_alone(runtime: Runtime) -> None:
    """3.7-08: and who guesses from elsewhere uses up no try of the owner's."""
    proof = await issue(runtime, Purpose.SIGN_IN, binding="flow of this browser")
    for elsewhere in (None, "", "flow of another browser"):
        assert await follow(runtime, proof.token, Purpose.SIGN_IN, elsewhere) is None
        for _ in range(TRIES):
            assert await type_code(runtime, proof.code, Purpose.SIGN_IN, binding=elsewhere) is None
    assert await type_code(runtime, proof.code, Purpose.SIGN_IN, binding="flow of this browser") is not None


async def test_what_is_bound_to_no_browser_counts_in_each(runtime: Runtime) -> None:
    proof = await issue(runtime)
    assert await follow(runtime, proof.token, binding="whatever") is not None


async def test_another_address_cannot_use_the_code(runtime: Runtime) -> None:
    """3.3-14: a code is nothing without its address."""
    proof = await issue(runtime)
    assert await type_code(runtime, proof.code, email="grace@example.com") is None
    assert await type_code(runtime, proof.code) is not None


@pytest.mark.parametrize("nonsense", ["", " ", "0", "\u0661" * 8, "\ud800", "9" * 5000, "ost_mv_", "\x00"])
async def test_nonsense_is_a_wrong_value_and_no_accident(runtime: Runtime, nonsense: str) -> None:
    await issue(runtime)
    assert await follow(runtime, nonsense) is None
    assert await type_code(runtime, nonsense) is None


async def test_neither_link_nor_code_nor_binding_stands_anywhere(runtime: Runtime) -> None:
    """3.4-09, V14.2.4: not in the database, not in a log, not in what Python shows of them."""
    with structlog.testing.capture_logs() as logs:
        proof = await issue(runtime, binding="of this browser")
        await follow(runtime, proof.token, binding="of another")
    shown = repr(await every_row(runtime)) + repr(logs) + repr(proof)
    for secret in (proof.token, proof.code, "of this browser"):
        assert secret is not None
        assert secret not in shown


async def test_a_copy_of_the_database_does_not_tell_the_code_without_the_server_secret(runtime: Runtime) -> None:
    """3.4-09: hundred million codes are tried in a minute; so the key is what nobody has."""
    proof = await issue(runtime)
    (row,) = await proofs_in(runtime)
    assert proof.code is not None
    mac = proofs._code_digest
    assert mac(SECRET, row.id, Purpose.VERIFY_ADDRESS, proof.code) == row.code_digest
    assert mac(NEW_SECRET, row.id, Purpose.VERIFY_ADDRESS, proof.code) != row.code_digest
    assert mac(SECRET, UUID(int=0), Purpose.VERIFY_ADDRESS, proof.code) != row.code_digest


async def test_a_code_outlives_a_change_of_the_server_secret(runtime: Runtime, settings: Settings) -> None:
    """One that was mailed under a former secret still counts, for as long as that is listed."""
    proof = await issue(runtime)
    changed = settings_for(settings.DATABASE_URL.get_secret_value(), SECRET_KEY=NEW_SECRET, SECRET_KEY_PREVIOUS=SECRET)
    forgotten = settings_for(settings.DATABASE_URL.get_secret_value(), SECRET_KEY=NEW_SECRET)
    async with instance(forgotten) as second:
        assert await type_code(second.runtime, proof.code) is None
    async with instance(changed) as second:
        assert await type_code(second.runtime, proof.code) is not None


async def test_an_accident_gives_the_value_back(runtime: Runtime) -> None:
    """Who was promised a new password and did not get it can use the mail once more."""
    proof = await issue(runtime)
    with suppress(ZeroDivisionError):
        async with runtime.database.begin(CLIENT) as work:
            await proofs.spend_link(work, purpose=Purpose.VERIFY_ADDRESS, token=proof.token)
            raise ZeroDivisionError
    assert await follow(runtime, proof.token) is not None


async def test_an_account_takes_its_values_along(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-07: but for what proves an address that nobody has proved (see `test_mail_caps`)."""
    ada = await accounts.signed_in()
    await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
    proof = await issue(runtime, Purpose.RESET_PASSWORD, user_id=UUID(ada.id))
    assert (await ada.post("/auth/me/delete", json={"password": ada.password})).status_code == 204
    assert await follow(runtime, proof.token, Purpose.RESET_PASSWORD) is None
    assert await proofs_in(runtime) == []


async def test_values_of_an_account_can_be_made_worthless(accounts: Accounts, runtime: Runtime) -> None:
    """PW-07: those of some purposes, or all, and nobody else's."""
    ada, grace = await accounts.register(), await accounts.register()
    for person in (ada, grace):
        for purpose in (Purpose.RESET_PASSWORD, Purpose.SIGN_IN, Purpose.UNDO):
            await issue(runtime, purpose, user_id=UUID(person.id), email_normal=person.email)
    async with runtime.database.begin(CLIENT) as work:
        await proofs.forget_proofs(work, user_id=UUID(ada.id), purposes={Purpose.RESET_PASSWORD})
        await proofs.forget_proofs(work, user_id=UUID(grace.id))
    left = [(row.purpose, row.user_id) for row in await proofs_in(runtime)]
    assert sorted(left) == [("sign_in", UUID(ada.id)), ("undo", UUID(ada.id))]


async def test_a_wrong_code_changes_nothing_but_its_count(runtime: Runtime) -> None:
    """For an address that waits for none, nothing at all."""
    proof = await issue(runtime)
    before = await everything(runtime)
    assert await type_code(runtime, proof.code, email="nobody@example.com") is None
    assert await everything(runtime) == before
    assert await type_code(runtime, another_code(proof)) is None
    (row,) = await proofs_in(runtime)
    assert row.tries == 1


async def test_the_refusal_of_each_reason_is_the_same(runtime: Runtime) -> None:
    """3.7-03: wrong, unknown, spent, too old and another browser's cannot be told apart."""
    spent = await issue(runtime)
    await follow(runtime, spent.token)
    bound = await issue(runtime, Purpose.SIGN_IN, binding="x")
    answers = set()
    for purpose, token in (
        (Purpose.VERIFY_ADDRESS, spent.token),
        (Purpose.VERIFY_ADDRESS, "ost_mv_" + "A" * 43),
        (Purpose.SIGN_IN, bound.token),
    ):
        with pytest.raises(MailedProofInvalid) as refused:
            async with runtime.database.begin(CLIENT) as work:
                await proofs.spend_link(work, purpose=purpose, token=token)
        answers.add((refused.value.message, refused.value.code, str(refused.value.members)))
    assert len(answers) == 1

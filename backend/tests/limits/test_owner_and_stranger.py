"""What a stranger does with an owner's address, and what the owner can do all the same."""

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI

from app.exceptions import LimitsUnavailable
from app.limits.memory import MemoryStorage
from app.limits.storage import Demand
from app.models import MailedProof
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts
from tests.conftest import settings_for
from tests.instances import instance
from tests.limits.trying import FREE, LIMITED, Guesser
from tests.mailed.inbox import letters, newest
from tests.mailed.registering import made
from tests.rows import change_user, count

pytestmark = LIMITED
ADA, NEW_PASSWORD = "ada@example.com", "nine pale lanterns hum"
OWNER = "203.0.113.7"
FORGOT, CODE, REGISTER = "/auth/password/forgot", "/auth/code/request", "/auth/register"
REQUIRED = pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", EMAIL_VERIFICATION="required")
SPARING = pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", MAIL_PER_ADDRESS_PER_HOUR=2)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def kinds(runtime: Runtime) -> list[str]:
    return [letter.kind for letter in await letters(runtime, ADA)]


@pytest.mark.parametrize(
    "media_type",
    ["application/x-www-form-urlencoded+json", "application/problem+json", "APPLICATION/JSON ; charset=utf-8"],
)
async def test_no_name_of_a_type_leads_past_the_count(app: FastAPI, media_type: str) -> None:
    """3.7-07: what the route reads as JSON, the limit reads as JSON."""
    tried = []
    for _ in range(FREE + 2):
        response = await Guesser(app).call(
            "POST",
            "/auth/code/sign-in",
            content=b'{"email": "ada@example.com", "code": "12345678", "flow": "x"}',
            headers={"Content-Type": media_type},
        )
        tried.append(response.status_code)
    assert tried == [400] * FREE + [429, 429]


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 900 + b"]" * 900, b'"ada@example.com"'])
async def test_a_body_in_which_nobody_finds_an_address_is_counted_all_the_same(app: FastAPI, body: bytes) -> None:
    """3.7-07, V2.4.1."""
    headers = {"Content-Type": "text/plain"}
    tried = [
        (await Guesser(app).call("POST", "/auth/code/sign-in", content=body, headers=headers)).status_code
        for _ in range(FREE + 1)
    ]
    assert (tried[0], tried[-1]) == (415, 429)


@REQUIRED
async def test_registering_an_address_again_and_again_holds_back_none_of_its_owners_mails(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.7-08, 3.7-10: that there is an account is told twice an hour, and has nothing to do with a reset or a code."""
    ada = await made(client, runtime, ADA)
    await change_user(runtime, ada, email_verified_at=LONG_AGO)
    body = {"email": ADA, "password": PASSWORD}
    assert {(await Guesser(app).call("POST", REGISTER, json=body)).status_code for _ in range(12)} == {202}
    for path in (FORGOT, CODE):
        assert (await Guesser(app, address=OWNER).call("POST", path, json={"email": ADA})).status_code == 202
    sent = await kinds(runtime)
    assert sent.count("already_registered") == 2
    assert sent[-2:] == ["reset_password", "sign_in_code"]


async def test_whoever_asks_for_codes_holds_up_no_reset(app: FastAPI, accounts: Accounts) -> None:
    """3.7-08: each mail has tries of its own."""
    await accounts.register(ADA)
    codes = [(await Guesser(app).call("POST", CODE, json={"email": ADA})).status_code for _ in range(4)]
    assert codes == [202, 202, 202, 429]
    assert (await Guesser(app, address=OWNER).call("POST", FORGOT, json={"email": ADA})).status_code == 202


async def test_however_many_codes_somebody_asks_for_few_are_alive_and_the_tries_are_the_accounts(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-09: two codes within their ten minutes, and five tries at both of them together."""
    await accounts.register(ADA)
    asked = [await Guesser(app, address=f"198.51.100.{n}").call("POST", CODE, json={"email": ADA}) for n in range(3)]
    assert await count(runtime, MailedProof, MailedProof.email_normal == ADA) == 2
    tried = []
    for n in range(FREE + 1):
        body = {"email": ADA, "code": "0" * 7 + str(n), "flow": asked[n % 2].json()["flow"]}
        guess = await Guesser(app, address=f"198.51.100.{n}").call("POST", "/auth/code/sign-in", json=body)
        tried.append(guess.status_code)
    assert tried == [400] * FREE + [429]


@SPARING
async def test_the_mail_before_counts_on_when_the_next_one_is_held_back(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-08: a stranger who asks for mails until no more come leaves the owner one that works."""
    await accounts.register(ADA)
    for _ in range(3):
        assert (await Guesser(app).call("POST", FORGOT, json={"email": ADA})).status_code == 202
    assert await kinds(runtime) == ["reset_password"]
    body = {"token": (await newest(runtime, ADA)).token, "new_password": NEW_PASSWORD}
    assert (await Guesser(app, address=OWNER).call("POST", "/auth/password/reset", json=body)).status_code == 204


@SPARING
@pytest.mark.parametrize("path", [FORGOT, CODE])
async def test_a_known_device_gets_its_mail_after_strangers_have_had_theirs(
    app: FastAPI, accounts: Accounts, runtime: Runtime, path: str
) -> None:
    """3.7-08."""
    await change_user(runtime, await accounts.register(ADA), email_verified_at=LONG_AGO)
    home = Guesser(app, address=OWNER)
    assert (await home.sign_in(ADA, PASSWORD)).status_code == 200
    for _ in range(3):
        await Guesser(app).call("POST", path, json={"email": ADA})
    before = len(await kinds(runtime))
    assert (await home.call("POST", path, json={"email": ADA})).status_code == 202
    assert len(await kinds(runtime)) == before + 1


async def test_somebody_who_refuses_themselves_uses_up_no_try(app: FastAPI, accounts: Accounts) -> None:
    """PW-07: only a wrong password or code is a failure, and neither was looked at."""
    await accounts.register(ADA)
    owner = Guesser(app, address=OWNER)
    weak = {"email": ADA, "code": "00000000", "new_password": "short"}
    calls = [("/auth/password/reset", {"json": weak}), ("/auth/login", {"data": {"username": ADA}})]
    for path, body in calls * (FREE + 1):
        assert (await owner.call("POST", path, **body)).status_code == 422
    wrong = {**weak, "new_password": NEW_PASSWORD}
    tried = [(await owner.call("POST", "/auth/password/reset", json=wrong)).status_code for _ in range(FREE + 1)]
    assert tried == [400] * FREE + [429]


class Forgetful(MemoryStorage):
    """A storage that goes away between a try and its giving back."""

    async def give_back(self, demands: Sequence[Demand]) -> None:
        """Fail as a server does that does not answer."""
        raise LimitsUnavailable


async def test_what_has_succeeded_is_answered_so_when_the_try_cannot_be_given_back(database_url: str) -> None:
    """V2.3.3: the session is there, and so is the answer."""
    async with instance(settings_for(database_url, LIMITS_ENABLED=True)) as one:
        one.app.state.runtime.limiter.storage = Forgetful()
        body = {"email": ADA, "password": PASSWORD}
        assert (await Guesser(one.app).call("POST", REGISTER, json=body)).status_code == 201
        assert (await Guesser(one.app).sign_in(ADA, PASSWORD)).status_code == 200

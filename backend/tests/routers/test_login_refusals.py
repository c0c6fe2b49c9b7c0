"""Refused sign-ins look alike, cost alike and leave nothing behind; old hashes move up on the way in."""

import base64
import hashlib
from collections.abc import Callable

import bcrypt
import httpx2
import pytest
from argon2 import PasswordHasher

from app.models import Session
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import check_nothing_repeated, problem_of, without_request_id
from tests.conftest import FULL_HASHES
from tests.contention import at_once
from tests.rows import change_user, count, everything, find_user

LOGIN = f"{API}/auth/login"
TODAY = "$argon2id$v=19$m=19456,t=2,p=1$"


async def attempt(person: Person, *, email: str | None = None, password: str | None = None) -> httpx2.Response:
    form = {"username": email or person.email, "password": password or person.password}
    return await person.http.post(LOGIN, data=form)


async def failures(accounts: Accounts, runtime: Runtime) -> dict[str, tuple[Person, dict[str, str]]]:
    """Return somebody for each reason to refuse a sign-in, with what is typed."""
    people = {
        "unknown": await accounts.register(),
        "wrong": await accounts.register(),
        "disabled": await accounts.register(),
        "disabled and wrong": await accounts.register(),
        "no hash": await accounts.register(),
        "empty hash": await accounts.register(),
        "unreadable hash": await accounts.register(),
        "not an address": await accounts.register(),
    }
    for reason in ("disabled", "disabled and wrong"):
        await change_user(runtime, people[reason], is_active=False)
    await change_user(runtime, people["no hash"], password_hash=None)
    await change_user(runtime, people["empty hash"], password_hash="")
    await change_user(runtime, people["unreadable hash"], password_hash="not a hash at all")
    typed = {
        "unknown": {"email": "nobody@example.com"},
        "wrong": {"password": "wrong horse battery staple"},
        "disabled and wrong": {"password": "wrong horse battery staple"},
        "not an address": {"email": "no address"},
    }
    return {reason: (person, typed.get(reason, {})) for reason, person in people.items()}


async def test_every_refused_sign_in_looks_the_same(accounts: Accounts, runtime: Runtime) -> None:
    """S24, S37, S38, 3.3-16, 3.3-18, 3.7-02: status, body and headers do not tell who has an account, or in what state."""
    refused = [await attempt(person, **typed) for person, typed in (await failures(accounts, runtime)).values()]
    for response in refused:
        problem_of(response, 401, "INVALID_CREDENTIALS")
        check_nothing_repeated(response, "wrong horse", "example.com")
        assert without_request_id(response) == without_request_id(refused[0])
    assert await count(runtime, Session) == 0


async def test_every_refused_sign_in_costs_exactly_one_hash(accounts: Accounts, runtime: Runtime) -> None:
    """S24, 3.7-01: time must not tell who has an account; neither more nor less than one computation."""
    costs = {}
    for reason, (person, typed) in (await failures(accounts, runtime)).items():
        before = runtime.hashing.computed
        await attempt(person, **typed)
        costs[reason] = runtime.hashing.computed - before
    assert costs == dict.fromkeys(costs, 1)


async def test_a_sign_in_that_works_costs_one_hash_too(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-01."""
    ada = await accounts.register()
    before = runtime.hashing.computed
    await ada.sign_in()
    assert runtime.hashing.computed - before == 1


async def test_an_endless_password_costs_the_same_for_known_and_unknown(accounts: Accounts, runtime: Runtime) -> None:
    """S26, 3.2-05, 3.7-01: it is refused before anything looks for the account, and is not hashed whole."""
    ada = await accounts.register()
    answers, costs = [], []
    for email in (ada.email, "nobody@example.com"):
        before = runtime.hashing.computed
        response = await attempt(ada, email=email, password="x" * 60_000)
        assert response.status_code in {401, 422}
        answers.append(without_request_id(response))
        costs.append(runtime.hashing.computed - before)
    assert answers[0] == answers[1]
    assert costs[0] == costs[1] <= 1


async def test_a_refused_sign_in_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.register()
    await change_user(runtime, ada, password_hash=bcrypt.hashpw(ada.password.encode(), bcrypt.gensalt(4)).decode())
    before = await everything(runtime)
    await attempt(ada, password="wrong horse battery staple")
    assert await everything(runtime) == before


def _django(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", 1000)
    return f"pbkdf2_sha256$1000$saltsalt${base64.b64encode(digest).decode()}"


def _passlib(password: str) -> str:
    def adapted(raw: bytes) -> str:
        return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")

    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", 1000)
    return f"$pbkdf2-sha256$1000${adapted(b'saltsalt')}${adapted(digest)}"


def _bcrypt(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


def _bcrypt_of_php(password: str) -> str:
    return _bcrypt(password).replace("$2b$", "$2y$", 1)


def _weaker_argon2(password: str) -> str:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


OLD = [_bcrypt, _bcrypt_of_php, _django, _passlib, _weaker_argon2]


@pytest.mark.settings(**FULL_HASHES)
@pytest.mark.parametrize("old", OLD, ids=lambda made: made.__name__.strip("_"))
async def test_a_sign_in_moves_an_old_hash_up(accounts: Accounts, runtime: Runtime, old: Callable[[str], str]) -> None:
    """S30, PW-11: without a second sign-in; the moved hash verifies the next time, and stays."""
    ada = await accounts.register()
    await change_user(runtime, ada, password_hash=old(ada.password))
    await ada.sign_in()
    moved = str((await find_user(runtime, ada)).password_hash)
    assert moved.startswith(TODAY)
    problem_of(await attempt(ada, password="wrong horse battery staple"), 401, "INVALID_CREDENTIALS")
    await ada.sign_in()
    assert (await find_user(runtime, ada)).password_hash == moved


@pytest.mark.parametrize("old", OLD, ids=lambda made: made.__name__.strip("_"))
async def test_an_old_hash_refuses_a_wrong_password_and_stays(
    accounts: Accounts, runtime: Runtime, old: Callable[[str], str]
) -> None:
    """PW-11."""
    ada = await accounts.register()
    stored = old(ada.password)
    await change_user(runtime, ada, password_hash=stored)
    problem_of(await attempt(ada, password="wrong horse battery staple"), 401, "INVALID_CREDENTIALS")
    assert (await find_user(runtime, ada)).password_hash == stored


async def test_a_password_that_bcrypt_cut_counts_whole_once_it_moved_up(accounts: Accounts, runtime: Runtime) -> None:
    """S27, 3.2-01: bcrypt never read beyond byte 72; after the first sign-in the rest counts."""
    ada = await accounts.register(password="twelve words " * 6 + "and a tail")
    await change_user(runtime, ada, password_hash=_bcrypt(ada.password))
    await ada.sign_in()
    problem_of(await attempt(ada, password="twelve words " * 6 + "and no tail"), 401, "INVALID_CREDENTIALS")


async def test_an_old_hash_of_a_disabled_account_opens_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S37, 3.7-01: and costs no hash more than any other refusal."""
    ada = await accounts.register()
    await change_user(runtime, ada, password_hash=_bcrypt(ada.password), is_active=False)
    before = runtime.hashing.computed
    problem_of(await attempt(ada), 401, "INVALID_CREDENTIALS")
    assert runtime.hashing.computed - before == 1
    assert str((await find_user(runtime, ada)).password_hash).startswith("$2b$")


async def test_sign_ins_at_once_with_an_old_hash_all_succeed(accounts: Accounts, runtime: Runtime) -> None:
    """S30, PW-11: whoever moves the hash up first must not turn the others, with the right password, away."""
    ada = await accounts.register()
    await change_user(runtime, ada, password_hash=_bcrypt(ada.password))
    statuses = [response.status_code for response in await at_once(3, lambda: attempt(ada))]
    assert statuses == [200, 200, 200]

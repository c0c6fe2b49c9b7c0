"""What limits do to whoever signs in, and to whoever guesses."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.models import AuditEvent, AuditKind, LimitBucket
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts
from tests.answers import problem_of
from tests.limits.trying import FREE, LIMITED, Guesser, let_time_pass
from tests.rows import count

pytestmark = LIMITED
NOBODY = "nobody@example.com"


async def test_the_sixth_wrong_password_is_told_to_wait_and_for_how_long(app: FastAPI, accounts: Accounts) -> None:
    """S36, S58, V6.3.1, PW-07: with the headers that programs understand."""
    ada, stranger = await accounts.register(), Guesser(app)
    assert await stranger.statuses(FREE, ada.email) == [401] * FREE
    refused = await stranger.sign_in(ada.email)
    problem = problem_of(refused, 429, "RATE_LIMITED")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 5
    assert problem["retry_after"] == wait
    assert refused.headers["ratelimit-policy"] == '"sign-in";q=5;w=25'
    assert refused.headers["ratelimit"] == f'"sign-in";r=0;t={wait}'
    assert (await stranger.sign_in(ada.email, PASSWORD)).status_code == 429


async def test_waiting_helps(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    ada, stranger = await accounts.register(), Guesser(app)
    await stranger.use_up(ada)
    await let_time_pass(runtime, timedelta(seconds=5))
    assert await stranger.statuses(2, ada.email) == [401, 429]
    await let_time_pass(runtime, timedelta(seconds=5))
    assert (await stranger.sign_in(ada.email, PASSWORD)).status_code == 200


async def test_known_and_unknown_addresses_are_refused_alike(app: FastAPI, accounts: Accounts) -> None:
    """3.7-02, V6.3.8: at the same try, in the same words."""
    ada, stranger = await accounts.register(), Guesser(app)
    answers = {email: [await stranger.sign_in(email) for _ in range(FREE + 2)] for email in (ada.email, NOBODY)}
    for known, unknown in zip(answers[ada.email], answers[NOBODY], strict=True):
        assert known.status_code == unknown.status_code
        assert looks(known) == looks(unknown)


def looks(response: httpx2.Response) -> tuple[object, ...]:
    """Everything that a stranger can compare; the number of seconds goes down while the test runs."""
    content = {k: v for k, v in response.json().items() if k not in {"request_id", "detail", "retry_after"}}
    names = sorted(response.headers)
    return response.status_code, content, names, response.headers.get("ratelimit-policy")


async def test_every_spelling_of_an_address_is_the_same_account(app: FastAPI, accounts: Accounts) -> None:
    """3.7-04, 3.3-20."""
    await accounts.register("ada@example.com")
    spellings = ["ada@example.com", "Ada@Example.com", "ADA@EXAMPLE.COM", "ada@EXAMPLE.com", "aDa@example.com"]
    stranger = Guesser(app)
    assert [(await stranger.sign_in(spelling)).status_code for spelling in spellings] == [401] * FREE
    assert (await stranger.sign_in("ada@exampLe.com")).status_code == 429


async def test_nothing_that_the_caller_may_vary_opens_another_bucket(app: FastAPI, accounts: Accounts) -> None:
    """3.7-04, 3.7-05: neither unused fields, nor queries, nor credentials that are none, nor headers of all kinds."""
    ada = await accounts.register()
    await Guesser(app).use_up(ada)
    varied = [
        {"User-Agent": "another"},
        {"Authorization": "Bearer garbage"},
        {"Cookie": "__Host-ostiary=garbage"},
        {"Cookie": "__Host-ostiary-device=ost_dv_garbage"},
        {"X-Forwarded-For": "203.0.113.99"},
        {"Forwarded": "for=203.0.113.99"},
        {"X-Real-IP": "203.0.113.99"},
        {"X-Request-ID": "another-request"},
        {"Content-Type": "Application/X-WWW-Form-urlencoded; charset=utf-8"},
        {"Sec-Fetch-Site": "same-origin"},
    ]
    for number, headers in enumerate(varied):
        guesser = Guesser(app, address=f"203.0.113.{number}", headers=headers)
        form = {"username": ada.email, "password": f"guess number {number}", "grant_type": "password", "scope": ""}
        response = await guesser.call("POST", f"/auth/login?x={number}", data=form)
        assert response.status_code == 429, headers


async def test_signing_in_is_free_and_clears_no_failure(app: FastAPI, accounts: Accounts) -> None:
    """3.7-06: one's own sign-ins between guesses do not help, and the owner's do not either."""
    mallory, ada, guesser = await accounts.register(), await accounts.register(), Guesser(app)
    statuses = []
    for _ in range(FREE + 1):
        assert (await guesser.sign_in(mallory.email, PASSWORD)).status_code == 200
        guesser.device = ""
        statuses.append((await guesser.sign_in(ada.email)).status_code)
    assert statuses == [401] * FREE + [429]
    assert await Guesser(app, address="203.0.113.7").statuses(4, mallory.email, PASSWORD) == [200] * 4


@pytest.mark.only("sqlite")
async def test_one_address_that_tries_many_accounts_is_held_up_as_well(app: FastAPI) -> None:
    """3.7-03, 3.7-10: credential stuffing, from any address of one /64."""
    stuffers = [Guesser(app, address=f"2001:db8:1:2:{number:x}::1") for number in range(10)]
    statuses = [(await stuffers[n % 10].sign_in(f"a{n}@example.com")).status_code for n in range(52)]
    assert statuses[:50] == [401] * 50
    assert 429 in statuses[50:]
    assert (await Guesser(app, address="2001:db8:1:3::1").sign_in(NOBODY)).status_code == 401


async def test_what_is_no_address_counts_for_the_client_alone(app: FastAPI) -> None:
    """No bucket is made for a text that no account can have."""
    assert await Guesser(app).statuses(FREE + 2, "no address at all") == [401] * (FREE + 2)


async def test_a_request_that_is_not_understood_guesses_nothing_and_is_refused_as_before(app: FastAPI) -> None:
    """V2.2.1: the limit reads the body as the route does, and leaves its judgement to the route."""
    guesser = Guesser(app)
    for content in ({}, {"username": NOBODY}, {"username": NOBODY, "password": "x", "surplus": "y"}):
        assert (await guesser.call("POST", "/auth/login", data=content)).status_code == 422
    assert (await guesser.call("POST", "/auth/login", json={"username": NOBODY})).status_code == 415


async def test_a_database_dump_tells_nobody_who_has_tried(app: FastAPI, runtime: Runtime) -> None:
    """The keys are digests under the server secret."""
    await Guesser(app).sign_in(NOBODY)
    rows = await runtime.database.read.all(select(LimitBucket))
    assert len(rows) == 6
    assert all(len(row.key) == 16 for row in rows)


async def test_the_first_refusal_is_told_to_the_audit_log_and_the_rest_of_the_minute_is_not(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """V16.3.3, 3.9-04: a trace without the address itself, and no way to fill the table."""
    ada, stranger = await accounts.register("ada@example.com"), Guesser(app)
    await stranger.use_up(ada)
    await stranger.statuses(5, ada.email)
    reached = AuditEvent.kind == AuditKind.LIMIT_REACHED.value
    [event] = await runtime.database.read.entities(select(AuditEvent).where(reached))
    assert (event.cause, event.subject, event.client_address) == ("sign-in", "a***@example.com", stranger.address)
    assert event.outcome == "refused"
    assert await count(runtime, AuditEvent, reached) == 1


async def test_whoever_is_told_to_wait_costs_no_more(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """3.7-01, 3.9-01: no account is looked at and no password hashed, so a full queue of hashes is not even noticed."""
    ada, stranger = await accounts.register(), Guesser(app)
    await stranger.use_up(ada)
    failed = AuditEvent.kind == AuditKind.SIGN_IN_FAILED.value
    assert await count(runtime, AuditEvent, failed) == FREE
    runtime.hashing.close()
    assert await stranger.statuses(3, ada.email, PASSWORD) == [429] * 3
    assert await count(runtime, AuditEvent, failed) == FREE


@pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", HASHING_QUEUE=0)
async def test_who_is_sent_away_because_others_sign_in_has_tried_nothing(app: FastAPI, accounts: Accounts) -> None:
    """PW-12: no password was looked at."""
    ada = await accounts.register()
    statuses = await asyncio.gather(*(Guesser(app).statuses(1, ada.email, PASSWORD) for _ in range(FREE)))
    assert {status for (status,) in statuses} == {200, 503}
    assert await Guesser(app).statuses(FREE + 1, ada.email) == [401] * FREE + [429]


@pytest.mark.settings(LIMITS_ENABLED=True, LIMITS_STORAGE="database", HASHING_QUEUE=0)
async def test_whom_a_limit_refuses_takes_nobodys_place(app: FastAPI, accounts: Accounts) -> None:
    """PW-12: else one client with many connections would keep everybody else from signing in."""
    ada, stranger, owner = await accounts.register(), Guesser(app), Guesser(app, address="198.51.100.99")
    grace = await accounts.register("grace@example.com")
    await stranger.use_up(ada)
    crowd = [stranger.sign_in(ada.email) for _ in range(20)]
    *refused, let_in = await asyncio.gather(*crowd, owner.sign_in(grace.email, PASSWORD))
    assert {answer.status_code for answer in refused} == {429}
    assert let_in.status_code == 200

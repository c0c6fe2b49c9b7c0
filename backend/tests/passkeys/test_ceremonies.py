"""A question to a passkey is answered once, in time, by whom it was put to, and for what it was put."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.auth.identifiers import new_id
from app.auth.passkeys.ceremonies import CeremonyKind
from app.models import Passkey, Session, SpentCeremony
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.authenticator import Authenticator, Quirks, decode
from tests.contention import at_once
from tests.factors import Guarded, finish, pending_of, with_passkey
from tests.passkeys.asking import (
    PASSKEYS,
    Asked,
    asked_again,
    asked_for_second_factor,
    asked_to_register,
    asked_to_sign_in,
    changed,
    sign_in,
)
from tests.rows import count

REFUSED = (403, "PASSKEY_REFUSED")
REGISTER, SIGN_IN, SECOND_FACTOR, STEP_UP = CeremonyKind
SENT_AGAIN = pytest.mark.parametrize("kind", [REGISTER, SIGN_IN, STEP_UP])
"""A sign-in that lacks a second factor ends with its first right answer, so nobody can send another one."""


@dataclass
class Scene:
    """Somebody with a passkey, in a session and in a sign-in that lacks a second factor."""

    http: httpx2.AsyncClient
    ada: Guarded
    pending: str

    @property
    def person(self) -> Person:
        return self.ada.person

    @property
    def device(self) -> Authenticator:
        assert self.ada.device
        return self.ada.device

    def device_for(self, kind: CeremonyKind) -> Authenticator:
        """Return a device that can answer: a new one makes a passkey."""
        return Authenticator(self.device.origin) if kind is REGISTER else self.device

    async def ask(self, kind: CeremonyKind, person: Person | None = None) -> Asked:
        """Begin a ceremony, in the person's own session unless in another."""
        begin: dict[CeremonyKind, Callable[[Person], Awaitable[Asked]]] = {
            REGISTER: asked_to_register,
            SIGN_IN: lambda _: asked_to_sign_in(self.http),
            SECOND_FACTOR: lambda _: asked_for_second_factor(self.http, self.pending),
            STEP_UP: asked_again,
        }
        return await begin[kind](person or self.person)

    async def answer(
        self, kind: CeremonyKind, body: Mapping[str, Any], person: Person | None = None
    ) -> httpx2.Response:
        """Give the answer to a ceremony of a kind."""
        send: dict[CeremonyKind, Callable[[Person], Awaitable[httpx2.Response]]] = {
            REGISTER: lambda by: by.post(PASSKEYS, json={"name": "Key", **body}),
            SIGN_IN: lambda _: sign_in(self.http, body),
            SECOND_FACTOR: lambda _: finish(self.http, self.pending, method="passkey", **body),
            STEP_UP: lambda by: by.post("/auth/reauthenticate", json={"method": "passkey", **body}),
        }
        return await send[kind](person or self.person)


@pytest.fixture
async def scene(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> Scene:
    ada = await with_passkey(accounts, runtime)
    return Scene(client, ada, await pending_of(client, ada.person))


async def again(scene: Scene) -> Person:
    """Return another session of the same person, by their passkey."""
    done = await sign_in(scene.http, (await scene.ask(SIGN_IN)).body(scene.device))
    assert done.status_code == 200, done.text
    ada = scene.person
    return Person(ada.http, ada.id, ada.email, ada.password, done.json())


@SENT_AGAIN
async def test_a_question_is_answered_once(scene: Scene, runtime: Runtime, kind: CeremonyKind) -> None:
    """WA-01: neither the same answer counts again nor another one, even of another device."""
    begun = await scene.ask(kind)
    body = begun.body(scene.device_for(kind))
    spent = await count(runtime, SpentCeremony)
    assert (await scene.answer(kind, body)).status_code in {200, 201}
    before = await count(runtime, Passkey), await count(runtime, Session)
    for repeated in (body, begun.body(scene.device_for(kind))):
        problem_of(await scene.answer(kind, repeated), *REFUSED)
    assert (await count(runtime, Passkey), await count(runtime, Session)) == before
    assert await count(runtime, SpentCeremony) == spent + 1


@SENT_AGAIN
async def test_of_many_answers_at_once_one_counts(scene: Scene, runtime: Runtime, kind: CeremonyKind) -> None:
    """WA-01."""
    begun, person = await scene.ask(kind), scene.person
    bodies = iter([begun.body(scene.device_for(kind)) for _ in range(6)])
    before = await count(runtime, Passkey) + await count(runtime, Session)

    async def call() -> int:
        return (await scene.answer(kind, next(bodies), person)).status_code

    statuses = sorted(await at_once(6, call))
    assert statuses[0] in {200, 201}
    assert statuses[1:] == [403] * 5
    assert await count(runtime, Passkey) + await count(runtime, Session) == before + (kind is not STEP_UP)


@pytest.mark.parametrize("kind", CeremonyKind)
async def test_a_question_has_five_minutes(scene: Scene, runtime: Runtime, kind: CeremonyKind) -> None:
    """WA-01."""
    begun, now = await scene.ask(kind), datetime.now(UTC)
    late = changed(runtime, begun, kind, expires_at=now.replace(microsecond=0))
    problem_of(await scene.answer(kind, late.body(scene.device_for(kind))), *REFUSED)
    in_time = changed(runtime, begun, kind, expires_at=now.replace(microsecond=0) + timedelta(seconds=30))
    assert (await scene.answer(kind, in_time.body(scene.device_for(kind)))).status_code in {200, 201}


async def test_a_question_is_answered_for_what_it_was_put(scene: Scene, runtime: Runtime) -> None:
    """WA-01, WA-02, 3.5-06: each kind in place of each other one, though the answer itself is what is due there."""
    before = await count(runtime, Passkey), await count(runtime, Session)
    for begun_as in CeremonyKind:
        begun = await scene.ask(begun_as)
        for used_as in set(CeremonyKind) - {begun_as}:
            due = await scene.ask(used_as)
            device = scene.device_for(used_as)
            body = due.body(device, Quirks(challenge=decode(begun.options["challenge"])))
            refused = await scene.answer(used_as, {**body, "ceremony": begun.ceremony})
            problem_of(refused, *REFUSED)
            if used_as is SECOND_FACTOR:  # It bears five wrong answers.
                scene.pending = await pending_of(scene.http, scene.person)
    assert (await count(runtime, Passkey), await count(runtime, Session)) == before
    assert await count(runtime, SpentCeremony) == 1  # Of the passkey itself.


@pytest.mark.parametrize("kind", [REGISTER, STEP_UP])
async def test_a_question_of_one_session_is_not_answered_in_another(scene: Scene, kind: CeremonyKind) -> None:
    """WA-01: nor does it matter that both are of the same person. In its own it is."""
    other = await again(scene)
    begun = await scene.ask(kind)
    body = begun.body(scene.device_for(kind))
    problem_of(await scene.answer(kind, body, other), *REFUSED)
    assert (await scene.answer(kind, body)).status_code in {200, 201}


@pytest.mark.parametrize("kind", [REGISTER, STEP_UP])
async def test_a_question_to_one_person_is_not_answered_by_another(
    scene: Scene, accounts: Accounts, runtime: Runtime, kind: CeremonyKind
) -> None:
    """WA-01, WA-10: nor if it had been put in their own session."""
    bob = await with_passkey(accounts, runtime)
    assert bob.device
    hers = await scene.ask(kind)
    as_if_his = changed(runtime, await scene.ask(kind, bob.person), kind, user_id=new_id())
    for begun, used in ((hers, scene.device), (as_if_his, bob.device)):
        device = Authenticator(used.origin) if kind is REGISTER else used
        problem_of(await scene.answer(kind, begun.body(device), bob.person), *REFUSED)
    assert await count(runtime, Passkey) == 2


async def test_a_question_of_one_sign_in_is_not_answered_in_another(scene: Scene) -> None:
    """WA-01, 3.5-04: both are of the same person."""
    begun = await scene.ask(SECOND_FACTOR)
    first, scene.pending = scene.pending, await pending_of(scene.http, scene.person)
    body = begun.body(scene.device)
    problem_of(await scene.answer(SECOND_FACTOR, body), *REFUSED)
    scene.pending = first
    assert (await scene.answer(SECOND_FACTOR, body)).status_code == 200


async def test_a_sign_in_that_lacks_a_second_factor_is_finished_once(scene: Scene, runtime: Runtime) -> None:
    """WA-01, 3.5-06: of many right answers at once, to the same question or to one each."""
    questions = [await scene.ask(SECOND_FACTOR) for _ in range(2)] * 2
    bodies = iter([begun.body(scene.device) for begun in questions])
    before = await count(runtime, Session)

    async def call() -> int:
        return (await scene.answer(SECOND_FACTOR, next(bodies))).status_code

    assert sorted(await at_once(4, call)) == [200, 400, 400, 400]
    assert await count(runtime, Session) == before + 1


async def test_a_question_that_is_begun_leaves_no_trace(
    client: httpx2.AsyncClient, scene: Scene, runtime: Runtime
) -> None:
    """WA-01: nobody fills a table by beginning; and what somebody makes up was never begun."""
    for kind in CeremonyKind:
        await scene.ask(kind)
    assert await count(runtime, SpentCeremony) == 1
    begun = await scene.ask(SIGN_IN)
    for text in ("", "x", "A" * 400, begun.ceremony[:-2], begun.ceremony[::-1], "\u00e9" * 300, "AAAA\n"):
        body = {**begun.body(scene.device), "ceremony": text}
        problem_of(await client.post(f"{API}/auth/passkey", json=body), *REFUSED)

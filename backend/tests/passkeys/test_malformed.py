"""Answers that no browser gives, at every route that takes one: a clear refusal, at once, and nothing is written."""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from app.auth.passkeys.ceremonies import CeremonyKind
from app.models import PendingSignIn
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import CANARY, check_nothing_repeated, checked_problem, problem_of
from tests.authenticator import Authenticator, encode
from tests.factors import Guarded, pending_of, with_passkey
from tests.passkeys.asking import (
    PASSKEYS,
    asked_again,
    asked_for_second_factor,
    asked_to_register,
    asked_to_sign_in,
    sign_in,
    with_id,
)
from tests.rows import everything_but_stories, write

REFUSALS = {"PASSKEY_REFUSED", "VALIDATION_FAILED", "MALFORMED_BODY"}

JUNK: list[object] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    "",
    "=",
    "A",
    "AAAA=",
    "A A A",
    "\u00e9",
    "\ud800",
    "\x00",
    "A" * 2000,
    "A" * 60_000,
    [],
    ["AAAA"],
    {},
    {CANARY: CANARY},
    [[[[[CANARY]]]]],
    encode(b"\xff" * 200),
    encode(b"\x9b" + b"\xff" * 8),
    encode(b"\xbb" + b"\xff" * 8),
    encode(b"\x81" * 3000),
    encode(b"\xef\xbb\xbf{}"),
    encode(b'{"type":"webauthn.get","type":"webauthn.create"}'),
    encode(b"[" * 3000),
]
"""In place of each part: values of other types, what is no base64url, CBOR that claims lengths and levels, JSON that does."""

KINDS = pytest.mark.parametrize("kind", CeremonyKind)
_SHARED = ("id", "rawId", "type", "response", "response.clientDataJSON")
_OF_USE = (*_SHARED, "response.authenticatorData", "response.signature", "response.userHandle")
PLACES = dict.fromkeys(CeremonyKind, _OF_USE) | {
    CeremonyKind.REGISTER: (*_SHARED, "response.attestationObject", "response.transports")
}
"""What is looked at of an answer."""


def is_fine(kind: CeremonyKind, place: str, junk: object) -> bool:
    """Whether browsers may well say so at this place."""
    if place == "response.transports":
        return junk is None or isinstance(junk, list)
    return place == "response.userHandle" and junk is None and kind is not CeremonyKind.SIGN_IN


def mangled(kind: CeremonyKind, credential: dict[str, Any]) -> Iterator[Any]:
    """Yield what is no answer at all, and answers that are wrong at one place, or lack it."""
    yield from JUNK
    for place in PLACES[kind]:
        *path, last = place.split(".")
        for junk in JUNK:
            if not is_fine(kind, place, junk):
                wrong = deepcopy(credential)
                (wrong["response"] if path else wrong)[last] = junk
                yield wrong
        if not is_fine(kind, place, None):
            wrong = deepcopy(credential)
            del (wrong["response"] if path else wrong)[last]
            yield wrong


Send = Callable[[Any], Awaitable[httpx2.Response]]


async def routes(http: httpx2.AsyncClient, ada: Guarded) -> dict[CeremonyKind, tuple[dict[str, Any], Send]]:
    """Return each route that takes an answer: a good answer for it, and how another one is sent in its place."""
    assert ada.device
    device, person = ada.device, ada.person
    pending = await pending_of(http, person)
    new, first = await asked_to_register(person), await asked_to_sign_in(http)
    second, again = await asked_for_second_factor(http, pending), await asked_again(person)

    def by(path: str, headers: dict[str, str], **further: object) -> Send:
        async def send(credential: Any) -> httpx2.Response:
            content = json.dumps({**further, "credential": credential}).encode()
            return await http.post(API + path, content=content, headers={**headers, "Content-Type": "application/json"})

        return send

    proof = {"method": "passkey"}
    made = {
        CeremonyKind.SIGN_IN: (first.body(device), by("/auth/passkey", {}, ceremony=first.ceremony)),
        CeremonyKind.SECOND_FACTOR: (
            second.body(device),
            by("/auth/second-factor", {}, pending=pending, ceremony=second.ceremony, **proof),
        ),
        CeremonyKind.STEP_UP: (
            again.body(device),
            by("/auth/reauthenticate", person.headers, ceremony=again.ceremony, **proof),
        ),
        CeremonyKind.REGISTER: (
            new.body(Authenticator(device.origin)),
            by(PASSKEYS, person.headers, name="Key", ceremony=new.ceremony),
        ),
    }
    return {kind: (body["credential"], send) for kind, (body, send) in made.items()}


async def everything_but_tries(runtime: Runtime) -> dict[str, Sequence[Any]]:
    """Return every row, but for what tells of refusals."""
    rows = await everything_but_stories(runtime)
    return {name: each for name, each in rows.items() if name != PendingSignIn.__tablename__}


@KINDS
@pytest.mark.only("sqlite")
async def test_a_mangled_answer_is_refused_and_nothing_worse(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, kind: CeremonyKind
) -> None:
    """WA-18: 4xx, which repeats nothing of it, and no row is other than before. What was mangled was right."""
    ada = await with_passkey(accounts, runtime)
    credential, send = (await routes(client, ada))[kind]
    before, wrongs = await everything_but_tries(runtime), list(mangled(kind, credential))
    for wrong in wrongs:
        refused = await send(wrong)
        assert 400 <= refused.status_code < 500, (wrong, refused.text)
        assert checked_problem(refused)["code"] in REFUSALS, refused.text
        check_nothing_repeated(refused)
        if kind is CeremonyKind.SECOND_FACTOR:
            await write(runtime, update(PendingSignIn).values(tries=0))
    assert await everything_but_tries(runtime) == before
    assert len(wrongs) > 200
    assert (await send(credential)).status_code in {200, 201}


@KINDS
@pytest.mark.only("sqlite")
async def test_a_huge_answer_is_not_read(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, kind: CeremonyKind
) -> None:
    """WA-18: a body has its bound, whatever is in it; what lies deep, or is many, is refused like anything else."""
    ada = await with_passkey(accounts, runtime)
    credential, send = (await routes(client, ada))[kind]
    before = await everything_but_tries(runtime)
    problem_of(await send({**credential, "more": "A" * 70_000}), 413, "BODY_TOO_LARGE")
    deep: Any = CANARY
    for _ in range(500):
        deep = {"a": deep}
    for wrong in (deep, {**credential, "response": deep}, {f"k{n}": n for n in range(3000)}):
        assert checked_problem(await send(wrong))["code"] in REFUSALS
    assert await everything_but_tries(runtime) == before


async def test_an_id_of_any_bytes_is_unknown_and_nothing_worse(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-09, WA-18: also where the database looks for it."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    body = (await asked_to_sign_in(client)).body(ada.device)
    for credential_id in (b"\x00", b"\x00" * 1023, b"\xff" * 1023, b"\xff" * 1024, b"'; --"):
        wrong = {**body, "credential": with_id(body["credential"], encode(credential_id))}
        problem_of(await sign_in(client, wrong), 403, "PASSKEY_REFUSED")

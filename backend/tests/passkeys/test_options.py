"""What somebody who signs in is asked is the same for everybody: nobody learns whether an address has passkeys."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.authenticator import decode
from tests.cookies import OWN_PAGE, signed_in
from tests.factors import with_passkey
from tests.rows import everything

OPTIONS = f"{API}/auth/passkey/options"


def shape(response: httpx2.Response) -> tuple[Any, ...]:
    """Return an answer without what is drawn anew each time, of which the length counts."""
    assert response.status_code == 200, response.text
    body = response.json()
    options: Mapping[str, Any] = body["publicKey"]
    assert body.keys() == {"publicKey", "ceremony"}
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    same = {name: value for name, value in options.items() if name != "challenge"}
    return same, len(options["challenge"]), len(body["ceremony"]), len(response.content), headers


async def test_everybody_is_asked_the_same(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """WA-15: before and after there are passkeys, whatever is sent along, and whoever asks. The length is one as well."""
    first = shape(await client.post(OPTIONS))
    ada = await with_passkey(accounts, runtime)
    browser = await signed_in(await accounts.signed_in())
    asked = [
        await client.post(OPTIONS),
        await client.post(OPTIONS, json={"email": ada.person.email}),
        await client.post(OPTIONS, json={"email": "nobody@example.com"}),
        await client.post(OPTIONS, params={"email": ada.person.email}),
        await client.post(OPTIONS, headers=ada.person.headers),
        await client.post(OPTIONS, headers={"Cookie": f"__Host-ostiary={browser.cookie}", **OWN_PAGE}),
    ]
    assert [shape(each)[:4] for each in asked] == [first[:4]] * len(asked)
    assert [shape(each)[4] for each in asked[:5]] == [first[4]] * 5
    assert first[0] == {
        "timeout": 300_000,
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "preferred",
    }


@pytest.mark.only("sqlite")
async def test_each_question_is_new_and_none_leaves_a_trace(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """WA-01: 32 random bytes; a page may ask at each visit without filling a table."""
    before = await everything(runtime)
    answers = [(await client.post(OPTIONS)).json() for _ in range(20)]
    challenges = {decode(each["publicKey"]["challenge"]) for each in answers}
    assert {len(challenge) for challenge in challenges} == {32}
    assert len(challenges) == len({each["ceremony"] for each in answers}) == 20
    assert await everything(runtime) == before


@pytest.mark.only("sqlite")
async def test_an_answer_is_kept_by_nobody_on_the_way(client: httpx2.AsyncClient) -> None:
    """WA-01."""
    assert (await client.post(OPTIONS)).headers["cache-control"] == "no-store"

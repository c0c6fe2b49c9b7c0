"""Identities and passkeys are ways in alike: each may go as long as there is the other, and the last one stays."""

from typing import Any

import httpx2
import pytest

from app.models import Identity, Passkey
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.answers import problem_of
from tests.authenticator import Authenticator
from tests.contention import at_once
from tests.factors import add_passkey, page_of, renewed, sign_in_with_passkey
from tests.federation.browsers import Browser
from tests.federation.linking import as_person, identities_of
from tests.passkeys.asking import PASSKEYS, asked_to_register, passkeys_of
from tests.rows import count


async def with_both(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime, **abilities: Any
) -> tuple[Person, Authenticator]:
    """Return somebody without a password who came by Google and has a passkey, and their device."""
    ada, device = as_person(client, await browser.sign_in(fresh="true")), Authenticator(page_of(runtime), **abilities)
    await add_passkey(ada, device)
    return ada, device


async def unlink(person: Person) -> httpx2.Response:
    (item,) = await identities_of(person)
    return await person.call("DELETE", f"/auth/me/identities/{item['id']}")


async def remove(person: Person, runtime: Runtime) -> httpx2.Response:
    (row,) = await passkeys_of(runtime)
    return await person.call("DELETE", f"{PASSKEYS}/{row.id}")


async def test_an_identity_may_go_where_there_is_a_passkey(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """WA-16: then the passkey is the last way in, which works and stays."""
    ada, device = await with_both(browser, client, runtime)
    assert (await unlink(ada)).status_code == 204
    problem_of(await remove(ada, runtime), 409, "LAST_WAY_IN")
    assert (await sign_in_with_passkey(client, device)).status_code == 200


async def test_a_passkey_may_go_where_there_is_an_identity(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """WA-16: then the identity is the last way in."""
    ada, _ = await with_both(browser, client, runtime)
    assert (await remove(ada, runtime)).status_code == 204
    problem_of(await unlink(ada), 409, "LAST_WAY_IN")


async def test_somebody_else_s_passkey_is_no_way_in(
    accounts: Accounts, browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """WA-16."""
    ada = as_person(client, await browser.sign_in(fresh="true"))
    await add_passkey(await accounts.signed_in(), Authenticator(page_of(runtime)))
    problem_of(await unlink(ada), 409, "LAST_WAY_IN")


@pytest.mark.parametrize(
    "abilities",
    [{"keeps_discoverable": False}, {"verifies_user": False}, {"keeps_discoverable": False, "verifies_user": False}],
    ids=["cannot be found", "never verified its user", "neither"],
)
async def test_a_passkey_that_cannot_sign_in_alone_is_no_way_in(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime, abilities: dict[str, bool]
) -> None:
    """WA-16: it is a second factor, and nobody would get as far as to be asked for one. The identity stays."""
    ada, _ = await with_both(browser, client, runtime, **abilities)
    problem_of(await unlink(ada), 409, "LAST_WAY_IN")
    assert (await remove(ada, runtime)).status_code == 204


async def test_of_two_passkeys_the_one_that_signs_in_alone_stays(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """WA-16: a security key beside it is no way in."""
    ada, phone = await with_both(browser, client, runtime)
    await add_passkey(ada, Authenticator(page_of(runtime), keeps_discoverable=False, verifies_user=False))
    assert (await unlink(ada)).status_code == 204
    by_phone, by_key = await passkeys_of(runtime)
    problem_of(await ada.call("DELETE", f"{PASSKEYS}/{by_phone.id}"), 409, "LAST_WAY_IN")
    assert (await ada.call("DELETE", f"{PASSKEYS}/{by_key.id}")).status_code == 204
    assert (await sign_in_with_passkey(client, phone)).status_code == 200


async def test_a_passkey_of_which_the_browser_says_nothing_is_a_way_in_once_it_has_signed_in(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """WA-08, WA-16: what no signature covers decides nothing but what its owner may remove."""
    ada, device = as_person(client, await browser.sign_in(fresh="true")), Authenticator(page_of(runtime))
    body = (await asked_to_register(ada)).body(device, name="Old browser")
    body["credential"]["clientExtensionResults"] = {}
    added = await ada.post(PASSKEYS, json=body)
    assert added.status_code == 201
    await renewed(ada, added.json())
    problem_of(await unlink(ada), 409, "LAST_WAY_IN")
    assert (await sign_in_with_passkey(client, device)).status_code == 200
    assert (await unlink(ada)).status_code == 204


async def test_when_both_go_at_once_one_stays(browser: Browser, client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.4-01, WA-16: each removal locks the account before it counts what is left."""
    ada, _ = await with_both(browser, client, runtime)
    (item,), (row,) = await identities_of(ada), await passkeys_of(runtime)
    paths = iter([f"/auth/me/identities/{item['id']}", f"{PASSKEYS}/{row.id}"])

    async def call() -> int:
        return (await ada.call("DELETE", next(paths))).status_code

    assert sorted(await at_once(2, call)) == [204, 409]
    assert await count(runtime, Identity) + await count(runtime, Passkey) == 1

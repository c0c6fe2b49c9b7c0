"""The owner's own device, which no stranger can lock out; and tries of somebody who is signed in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.auth.tokens import DEVICE_LIFETIME, DeviceToken, TokenForged, decode_cookie_token, decode_device_token
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.cookies import set_cookies
from tests.limits.trying import DEVICE_COOKIE, FREE, LIMITED, Guesser
from tests.rows import change_user

pytestmark = LIMITED
OWNER = "203.0.113.7"
KEY = b"k" * 32
NOW = datetime.now(UTC).replace(microsecond=0)


async def at_home(app: FastAPI, person: Person) -> Guesser:
    """Return the owner at a device where they have signed in before."""
    home = Guesser(app, address=OWNER)
    assert (await home.sign_in(person.email, PASSWORD)).status_code == 200
    assert home.device
    return home


@pytest.mark.parametrize("transport", ["bearer", "cookie"])
async def test_the_owner_signs_in_on_a_known_device_while_a_stranger_has_used_up_the_account(
    app: FastAPI, accounts: Accounts, transport: str
) -> None:
    """3.7-08, PW-07: a limit is no weapon against whom it protects."""
    ada = await accounts.register()
    home = await at_home(app, ada)
    await Guesser(app).use_up(ada)
    home.headers = {"Sec-Fetch-Site": "same-origin"}
    form = {"username": ada.email, "password": PASSWORD}
    response = await home.call("POST", f"/auth/login?transport={transport}", data=form)
    assert response.status_code == 200
    assert (await Guesser(app, address=OWNER).sign_in(ada.email, PASSWORD)).status_code == 429


async def test_a_known_device_has_no_more_tries_than_a_stranger(app: FastAPI, accounts: Accounts) -> None:
    """PW-07: whoever has taken it cannot guess on."""
    ada = await accounts.register()
    home = await at_home(app, ada)
    assert await home.statuses(FREE + 2, ada.email) == [401] * FREE + [429, 429]
    assert (await Guesser(app).sign_in(ada.email)).status_code == 401


async def test_a_device_is_known_for_its_own_account_alone(app: FastAPI, accounts: Accounts) -> None:
    """3.7-05: an account of one's own opens nobody else's bucket."""
    ada, mallory = await accounts.register(), await accounts.register()
    strange = await at_home(app, mallory)
    await Guesser(app).use_up(ada)
    assert (await strange.sign_in(ada.email, PASSWORD)).status_code == 429


async def test_what_is_no_genuine_device_cookie_is_a_stranger_and_no_fault(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-05, CK-01: forged, too old, a stranger by now, made for another use, of somebody who is gone, or there twice."""
    ada = await accounts.register()
    home = await at_home(app, ada)
    await Guesser(app).use_up(ada)
    old = DeviceToken(UUID(ada.id), new_id(), 0, datetime.now(UTC) - DEVICE_LIFETIME - timedelta(days=1))
    gone = DeviceToken(new_id(), new_id(), 0, datetime.now(UTC))
    stranger = DeviceToken(UUID(ada.id), new_id(), 1, datetime.now(UTC))
    cookies = [
        home.device[:-1] + ("A" if home.device[-1] != "A" else "B"),
        runtime.tokens.encode_device(old),
        runtime.tokens.encode_device(gone),
        runtime.tokens.encode_device(stranger),
        DeviceToken(UUID(ada.id), new_id(), 0, NOW).encode(KEY),
        f"{home.device}; {DEVICE_COOKIE}={home.device}",
        "",
        "ost_dv_",
        "a" * 3000,
    ]
    for value in cookies:
        response = await Guesser(app, address=OWNER, device=value).sign_in(ada.email, PASSWORD)
        assert response.status_code == 429, value
    assert (await home.sign_in(ada.email, PASSWORD)).status_code == 200


async def test_a_device_is_known_by_the_account_and_not_by_its_address(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await accounts.register()
    home = await at_home(app, ada)
    await change_user(runtime, ada, email="lovelace@example.com", email_normal="lovelace@example.com")
    strange = Guesser(app)
    assert await strange.statuses(FREE + 1, "lovelace@example.com") == [401] * FREE + [429]
    assert (await home.sign_in("lovelace@example.com", PASSWORD)).status_code == 200


async def test_the_cookie_has_every_guard_and_tells_nothing(app: FastAPI, accounts: Accounts) -> None:
    """CK-01, CK-02, CK-05, 3.6-13: no script reads it, no neighbour sets it, and it signs nobody in."""
    ada = await accounts.register()
    response = await Guesser(app).sign_in(ada.email, PASSWORD)
    [cookie] = set_cookies(response)
    assert cookie.name == "__Host-ostiary-device"
    assert cookie.value.startswith("ost_dv_")
    assert dict(cookie.attributes) == {
        "Max-Age": "34560000",
        "Path": "/",
        "Secure": None,
        "HttpOnly": None,
        "SameSite": "Lax",
    }
    for name in ("__Host-ostiary", DEVICE_COOKIE):
        headers = {"Cookie": f"{name}={cookie.value}", "Sec-Fetch-Site": "same-origin"}
        assert (await Guesser(app).call("GET", "/auth/me", headers=headers)).status_code == 401


async def test_a_device_keeps_its_name_from_sign_in_to_sign_in(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """Otherwise each sign-in would make another bucket; but another user of the browser has a device of their own."""
    ada, grace = await accounts.register(), await accounts.register()
    home = await at_home(app, ada)
    first = runtime.tokens.find_device(home.device)
    await home.sign_in(ada.email, PASSWORD)
    second = runtime.tokens.find_device(home.device)
    await home.sign_in(grace.email, PASSWORD)
    third = runtime.tokens.find_device(home.device)
    assert first
    assert second
    assert third
    assert first.device_id == second.device_id != third.device_id
    assert (first.user_id, third.user_id) == (UUID(ada.id), UUID(grace.id))


async def test_guesses_within_a_session_share_their_tries_whichever_route_they_use(
    app: FastAPI, accounts: Accounts
) -> None:
    """3.7-07: whoever has got hold of a session cannot guess its password by turns."""
    ada = await (await accounts.register()).sign_in()
    thief = Guesser(app, headers=ada.headers)
    wrong, new = "wrong wrong wrong", "another horse with other batteries"
    routes = [
        ("/auth/reauthenticate", {"password": wrong}),
        ("/auth/me/password", {"current_password": wrong, "new_password": new}),
        ("/auth/me/delete", {"password": wrong}),
    ]
    tried = [(await thief.call("POST", routes[n % 3][0], json=routes[n % 3][1])).status_code for n in range(FREE)]
    assert tried == [403] * FREE
    for path, body in routes:
        assert (await thief.call("POST", path, json=body)).status_code == 429
    other_session = Guesser(app, headers=(await ada.sign_in()).headers)
    assert (await other_session.call("POST", "/auth/reauthenticate", json={"password": PASSWORD})).status_code == 429


async def test_a_stranger_at_the_account_keeps_nobody_from_proving_who_they_are(
    app: FastAPI, accounts: Accounts
) -> None:
    """3.7-08."""
    ada = await (await accounts.register()).sign_in()
    await Guesser(app).use_up(ada)
    owner = Guesser(app, address=OWNER, headers=ada.headers)
    for _ in range(FREE + 1):
        assert (await owner.call("POST", "/auth/reauthenticate", json={"password": PASSWORD})).status_code == 200


def test_a_device_token_opens_only_with_its_key_and_for_its_use() -> None:
    """3.4-09: typed by prefix and by key."""
    token = DeviceToken(new_id(), new_id(), 2**31 - 1, NOW)
    text = token.encode(KEY)
    assert decode_device_token(text, KEY) == token
    for key, decode in ((b"l" * 32, decode_device_token), (KEY, decode_cookie_token)):
        with pytest.raises(TokenForged):
            decode(text, key)
    with pytest.raises(TokenForged):
        decode_device_token(text + "A", KEY)

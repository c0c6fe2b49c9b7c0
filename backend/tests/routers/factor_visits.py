"""Visits to the routes of second factors and passkeys."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from app.auth.identifiers import new_id
from app.models import RememberedDevice
from tests.accounts import API
from tests.authenticator import Authenticator
from tests.factors import (
    Guarded,
    add_passkey,
    code_of,
    enrol_app,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
)
from tests.passkeys.asking import PASSKEYS, add_rows, asked_again, asked_for_second_factor, asked_to_register
from tests.routers.statement_visits import Place, Visit, VisitOfMany, of_anybody
from tests.rows import change_user, write
from tests.second_factors.steps import CONFIRM, FINISH, OFFER, take

_STEP = f"POST {API}/auth/second-factor"


async def with_app(place: Place) -> Guarded:
    """Return somebody with an authenticator app, whose present code has not been used yet."""
    guarded = await enrol_app(await place.person())
    await forget_last_step(place.runtime)
    return guarded


async def with_passkey(place: Place) -> tuple[Guarded, str]:
    """Return somebody with a passkey, and its id."""
    ada, device = await place.person(), Authenticator(page_of(place.runtime))
    added = await add_passkey(ada, device)
    return Guarded(ada, device=device), str(added["passkey"]["id"])


async def must_enrol(place: Place) -> str:
    """Return what names the sign-in of somebody who must have a second factor and has none."""
    ada = await place.registered()
    await change_user(place.runtime, ada, must_enrol_factor=True)
    return await pending_of(place.http, ada)


async def remember_browsers(place: Place, ada: Guarded, number: int) -> list[UUID]:
    """Let somebody have so many browsers that are not asked for a second factor."""
    now, ids = datetime.now(UTC), [new_id() for _ in range(number)]
    times = {"created_at": now, "last_used_at": now, "expires_at": now + timedelta(days=1)}
    same = {"user_id": UUID(ada.person.id), "device": "Firefox", **times}
    rows = [{**same, "id": each, "secret_digest": each.bytes * 2} for each in ids]
    await write(place.runtime, insert(RememberedDevice).values(rows))
    return ids


async def read_factors(place: Place, number: int) -> object:
    ada = await with_app(place)
    await add_rows(place.runtime, ada.person, number)
    await remember_browsers(place, ada, number)
    return await ada.person.get("/auth/me/factors")


async def offer_app(place: Place) -> object:
    return await (await place.person()).post("/auth/me/totp")


async def confirm_app(place: Place) -> object:
    """Add the first factor of an account, which brings recovery codes."""
    ada = await place.person()
    offered = (await ada.post("/auth/me/totp")).json()
    return await ada.post("/auth/me/totp/confirm", json={"code": code_of(offered["secret"])})


async def remove_app(place: Place, number: int) -> object:
    """Remove the last factor of an account, with which recovery codes and remembered browsers go."""
    ada = await with_app(place)
    await remember_browsers(place, ada, number)
    return await ada.person.call("DELETE", "/auth/me/totp")


async def renew_codes(place: Place) -> object:
    return await (await with_app(place)).person.post("/auth/me/recovery-codes")


async def forget_browsers(place: Place, number: int) -> object:
    ada = await with_app(place)
    await remember_browsers(place, ada, number)
    return await ada.person.call("DELETE", "/auth/me/remembered-devices")


async def forget_browser(place: Place) -> object:
    ada = await with_app(place)
    [kept] = await remember_browsers(place, ada, 1)
    return await ada.person.call("DELETE", f"/auth/me/remembered-devices/{kept}")


async def list_passkeys(place: Place, number: int) -> object:
    ada = await place.person()
    await add_rows(place.runtime, ada, number)
    return await ada.get(PASSKEYS)


async def ask_to_register(place: Place) -> object:
    return await asked_to_register(await place.person())


async def register_passkey(place: Place) -> object:
    """Add the first factor of an account, which brings recovery codes."""
    return await with_passkey(place)


async def rename_passkey(place: Place) -> object:
    ada, passkey = await with_passkey(place)
    return await ada.person.patch(f"{PASSKEYS}/{passkey}", json={"name": "Laptop"})


async def remove_passkey(place: Place) -> object:
    ada, passkey = await with_passkey(place)
    return await ada.person.call("DELETE", f"{PASSKEYS}/{passkey}")


async def sign_in_by_passkey(place: Place) -> object:
    ada, _ = await with_passkey(place)
    assert ada.device
    return await sign_in_with_passkey(place.http, ada.device)


async def ask_for_passkey_again(place: Place, number: int) -> object:
    ada = await place.person()
    await add_rows(place.runtime, ada, number)
    await change_user(place.runtime, ada, has_second_factor=True)
    return await asked_again(ada)


async def finish_sign_in(place: Place) -> object:
    ada = await with_app(place)
    return await finish(place.http, await pending_of(place.http, ada.person), method="totp", code=ada.code())


async def read_lacking(place: Place) -> object:
    ada = await with_app(place)
    return await take(place.http, "/status", {"pending": await pending_of(place.http, ada.person)})


async def ask_for_passkey(place: Place, number: int) -> object:
    ada = await place.person()
    await add_rows(place.runtime, ada, number)
    await change_user(place.runtime, ada, has_second_factor=True)
    return await asked_for_second_factor(place.http, await pending_of(place.http, ada))


async def offer_first_app(place: Place) -> object:
    return await take(place.http, OFFER, {"pending": await must_enrol(place)})


async def confirm_first_app(place: Place) -> object:
    pending = await must_enrol(place)
    offered: dict[str, Any] = (await take(place.http, OFFER, {"pending": pending})).json()
    return await take(place.http, CONFIRM, {"pending": pending, "code": code_of(offered["secret"])})


OF_MANY: dict[str, VisitOfMany] = {
    f"GET {API}/auth/me/factors": read_factors,
    f"GET {API}/auth/me/passkeys": list_passkeys,
    f"DELETE {API}/auth/me/remembered-devices": forget_browsers,
    f"DELETE {API}/auth/me/totp": remove_app,
    f"POST {API}/auth/reauthenticate/passkey/options": ask_for_passkey_again,
    f"{_STEP}/passkey/options": ask_for_passkey,
}
VISITS: dict[str, Visit] = {
    f"DELETE {API}/auth/me/passkeys/{{passkey_id}}": remove_passkey,
    f"DELETE {API}/auth/me/remembered-devices/{{device_id}}": forget_browser,
    f"PATCH {API}/auth/me/passkeys/{{passkey_id}}": rename_passkey,
    f"POST {API}/auth/me/passkeys": register_passkey,
    f"POST {API}/auth/me/passkeys/options": ask_to_register,
    f"POST {API}/auth/me/recovery-codes": renew_codes,
    f"POST {API}/auth/me/totp": offer_app,
    f"POST {API}/auth/me/totp/confirm": confirm_app,
    f"POST {API}/auth/passkey": sign_in_by_passkey,
    f"POST {API}/auth/passkey/options": of_anybody("POST", f"{API}/auth/passkey/options"),
    f"{_STEP}{FINISH}": finish_sign_in,
    f"{_STEP}{OFFER}": offer_first_app,
    f"{_STEP}{CONFIRM}": confirm_first_app,
    f"{_STEP}/status": read_lacking,
}

"""Visits to the routes of identity providers: by people who have been here before, with the same identity."""

from datetime import UTC, datetime

from sqlalchemy import insert

from app.models import Identity
from app.offline.people import Person as ProviderPerson
from tests.accounts import API
from tests.federation.browsers import Browser, parameters_of
from tests.federation.handing_over import answer_of
from tests.mailed.recovering import identity
from tests.routers.statement_visits import Place, Visit, VisitOfMany, new_comer
from tests.rows import write

_PROVIDER = "acme"
_PATH = f"{API}/auth/{{provider}}"


async def known(place: Place) -> tuple[Browser, ProviderPerson]:
    """Return somebody whose account was made when they first came, and a browser."""
    browser, comer = place.browser(), new_comer()
    await browser.sign_in(comer, _PROVIDER)
    return place.browser(), comer


async def go_to_provider(place: Place) -> object:
    return await place.browser().begin(_PROVIDER)


async def come_back(place: Place) -> object:
    browser, comer = await known(place)
    return await browser.land(comer, _PROVIDER)


async def exchange(place: Place) -> object:
    browser, comer = await known(place)
    return await browser.exchange(await browser.land(comer, _PROVIDER))


async def begin_on_page(place: Place) -> object:
    return await place.browser().post(f"/auth/{_PROVIDER}/start")


async def hand_over_code(place: Place) -> object:
    browser, comer = await known(place)
    begun = (await browser.post(f"/auth/{_PROVIDER}/start")).json()
    address = await browser.visitor.sign_in(begun["authorization_url"], comer)
    return await browser.post(f"/auth/{_PROVIDER}/code", answer_of(parameters_of(address)))


async def ask_for_nonce(place: Place) -> object:
    return await place.browser().post(f"/auth/{_PROVIDER}/nonce")


async def hand_over_id_token(place: Place) -> object:
    browser, comer = await known(place)
    nonce: str = (await browser.post(f"/auth/{_PROVIDER}/nonce")).json()["nonce"]
    credential = await place.provider.id_token(comer, nonce=nonce)
    return await browser.post(f"/auth/{_PROVIDER}/id-token", {"nonce": nonce, "credential": credential})


async def begin_to_link(place: Place) -> object:
    ada = await place.person()
    return await place.browser().post(f"/auth/{_PROVIDER}/link", {"return_to": "/settings"}, **ada.headers)


async def list_identities(place: Place, number: int) -> object:
    ada, now = await place.person(), datetime.now(UTC)
    rows = [identity(ada, f"{ada.id}-{each}", at=now) for each in range(number)]
    await write(place.runtime, insert(Identity).values(rows))
    return await ada.get("/auth/me/identities")


async def unlink(place: Place) -> object:
    ada = await place.person()
    added = identity(ada, ada.id, at=datetime.now(UTC))
    await write(place.runtime, insert(Identity).values(added))
    return await ada.call("DELETE", f"/auth/me/identities/{added['id']}")


OF_MANY: dict[str, VisitOfMany] = {f"GET {API}/auth/me/identities": list_identities}
VISITS: dict[str, Visit] = {
    f"DELETE {API}/auth/me/identities/{{identity_id}}": unlink,
    f"GET {_PATH}/callback": come_back,
    f"GET {_PATH}/login": go_to_provider,
    f"POST {_PATH}/code": hand_over_code,
    f"POST {_PATH}/id-token": hand_over_id_token,
    f"POST {_PATH}/link": begin_to_link,
    f"POST {_PATH}/nonce": ask_for_nonce,
    f"POST {_PATH}/start": begin_on_page,
    f"POST {API}/auth/exchange": exchange,
}

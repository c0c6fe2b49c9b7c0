"""Visits to the routes of mails: those that have one sent, and those that take what it holds."""

from app.mail.links import MailPage
from tests.accounts import API, PASSWORD, Person
from tests.mailed.inbox import newest
from tests.mailed.recovering import (
    CONFIRM,
    NEW_PASSWORD,
    NOTE,
    NOTICE,
    ask_for,
    confirm,
    disown,
    forget,
    forgotten,
    reset,
)
from tests.mailed_codes import ask, code_of
from tests.routers.statement_visits import Place, Visit, VisitOfMany, new_address, submit
from tests.routers.test_sessions import add_sessions

_VERIFICATION = "verify_address"


async def registered_by(place: Place) -> str:
    """Register where the address has to be proved, and return the address."""
    email = new_address()
    answer = await place.http.post(f"{API}/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 202, answer.text
    return email


async def invited(place: Place) -> tuple[Person, str]:
    """Return who invites, and the address of somebody who has just been invited."""
    root, email = await place.administrator(), new_address()
    answer = await root.post("/invitations/", json={"email": email})
    assert answer.status_code == 202, answer.text
    return root, email


async def robbed(place: Place) -> Person:
    """Return somebody whose password has just been changed."""
    ada = await place.person()
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    return ada


async def ask_for_code(place: Place) -> object:
    return await ask(place.http, (await place.registered()).email)


async def sign_in_with_code(place: Place) -> object:
    asked = await ask(place.http, (await place.person()).email)
    return await asked.type(await code_of(place.runtime))


async def forget_password(place: Place) -> object:
    return await forget(place.http, (await place.registered()).email)


async def reset_password(place: Place, sessions: int) -> object:
    ada = await place.registered()
    await add_sessions(place.runtime, ada, sessions)
    return await reset(place.http, token=(await forgotten(place.runtime, ada)).token)


async def ask_for_address(place: Place) -> object:
    return await ask_for(await place.person(), new_address())


async def confirm_new_address(place: Place) -> object:
    ada, email = await place.person(), new_address()
    assert (await ask_for(ada, email)).status_code == 202
    return await confirm(ada, token=(await newest(place.runtime, email, CONFIRM)).token)


async def veto_address(place: Place) -> object:
    ada = await place.person()
    assert (await ask_for(ada, new_address())).status_code == 202
    return await disown(place.http, await newest(place.runtime, ada, NOTE))


async def undo_change(place: Place, sessions: int) -> object:
    ada = await robbed(place)
    await add_sessions(place.runtime, ada, sessions)
    return await disown(place.http, await newest(place.runtime, ada, NOTICE))


async def list_invitations(place: Place, number: int) -> object:
    root = await place.administrator()
    for _ in range(number):
        assert (await root.post("/invitations/", json={"email": new_address()})).status_code == 202
    return await root.get("/invitations/")


async def invite(place: Place) -> object:
    return await invited(place)


async def accept_invitation(place: Place) -> object:
    _, email = await invited(place)
    body = {"token": (await newest(place.runtime, email)).token, "password": PASSWORD}
    return await place.http.post(f"{API}/invitations/accept", json=body)


async def take_invitation_back(place: Place) -> object:
    root, email = await invited(place)
    items = (await root.get("/invitations/")).json()["items"]
    [mine] = [each["id"] for each in items if each["email"] == email]
    return await root.call("DELETE", f"/invitations/{mine}")


async def confirm_address(place: Place) -> str:
    """Do so in the browser that registered, and return the address."""
    browser, email = place.browser(), new_address()
    await browser.post("/auth/register", {"email": email, "password": PASSWORD})
    token = (await newest(place.runtime, email, _VERIFICATION)).token
    answer = await browser.post("/auth/verification/confirm", {"token": token})
    assert answer.status_code == 200, answer.text
    return email


async def log_in(place: Place) -> object:
    """Come again, with an address that has been proved."""
    ada = Person(place.http, "", await confirm_address(place), PASSWORD)
    await ada.sign_in()
    return await ada.sign_in()


async def ask_for_verification(place: Place) -> object:
    return await place.http.post(f"{API}/auth/verification/resend", json={"email": await registered_by(place)})


async def show_page(place: Place) -> object:
    return await place.http.get(MailPage.RESET)


async def forget_on_page(place: Place) -> object:
    return await submit(place.browser(), MailPage.FORGOT, email=(await place.registered()).email)


async def reset_on_page(place: Place) -> object:
    ada = await place.person()
    code = (await forgotten(place.runtime, ada)).code
    return await submit(place.browser(), MailPage.RESET, email=ada.email, code=code, new_password=NEW_PASSWORD)


async def change_address_on_page(place: Place) -> object:
    browser, ada, email = place.browser(), await place.registered(), new_address()
    form = {"username": ada.email, "password": ada.password}
    await submit(browser, f"{API}/auth/login?transport=cookie", **form)
    assert (await ask_for(await ada.sign_in(), email)).status_code == 202
    code = (await newest(place.runtime, email, CONFIRM)).code
    return await submit(browser, MailPage.CHANGE, email=email, code=code)


async def veto_on_page(place: Place) -> object:
    ada = await place.person()
    assert (await ask_for(ada, new_address())).status_code == 202
    return await submit(place.browser(), MailPage.VETO, token=(await newest(place.runtime, ada, NOTE)).token)


async def undo_on_page(place: Place) -> object:
    ada = await robbed(place)
    return await submit(place.browser(), MailPage.UNDO, token=(await newest(place.runtime, ada, NOTICE)).token)


async def accept_on_page(place: Place) -> object:
    _, email = await invited(place)
    token = (await newest(place.runtime, email)).token
    return await submit(place.browser(), MailPage.INVITATION, token=token, password=PASSWORD)


async def verify_on_page(place: Place) -> object:
    """In another browser than the one that registered, with a password."""
    email = await registered_by(place)
    token = (await newest(place.runtime, email, _VERIFICATION)).token
    return await submit(place.browser(), MailPage.VERIFY, token=token, password=NEW_PASSWORD)


async def ask_for_verification_on_page(place: Place) -> object:
    return await submit(place.browser(), f"{MailPage.VERIFY}/mail", email=await registered_by(place))


OF_MANY: dict[str, VisitOfMany] = {
    f"GET {API}/invitations/": list_invitations,
    f"POST {API}/auth/password/reset": reset_password,
    f"POST {API}/auth/undo": undo_change,
}
VISITS: dict[str, Visit] = {
    f"DELETE {API}/invitations/{{invitation_id}}": take_invitation_back,
    f"POST {API}/auth/code/request": ask_for_code,
    f"POST {API}/auth/code/sign-in": sign_in_with_code,
    f"POST {API}/auth/email/veto": veto_address,
    f"POST {API}/auth/me/email": ask_for_address,
    f"POST {API}/auth/me/email/confirm": confirm_new_address,
    f"POST {API}/auth/password/forgot": forget_password,
    f"POST {API}/invitations/": invite,
    f"POST {API}/invitations/accept": accept_invitation,
    "GET,HEAD /mail/{name}": show_page,
    "POST /mail/change": change_address_on_page,
    "POST /mail/forgot": forget_on_page,
    "POST /mail/invitation": accept_on_page,
    "POST /mail/reset": reset_on_page,
    "POST /mail/undo": undo_on_page,
    "POST /mail/veto": veto_on_page,
}
WHERE_REQUIRED: dict[str, Visit] = {
    f"POST {API}/auth/verification/confirm": confirm_address,
    f"POST {API}/auth/verification/resend": ask_for_verification,
    "POST /mail/verify": verify_on_page,
    "POST /mail/verify/mail": ask_for_verification_on_page,
}
"""Those that mean something only with EMAIL_VERIFICATION=required."""
DEARER_WHERE_REQUIRED: dict[str, Visit] = {
    f"POST {API}/auth/login": log_in,
    f"POST {API}/auth/register": registered_by,
}
"""Those that do more then than elsewhere."""

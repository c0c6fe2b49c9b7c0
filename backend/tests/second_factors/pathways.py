"""Every way in, driven as a browser does, for the matrix of pathways and policies. Each begins with nothing and ends in an answer."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2

from app.mail.links import MailPage
from app.models.role import ORDINARY
from app.offline.people import Person as GooglePerson
from app.offline.testing import RunningProvider, Visitor
from app.pages.second_factor import APP, CONFIRM, PAGE
from app.runtime import Runtime
from tests.accounts import API
from tests.conftest import BASE_URL
from tests.factors import Guarded
from tests.factors import code_of as shown
from tests.federation.browsers import Browser, parameters_of
from tests.federation.handing_over import answer_of, credential_of
from tests.mailed_codes import code_of, token_of

POLICIES: dict[str, dict[str, object]] = {
    "off": {"SECOND_FACTOR": "off"},
    "optional": {"SECOND_FACTOR": "optional"},
    "required": {"SECOND_FACTOR": "required"},
    "required for the role": {"SECOND_FACTOR": "optional", "SECOND_FACTOR_ROLES": [ORDINARY]},
    "required for another role": {"SECOND_FACTOR": "optional", "SECOND_FACTOR_ROLES": ["admin"]},
}
SESSION, HELD, ENROLMENT, REFUSED = "session", "second_factor", "enrolment", "refused"
_ASKED = {
    "nothing": SESSION,
    "app": HELD,
    "passkey": HELD,
    "both": HELD,
    "must enrol": ENROLMENT,
    "remembered": SESSION,
}
_STRICT = {**_ASKED, "nothing": ENROLMENT}
EXPECTED: dict[str, dict[str, str]] = {
    "off": dict.fromkeys(_ASKED, SESSION),
    "optional": _ASKED,
    "required": _STRICT,
    "required for the role": _STRICT,
    "required for another role": _ASKED,
}
"""What becomes of a sign-in with one factor, by policy and by what the account has."""


@dataclass
class Someone:
    """An account, its user's Google account, and what their browser keeps."""

    kind: str
    guarded: Guarded
    visitor: Visitor
    remembered: str = ""

    @property
    def at_google(self) -> GooglePerson:
        return GooglePerson(email=self.guarded.person.email, name="Ada Lovelace")


@dataclass
class World:
    """An installation with a policy, and the provider beside it."""

    http: httpx2.AsyncClient
    runtime: Runtime
    google: RunningProvider
    policy: str
    """A name of `POLICIES`."""

    def browser_of(self, who: Someone) -> Browser:
        """Return a browser that keeps nothing but that it is remembered, where it is."""
        jar = {"__Host-ostiary-remembered": who.remembered} if who.remembered else {}
        return Browser(self.http, who.visitor, jar)


Driver = Callable[[World, Someone], Awaitable[httpx2.Response]]


async def _form(browser: Browser, path: str, **fields: str) -> httpx2.Response:
    return await browser.send("POST", BASE_URL + path, browser.page, data=fields)


async def password(world: World, who: Someone, **query: str) -> httpx2.Response:
    person = who.guarded.person
    path = f"{API}/auth/login?{urlencode(query)}"
    return await _form(world.browser_of(who), path, username=person.email, password=person.password)


async def password_for_a_cookie(world: World, who: Someone) -> httpx2.Response:
    return await password(world, who, transport="cookie")


async def google_with_cookie(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    return await browser.open(await browser.come_back(who.at_google, transport="cookie"))


async def google_with_code(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    return await browser.exchange(await browser.land(who.at_google))


async def google_on_a_page(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    begun = (await browser.post("/auth/google/start")).json()
    address = await browser.visitor.sign_in(begun["authorization_url"], who.at_google)
    return await browser.post("/auth/google/code", answer_of(parameters_of(address)))


async def google_id_token(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    await browser.come_back(who.at_google)  # From then on the provider knows this browser.
    return await browser.post("/auth/google/id-token", await credential_of(browser, world.google))


async def mailed_code(world: World, who: Someone) -> httpx2.Response:
    browser, email = world.browser_of(who), who.guarded.person.email
    asked = (await browser.post("/auth/code/request", {"email": email})).json()
    body = {"flow": asked["flow"], "email": email, "code": await code_of(world.runtime)}
    return await browser.post("/auth/code/sign-in", body)


async def mailed_link(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    await browser.post("/auth/code/request?transport=cookie", {"email": who.guarded.person.email})
    return await browser.post("/auth/code/sign-in?transport=cookie", {"token": await token_of(world.runtime)})


async def mail_page(world: World, who: Someone, *, browser: Browser | None = None) -> httpx2.Response:
    browser, email = browser or world.browser_of(who), who.guarded.person.email
    await _form(browser, f"{MailPage.SIGN_IN}/mail", email=email)
    return await _form(browser, MailPage.SIGN_IN, email=email, code=await code_of(world.runtime))


async def passkey(world: World, who: Someone, *, verifies_user: bool = True) -> httpx2.Response:
    browser, device = world.browser_of(who), who.guarded.device
    assert device
    device.verifies_user = verifies_user
    begun = (await browser.post("/auth/passkey/options")).json()
    question = begun["publicKey"] if verifies_user else begun["publicKey"] | {"userVerification": "discouraged"}
    body = {"ceremony": begun["ceremony"], "credential": device.get(question)}
    device.verifies_user = True
    return await browser.post("/auth/passkey", body)


async def passkey_that_verifies_nobody(world: World, who: Someone) -> httpx2.Response:
    return await passkey(world, who, verifies_user=False)


def _json(path: str) -> str:
    return f"POST {API}/auth{path}"


ONE_FACTOR: dict[str, tuple[Driver, ...]] = {
    _json("/login"): (password, password_for_a_cookie),
    f"GET {API}/auth/{{provider}}/callback": (google_with_cookie,),
    _json("/exchange"): (google_with_code,),
    _json("/{provider}/code"): (google_on_a_page,),
    _json("/{provider}/id-token"): (google_id_token,),
    _json("/code/sign-in"): (mailed_code, mailed_link),
    f"POST {MailPage.SIGN_IN}": (mail_page,),
    _json("/passkey"): (passkey_that_verifies_nobody, passkey),
}
"""What proves a first factor, and with a passkey that verifies its user the second one as well."""


async def finished(world: World, who: Someone) -> httpx2.Response:
    """Go on with a recovery code, which every account with a factor has."""
    held = (await password(world, who)).json()
    body = {"pending": held.get("pending"), "method": "recovery_code", "code": _a_code(who)}
    return await world.browser_of(who).post("/auth/second-factor", body)


async def finished_on_the_page(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    await mail_page(world, who, browser=browser)
    return await _form(browser, PAGE, code=_a_code(who))


async def enrolled_on_the_page(world: World, who: Someone) -> httpx2.Response:
    browser = world.browser_of(who)
    await mail_page(world, who, browser=browser)
    offered = re.search(r"<code>([A-Z2-7 ]+)</code>", (await _form(browser, APP)).text)
    return await _form(browser, CONFIRM, code=shown(offered[1]) if offered else "123456")


async def enrolled(world: World, who: Someone) -> httpx2.Response:
    held = (await password(world, who)).json()
    return await enrol(world.browser_of(who), held.get("pending"))


async def enrol(browser: Browser, pending: str | None) -> httpx2.Response:
    """Add an app to an account in the middle of a sign-in."""
    offer: dict[str, Any] = (await browser.post("/auth/second-factor/totp", {"pending": pending})).json()
    code = shown(offer["secret"]) if "secret" in offer else "123456"
    return await browser.post("/auth/second-factor/totp/confirm", {"pending": pending, "code": code})


def _a_code(who: Someone) -> str:
    return who.guarded.recovery_codes.pop() if who.guarded.recovery_codes else "0000-0000-0000-0000"


FINISHING: dict[str, tuple[Driver, str]] = {
    _json("/second-factor"): (finished, HELD),
    f"POST {PAGE}": (finished_on_the_page, HELD),
    _json("/second-factor/totp/confirm"): (enrolled, ENROLMENT),
    f"POST {CONFIRM}": (enrolled_on_the_page, ENROLMENT),
}
"""What goes on with a sign-in, and at which stage alone it does."""

RENEWING = {
    _json("/refresh"): "trades a token of a session that lives",
    _json("/reauthenticate"): "notes a proof in the caller's session",
    _json("/me/totp/confirm"): "notes a proof in the caller's session",
    _json("/me/passkeys"): "notes a proof in the caller's session",
    _json("/me/password"): "renews the cookie of a known device",
    _json("/me/email/confirm"): "renews the cookie of a known device",
    _json("/logout"): "takes the cookie back",
    _json("/logout/all"): "takes the cookie back",
    _json("/me/delete"): "takes the cookie back",
    f"DELETE {API}/sessions/{{session_id}}": "takes the cookie back",
    f"DELETE {API}/users/{{user_id}}/sessions": "takes the cookie back",
}
"""What has to do with sessions and begins none, with the reason."""

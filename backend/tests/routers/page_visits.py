"""Visits to pages, to what machines ask for, and to what development has beside: most of it is asked of no database."""

import re
from datetime import UTC, datetime

import httpx2

from app.mail.links import MailPage
from app.offline.clients import development_client
from app.offline.testing import Visitor, answer_in, sent_to
from app.pages.second_factor import APP, CONFIRM, PAGE
from app.services.administrators import new_setup_code
from tests.accounts import PASSWORD
from tests.conftest import BASE_URL
from tests.factors import code_of as shown_by_app
from tests.federation.browsers import Browser
from tests.mailed_codes import code_of
from tests.offline.flows import VERIFIER, parameters
from tests.outbox import mails_of, post, verification
from tests.routers.factor_visits import with_app
from tests.routers.statement_visits import Place, Visit, VisitOfMany, new_address, new_comer, of_anybody, submit
from tests.rows import change_user

_GOOGLE = "/dev/google"
_MAILBOX = "/dev/mailbox"
_SIGN_IN_MAIL = f"{MailPage.SIGN_IN}/mail"


# Signing in by mail, on our own pages.


async def sign_in(place: Place, email: str) -> Browser:
    """Sign in with a mailed code, as far as that goes, and return the browser."""
    browser = place.browser()
    await submit(browser, _SIGN_IN_MAIL, email=email)
    await submit(browser, MailPage.SIGN_IN, email=email, code=await code_of(place.runtime))
    return browser


async def must_enrol(place: Place) -> Browser:
    """Return the browser of somebody who must add an app before they come in."""
    ada = await place.registered()
    await change_user(place.runtime, ada, must_enrol_factor=True)
    return await sign_in(place, ada.email)


async def ask_for_mail(place: Place) -> object:
    return await submit(place.browser(), _SIGN_IN_MAIL, email=(await place.registered()).email)


async def sign_in_with_mail(place: Place) -> object:
    return await sign_in(place, (await place.person()).email)


async def look_what_lacks(place: Place) -> object:
    browser = await sign_in(place, (await with_app(place)).person.email)
    return await browser.send("GET", f"{BASE_URL}{PAGE}", browser.page)


async def show_code_of_app(place: Place) -> object:
    ada = await with_app(place)
    return await submit(await sign_in(place, ada.person.email), PAGE, code=ada.code())


async def offer_app(place: Place) -> object:
    return await submit(await must_enrol(place), APP)


async def confirm_app(place: Place) -> object:
    browser = await must_enrol(place)
    [secret] = re.findall(r"<code>([A-Z2-7 ]+)</code>", (await submit(browser, APP)).text)
    return await submit(browser, CONFIRM, code=shown_by_app(secret))


async def set_up(place: Place) -> object:
    """Make the first administrator. Others are none from here on."""
    code = new_setup_code(place.runtime.settings, now=datetime.now(UTC))
    return await submit(place.browser(), "/setup", code=code, email=new_address(), password=PASSWORD)


# Development.


async def show_mailbox(place: Place, number: int) -> object:
    await post(place.runtime, *(verification(place.runtime, new_address()) for _ in range(number)))
    return await place.http.get(_MAILBOX)


async def show_mail(place: Place) -> object:
    await post(place.runtime, verification(place.runtime, new_address()))
    return await place.http.get(f"{_MAILBOX}/{(await mails_of(place.runtime))[-1].id}")


async def show_html_of_mail(place: Place) -> object:
    await post(place.runtime, verification(place.runtime, new_address()))
    return await place.http.get(f"{_MAILBOX}/{(await mails_of(place.runtime))[-1].id}/html")


async def asked_who(place: Place) -> httpx2.Response:
    """Return the page on which the offline provider asks who somebody is."""
    client = development_client(place.runtime.settings)
    wanted = parameters(client_id=client.client_id, redirect_uri=client.redirect_uris[0])
    return await place.http.get(f"{_GOOGLE}/authorize", params=wanted)


async def said_who(place: Place) -> httpx2.Response:
    return await Visitor(place.http).be(await asked_who(place), new_comer())


async def agreed(place: Place) -> httpx2.Response:
    return await Visitor(place.http).decide(await said_who(place), "allow")


async def tokens_of(place: Place) -> httpx2.Response:
    client, code = development_client(place.runtime.settings), answer_in(sent_to(await agreed(place)))["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    form["redirect_uri"] = client.redirect_uris[0]
    return await place.http.post(f"{_GOOGLE}/token", data=form, auth=(client.client_id, client.client_secret))


async def read_userinfo(place: Place) -> object:
    token = (await tokens_of(place)).json()["access_token"]
    return await place.http.get(f"{_GOOGLE}/userinfo", headers={"Authorization": f"Bearer {token}"})


async def revoke_token(place: Place) -> object:
    token = (await tokens_of(place)).json()["access_token"]
    return await place.http.post(f"{_GOOGLE}/revoke", data={"token": token})


async def tap(place: Place) -> object:
    await agreed(place)
    form = {"client_id": development_client(place.runtime.settings).client_id, "nonce": "of this flow"}
    return await place.http.post(f"{_GOOGLE}/id-token", data=form)


OF_MANY: dict[str, VisitOfMany] = {f"GET,HEAD {_MAILBOX}": show_mailbox}
VISITS: dict[str, Visit] = {
    "GET /.well-known/jwks.json": of_anybody("GET", "/.well-known/jwks.json"),
    "GET /assets/{name}": of_anybody("GET", "/assets/page.css"),
    "GET,HEAD /dev/factors": of_anybody("GET", "/dev/factors"),
    f"GET {_GOOGLE}/.well-known/openid-configuration": of_anybody("GET", f"{_GOOGLE}/.well-known/openid-configuration"),
    f"GET,POST {_GOOGLE}/authorize": asked_who,
    f"POST {_GOOGLE}/authorize/consent": agreed,
    f"POST {_GOOGLE}/authorize/person": said_who,
    f"POST {_GOOGLE}/id-token": tap,
    f"GET {_GOOGLE}/jwks.json": of_anybody("GET", f"{_GOOGLE}/jwks.json"),
    f"GET {_GOOGLE}/page.css": of_anybody("GET", f"{_GOOGLE}/page.css"),
    f"POST {_GOOGLE}/revoke": revoke_token,
    f"POST {_GOOGLE}/token": tokens_of,
    f"GET,POST {_GOOGLE}/userinfo": read_userinfo,
    f"GET,HEAD {_MAILBOX}/{{mail_id}}": show_mail,
    f"GET,HEAD {_MAILBOX}/{{mail_id}}/html": show_html_of_mail,
    "GET,HEAD /docs": of_anybody("GET", "/docs"),
    "GET /health": of_anybody("GET", "/health"),
    "HEAD /health": of_anybody("HEAD", "/health"),
    "GET /health/ready": of_anybody("GET", "/health/ready"),
    "HEAD /health/ready": of_anybody("HEAD", "/health/ready"),
    "POST /mail/sign-in": sign_in_with_mail,
    "POST /mail/sign-in/mail": ask_for_mail,
    f"GET,HEAD {PAGE}": look_what_lacks,
    f"POST {PAGE}": show_code_of_app,
    f"POST {APP}": offer_app,
    f"POST {CONFIRM}": confirm_app,
    "GET,HEAD /openapi.json": of_anybody("GET", "/openapi.json"),
    "GET,HEAD /setup": of_anybody("GET", "/setup"),
    "POST /setup": set_up,
}

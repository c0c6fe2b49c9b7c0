"""What a browser sees of the provider: the authorisation endpoint, with its account chooser and its consent."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from app.offline.choosing import choose, suggested_person
from app.offline.faults import Fault
from app.offline.id_tokens import SOMEBODY_ELSE
from app.offline.parameters import (
    AuthorizationRequest,
    Declined,
    Destination,
    Unreadable,
    form_of,
    query_of,
    read_destination,
    read_request,
)
from app.offline.people import PersonRefused
from app.offline.provider import Browser, OfflineProvider, Pending, SignedIn, is_wanted
from app.offline.rendering import Pages


class FrontChannel:
    """The pages, and what their forms do. No page works without the cookie of the browser that it was shown to."""

    def __init__(self, provider: OfflineProvider) -> None:
        self._provider = provider
        self._pages = Pages(issuer=provider.issuer, name=provider.name)
        issuer = urlsplit(provider.issuer)
        # Cookies know no ports: a second provider on this machine must not take the first one's.
        self._cookie = f"offline-provider-{hashlib.sha256(provider.issuer.encode()).hexdigest()[:12]}"
        self._cookie_path = issuer.path or "/"
        self._cookie_secure = issuer.scheme == "https"

    async def authorize(self, request: Request) -> Response:
        """Take an authorisation request; show the account chooser, or answer at once for `prompt=none`."""
        return await self._shown(request, self._authorize)

    async def choose_person(self, request: Request) -> Response:
        """Take the choice of a person, or make one up; ask for consent where it is needed."""
        return await self._shown(request, self._choose_person)

    async def consent(self, request: Request) -> Response:
        """Take the answer to the question for consent, and send the browser back to the application."""
        return await self._shown(request, self._consent)

    async def _shown(self, request: Request, act: Callable[[Request, datetime], Awaitable[Response]]) -> Response:
        """Return what an act shows. What nobody may be redirected for is said on a page (RFC 9700, section 4.11.2)."""
        try:
            return await act(request, datetime.now(UTC))
        except Unreadable as error:
            return self._pages.show("wrong.html", status_code=400, title="That did not work", detail=str(error))

    async def _authorize(self, request: Request, now: datetime) -> Response:
        parameters = query_of(request) if request.method == "GET" else await form_of(request)
        destination = read_destination(parameters, self._provider.clients)
        browser = self.find_browser(request, now=now) or Browser()
        try:
            wanted = read_request(parameters, destination)
            if "none" in wanted.prompts:
                signed_in = self._provider.sign_in_silently(wanted, browser, now=now)
                return _redirect(self._success(wanted, signed_in, now))
        except Declined as error:
            return _redirect(self._failure(destination, error))
        pending = Pending(wanted, browser)
        response = self._choose(self._provider.requests.add(pending, now=now), pending)
        self._remember(response, browser, now)
        return response

    async def _choose_person(self, request: Request, now: datetime) -> Response:
        form = await form_of(request)
        key, pending = self._pending(request, form, now)
        try:
            chosen = pending.chosen = choose(pending, form, now=now)
        except PersonRefused as error:
            return self._choose(key, pending, form=form, problems=error.problems)
        wanted = pending.request
        if self._provider.is_agreed(wanted, chosen.person, now=now) and "consent" not in wanted.prompts:
            return self._leave(key, pending, self._success(wanted, chosen, now))
        client = wanted.destination.client
        title = f"Sign in to {client.name}"
        return self._pages.show(
            "consent.html", title=title, key=key, person=chosen.person, client=client, scopes=wanted.scopes
        )

    async def _consent(self, request: Request, now: datetime) -> Response:
        form = await form_of(request)
        key, pending = self._pending(request, form, now)
        if pending.chosen is None or form.get("decision") not in {"allow", "deny"}:
            raise Unreadable("Nobody has been chosen yet, or nothing has been decided")
        if form["decision"] == "allow":
            return self._leave(key, pending, self._success(pending.request, pending.chosen, now))
        refusal = Declined("access_denied", "The person did not agree")
        return self._leave(key, pending, self._failure(pending.request.destination, refusal))

    def find_browser(self, request: Request, *, now: datetime) -> Browser | None:
        """Return the browser that a request comes from, unless it is a stranger."""
        return self._provider.browsers.find(request.cookies.get(self._cookie, ""), now=now)

    def _remember(self, response: Response, browser: Browser, now: datetime) -> None:
        """Give a browser a cookie by which it is known. A new one each time costs less than a way to keep the old one."""
        key = self._provider.browsers.add(browser, now=now)
        response.set_cookie(
            self._cookie, key, path=self._cookie_path, httponly=True, samesite="lax", secure=self._cookie_secure
        )

    def _pending(self, request: Request, form: dict[str, str], now: datetime) -> tuple[str, Pending]:
        """Return the authorisation request of a form, if this browser began it. Raises `Unreadable`."""
        key = form.get("request", "")
        pending = self._provider.requests.find(key, now=now)
        if pending is None or pending.browser is not self.find_browser(request, now=now):
            raise Unreadable("This sign-in is over, or another browser began it. Start again in the application")
        return key, pending

    def _choose(
        self, key: str, pending: Pending, *, form: dict[str, str] | None = None, problems: dict[str, str] | None = None
    ) -> Response:
        wanted = pending.request
        people = [
            each.person for each in pending.browser.people.values() if each.person.belongs_to(wanted.hosted_domain)
        ]
        people.sort(key=lambda person: not is_wanted(wanted, person))
        return self._pages.show(
            "choose.html",
            status_code=422 if problems else 200,
            title="Choose an account" if people else "Sign in",
            key=key,
            client=wanted.destination.client,
            people=people,
            hosted_domain=wanted.hosted_domain,
            form=form if form is not None else suggested_person(wanted),
            problems=problems or {},
        )

    def _leave(self, key: str, pending: Pending, address: str) -> Response:
        self._provider.requests.forget(key)
        name = pending.request.destination.client.name
        return self._pages.show("leave.html", title=f"Back to {name}", address=address, client_name=name)

    def _success(self, wanted: AuthorizationRequest, signed_in: SignedIn, now: datetime) -> str:
        code = self._provider.issue_code(wanted, signed_in, now=now)
        return self._answer(wanted.destination, {"code": code, "scope": " ".join(wanted.scopes)})

    def _failure(self, destination: Destination, error: Declined) -> str:
        return self._answer(destination, {"error": error.code, "error_description": error.description})

    def _answer(self, destination: Destination, values: dict[str, str]) -> str:
        """Return the address that brings an answer to the application, with `state` and `iss` (RFC 9207)."""
        if destination.state is not None:
            values["state"] = destination.state
        if Fault.MISSING_ISS_PARAMETER not in self._provider.faults:
            wrong = Fault.WRONG_ISS_PARAMETER in self._provider.faults
            values["iss"] = SOMEBODY_ELSE if wrong else self._provider.issuer
        separator = "&" if "?" in destination.redirect_uri else "?"
        return f"{destination.redirect_uri}{separator}{urlencode(values)}"


def _redirect(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

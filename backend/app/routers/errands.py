"""The cookies of a sign-in through a provider, and where a browser goes when it fails."""

import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Path, Request, Response, status

from app.auth.credentials import check_keeps_cookie, check_same_site, cookies_of, find_remembered_cookie, session_cookie
from app.auth.dependencies import get_runtime
from app.auth.oidc.provider import Provider
from app.auth.redirects import with_own_fragment, with_parameter
from app.auth.transports import Transport
from app.config import API_PREFIX
from app.database import Work
from app.exceptions import AppException, FlowInvalid
from app.plausibility import base_url, host_of
from app.problems import RENDERER, problem_response
from app.runtime import Runtime
from app.services.federation.errands import Door, Errand, open_errand, seal_errand
from app.services.federation.one_time_codes import LIFETIME
from app.services.federation.refusals import Because, refusals_told
from app.services.federation.relying_party import RelyingParty
from app.services.sign_in.stages import SignInContext

PROOF_COOKIE = "__Host-ostiary-code"
FLOW_COOKIES = tuple(f"__Host-ostiary-flow-{number}" for number in range(3))
"""One for each errand that a browser may have under way, so that a second tab does not undo the first one's. There are no
more, however many begin at once: cookies fill every request."""
_SECONDS = 600
_MOVED = ("moved", "1")
"""The parameter of a browser that has been sent to PUBLIC_URL already."""


@dataclass(frozen=True)
class Errands:
    """The errands of the browser that a request comes from, at the provider that its path names."""

    request: Request
    response: Response
    runtime: Runtime
    provider: Provider

    @property
    def party(self) -> RelyingParty:
        """What signs people in through providers."""
        return self.runtime.federation

    def keep(self, errand: Errand) -> None:
        """Give an errand to the browser, in the place of the oldest one if it has too many. Nothing is kept here."""
        held = dict(self._held(errand.flow.begun_at))
        free = [name for name in FLOW_COOKIES if name not in held]
        name = secrets.choice(free) if free else min(held, key=lambda name: held[name].flow.begun_at)
        value = seal_errand(errand, self.party.flow_keys)
        self.response.headers.append("Set-Cookie", _header(name, value, _SECONDS))

    def take(self, work: Work, key: str, *, door: Door) -> Errand:
        """Return the errand that an answer names, and take its cookie away, whatever becomes of the answer.

        A refusal from here on goes with the browser to where the flow says, if it is the callback that was called.
        Raises `FlowInvalid` for an errand that this browser has not, or has for another provider or door.
        """
        with refusals_told(work, self.provider.name):
            name, errand = self._find(key, door, work.now)
        gone = _header(name, "", 0)
        self.response.headers.append("Set-Cookie", gone)
        if door is Door.CALLBACK:
            self.go_to_if_refused(errand.flow.return_to, gone=gone)
        else:
            self.request.scope[RENDERER] = partial(_show, gone=gone, return_to=None)
        return errand

    def _find(self, key: str, door: Door, now: datetime) -> tuple[str, Errand]:
        """Return the errand that an answer at this door names, and the name of its cookie. Raises `FlowInvalid`."""
        for name, errand in self._held(now):
            if hmac.compare_digest(errand.key.encode(), key.encode(errors="surrogatepass")):
                if errand.door is not door or errand.flow.provider != self.provider.name:
                    raise FlowInvalid from Because("another_door")
                return name, errand
        raise FlowInvalid from Because("not_of_this_browser")

    def _held(self, now: datetime) -> Iterator[tuple[str, Errand]]:
        """Yield every errand that the browser has under way, with the name of its cookie. Of two of one name neither counts."""
        sent = cookies_of(self.request)
        for name in FLOW_COOKIES:
            values = [value for found, value in sent if found == name]
            try:
                errand = open_errand(values[0] if len(values) == 1 else None, self.party.flow_keys, now)
            except FlowInvalid:
                continue
            yield name, errand

    def go_to_if_refused(self, return_to: str, *, gone: str | None = None) -> None:
        """Send the browser to a page of the front end with the code of a refusal, instead of showing a document."""
        self.request.scope[RENDERER] = partial(_show, gone=gone, return_to=return_to)

    def go_to(self, url: str) -> None:
        """Send the browser on (303: whatever brought it here, it asks anew; RFC 9700, section 4.12)."""
        self.response.status_code = status.HTTP_303_SEE_OTHER
        self.response.headers["Location"] = with_own_fragment(url)
        self.response.headers["Cache-Control"] = "no-store"

    def go_to_public_url(self) -> bool:
        """Send a browser that begins under another name of this server to PUBLIC_URL, and return whether it was.

        The provider's answer comes to PUBLIC_URL, where the browser would not bring a cookie of the other name along. It
        is sent once: behind a proxy that changes the Host header every request seems to come under another name.
        """
        public_url = self.party.settings.PUBLIC_URL
        asked = base_url(f"http://{self.request.headers.get('host', '')}") or ""
        sent = self.request.query_params.multi_items()
        if host_of(asked) == host_of(public_url) or _MOVED in sent:
            return False
        self.go_to(f"{public_url}{API_PREFIX}/auth/{self.provider.name}/login?{urlencode([*sent, _MOVED])}")
        return True

    def keep_proof(self, proof: str | None) -> None:
        """Give the browser what it must show with the one-time code, if the front end has nothing of its own."""
        if proof is not None:
            age = int(LIFETIME.total_seconds())
            self.response.headers.append("Set-Cookie", _header(PROOF_COOKIE, proof, age))

    def context(self, transport: Transport) -> SignInContext:
        """Return what stands around a sign-in that ends in the callback: the flow says how its session is carried."""
        present = session_cookie.find(self.request) if transport is Transport.COOKIE else None
        replaces = self.runtime.tokens.find_cookie(present) if present else None
        remembered = find_remembered_cookie(self.request)
        return SignInContext(rules=self.runtime.sign_in, transport=transport, replaces=replaces, remembered=remembered)


async def get_party(request: Request) -> RelyingParty:
    """Return what signs people in through providers."""
    return get_runtime(request).federation


async def get_errands(
    request: Request,
    response: Response,
    provider: Annotated[str, Path(max_length=30, pattern=r"^[a-z0-9-]+$", examples=["google"])],
) -> Errands:
    """Return the errands of the browser. Raises `NotFoundError` for a provider that is not configured."""
    runtime = get_runtime(request)
    return Errands(request, response, runtime, runtime.federation.provider(provider))


async def find_proof(request: Request, response: Response) -> str | None:
    """Return what `keep_proof` gave, and take it away with an answer that gives a session.

    Raises `CrossSiteRequest` when another site makes it come.
    """
    values = [value for name, value in cookies_of(request) if name == PROOF_COOKIE]
    if values:
        check_same_site(request, get_runtime(request).settings)
        response.headers.append("Set-Cookie", _header(PROOF_COOKIE, "", 0))
    return values[0] if len(values) == 1 else None


async def check_own_page(request: Request) -> None:
    """Raise `CrossSiteRequest` for a page whose browser would drop our cookie, or that may not act for its user."""
    check_keeps_cookie(request)
    check_same_site(request, get_runtime(request).settings)


PartyDep = Annotated[RelyingParty, Depends(get_party)]
ProofDep = Annotated[str | None, Depends(find_proof)]
ErrandsDep = Annotated[Errands, Depends(get_errands)]
OwnPage = Depends(check_own_page)
"""For a route that gives or takes a cookie of a sign-in."""


def _show(request: Request, error: AppException, *, gone: str | None, return_to: str | None) -> Response:
    if return_to is None:
        response = problem_response(error, request.scope.get("ostiary.request_id", ""))
    else:
        location = with_own_fragment(with_parameter(return_to, "error", error.code))
        # A sign-in that lacks a second factor goes on in the front end, with what the browser keeps of it.
        headers = {**error.headers, "Location": location, "Cache-Control": "no-store"}
        response = Response(status_code=status.HTTP_303_SEE_OTHER, headers=headers)
    if gone:
        response.headers.append("Set-Cookie", gone)
    return response


def _header(name: str, value: str, max_age: int) -> str:
    """Return a Set-Cookie header. Lax, because the provider's page, another site, sends the browser to the callback."""
    return f"{name}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"

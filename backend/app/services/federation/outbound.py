"""The one client through which this application asks others over HTTP. It trusts nothing that they answer.

An address comes from the settings, or from the discovery document of an issuer that the settings name: nobody else
can make the server call anything. Beyond that, https proves who answers, whatever the name server says; no redirect
is followed, no proxy of the environment is used, no cookie is kept.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
from httpx2 import Response

from app.auth.oidc.provider import is_provider_url
from app.exceptions import ProviderFailed, ProviderUnavailable
from app.services.federation.faults import REFUSALS, ProviderFault
from app.services.federation.strict_objects import read_object

T = TypeVar("T")

LARGEST_BODY = 256 * 1024
"""Bytes of an answer. The key sets of the largest providers have some ten thousand."""
MOST_CONNECTIONS = 100
MOST_AT_ONE_HOST = 20
"""Questions under way to one host. Anybody can make this server ask, with a code that is none: what goes out is bounded,
and one provider that hangs takes no connection from another."""

_HEADERS = {"User-Agent": "Ostiary", "Accept": "application/json", "Accept-Encoding": "identity"}
_JSON = re.compile(r"application/(?:[\w.-]{1,60}\+)?json", re.IGNORECASE | re.ASCII)
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*(?=,|$)", re.IGNORECASE)
_NOT_KEPT = re.compile(r"(?:^|,)\s*no-(?:store|cache)\b", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}")
_NOT_NOW = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


@dataclass(frozen=True)
class TimeLimits:
    """How long one question may take, in seconds: to connect, between two pieces of the answer, and altogether."""

    connect: float = 3.0
    read: float = 4.0
    total: float = 5.0
    turn: float = 1.0
    """Before that: until so few questions are under way to the same host that one more may be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object that somebody answered with status 200."""

    document: Mapping[str, Any] = field(repr=False)
    fresh_for: timedelta
    """How much longer its sender calls it fresh (RFC 9111, section 4.2). Nothing, when it does not say."""


class Outbound:
    """Asks one question at a time, each over a connection of its own. One for each process.

    Every question raises `ProviderUnavailable` when there is no answer, not in time, or one that says "not now"; and
    `ProviderFailed` for every other answer but a JSON object with status 200. Neither holds a piece of the answer.
    """

    def __init__(self, *, allow_loopback_http: bool, limits: TimeLimits | None = None) -> None:
        """Prepare; `allow_loopback_http` is for development, where a provider runs on the same machine."""
        self._allow_loopback_http = allow_loopback_http
        self._limits = limits or TimeLimits()
        self._transport: httpx2.AsyncHTTPTransport | None = None
        self._opening = asyncio.Lock()
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def get(self, url: str, *, bearer: str | None = None) -> Answer:
        """Return the JSON object at an address, shown to whoever bears this token."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self._ask("GET", url, headers, b"", _answer)

    async def post(self, url: str, form: Mapping[str, str], *, authorization: str | None = None) -> Answer:
        """Return the JSON object that answers a form."""
        return await self._ask("POST", url, _form_headers(authorization), urlencode(form).encode(), _answer)

    async def tell(self, url: str, form: Mapping[str, str], *, authorization: str | None = None) -> None:
        """Post a form whose answer says nothing but its status."""
        await self._ask("POST", url, _form_headers(authorization), urlencode(form).encode(), _check_status)

    async def close(self) -> None:
        """Close what is open."""
        if self._transport is not None:
            await self._transport.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        read: Callable[[Response], Awaitable[T]],
    ) -> T:
        """Send a question, and return what `read` makes of the answer; both together within the total time, once it is our turn."""
        request = self._request(method, url, headers, content)
        transport = await self._open()
        try:
            async with self._turn(request.url.netloc), asyncio.timeout(self._limits.total):
                response = await transport.handle_async_request(request)
                try:
                    return await read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            reason = "too_slow"
        except httpx2.TransportError as error:
            reason = _cause(error)
        # Not inside a handler: what the library raises holds the question, with its secrets.
        raise ProviderUnavailable(reason)

    @asynccontextmanager
    async def _turn(self, host: bytes) -> AsyncIterator[None]:
        """Wait for a turn at a host, and give it back. Raises `ProviderUnavailable` when none is free in time."""
        # Hosts come from the settings and from their discovery documents: there are a few, and nobody else adds one.
        turns = self._turns.setdefault(host.decode("ascii"), asyncio.Semaphore(MOST_AT_ONE_HOST))
        try:
            async with asyncio.timeout(self._limits.turn):
                await turns.acquire()
        except TimeoutError:
            raise ProviderUnavailable("too_many_questions") from None
        try:
            yield
        finally:
            turns.release()

    def _request(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> httpx2.Request:
        if not is_provider_url(url, loopback=self._allow_loopback_http):
            raise ProviderFailed(ProviderFault.ADDRESS_REFUSED)
        limits = httpx2.Timeout(self._limits.read, connect=self._limits.connect).as_dict()
        try:
            return httpx2.Request(
                method, url, headers={**_HEADERS, **headers}, content=content, extensions={"timeout": limits}
            )
        except (httpx2.InvalidURL, UnicodeError):  # The second for a name that only looks internationalised.
            raise ProviderFailed(ProviderFault.ADDRESS_REFUSED) from None

    async def _open(self) -> httpx2.AsyncHTTPTransport:
        """Return the transport. A whole client would add cookies, redirects and log lines; none is wanted here.

        Certificates are checked against the trust store of the system, or what SSL_CERT_FILE or SSL_CERT_DIR name:
        there operators put the authority of their own company, and updates take out those that broke faith. Reading
        it takes a fifth of a second, so it waits for the first question, in a thread. No connection is kept for the
        next question: a form with a code cannot be sent again when an idle connection turns out to be closed.
        """
        async with self._opening:
            if self._transport is None:
                # Asked to say more, the library writes what others answered into the log.
                logging.getLogger("httpcore2").setLevel(logging.WARNING)
                trust = await asyncio.to_thread(httpx2.create_ssl_context)
                limits = httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=0)
                self._transport = httpx2.AsyncHTTPTransport(trust, trust_env=False, limits=limits)
        return self._transport


def _form_headers(authorization: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return {**headers, "Authorization": authorization} if authorization else headers


async def _answer(response: Response) -> Answer:
    await _check_status(response)
    document = await _document(response)
    if "error" in document:  # Some providers say no with status 200.
        raise ProviderFailed(_refusal(document))
    return Answer(document, _freshness(response.headers))


async def _check_status(response: Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_NOW:
        raise ProviderUnavailable(f"status_{status}")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise ProviderFailed(ProviderFault.REDIRECTED)
    try:
        document = await _document(response)
    except ProviderFailed:
        document = {}
    raise ProviderFailed(_refusal(document))


def _refusal(document: Mapping[str, Any]) -> str:
    """Return the provider's reason for a no in the words of the standards. Its own words are not repeated."""
    error = document.get("error")
    return error if isinstance(error, str) and error in REFUSALS else ProviderFault.REFUSED


async def _document(response: Response) -> dict[str, Any]:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    document = read_object(await _body(response)) if _JSON.fullmatch(media_type) else None
    if document is None:
        raise ProviderFailed(ProviderFault.NOT_JSON)
    return document


async def _body(response: Response) -> bytes:
    """Return the body as it came. Nothing is unpacked, so nothing can swell: we ask for plain bodies and take no other."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ProviderFailed(ProviderFault.COMPRESSED)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LARGEST_BODY:
            raise ProviderFailed(ProviderFault.TOO_LARGE)
    return bytes(body)


def _freshness(headers: httpx2.Headers) -> timedelta:
    control = headers.get("Cache-Control", "")
    found = _MAX_AGE.search(control)
    if found is None or _NOT_KEPT.search(control):
        return timedelta()
    age = headers.get("Age", "")
    return timedelta(seconds=max(int(found[1]) - (int(age) if _SECONDS.fullmatch(age) else 0), 0))


def _cause(error: BaseException) -> str:
    """Return in a word why nobody could be asked. The library's own text may repeat what was sent."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return "certificate_not_trusted"
        link = link.__cause__ or link.__context__
    return type(error).__name__

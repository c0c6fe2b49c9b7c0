"""Headers that tell browsers what they must not do with our answers (OWASP ASVS 5.0, V3.4)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.raw_headers import first_value

Pairs = list[tuple[bytes, bytes]]

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_TWO_YEARS = "max-age=63072000"


_ORIGIN, _VARY = (b"vary", b"Origin"), b"vary"


class SecurityHeaders:
    """Adds each header that the route has not set itself. Strict-Transport-Security only where the site is https.

    That an answer varies with the origin of the page that asks is said here as well, of a request that names none.
    """

    def __init__(self, app: ASGIApp, *, https: bool, include_subdomains: bool) -> None:
        self._app = app
        transport = _TWO_YEARS + ("; includeSubDomains" if include_subdomains else "")
        headers = {**_HEADERS, **({"Strict-Transport-Security": transport} if https else {})}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._names = frozenset(name for name, _ in self._headers) | {_VARY}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                varies = first_value(scope, b"origin") is None
                message["headers"] = self._completed(list(message.get("headers", ())), varies=varies)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _completed(self, own: Pairs, *, varies: bool) -> Pairs:
        given = self._names.intersection([name for name, _ in own])
        if given:
            return _merged(own, self._headers, varies=varies)
        return [*own, *self._headers, _ORIGIN] if varies else own + self._headers


def _merged(own: Pairs, ours: Pairs, *, varies: bool) -> Pairs:
    """Return the headers of an answer that has set some of them itself."""
    names = {name for name, _ in own}
    merged = own + [pair for pair in ours if pair[0] not in names]
    if not varies:
        return merged
    said = [value for name, value in own if name == _VARY]
    return [*(pair for pair in merged if pair[0] != _VARY), (_VARY, b", ".join([*said, b"Origin"]))]

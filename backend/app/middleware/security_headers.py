"""Headers that tell browsers what they must not do with our answers (OWASP ASVS 5.0, V3.4)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class SecurityHeaders:
    """Adds each header that the route has not set itself. Strict-Transport-Security only where the site is https."""

    def __init__(self, app: ASGIApp, *, https: bool, include_subdomains: bool) -> None:
        self._app = app
        transport = _TWO_YEARS + ("; includeSubDomains" if include_subdomains else "")
        headers = {**_HEADERS, **({"Strict-Transport-Security": transport} if https else {})}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message["headers"] = own + [pair for pair in self._headers if pair[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers)

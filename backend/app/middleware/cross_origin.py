"""Says which pages of other origins may call us (Fetch, "CORS protocol")."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.raw_headers import first_value


class CrossOrigin:
    """Starlette's answers to pages that name their origin, past which every other request goes straight.

    That their answers would vary with an origin is said by `SecurityHeaders`.
    """

    def __init__(  # noqa: PLR0913  # Each is a part of the protocol.
        self,
        app: ASGIApp,
        *,
        allow_origins: Sequence[str],
        allow_credentials: bool,
        allow_methods: Sequence[str],
        allow_headers: Sequence[str],
        expose_headers: Sequence[str],
    ) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=allow_origins,
            allow_credentials=allow_credentials,
            allow_methods=allow_methods,
            allow_headers=allow_headers,
            expose_headers=expose_headers,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or first_value(scope, b"origin") is not None:
            await self._cors(scope, receive, send)
            return

        await self._app(scope, receive, send)

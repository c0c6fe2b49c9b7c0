"""Puts the provider together: as routes of the development server, or as an application of its own for tests."""

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, Depends, FastAPI
from fastapi.params import Depends as Guard
from fastapi.responses import Response
from starlette.middleware import Middleware

from app.auth.dependencies import Public
from app.config import Settings
from app.middleware.security_headers import SecurityHeaders
from app.offline.back_channel import BackChannel
from app.offline.clients import PREFIX, Client, check_offline_allowed, development_clients, issuer_of
from app.offline.faults import Faults
from app.offline.front_channel import FrontChannel
from app.offline.key_pairs import KeyPairs
from app.offline.one_tap import OneTap
from app.offline.provider import OfflineProvider
from app.offline.rendering import STYLE_SHEET, style_sheet
from app.this_machine import check_on_this_machine

_MOST_BODY_BYTES = 65536


def offline_router(settings: Settings) -> APIRouter:
    """Return the provider's routes for the development server, below `/dev/google`; the server itself is its client.

    Raises `ConfigurationError` in production, and where others than this machine can reach the server.
    """
    check_offline_allowed(settings)
    provider = OfflineProvider(
        issuer=issuer_of(settings), clients=development_clients(settings), name="Google", faults=None, keys=None
    )
    return _router(provider, prefix=PREFIX, guards=[Depends(check_on_this_machine)])


def create_offline_provider(
    *,
    issuer: str,
    clients: Iterable[Client],
    name: str = "Google",
    faults: Faults | None = None,
    keys: KeyPairs | None = None,
) -> FastAPI:
    """Return a provider on its own, for tests: at the root of the host that the issuer names.

    What it remembers is at `app.state.provider`. Providers may share key pairs, which take a second to make.
    """
    app = FastAPI(
        title="Offline provider",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(SecurityHeaders, https=False, include_subdomains=False)],
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.provider = OfflineProvider(issuer=issuer, clients=clients, name=name, faults=faults, keys=keys)
    app.include_router(_router(app.state.provider, prefix=""), max_body_size=_MOST_BODY_BYTES)
    return app


def _router(provider: OfflineProvider, *, prefix: str, guards: Sequence[Guard] = ()) -> APIRouter:
    front, back = FrontChannel(provider), BackChannel(provider)
    router = APIRouter(prefix=prefix, include_in_schema=False, dependencies=[Public, *guards])
    router.add_api_route("/.well-known/openid-configuration", back.discovery, methods=["GET"])
    router.add_api_route("/jwks.json", back.jwks, methods=["GET"])
    router.add_api_route("/authorize", front.authorize, methods=["GET", "POST"])
    router.add_api_route("/authorize/person", front.choose_person, methods=["POST"])
    router.add_api_route("/authorize/consent", front.consent, methods=["POST"])
    router.add_api_route("/token", back.token, methods=["POST"])
    router.add_api_route("/userinfo", back.userinfo, methods=["GET", "POST"])
    router.add_api_route("/revoke", back.revoke, methods=["POST"])
    router.add_api_route("/id-token", OneTap(provider, front).id_token, methods=["POST"])
    router.add_api_route(STYLE_SHEET, _style_sheet, methods=["GET"])
    return router


async def _style_sheet() -> Response:
    """Return the style sheet of the pages."""
    return Response(style_sheet(), media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

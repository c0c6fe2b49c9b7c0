"""Puts the application together: the only module that knows every part."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from app import __version__
from app.application import Application
from app.auth.devices import device_parser
from app.auth.networks import networks_of
from app.auth.passkeys.verification import prepare as prepare_passkeys
from app.auth.passwords.policy import common_passwords
from app.auth.second_factors import OFF
from app.config import Settings
from app.extensions import Extension, load_extensions
from app.jobs.periodic import jobs_running
from app.jobs.schedule import jobs_of_a_server
from app.logs import configure_logging
from app.mail.samples import check_templates
from app.middleware.bodies import Bodies
from app.middleware.cross_origin import CrossOrigin
from app.middleware.hosts import AllowedHosts
from app.middleware.request_context import HEADER, RequestContext
from app.middleware.security_headers import SecurityHeaders
from app.migrations import revisions
from app.offline.application import offline_router
from app.openapi import install_openapi
from app.pages import dev_factors, dev_mailbox, docs, files, mailed, second_factor, setup
from app.problems import ErrorBoundary, install_problem_handlers
from app.providers import configured_providers, is_google_offline
from app.routers import (
    address,
    audit,
    auth,
    factors,
    health,
    identities,
    invitations,
    mailed_sign_in,
    passkeys,
    providers,
    recovery,
    second_factors,
    sessions,
    users,
    verification,
    well_known,
)
from app.routes import check_no_google_tokens, check_route_map
from app.runtime import Runtime
from app.services.mailed.notices import notify_of_sign_in
from app.services.mailed.verification import require_verified_address
from app.services.sign_in.stages import SignInRules

_ROUTERS = (
    address.router,
    audit.router,
    auth.hashing_router,
    auth.me_router,
    auth.refresh_router,
    auth.router,
    passkeys.router,
    identities.router,
    invitations.router,
    providers.router,
    recovery.router,
    sessions.router,
    users.router,
    factors.users_router,
    verification.router,
    health.router,
    well_known.router,
    setup.router,
    mailed.router,
    files.router,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application. Without settings they are read from the environment and `.env`.

    Raises `ConfigurationError` for settings that cannot be used, an extension that cannot be loaded, a template of the
    installation's own that does not work, and a route that does not say who may call it.
    """
    settings = settings or Settings.load()
    check_templates(settings)
    extensions = load_extensions(settings.EXTENSIONS)
    app = Application(
        title=settings.APP_NAME,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect to the other spelling of a path would repeat the body, over http behind most proxies.
        redirect_slashes=False,
        middleware=_middleware(settings),
        lifespan=_lifespan,
        # The framework's traces hold whole query strings; ours will choose what they record.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.runtime = Runtime.build(
        settings, sign_in=_sign_in_rules(extensions), providers=configured_providers(settings)
    )
    app.state.revisions = revisions(extensions)
    install_problem_handlers(app)
    for router in _routers(settings):
        # Ours are taken over as they are, with their whole paths. Including a router would make every route a second
        # time for this application, and look it up in two steps for each request.
        app.router.routes.extend(router.routes)
    for extension in extensions:
        app.include_router(extension.router, prefix=extension.prefix)
    install_openapi(app)
    check_route_map(app)
    if not app.state.runtime.federation.keeps_google_tokens:
        check_no_google_tokens(app)
    return app


def read_ahead() -> None:
    """Read now what would otherwise be read during somebody's registration or sign-in. A second time it does nothing."""
    common_passwords()
    device_parser()
    prepare_passkeys()


def _sign_in_rules(extensions: Sequence[Extension]) -> SignInRules:
    """What is demanded of a sign-in, and who is told of one. The product's own modules come in the order of EXTENSIONS."""
    return SignInRules(
        gates=(require_verified_address, *(gate for extension in extensions for gate in extension.sign_in_gates)),
        observers=(
            notify_of_sign_in,
            *(observer for extension in extensions for observer in extension.sign_in_observers),
        ),
    )


def _routers(settings: Settings) -> Iterator[APIRouter]:
    """Our own routers. They come first: no route of the product's, however greedy, can hide them."""
    yield from _ROUTERS
    if settings.SECOND_FACTOR != OFF:
        yield second_factors.router
        yield factors.router
    if settings.MAIL_SIGN_IN == "on":
        yield mailed_sign_in.router
        yield mailed.sign_in_router
        if settings.SECOND_FACTOR != OFF:
            yield second_factor.router
    if settings.docs_enabled:
        yield docs.router
    if is_google_offline(settings):
        yield offline_router(settings)
    if dev_mailbox.is_served(settings):
        yield dev_mailbox.router
    if dev_factors.is_served(settings):
        yield dev_factors.router


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    runtime: Runtime = app.state.runtime
    configure_logging(runtime.settings)
    read_ahead()
    try:
        async with jobs_running(runtime, jobs_of_a_server(runtime.settings)):
            yield
    finally:
        await runtime.close()


def _middleware(settings: Settings) -> list[Middleware]:
    """From the outside in. What answers by itself stands inside what adds headers to answers."""
    return [
        Middleware(
            RequestContext,
            access_log=settings.ACCESS_LOG,
            trusted=networks_of(settings.TRUSTED_PROXIES),
            forwarded_header=settings.FORWARDED_HEADER,
        ),
        Middleware(
            SecurityHeaders,
            https=settings.PUBLIC_URL.startswith("https://"),
            include_subdomains=settings.HSTS_INCLUDE_SUBDOMAINS,
        ),
        Middleware(
            CrossOrigin,
            allow_origins=settings.cors_origins,
            # Pages on these origins may send the session cookie; with "*", which development allows, nobody may.
            allow_credentials="*" not in settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", HEADER],
            expose_headers=[HEADER, "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate"],
        ),
        Middleware(ErrorBoundary),
        Middleware(AllowedHosts, hosts=settings.served_hosts, unchecked_paths=(health.LIVE_PATH, health.READY_PATH)),
        # Here, and not on the application, so that its refusal passes through what stands before it; a route that
        # takes uploads sets its own limit.
        Middleware(Bodies, max_body_size=settings.MAX_BODY_BYTES),
    ]

"""`ostiary serve` and `ostiary routes`."""

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime

import typer
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]

from app.cli.drain import DrainingServer
from app.cli.garbage import collect_rarely
from app.cli.http_protocol import BoundedHttpProtocol
from app.cli.schema import bring_up_to_date
from app.cli.supervisor import Supervisor, listening_sockets
from app.config import API_PREFIX, ConfigurationError, Settings
from app.database import Database
from app.extensions import load_extensions
from app.logs import configure_logging
from app.main import create_app, read_ahead
from app.migrations import revisions
from app.pages import dev_factors, dev_mailbox
from app.providers import is_google_offline
from app.routes import route_map
from app.services.administrators import has_administrator, new_setup_code
from app.services.examination import misspelt_settings
from app.services.readiness import check_readiness

_MOST_OPEN_FILES = 65536
_GRACEFUL_SECONDS = 20
_WORKER_PATIENCE_SECONDS = 30
_KEEP_ALIVE_SECONDS = 75
"""For which a connection without a request is kept: longer than proxies keep theirs, so that none sends into a closed one."""


def serve(
    host: str = typer.Option(None, help="Address to listen on; HOST otherwise."),
    port: int = typer.Option(None, help="Port to listen on; PORT otherwise."),
    workers: int = typer.Option(None, help="Server processes; WORKERS otherwise."),
    migrate: bool = typer.Option(False, "--migrate", help="Bring the schema up to date first."),
) -> None:
    """Start the server and print where to go."""
    for name, value in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[name] = str(value)
    settings = Settings.load()
    configure_logging(settings)
    if migrate:
        bring_up_to_date(settings)
    _check_port(settings)
    create_app(settings)  # Refuses here, once and clearly, rather than in every worker.
    read_ahead()  # Here, so that the workers share it.
    typer.echo(asyncio.run(_welcome(settings)), err=True)
    _allow_many_connections()
    config = Config(
        "app.main:create_app",
        factory=True,
        host=settings.HOST,
        port=settings.PORT,
        workers=settings.worker_count,
        http=BoundedHttpProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        # A worker that starts on a busy machine is not a dead one.
        timeout_worker_healthcheck=_WORKER_PATIENCE_SECONDS,
        # A request begins with no context of the one before it on its connection.
        reset_contextvars=True,
    )
    if settings.worker_count > 1:
        Supervisor(config, listening_sockets(settings.HOST, settings.PORT, settings.worker_count)).run()
        return
    server = DrainingServer(config, on_start=collect_rarely)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(STARTUP_FAILURE)


def _check_port(settings: Settings) -> None:
    """Raise `ConfigurationError` when somebody else listens there, before anything is announced."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, settings.PORT))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigurationError(
                [f"PORT: {settings.HOST}:{settings.PORT} cannot be listened on ({reason}). Choose another: PORT=8001"]
            ) from None


def _allow_many_connections() -> None:
    """Raise the number of open files to what the system allows: each connection takes one."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def routes() -> None:
    """Print every route with who may call it, and which limit counts the calls."""
    entries = route_map(create_app(Settings.load()))
    width = max(len(entry.path) for entry in entries)
    for entry in entries:
        limits = f"; limited: {', '.join(entry.limits)}" if entry.limits else ""
        typer.echo(f"{entry.methods:<7} {entry.path:<{width}}  {entry.guard}{limits}")


async def _welcome(settings: Settings) -> str:
    """Return what the first screen says. Raises `NotReady` when the database is away or its schema is old."""
    database = Database(settings)
    try:
        await check_readiness(database, revisions(load_extensions(settings.EXTENSIONS)))
        administered = await has_administrator(database.read)
    finally:
        await database.close()
    lines = [f"{settings.APP_NAME} ({settings.ENVIRONMENT}) is at {settings.PUBLIC_URL}"]
    if settings.docs_enabled:
        lines.append(f"  API document         {settings.PUBLIC_URL}/docs")
    if not administered:
        code = new_setup_code(settings, now=datetime.now(UTC))
        lines.append(f"  First administrator  {settings.PUBLIC_URL}/setup#code={code}  (works once, for 24 hours)")
    if is_google_offline(settings):
        page = f"&return_to={settings.PUBLIC_URL}/docs" if settings.docs_enabled else ""
        login = f"{settings.PUBLIC_URL}{API_PREFIX}/auth/google/login?transport=cookie{page}"
        lines.append(f"  Google               is played here: be anybody, with no network, at {login}")
    elif not settings.is_production and not settings.GOOGLE_CLIENT_ID:
        lines.append("  Google               is not played here: others can reach this server (HOST, PUBLIC_URL)")
    if dev_mailbox.is_served(settings):
        lines.append(f"  Mail                 stays here: {settings.PUBLIC_URL}{dev_mailbox.router.prefix}")
    if dev_factors.is_served(settings):
        lines.append(f"  Passkeys             can be tried at {dev_factors.address(settings)}")
    lines += [f"  Warning              {finding.text}" for finding in misspelt_settings()]
    return "\n".join(lines)

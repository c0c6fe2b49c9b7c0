"""`ostiary keys …`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import typer

from app.auth.identifiers import new_id
from app.auth.keys import SigningKey
from app.config import Settings
from app.database import Client, Database, Work
from app.logs import configure_logging
from app.services import signing_keys
from app.services.signing_keys import ListedKey

Result = TypeVar("Result")

cli = typer.Typer(help="Keys that sign access tokens.", no_args_is_help=True)

_HEAD = ("kid", "algorithm", "state", "created", "signs from", "verifies until")
_SHARED_KEYS = "HS256"


@cli.command("list")
def list_keys() -> None:
    """Print every key pair, newest first: what signs, what will, and until when its signatures count."""
    settings = _settings()

    async def run(database: Database) -> list[ListedKey]:
        return signing_keys.listed(await signing_keys.read_keys(database.read, settings), datetime.now(UTC))

    lines = [_HEAD, *map(_cells, _with_database(settings, run))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if settings.ALGORITHM == _SHARED_KEYS:
        typer.echo("ALGORITHM is HS256: tokens are signed with a key derived from SECRET_KEY.", err=True)


@cli.command("rotate")
def rotate() -> None:
    """Publish a new key now; it signs after SIGNING_KEY_LEAD_MINUTES, and no token becomes void by that."""
    settings = _settings()

    async def run(database: Database) -> ListedKey:
        pair = await signing_keys.new_pair(settings)
        return await _in_one_transaction(database, lambda work: signing_keys.rotate(work, pair=pair))

    key = _with_database(settings, run).dates
    typer.echo(f"{key.kid} ({key.algorithm}) is published, and signs from {_time(key.signs_from)} on.", err=True)


@cli.command("retire", context_settings={"ignore_unknown_options": True})
def retire(kid: str = typer.Argument(..., help="The name of the key, as `ostiary keys list` prints it.")) -> None:
    """Destroy a key that may have leaked: every access token that it signed is void.

    Each worker refuses them within ten seconds; services that check tokens by themselves, when they next read the
    published keys. Sessions live on: clients refresh once. If it was the key that signs, a new one takes over at once.
    """
    settings = _settings()

    async def run(database: Database) -> None:
        spare: SigningKey | None = None
        if settings.ALGORITHM != _SHARED_KEYS:
            spare = await signing_keys.new_pair(settings)
        await _in_one_transaction(database, lambda work: signing_keys.retire(work, kid=kid, spare=spare))

    _with_database(settings, run)
    typer.echo(f"{kid} is retired. Within ten seconds no worker takes what it signed.", err=True)


def _settings() -> Settings:
    settings = Settings.load()
    configure_logging(settings)
    return settings


def _with_database(settings: Settings, action: Callable[[Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = Database(settings)
        try:
            return await action(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def _in_one_transaction(database: Database, action: Callable[[Work], Awaitable[Result]]) -> Result:
    client = Client(address=None, user_agent="ostiary command", request_id=new_id().hex)
    async with database.begin(client) as work:
        return await action(work)


def _cells(key: ListedKey) -> tuple[str, ...]:
    state = "unreadable" if key.is_broken else key.state.value
    until = _time(key.verifies_until) if key.verifies_until else "-"
    return key.dates.kid, key.dates.algorithm, state, _time(key.dates.created_at), _time(key.dates.signs_from), until


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")

"""`ostiary users …`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import typer

from app.auth.identifiers import new_id
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Client, Work
from app.logs import configure_logging
from app.models import User
from app.runtime import Runtime
from app.services import first_administrator
from app.services.accounts import NewAccount

cli = typer.Typer(help="Accounts.", no_args_is_help=True)


@cli.callback()
def accounts() -> None:
    """Administer accounts from the server's command line."""


@cli.command("create-admin")
def create_admin(
    email: str = typer.Option(..., prompt="Address", help="The address of the account."),
    full_name: str = typer.Option(None, help="The person's name."),
    password_stdin: bool = typer.Option(False, "--password-stdin", help="Read the password from standard input."),
    promote: bool = typer.Option(False, "--promote", help="Make an existing account an administrator."),
) -> None:
    """Make an administrator: a new account, or an existing one with --promote."""

    async def create(work: Work, hashing: HashingPool) -> User:
        if promote:
            return await first_administrator.promote(work, email=email)
        account = NewAccount(email=email, password=_password(from_stdin=password_stdin), full_name=full_name)
        return await first_administrator.create_administrator(work, hashing, account=account)

    user = _in_one_transaction(create)
    typer.echo(f"{user.email} is an administrator (id {user.id}).", err=True)


def _password(*, from_stdin: bool) -> str:
    """Return the password: never from the command line, where other users of the machine could read it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _in_one_transaction(action: Callable[[Work, HashingPool], Awaitable[User]]) -> User:
    settings = Settings.load()
    configure_logging(settings)

    async def run() -> User:
        runtime = Runtime.build(settings)
        client = Client(address=None, user_agent="ostiary command", request_id=new_id().hex)
        try:
            async with runtime.database.begin(client) as work:
                return await action(work, runtime.hashing)
        finally:
            await runtime.close()

    return asyncio.run(run())

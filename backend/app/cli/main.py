"""The `ostiary` command and what all of its verbs share."""

import os
import sys
from pathlib import Path

import typer
from alembic.util import CommandError

from app import __version__
from app.cli import doctor as doctor_command
from app.cli import init as init_command
from app.cli import keys, linking, mail, papers, schema, serving, sessions, users
from app.cli import work as work_command
from app.config import ConfigurationError
from app.exceptions import AppException

cli = typer.Typer(
    name="ostiary",
    help="The authentication and user backend for Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("init")(init_command.init)
cli.command("serve")(serving.serve)
cli.command("work")(work_command.work)
cli.command("routes")(serving.routes)
cli.command("migrate")(schema.migrate)
cli.command("doctor")(doctor_command.doctor)
cli.command("link-check")(linking.link_check)
cli.command("documents", hidden=True)(papers.documents)
cli.add_typer(keys.cli, name="keys")
cli.add_typer(mail.cli, name="mail")
cli.add_typer(sessions.cli, name="sessions")
cli.add_typer(users.cli, name="users")


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


_HINTS = {
    "NOT_READY": "Is the database running, and is DATABASE_URL right? Did you run `ostiary migrate`?",
    "DATABASE_UNAVAILABLE": "Check DATABASE_URL: does the server run, the database exist, the password fit, the folder exist?",
    "EMAIL_TAKEN": "To make the existing account an administrator, add --promote.",
}


def run() -> None:
    """Run the command. A planned refusal is one clear message and exit code 1; settings that cannot be used, 2."""
    # Files that we make (a database, a log) are for this user alone.
    os.umask(0o077)
    # Extensions are found beside the place where the command is called, as `python -m` would find them.
    sys.path.insert(0, str(Path.cwd()))
    try:
        cli()
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except CommandError as error:
        typer.echo(f"The schema could not be moved: {error}", err=True)
        sys.exit(1)
    except AppException as error:
        typer.echo(_explain(error), err=True)
        sys.exit(1)


def _explain(error: AppException) -> str:
    """Return a refusal for the person at the terminal, who may know more than a stranger: the cause, too."""
    lines = [f"{error.message} ({error.code})"]
    details = error.members.get("errors")
    lines += (
        [f"  {item['pointer'].strip('/')}: {item['detail']}" for item in details] if isinstance(details, list) else []
    )
    checks = error.members.get("checks")
    lines += [f"  {name}: {state}" for name, state in checks.items()] if isinstance(checks, dict) else []
    lines += [f"  {_HINTS[error.code]}"] if error.code in _HINTS else []
    cause = error.__cause__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    return "\n".join([*lines, *([f"  cause: {cause}"] if cause else [])])

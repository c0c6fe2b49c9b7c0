"""`ostiary init`: what a fresh installation needs before its first start."""

import os
import secrets
from pathlib import Path

import typer

_TEMPLATE = """\
# Settings of this installation; docs/settings.md explains every one. Keep this file to yourself.
ENVIRONMENT=development
SECRET_KEY={secret}
"""


def init() -> None:
    """Write a `.env` with a fresh secret, unless there is one or SECRET_KEY is set already."""
    path = Path(".env")
    if path.exists() or "SECRET_KEY" in os.environ or "SECRET_KEY_FILE" in os.environ:
        return
    try:
        # "x" and 0600: never over somebody's file, never readable by others, not even for a moment.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_TEMPLATE.format(secret=secrets.token_urlsafe(48)))
    typer.echo("Wrote .env with a fresh secret.", err=True)

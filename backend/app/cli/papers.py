"""`ostiary documents`."""

from pathlib import Path

import typer

from app.documents import write_documents


def documents(folder: Path = typer.Argument(..., help="Where to write them: docs/ in the repository.")) -> None:
    """Write the documents that are generated from the code: errors, settings, routes."""
    write_documents(folder)

"""Writes modules as a product would have them, so that a test can start the application with one of its own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from app.auth.identifiers import new_id

WriteModule = Callable[[str], str]

HEAD = """
from typing import Annotated
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from app.auth.dependencies import Public, SignedIn, require
router = APIRouter(prefix="/product")
"""


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Return a function that makes a module from its source and returns its name, ready for EXTENSIONS."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(source: str) -> str:
        written.append(f"product_{new_id().hex}")
        (tmp_path / f"{written[-1]}.py").write_text(HEAD + dedent(source), encoding="utf-8")
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)

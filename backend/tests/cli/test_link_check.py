"""`ostiary link-check`, as whoever is asked "why can I not come in with Google?" calls it."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from app.config import Settings
from tests.accounts import Accounts
from tests.conftest import SECRET
from tests.journeys.server import ostiary


@pytest.mark.only("sqlite")
async def test_it_says_what_would_happen_and_by_which_rule(
    accounts: Accounts, settings: Settings, tmp_path: Path
) -> None:
    """ID-06: one line for each thing that counts; what cannot be meant is said, with exit code 1."""
    environment = {
        "ENVIRONMENT": "development",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": settings.DATABASE_URL.get_secret_value(),
    }
    await accounts.register("ada@example.com")
    command = partial(ostiary, tmp_path, "link-check", "--issuer", "google", "--verified", "yes", **environment)
    done = await asyncio.to_thread(command, "--email", "ada@example.com")
    assert done.returncode == 0, done.stderr
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:2])
    assert said == {"action": "ask", "rule": "no_authority"}
    assert "account with it     unverified" in done.stdout
    assert "error               LINK_REQUIRED" in done.stdout
    at_work = await asyncio.to_thread(command, "--email", "ada@example.com", "--hosted-domain", "example.com")
    assert "unproved_gives_way" in at_work.stdout
    unknown = await asyncio.to_thread(command, "--email", "ada@example.com", "--issuer", "https://accounts.google.com")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There are: google (http://127.0.0.1:8000/dev/google)" in unknown.stderr
    refused = await asyncio.to_thread(command, "--email", "nobody")
    assert refused.returncode == 1
    assert "EMAIL" in refused.stderr.upper()

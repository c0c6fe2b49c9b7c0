"""`ostiary doctor`, on what it says of providers: somebody whose sign-in does not work asks it first."""

import asyncio
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.runtime import Runtime
from app.services import examination
from app.services.examination import examine, hashing_memory
from tests import misbehaving as fault
from tests.conftest import SECRET, settings_for
from tests.misbehaving import Misbehaving, misbehaving
from tests.services.test_provider_documents import DISCOVERY, discovery

pytestmark = pytest.mark.only("sqlite")


@pytest.fixture(autouse=True)
def database_of_its_owner(database_url: str) -> None:
    """A file that others can read is a fault of its own."""
    Path(database_url.removeprefix("sqlite:///")).chmod(0o600)


async def doctor(database_url: str, issuer: str, **settings: str) -> Result:
    """Call the command with one provider, in a thread: the provider answers in this one."""
    entry = {"name": "acme", "issuer": issuer, "client_id": "us", "client_secret": "s"}
    environment = {"ENVIRONMENT": "development", "SECRET_KEY": SECRET, "DATABASE_URL": database_url}
    providers = {"OIDC_PROVIDERS": json.dumps([entry])}
    return await asyncio.to_thread(CliRunner().invoke, cli, ["doctor"], env={**environment, **providers, **settings})


def line_of(result: Result) -> str:
    [line] = [line for line in result.stdout.splitlines() if "provider acme" in line]
    return line


async def answered(database_url: str, reply: fault.Reply | None, path: str = "") -> tuple[int, str, Misbehaving]:
    async with misbehaving() as server:
        if reply:
            server.replies[DISCOVERY] = reply
        result = await doctor(database_url, f"{server.url}{path}")
    return result.exit_code, line_of(result), server


async def test_a_provider_that_speaks_for_its_issuer_is_well(database_url: str) -> None:
    async with misbehaving() as server:
        server.replies[DISCOVERY] = fault.says(discovery(server.url))
        result = await doctor(database_url, server.url)
    assert result.exit_code == 0, result.stdout
    assert line_of(result).startswith("ok ")
    assert "provider google" not in result.stdout


async def test_a_provider_that_speaks_for_another_issuer_is_a_fault(database_url: str) -> None:
    """MD-02: the two spellings stand side by side."""
    async with misbehaving() as server:
        server.replies[DISCOVERY] = fault.says(discovery(server.url))
        result = await doctor(database_url, f"{server.url}/")
    assert result.exit_code == 1
    assert line_of(result).startswith("FAULT")
    assert f"it names {server.url}, and the settings {server.url}/)" in line_of(result)


async def test_a_wrong_path_is_a_fault(database_url: str) -> None:
    exit_code, line, server = await answered(database_url, None, "/realms/one")
    assert (exit_code, line.split()[0]) == (1, "FAULT")
    assert f"{server.url}/realms/one{DISCOVERY}" in line


async def test_a_provider_that_does_not_answer_is_advice_and_names_the_address(database_url: str) -> None:
    """It may answer in a minute."""
    exit_code, line, server = await answered(database_url, fault.says({}, 503))
    assert (exit_code, line.split()[0]) == (0, "advice")
    assert f"{server.url}{DISCOVERY} does not answer (status_503)" in line
    # Nobody is there any more.
    result = await doctor(database_url, server.url)
    assert "(ConnectError)" in line_of(result)
    assert result.exit_code == 0


async def test_what_would_stop_the_start_in_the_mails_is_a_fault(database_url: str, tmp_path: Path) -> None:
    """V13.4.2: a template of one's own that cannot be used, and a language that there are no templates in."""
    template = tmp_path / "templates" / "en" / "test_mail.txt"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nobody }}", encoding="utf-8")
    async with misbehaving() as server:
        server.replies[DISCOVERY] = fault.says(discovery(server.url))
        own = {"MAIL_TEMPLATES": str(tmp_path / "templates"), "DEFAULT_LOCALE": "fr"}
        result = await doctor(database_url, server.url, **own)
    assert result.exit_code == 1
    assert "FAULT  MAIL_TEMPLATES: en/test_mail cannot be used: UndefinedError" in result.stdout
    assert "FAULT  DEFAULT_LOCALE: there are no templates in it" in result.stdout


@pytest.mark.parametrize(
    ("changes", "advised"),
    [
        ({"GOOGLE_CLIENT_ID": "123"}, True),
        ({"GOOGLE_CLIENT_ID": "123-a.apps.googleusercontent.com"}, False),
        ({"GOOGLE_CLIENT_ID": "123", "GOOGLE_ISSUER": "http://127.0.0.1:9000"}, False),
    ],
)
async def test_a_client_id_that_is_none_of_google_s_is_advice(
    app: FastAPI, runtime: Runtime, database_url: str, changes: dict[str, str], advised: bool
) -> None:
    """A piece of it is missing, mostly. Who plays Google may call us anything."""
    configured = settings_for(database_url, GOOGLE_CLIENT_SECRET="s", **changes)
    findings = await examine(configured, runtime.database, app.state.revisions)
    assert advised is any(each.level == "advice" and "GOOGLE_CLIENT_ID" in each.text for each in findings)


@pytest.mark.parametrize(
    ("url", "advised"),
    [
        ("http://192.0.2.7:8000", True),
        ("http://[2001:db8::1]", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
        ("http://accounts.example.com", False),
    ],
)
async def test_a_network_address_in_place_of_a_name_is_advice(
    app: FastAPI, runtime: Runtime, database_url: str, url: str, advised: bool
) -> None:
    """WA-04: no browser makes a passkey there. On this machine everybody can say `localhost`."""
    findings = await examine(settings_for(database_url, PUBLIC_URL=url), runtime.database, app.state.revisions)
    assert advised is any(each.level == "advice" and "passkeys" in each.text for each in findings)


async def test_who_plays_google_in_tests_is_asked_as_any_provider(database_url: str) -> None:
    async with misbehaving() as server:
        google = {"GOOGLE_CLIENT_ID": "123", "GOOGLE_CLIENT_SECRET": "s", "GOOGLE_ISSUER": server.url}
        played = await doctor(database_url, server.url, **google)
    assert "FAULT  provider google" in played.stdout


@pytest.mark.parametrize(
    ("modes", "levels"),
    [
        ("[always] madvise never", []),
        ("always [madvise] never", ["advice"]),
        ("always madvise [never]", ["advice"]),
        (None, []),
    ],
)
def test_memory_that_comes_page_by_page_is_worth_an_advice(
    tmp_path: Path, modes: str | None, levels: list[str]
) -> None:
    """Where the kernel says nothing about it, neither do we."""
    switch = tmp_path / "enabled"
    if modes is not None:
        switch.write_text(modes)
    assert [finding.level for finding in hashing_memory(switch)] == levels


async def test_in_production_the_memory_of_hashes_is_looked_at(
    app: FastAPI, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "enabled"
    switch.write_text("always [madvise] never")
    monkeypatch.setattr(examination, "HUGE_PAGES", switch)
    told = {}
    for environment in ("development", "production"):
        settings = runtime.settings.model_copy(update={"ENVIRONMENT": environment})
        findings = await examine(settings, runtime.database, app.state.revisions)
        told[environment] = any("huge pages" in finding.text for finding in findings)
    assert told == {"development": False, "production": True}

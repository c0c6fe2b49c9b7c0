"""`ostiary mail …`, as its operator calls it."""

from pathlib import Path

import anyio.to_thread
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.mail.messages import KINDS
from tests.conftest import SECRET
from tests.journeys.server import ostiary
from tests.smtp import MailServer, Trouble, mail_server

DEVELOPMENT = {"ENVIRONMENT": "development", "SECRET_KEY": SECRET}


def called(*arguments: str, **settings: str) -> Result:
    """Call the command in this process: starting Python anew for each would take most of the time."""
    return CliRunner().invoke(cli, ["mail", *arguments], env={**DEVELOPMENT, **settings})


def preview(*arguments: str, **settings: str) -> str:
    done = called("preview", *arguments, **settings)
    assert done.exit_code == 0, done.output
    return done.stdout


async def send_to(server: MailServer, address: str) -> Result:
    """Call the command in a thread, while the server in this one answers it."""
    settings = {name: str(value) for name, value in server.settings().items()}
    return await anyio.to_thread.run_sync(lambda: called("test", address, **settings))


def test_a_mail_is_previewed_in_each_language() -> None:
    english, german = (preview("reset_password", "--locale", locale) for locale in ("en", "de"))
    assert english.startswith("Subject: Choose a new password for Ostiary\n")
    assert german.startswith("Subject: Wählen Sie ein neues Passwort für Ostiary\n")
    assert "<!doctype html>" in english


def test_a_language_that_there_is_none_in_is_told_those_that_there_are(tmp_path: Path) -> None:
    assert preview("reset_password", "--locale", "de-AT") == preview("reset_password", "--locale", "de")
    done = called("preview", "reset_password", "--locale", "xx")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "de, en" in done.stderr
    folder = tmp_path / "templates" / "fr"
    folder.mkdir(parents=True)
    for part in ("subject", "txt", "html"):
        (folder / f"test_mail.{part}").write_text("Un essai", encoding="utf-8")
    done = called("preview", "reset_password", "--locale", "fr", MAIL_TEMPLATES=str(tmp_path / "templates"))
    assert (done.exit_code, done.stdout) == (0, preview("reset_password"))
    assert "not translated: it comes in en" in done.stderr


def test_one_part_is_printed_as_it_is() -> None:
    html = preview("security_notice", "--part", "html")
    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>\n")


def test_every_name_is_listed_and_an_unknown_one_is_told_them() -> None:
    names = preview().split()
    assert {"security_notice"} == set(KINDS) - set(names)
    assert {"factor_added", "new_device"} <= set(names)
    done = called("preview", "nonsense")
    assert done.exit_code == 2
    assert "reset_password" in done.stderr


def test_a_template_of_ones_own_is_previewed_or_its_fault_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    (folder / "en").mkdir(parents=True)
    template = folder / "en" / "test_mail.txt"
    template.write_text("In our words.", encoding="utf-8")
    assert preview("test_mail", "--part", "text", MAIL_TEMPLATES=str(folder)) == "In our words.\n"
    template.write_text("{{ nobody }}", encoding="utf-8")
    done = ostiary(tmp_path, "mail", "preview", "test_mail", **DEVELOPMENT, MAIL_TEMPLATES=str(folder))
    assert done.returncode == 2
    assert "en/test_mail cannot be used: UndefinedError" in done.stderr


async def test_a_mail_is_sent_at_once() -> None:
    """It needs neither a server of ours nor a database."""
    async with mail_server() as server:
        done = await send_to(server, "ada@example.com")
        assert done.exit_code == 0, done.output
        assert [mail.recipient for mail in server.arrived] == ["ada@example.com"]
        assert "has taken it" in done.stderr


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (Trouble.REFUSE_RECIPIENT, "RCPT: 550 5.1.1"),
        (Trouble.STALL_AT_GREETING, "connection: no answer in time"),
        (Trouble.REFUSE_SENDER, "MAIL: 550 5.7.1 not from you"),
    ],
    ids=["recipient", "stall", "sender"],
)
async def test_what_the_server_answers_is_told(trouble: Trouble, told: str) -> None:
    """V16.5.1: in a word, and with exit code 1."""
    async with mail_server() as server:
        server.makes(trouble)
        done = await send_to(server, "ada@example.com")
        assert done.exit_code == 1
        assert told in done.stderr


async def test_what_is_no_address_is_told_so() -> None:
    async with mail_server() as server:
        done = await send_to(server, "nobody@x.invalid")
        assert done.exit_code == 2
        assert server.connections == 0


def test_without_a_server_there_is_nothing_to_test(tmp_path: Path) -> None:
    done = ostiary(tmp_path, "mail", "test", "ada@example.com", **DEVELOPMENT)
    assert done.returncode == 2
    assert "SMTP_HOST: is not set" in done.stderr

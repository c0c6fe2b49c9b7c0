"""Where settings come from: arguments, the environment, files of a platform, `.env`; and that nothing is read early."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import app
from app.config import ConfigurationError, Settings
from app.main import create_app
from tests.configuring import SECRET


@pytest.fixture(autouse=True)
def secret_and_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("ENVIRONMENT", "development")


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_arguments_win_over_the_environment_that_over_files_and_those_over_dot_env(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S93, S94: four sources, one order."""
    assert Settings.load().APP_NAME == "Ostiary"
    write(tmp_path / ".env", "APP_NAME=from dot env\n")
    assert Settings.load().APP_NAME == "from dot env"
    monkeypatch.setenv("APP_NAME_FILE", write(tmp_path / "name", "from a file"))
    assert Settings.load().APP_NAME == "from a file"
    monkeypatch.setenv("APP_NAME", "from the environment")
    assert Settings.load().APP_NAME == "from the environment"
    assert Settings.load(APP_NAME="from an argument").APP_NAME == "from an argument"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_handed_over_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str) -> None:
    """S94: as container platforms do; an editor's last line break is no part of the secret."""
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("SECRET_KEY_FILE", write(tmp_path / "secret", SECRET + ending))
    assert Settings.load().SECRET_KEY.get_secret_value() == SECRET


def test_former_secrets_may_be_handed_over_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S94, V13.3.4"""
    monkeypatch.setenv("SECRET_KEY_PREVIOUS_FILE", write(tmp_path / "former", f"{SECRET[::-1]},{SECRET.swapcase()}\n"))
    assert Settings.load().secrets == [SECRET, SECRET[::-1], SECRET.swapcase()]


def test_white_space_within_a_file_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APP_NAME_FILE", write(tmp_path / "name", " two words \n"))
    assert Settings.load().APP_NAME == " two words "


def test_a_value_from_a_file_is_checked_like_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S45, S94"""
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("SECRET_KEY_FILE", write(tmp_path / "secret", "changeme"))
    with pytest.raises(ConfigurationError, match="SECRET_KEY: is shorter"):
        Settings.load()


def test_lists_and_numbers_may_come_from_files_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORT_FILE", write(tmp_path / "port", "9000\n"))
    monkeypatch.setenv("ALLOWED_HOSTS_FILE", write(tmp_path / "hosts", "a.example.com, b.example.com\n"))
    settings = Settings.load()
    assert settings.PORT == 9000
    assert settings.ALLOWED_HOSTS == ["a.example.com", "b.example.com"]


def test_a_file_that_is_missing_is_a_finding_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S94: one clear message, not a trace; and never a start without the secret."""
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(ConfigurationError, match=r"SECRET_KEY_FILE: cannot be read.*\. Name a "):
        Settings.load()


def test_a_file_that_is_no_text_is_a_finding_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S94: raw random bytes, say; the message does not show them."""
    monkeypatch.delenv("SECRET_KEY")
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00raw-bytes" * 8)
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match="SECRET_KEY") as refusal:
        Settings.load()
    assert "raw-bytes" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ", []),
        (",", []),
        ("[]", []),
        ("https://a.example.com", ["https://a.example.com"]),
        ("https://a.example.com,https://b.example.com", ["https://a.example.com", "https://b.example.com"]),
        (" https://a.example.com/ ,, https://b.example.com, ", ["https://a.example.com", "https://b.example.com"]),
        ('["https://a.example.com", "https://b.example.com/"]', ["https://a.example.com", "https://b.example.com"]),
    ],
)
@pytest.mark.parametrize("source", ["environment", "dot env"])
def test_a_list_is_written_with_commas(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: list[str], source: str
) -> None:
    """S03: as people write it, or as JSON; blanks, last slashes and empty entries do no harm."""
    if source == "environment":
        monkeypatch.setenv("ALLOWED_ORIGINS", text)
    else:
        write(tmp_path / ".env", f"ALLOWED_ORIGINS='{text}'\n")
    settings = Settings.load()
    assert expected == settings.ALLOWED_ORIGINS


def test_extensions_are_a_list_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTENSIONS", "shop.api, blog.api")
    assert Settings.load().EXTENSIONS == ["shop.api", "blog.api"]


def test_names_of_other_programs_in_dot_env_are_no_mistake(tmp_path: Path) -> None:
    """S03: a `.env` is shared with the front end, the container, the database."""
    write(tmp_path / ".env", "POSTGRES_PASSWORD=x\nVITE_API_URL=http://localhost\nnonsense\nAPP_NAME=Doors\n")
    settings = Settings.load()
    assert settings.APP_NAME == "Doors"
    assert not hasattr(settings, "POSTGRES_PASSWORD")


def test_only_the_dot_env_of_the_place_where_it_is_called_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / ".env", "APP_NAME=somewhere else\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert Settings.load().APP_NAME == "Ostiary"


def test_an_empty_secret_in_the_environment_is_not_filled_up_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S45: a variable that a deployment failed to fill is a mistake to be told of."""
    write(tmp_path / ".env", f"SECRET_KEY={SECRET}\n")
    monkeypatch.setenv("SECRET_KEY", "")
    with pytest.raises(ConfigurationError, match="SECRET_KEY: is empty"):
        Settings.load()


def test_the_application_reads_its_settings_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """S93: and not before, so that the next one may have others."""
    monkeypatch.setenv("APP_NAME", "first")
    assert create_app().title == "first"
    monkeypatch.setenv("APP_NAME", "second")
    assert create_app().title == "second"
    monkeypatch.setenv("SECRET_KEY", "weak")
    with pytest.raises(ConfigurationError):
        create_app()


def test_importing_reads_no_settings_at_all(tmp_path: Path) -> None:
    """S93: every module of the application can be imported where nothing is configured and nothing could be valid."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(app.__file__).parent.parent)}
    environment |= {"SECRET_KEY": "weak", "PORT": "no port", "DATABASE_URL": "nonsense"}
    code = (
        "import importlib, pkgutil, app\n"
        "for module in pkgutil.walk_packages(app.__path__, 'app.'): importlib.import_module(module.name)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-600:]
    assert list(tmp_path.iterdir()) == []

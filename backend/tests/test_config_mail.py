import pytest

from app.config import ConfigurationError
from tests.configuring import is_accepted, load

SMTP = {"SMTP_HOST": "smtp.example.com", "MAIL_FROM": "accounts@example.com"}


def finding(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(**changes)
    (only,) = refused.value.findings
    return only


def test_production_starts_without_a_mail_server() -> None:
    settings = load()
    assert (settings.SMTP_HOST, settings.SMTP_SECURITY, settings.MAIL_PER_ADDRESS_PER_HOUR) == ("", "starttls", 10)


def test_a_server_and_a_sender_are_enough() -> None:
    assert load(**SMTP).MAIL_FROM == "accounts@example.com"


def test_a_server_without_a_sender_is_refused() -> None:
    assert finding(SMTP_HOST="smtp.example.com").startswith("MAIL_FROM: is missing, and SMTP_HOST is set.")


@pytest.mark.parametrize("host", ["smtp.example.com:25", "https://smtp.example.com", "a b", "user@host", "-x", "a/b"])
def test_a_server_that_is_no_host_is_refused(host: str) -> None:
    assert finding(**{**SMTP, "SMTP_HOST": host}).startswith("SMTP_HOST: is no host name.")


@pytest.mark.parametrize("host", ["smtp.example.com", "10.0.0.1", "[::1]", "::1", "mailpit"])
def test_a_host_is_taken(host: str) -> None:
    assert is_accepted(**{**SMTP, "SMTP_HOST": host})


def test_mail_in_the_clear_goes_to_this_machine_only() -> None:
    """V12.2.1: links and codes open accounts."""
    assert finding(**SMTP, SMTP_SECURITY="none").startswith("SMTP_SECURITY: is none, and SMTP_HOST is another machine")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert is_accepted(**{**SMTP, "SMTP_HOST": host}, SMTP_SECURITY="none")
    assert is_accepted(**SMTP, SMTP_SECURITY="none", ENVIRONMENT="development")


def test_a_password_is_never_sent_in_the_clear() -> None:
    """V12.2.1: not in development either."""
    login = {"SMTP_USERNAME": "mailer", "SMTP_PASSWORD": "canary7Zq1Xw", "SMTP_SECURITY": "none"}
    refused = finding(**SMTP, **login, ENVIRONMENT="development")
    assert refused.startswith("SMTP_PASSWORD: would be sent in the clear.")
    assert "canary" not in refused


@pytest.mark.parametrize("half", [{"SMTP_USERNAME": "mailer"}, {"SMTP_PASSWORD": "secret"}])
def test_name_and_password_belong_together(half: dict[str, str]) -> None:
    assert "belong together" in finding(**SMTP, **half)


@pytest.mark.parametrize("name", ["MAIL_FROM", "MAIL_REPLY_TO"])
@pytest.mark.parametrize(
    "address", ["nobody", "A <a@example.com>", "a@example.com\r\nBcc: b@example.com", "a@x.invalid"]
)
def test_a_sender_that_is_no_address_is_refused(name: str, address: str) -> None:
    """3.6-08."""
    assert finding(**{**SMTP, name: address}).startswith(f"{name}: is no address.")


def test_a_name_of_several_lines_is_refused() -> None:
    """3.6-08."""
    assert finding(**SMTP, MAIL_FROM_NAME="Shop\r\nBcc: eve@example.com").startswith("MAIL_FROM_NAME: is not one line")


def test_a_folder_of_templates_must_be_there() -> None:
    assert finding(MAIL_TEMPLATES="/no/such/folder").startswith("MAIL_TEMPLATES: names no folder.")


@pytest.mark.parametrize("locale", ["", "EN", "../de", "de_AT", "deutsch"])
def test_a_default_language_is_written_as_browsers_do(locale: str) -> None:
    assert finding(DEFAULT_LOCALE=locale).startswith("DEFAULT_LOCALE: ")

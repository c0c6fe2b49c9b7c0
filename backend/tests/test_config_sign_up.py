"""Who may have an account, and what of it is asked where nobody has said."""

import pytest

from app.config import ConfigurationError
from tests.configuring import is_accepted, load

SMTP = {"SMTP_HOST": "smtp.example.com", "MAIL_FROM": "accounts@example.com"}


def finding(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(**changes)
    (only,) = refused.value.findings
    return only


@pytest.mark.parametrize("unset", [None, ""])
def test_production_requires_a_proof_and_development_asks_for_one(unset: str | None) -> None:
    """3.3-03: when nobody says anything, the safe one."""
    assert load(EMAIL_VERIFICATION=unset, **SMTP).EMAIL_VERIFICATION == "required"
    assert load(EMAIL_VERIFICATION=unset, ENVIRONMENT="development").EMAIL_VERIFICATION == "optional"


@pytest.mark.parametrize("said", ["required", None])
def test_production_that_requires_a_proof_and_cannot_mail_does_not_start(said: str | None) -> None:
    """Nobody could ever come in."""
    refused = finding(EMAIL_VERIFICATION=said)
    assert refused.startswith("EMAIL_VERIFICATION: is required")
    assert "SMTP_HOST" in refused
    for other in ("optional", "off"):
        assert is_accepted(EMAIL_VERIFICATION=other)
    assert is_accepted(EMAIL_VERIFICATION="required", ENVIRONMENT="development")


def test_a_mode_that_is_none_is_refused() -> None:
    assert finding(EMAIL_VERIFICATION="maybe").startswith("EMAIL_VERIFICATION: ")
    assert finding(SIGN_UP="yes").startswith("SIGN_UP: ")


def test_everybody_may_register_unless_somebody_says_otherwise() -> None:
    assert (load().SIGN_UP, load().SIGN_UP_DOMAINS) == ("open", [])


def test_domains_are_brought_to_the_form_in_which_addresses_are_compared() -> None:
    """3.3-19."""
    found = load(SIGN_UP_DOMAINS="Example.COM, b\u00fccher.example,,xn--bcher-kva.example").SIGN_UP_DOMAINS
    assert found == ["example.com", "xn--bcher-kva.example"]


@pytest.mark.parametrize("domain", ["@example.com", "example", "*.example.com", "a b", "https://example.com", "-"])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    assert finding(SIGN_UP_DOMAINS=domain).startswith("SIGN_UP_DOMAINS: holds an entry that is no domain")

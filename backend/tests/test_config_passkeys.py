"""Second factors and passkeys in the settings: what could never work is refused at the start, with its remedy."""

import pytest

from app.config import ConfigurationError
from tests.configuring import is_accepted, load

ACCOUNTS = "https://accounts.example.com"
APP = "android:apk-key-hash:2jmj7l5rSw0yVb_vlWAYkK_YBwk7XKmTNTS2xSTLZ6E"


def finding(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(**changes)
    (only,) = refused.value.findings
    return only


@pytest.mark.parametrize("domain", ["accounts.example.com", "example.com", ""])
def test_passkeys_are_for_the_host_of_public_url_or_a_domain_above_it(domain: str) -> None:
    """WA-04."""
    settings = load(PASSKEY_RP_ID=domain)
    assert domain == settings.PASSKEY_RP_ID


@pytest.mark.parametrize("domain", ["shop.example.com", "example.org", "ccounts.example.com", "com", "localhost"])
def test_passkeys_for_another_domain_are_refused(domain: str) -> None:
    """WA-04: no browser would make one, and nobody would know why. Nor for a top-level domain."""
    refused = finding(PASSKEY_RP_ID=domain)
    assert refused.startswith("PASSKEY_RP_ID: is neither the host of PUBLIC_URL nor a domain above it")


@pytest.mark.parametrize(
    "domain",
    ["192.0.2.7", "1.2.3.4", "[::1]", ACCOUNTS, "accounts.example.com:443", "Example.com", "-a.example.com", "*.com"],
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    assert finding(PASSKEY_RP_ID=domain).startswith("PASSKEY_RP_ID: is no domain name")


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"])
def test_on_this_machine_passkeys_are_for_localhost(url: str | None) -> None:
    """WA-04: a network address is no domain."""
    here = {"ENVIRONMENT": "development", "PUBLIC_URL": url}
    assert is_accepted(**here, PASSKEY_RP_ID="localhost")
    assert finding(**here, PASSKEY_RP_ID="example.com").startswith("PASSKEY_RP_ID: is neither")


def test_a_machine_with_a_name_of_one_word_may_have_passkeys() -> None:
    assert load(PUBLIC_URL="https://intranet", PASSKEY_RP_ID="intranet").PASSKEY_RP_ID == "intranet"
    assert finding(PUBLIC_URL="https://accounts.intranet", PASSKEY_RP_ID="intranet").startswith("PASSKEY_RP_ID")


@pytest.mark.parametrize(
    ("origins", "domain"),
    [
        (ACCOUNTS, ""),
        (f"{ACCOUNTS}:8443", ""),
        ("https://app.accounts.example.com", ""),
        (f"{ACCOUNTS},https://shop.example.com,https://example.com", "example.com"),
        (APP, ""),
    ],
)
def test_pages_in_the_domain_may_use_passkeys_and_apps_may(origins: str, domain: str) -> None:
    """WA-03."""
    settings = load(PASSKEY_ORIGINS=origins, PASSKEY_RP_ID=domain)
    assert origins.split(",") == settings.PASSKEY_ORIGINS


@pytest.mark.parametrize(
    ("origins", "domain"),
    [
        ("https://shop.example.com", ""),
        ("https://example.com", ""),
        (f"{ACCOUNTS},https://badexample.com", "example.com"),
        ("https://192.0.2.7", ""),
        ("http://localhost:3000", ""),
    ],
)
def test_a_page_outside_of_the_domain_is_refused(origins: str, domain: str) -> None:
    """WA-03: it could use no passkey; whoever lists it thinks that it can."""
    assert "outside of the domain" in finding(PASSKEY_ORIGINS=origins, PASSKEY_RP_ID=domain)


def test_a_page_without_https_is_refused_in_production() -> None:
    """WA-03: but for `localhost`, which browsers trust as it is."""
    page = "http://accounts.example.com"
    assert "is not https" in finding(PASSKEY_ORIGINS=page)
    assert is_accepted(PASSKEY_ORIGINS=page, ENVIRONMENT="development")
    assert is_accepted(PUBLIC_URL="https://localhost", PASSKEY_ORIGINS="http://localhost:3000")


@pytest.mark.parametrize(
    "origins",
    [
        "accounts.example.com",
        f"{ACCOUNTS}/page",
        "https://*.example.com",
        "https://Accounts.example.com",
        f"{ACCOUNTS}:443",
        "null",
        APP[:-1],
        f"{APP}x",
        "ios:bundle-id:x",
    ],
)
def test_what_is_no_origin_is_refused(origins: str) -> None:
    """WA-03: origins are compared to the letter, so each is written as a browser writes it."""
    assert finding(PASSKEY_ORIGINS=origins).startswith("PASSKEY_ORIGINS: holds what is no origin")


def test_one_wrong_domain_is_one_finding() -> None:
    assert finding(PASSKEY_RP_ID="example.org", PASSKEY_ORIGINS=ACCOUNTS).startswith("PASSKEY_RP_ID: ")
    assert finding(PUBLIC_URL="accounts", PASSKEY_RP_ID="example.com", PASSKEY_ORIGINS="https://a.example.com")


def test_roles_that_have_to_have_a_second_factor_contradict_none_at_all() -> None:
    """SE-04: whoever wrote both is not asked for one, and believes that they are."""
    refused = finding(SECOND_FACTOR="off", SECOND_FACTOR_ROLES="admin")
    assert refused.startswith("SECOND_FACTOR_ROLES: names roles, and SECOND_FACTOR is off")
    for policy in ("optional", "required"):
        assert load(SECOND_FACTOR=policy, SECOND_FACTOR_ROLES="admin, support").SECOND_FACTOR_ROLES == [
            "admin",
            "support",
        ]
    assert is_accepted(SECOND_FACTOR="off", SECOND_FACTOR_ROLES="")

"""Settings of identity providers: what starts, what is refused, and that a refusal names the entry and no secret."""

import json
from pathlib import Path

import pytest

from app.auth.google import GOOGLE_ISSUERS
from app.config import ConfigurationError
from app.main import create_app
from app.offline.clients import CLIENT_ID
from app.providers import configured_providers, is_google_offline
from tests.answers import CANARY
from tests.configuring import load

ACME = {"name": "acme", "issuer": "https://id.acme.example", "client_id": "us", "client_secret": CANARY}


def finding(**changes: object) -> str:
    """Return the text with which a start is refused."""
    with pytest.raises(ConfigurationError) as refused:
        load(**changes)
    text = str(refused.value)
    assert CANARY not in text
    return text


def test_without_settings_production_has_no_provider() -> None:
    """V13.4.2: above all not the one that lets anybody be anybody."""
    assert configured_providers(load()) == []


def test_google_has_its_two_spellings_and_the_ids_of_all_our_apps() -> None:
    """ID-01."""
    (google,) = configured_providers(
        load(
            GOOGLE_CLIENT_ID="web",
            GOOGLE_CLIENT_SECRET="s",
            GOOGLE_OTHER_CLIENT_IDS="ios, android",
            GOOGLE_HOSTED_DOMAIN="corp.example",
        )
    )
    assert google.issuers == GOOGLE_ISSUERS
    assert google.audiences == ("web", "ios", "android")
    assert (google.client_id, google.client_secret, google.hosted_domain) == ("web", "s", "corp.example")


def test_further_providers_are_a_list_in_json() -> None:
    other = {**ACME, "name": "other-one", "issuer": "https://other.example/tenant/", "scopes": ["openid", "mail"]}
    acme, second = configured_providers(load(OIDC_PROVIDERS=json.dumps([ACME, other])))
    assert (acme.name, acme.issuers, acme.audiences) == ("acme", ("https://id.acme.example",), ("us",))
    assert acme.scopes == ("openid", "email", "profile")
    assert (second.issuers, second.scopes) == (("https://other.example/tenant/",), ("openid", "mail"))


def test_secrets_of_providers_are_not_shown() -> None:
    """V13.3.1: neither in the settings nor in what is made of them."""
    settings = load(GOOGLE_CLIENT_ID="web", GOOGLE_CLIENT_SECRET=CANARY, OIDC_PROVIDERS=json.dumps([ACME]))
    assert CANARY not in repr(settings)
    assert CANARY not in repr(configured_providers(settings))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param("[", "is not JSON", id="no JSON"),
        pytest.param(json.dumps(ACME), "is no list", id="no list"),
        pytest.param('["acme"]', "entry 1", id="no entry"),
        pytest.param(json.dumps([{**ACME, "client_secret": ""}]), "`client_secret`", id="empty secret"),
        pytest.param(json.dumps([{**ACME, "jwks_uri": "https://x"}]), "`jwks_uri`", id="unknown member"),
        pytest.param(json.dumps([{**ACME, "name": "a"}]), "`name`", id="short name"),
        pytest.param(json.dumps([{**ACME, "name": "a/b"}]), "`name`", id="name that is no path"),
        pytest.param(json.dumps([ACME, {**ACME, "name": "google"}]), "entry 2: the name is taken", id="google"),
        pytest.param(json.dumps([{**ACME, "name": "me"}]), "the name is taken", id="me"),
        pytest.param(json.dumps([ACME, {**ACME, "issuer": "https://b.example"}]), "one name", id="one name twice"),
        pytest.param(json.dumps([ACME, {**ACME, "name": "acme-2"}]), "one issuer", id="one issuer twice"),
        pytest.param(json.dumps([{**ACME, "scopes": ["email"]}]), "openid", id="no openid"),
        pytest.param(json.dumps([{**ACME, "scopes": ["openid", "a b"]}]), "scopes", id="two scopes in one"),
    ],
)
def test_an_entry_that_cannot_be_right_refuses_the_start(written: str, said: str) -> None:
    assert said in finding(OIDC_PROVIDERS=written)


ISSUERS = {
    "https://id.example": (True, True),
    "https://id.example:8443/realms/one": (True, True),
    "http://127.0.0.1:9000": (False, True),
    "http://localhost:9000/oidc": (False, True),
    "http://id.example": (False, False),
    "http://127.0.0.1.example": (False, False),
    "https://user@id.example": (False, False),
    "https://id.example?x=1": (False, False),
    "https://id.example#x": (False, False),
    "https://ID.example": (False, False),
    "https://id.example/a//b": (False, False),
    "//id.example": (False, False),
    "https://accounts.google.com": (False, False),
    "": (False, False),
}


@pytest.mark.parametrize("issuer", ISSUERS)
def test_an_issuer_is_https_but_for_this_machine_in_development(issuer: str) -> None:
    """ID-04, MD-01: nobody's tokens come over a line that others can write on."""
    for environment, taken in zip(("production", "development"), ISSUERS[issuer], strict=True):
        changes = {"ENVIRONMENT": environment, "OIDC_PROVIDERS": json.dumps([{**ACME, "issuer": issuer}])}
        if taken:
            load(**changes)
        else:
            assert "issuer" in finding(**changes) or "Google" in finding(**changes)


def test_a_client_without_its_secret_refuses_the_start() -> None:
    assert "GOOGLE_CLIENT_SECRET" in finding(GOOGLE_CLIENT_ID="web")


SAYS_SOMETHING_OF_GOOGLE = {
    "GOOGLE_OTHER_CLIENT_IDS": "ios",
    "GOOGLE_HOSTED_DOMAIN": "corp.example",
    "GOOGLE_KEEP_TOKENS": "true",
}


@pytest.mark.parametrize("name", SAYS_SOMETHING_OF_GOOGLE)
def test_what_says_something_of_google_needs_a_client_of_google_s(name: str) -> None:
    """V13.4.2: in production. In development the provider that plays Google heeds it."""
    text = finding(**{name: SAYS_SOMETHING_OF_GOOGLE[name]})
    assert f"- {name}: is set, and GOOGLE_CLIENT_ID is not" in text
    assert SAYS_SOMETHING_OF_GOOGLE[name] not in text.replace("nobody can sign in", "")
    load(ENVIRONMENT="development", **{name: SAYS_SOMETHING_OF_GOOGLE[name]})
    load(GOOGLE_CLIENT_ID="web", GOOGLE_CLIENT_SECRET="s", **{name: SAYS_SOMETHING_OF_GOOGLE[name]})


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_secret_without_its_client_refuses_the_start(environment: str) -> None:
    """V13.4.2: whoever has a secret means the real Google, in development as well."""
    assert "GOOGLE_CLIENT_SECRET: is set, and" in finding(ENVIRONMENT=environment, GOOGLE_CLIENT_SECRET=CANARY)


def test_all_that_is_wrong_with_providers_is_said_at_once() -> None:
    first, second = {"name": "Acme Inc", "issuer": "https://id.example/"}, {**ACME, "domain": "acme.example"}
    text = finding(OIDC_PROVIDERS=json.dumps([first, second]))
    assert "entry 1: missing, wrong or unknown: `name`, `client_id`, `client_secret`." in text
    assert "entry 2: missing, wrong or unknown: `domain`." in text
    assert "2 to 30" in text


def test_who_plays_google_is_refused_in_production() -> None:
    """V13.4.2, V15.2.3: both ways to have Google played, and the client of the one that is built in."""
    google = {"GOOGLE_CLIENT_ID": "web", "GOOGLE_CLIENT_SECRET": "s"}
    assert "GOOGLE_ISSUER" in finding(**google, GOOGLE_ISSUER="https://fake.example")
    assert not is_google_offline(load())
    with pytest.raises(ConfigurationError, match="anybody be anybody"):
        create_app(load(GOOGLE_CLIENT_ID=CLIENT_ID, GOOGLE_CLIENT_SECRET="s"))


def test_in_development_tests_name_who_plays_google() -> None:
    google = {"GOOGLE_CLIENT_ID": "web", "GOOGLE_CLIENT_SECRET": "s", "GOOGLE_ISSUER": "http://127.0.0.1:9000"}
    (provider,) = configured_providers(load(ENVIRONMENT="development", **google))
    assert provider.issuers == ("http://127.0.0.1:9000",)
    text = finding(ENVIRONMENT="development", GOOGLE_ISSUER="http://127.0.0.1:9000")
    assert "needs GOOGLE_CLIENT_ID" in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_in_development_this_server_plays_google_itself(url: str) -> None:
    (google,) = configured_providers(load(ENVIRONMENT="development", PUBLIC_URL=url))
    assert (google.name, google.issuers) == ("google", (f"{url}/dev/google",))


def test_where_others_can_reach_a_development_server_nobody_plays_google() -> None:
    """V15.2.3: it starts as before, without the provider that lets anybody be anybody."""
    assert configured_providers(load(ENVIRONMENT="development", PUBLIC_URL="http://192.168.1.7:8000")) == []
    for host in ("0.0.0.0", "::", "192.168.1.7", "myhost"):  # noqa: S104  # Nothing listens: these are refused.
        assert (
            configured_providers(load(ENVIRONMENT="development", HOST=host, PUBLIC_URL="http://127.0.0.1:8000")) == []
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_server_that_listens_to_this_machine_alone_plays_google(host: str) -> None:
    assert is_google_offline(load(ENVIRONMENT="development", HOST=host, PUBLIC_URL="http://localhost:8000"))


def test_providers_may_stand_in_the_environment_or_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """V13.3.1: as other secrets do."""
    monkeypatch.setenv("OIDC_PROVIDERS", json.dumps([ACME]))
    assert [provider.name for provider in configured_providers(load())] == ["acme"]
    monkeypatch.delenv("OIDC_PROVIDERS")
    file = tmp_path / "providers.json"
    file.write_text(json.dumps([ACME]) + "\n", encoding="utf-8")
    monkeypatch.setenv("OIDC_PROVIDERS_FILE", str(file))
    assert [provider.client_secret for provider in configured_providers(load())] == [CANARY]


def test_a_provider_speaks_for_the_domains_that_are_listed_for_it_and_for_no_other() -> None:
    """ID-07: none unless the operator says so."""
    listed = {**ACME, "domains": ["acme.example", "acme.co.uk"]}
    (acme,) = configured_providers(load(OIDC_PROVIDERS=json.dumps([listed])))
    assert acme.domains == ("acme.example", "acme.co.uk")
    assert configured_providers(load(OIDC_PROVIDERS=json.dumps([ACME])))[0].domains == ()


@pytest.mark.parametrize(
    "domain", ["", "*", "com", "Acme.example", "@acme.example", "*.acme.example", "a@b.example", "."]
)
def test_what_is_no_domain_refuses_the_start(domain: str) -> None:
    assert "domains" in finding(OIDC_PROVIDERS=json.dumps([{**ACME, "domains": [domain]}]))

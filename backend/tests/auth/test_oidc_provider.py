"""What providers say of themselves."""

from dataclasses import replace
from typing import Any

import pytest

from app.auth.google import google_provider
from app.auth.oidc.provider import MetadataInvalid, Provider, ProviderMetadata, is_provider_url, read_metadata
from tests.auth.provider import ABSENT, ISSUER, PROVIDER, present, provider_keys

DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example.net/authorize",
    "token_endpoint": "https://id.example.com/token",
    "jwks_uri": "https://keys.example.org/jwks",
    "userinfo_endpoint": "https://id.example.com/userinfo",
    "id_token_signing_alg_values_supported": ["RS256", "none", "HS256", "EdDSA"],
}
ENDPOINTS = ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
LOOPBACK = "http://127.0.0.1:8000/dev/google"


def metadata(provider: Provider = PROVIDER, **changes: Any) -> ProviderMetadata:
    return read_metadata(present({**DOCUMENT, **changes}), provider)


def is_refused(provider: Provider = PROVIDER, **changes: Any) -> bool:
    try:
        metadata(provider, **changes)
    except MetadataInvalid:
        return True
    return False


def test_a_right_document_says_where_to_ask() -> None:
    """ID-01: endpoints may stand on other hosts, as Google's do."""
    assert metadata() == ProviderMetadata(
        issuer=ISSUER,
        authorization_endpoint="https://login.example.net/authorize",
        token_endpoint="https://id.example.com/token",
        jwks_uri="https://keys.example.org/jwks",
        userinfo_endpoint="https://id.example.com/userinfo",
        issuer_in_response=False,
        secret_in_body=False,
        algorithms=("RS256", "EdDSA"),
    )


@pytest.mark.parametrize("document", [None, 7, "text", [], {}, [DOCUMENT], {"error": "not_found"}], ids=repr)
def test_what_is_no_document_is_refused(document: object) -> None:
    """ID-09"""
    with pytest.raises(MetadataInvalid):
        read_metadata(document, PROVIDER)


@pytest.mark.parametrize(
    "issuer",
    [ABSENT, None, "", f"{ISSUER}/", ISSUER.upper(), "https://evil.example", [ISSUER], "id.example.com"],
    ids=str,
)
def test_a_document_speaks_for_the_issuer_that_we_configured(issuer: object) -> None:
    """OA-05, 3.3-07, JW-12: OpenID Connect Discovery 1.0, section 4.3; otherwise it is a mix-up."""
    assert is_refused(issuer=issuer)


def test_discovery_of_google_has_one_spelling() -> None:
    """ID-01: the second stands in tokens alone."""
    google = google_provider(client_id="ours", client_secret="secret")
    assert metadata(google, issuer="https://accounts.google.com").issuer == "https://accounts.google.com"
    assert is_refused(google, issuer="accounts.google.com")


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        ["https://id.example.com/token"],
        "http://id.example.com/token",
        "http://127.0.0.1/token",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "data:application/json,{}",
        "ftp://id.example.com/",
        "javascript:alert(1)",
        "//id.example.com/token",
        "/token",
        "https:///token",
        "https://",
        "https:id.example.com",
        "https://user@id.example.com/token",
        "https://user:word@id.example.com/token",
        "https://@id.example.com/token",
        "https://id.example.com/token#fragment",
        "https://id.example.com:99999/token",
        "https://id.example.com:0/token",
        "https://id.example.com:port/token",
        "https://[::1/token",
        "https://id.example.com\\@evil.example/token",
        "https://id.example.com/to ken",
        "https://id.example.com/token\r\nHost: evil",
        "https://idé.example.com/token",
        "https://id.example.com/" + "x" * 3000,
    ],
    ids=lambda url: repr(url)[:60],
)
def test_an_endpoint_is_https_with_a_host_and_no_tricks(name: str, url: Any) -> None:
    """JW-15, 3.6-02: no file, no data, no plain http, no user, no fragment."""
    assert is_refused(**{name: url})


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_endpoint_that_is_missing_is_not_guessed(name: str) -> None:
    """ID-09"""
    missing: dict[str, Any] = {name: ABSENT}
    assert is_refused(**missing)


def test_a_provider_may_have_no_userinfo() -> None:
    """ID-04: what it has must be right, though."""
    assert metadata(userinfo_endpoint=ABSENT).userinfo_endpoint is None


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:1"])
def test_only_a_provider_on_this_machine_may_name_this_machine(name: str, host: str) -> None:
    """JW-15, 3.6-09: a provider out there must not make us call ourselves in plain http."""
    offline = replace(PROVIDER, issuers=(LOOPBACK,))
    here: dict[str, Any] = {name: f"http://{host}/x"}
    assert not is_refused(offline, issuer=LOOPBACK, **here)
    assert is_refused(**here)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.evil.example/",
        "http://127.0.0.1.nip.io/",
        "http://0.0.0.0/",
        "http://127.1/",
        "http://user@localhost/",
    ],
)
def test_what_looks_like_this_machine_is_not(url: str) -> None:
    """3.6-02"""
    assert not is_provider_url(url, loopback=True)


@pytest.mark.parametrize("value", [ABSENT, None, [], "RS256", ["none"], ["HS256", "RS384"], [7], {"RS256": 1}], ids=str)
def test_a_provider_that_signs_with_nothing_that_we_accept_is_refused(value: object) -> None:
    """ID-01, JW-01: at once, and not at the first sign-in."""
    assert is_refused(id_token_signing_alg_values_supported=value)


@pytest.mark.parametrize(
    ("value", "named"), [(True, True), (ABSENT, False), (False, False), ("true", False), (1, False)]
)
def test_whether_answers_name_their_issuer(value: object, named: bool) -> None:
    """OA-05: RFC 9207, section 3."""
    assert metadata(authorization_response_iss_parameter_supported=value).issuer_in_response is named


@pytest.mark.parametrize(
    ("methods", "in_body"),
    [
        (ABSENT, False),
        (["client_secret_basic"], False),
        (["client_secret_post", "client_secret_basic"], False),
        (["client_secret_post"], True),
    ],
    ids=str,
)
def test_the_client_secret_goes_where_it_is_taken(methods: object, in_body: bool) -> None:
    """OA-27: one way per request; the header, unless only the form is taken."""
    assert metadata(token_endpoint_auth_methods_supported=methods).secret_in_body is in_body


@pytest.mark.parametrize("methods", [None, [], ["private_key_jwt"], ["none"], "client_secret_basic", [7]], ids=str)
def test_a_provider_that_takes_no_secret_is_refused(methods: object) -> None:
    """OA-26"""
    assert is_refused(token_endpoint_auth_methods_supported=methods)


def test_only_keys_of_an_algorithm_that_the_provider_names_sign_id_tokens() -> None:
    """JW-02: a key for something else is no key for this."""
    key = next(iter(provider_keys().values()))
    assert metadata(id_token_signing_alg_values_supported=[key.algorithm]).signing({"one": key}) == {"one": key}
    other = "EdDSA" if key.algorithm != "EdDSA" else "ES256"
    assert metadata(id_token_signing_alg_values_supported=[other]).signing({"one": key}) == {}

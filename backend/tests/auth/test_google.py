from dataclasses import replace

import pytest

from app.auth.google import GOOGLE_ISSUERS, authorization_extras, google_provider
from app.auth.oidc.provider import Provider


def test_google_is_known_by_two_issuers_and_no_other() -> None:
    """ID-01: the first is where discovery lives, and what identities are stored under."""
    google = google_provider(client_id="ours", client_secret="secret")
    assert google.issuers == GOOGLE_ISSUERS == ("https://accounts.google.com", "accounts.google.com")
    assert (google.name, google.issuer) == ("google", "https://accounts.google.com")
    named = google_provider(client_id="ours", client_secret="secret", issuer="https://accounts.google.com")
    assert named == google
    assert google.scopes == ("openid", "email", "profile")


def test_who_plays_google_is_not_google() -> None:
    """ID-01: a token of the real one does not pass where another one plays it, nor the other way round."""
    offline = google_provider(client_id="ours", client_secret="secret", issuer="http://127.0.0.1:8000/dev/google")
    assert offline.issuers == ("http://127.0.0.1:8000/dev/google",)


def test_native_apps_are_further_audiences() -> None:
    """ID-01"""
    google = google_provider(client_id="ours", client_secret="secret", other_client_ids=["android", "ios"])
    assert google.audiences == ("ours", "android", "ios")


def test_the_organisation_is_written_as_google_writes_it() -> None:
    """ID-10"""
    assert google_provider(client_id="c", client_secret="s", hosted_domain="Example.COM").hosted_domain == "example.com"
    assert google_provider(client_id="c", client_secret="s").hosted_domain is None


def test_the_secret_does_not_show() -> None:
    """S74: whatever prints the provider."""
    assert "very secret" not in repr(google_provider(client_id="ours", client_secret="very secret"))


def test_nothing_is_asked_of_google_that_is_not_wanted() -> None:
    """ID-11: no refresh token, no further consent."""
    assert authorization_extras(google_provider(client_id="c", client_secret="s")) == {}


def test_each_wish_is_a_parameter() -> None:
    google = google_provider(client_id="c", client_secret="s", hosted_domain="example.com")
    assert authorization_extras(google, choose_account=True, login_hint="ada@example.com") == {
        "prompt": "select_account",
        "hd": "example.com",
        "login_hint": "ada@example.com",
    }


def test_a_refresh_token_needs_consent_and_keeps_what_was_granted() -> None:
    """ID-11: incremental scopes."""
    google = google_provider(client_id="c", client_secret="s")
    kept = {"access_type": "offline", "include_granted_scopes": "true"}
    assert authorization_extras(google, keep_tokens=True) == {"prompt": "consent", **kept}
    both = authorization_extras(google, keep_tokens=True, choose_account=True)
    assert both == {"prompt": "select_account consent", **kept}


@pytest.mark.parametrize(
    ("email", "hosted_domain", "known"),
    [
        ("ada@gmail.com", None, True),
        ("ada@googlemail.com", None, True),
        ("ada@GMAIL.com", None, True),
        ("ada@corp.example", "corp.example", True),
        ("ada@corp.example", "CORP.example", True),
        ("ada@corp.example", None, False),
        ("ada@corp.example", "other.example", False),
        ("ada@sub.corp.example", "corp.example", False),
        ("ada@corp.example", "", False),
        ("ada@gmail.com.evil.example", None, False),
        ("ada@notgmail.com", None, False),
    ],
)
def test_google_knows_whose_an_address_is_where_it_hands_out_the_mailboxes(
    email: str, hosted_domain: str | None, known: bool
) -> None:
    """ID-07: everywhere else it has verified the address once, perhaps years ago."""
    google = google_provider(client_id="c", client_secret="s")
    assert google.is_authority_for(email, hosted_domain) is known


def test_another_provider_knows_it_for_the_domains_in_its_settings_alone() -> None:
    """ID-07: its `hd` says nothing, for nobody but Google's is known to be checked."""
    acme = Provider(
        name="acme", issuers=("https://id.acme.example",), client_id="c", client_secret="s", audiences=("c",)
    )
    assert not acme.is_authority_for("ada@acme.example", "acme.example")
    listed = replace(acme, domains=("acme.example",))
    assert listed.is_authority_for("ada@Acme.example", None)
    assert not listed.is_authority_for("ada@gmail.com", "gmail.com")
    assert not listed.is_authority_for("ada@sub.acme.example", None)

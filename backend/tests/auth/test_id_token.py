"""ID tokens that are right in every point but one: what they say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.auth.google import GOOGLE_ISSUERS, google_provider
from app.auth.oidc.id_token import Identity
from tests.auth.provider import (
    ABSENT,
    ACCESS_TOKEN,
    CLIENT_ID,
    ISSUER,
    NONCE,
    NOW,
    PHONE_ID,
    PROVIDER,
    SECONDS,
    half_hash,
    id_token,
    is_accepted,
    provider_keys,
    read,
    refusal,
    with_claim,
)

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NO_TIMES = ["null", '"1772366400"', "true", "-1", "1e400", "NaN", "1772366400.5", "[1772366400]", "1" + "0" * 300]


def test_a_right_token_says_who_came() -> None:
    """ID-01, ID-03: what is not defective is taken; otherwise no other test here means anything."""
    assert read(id_token()) == Identity(
        issuer=ISSUER,
        subject="110169484474386276334",
        email="ada@example.com",
        email_verified=True,
        name="Ada Lovelace",
        hosted_domain=None,
        authenticated_at=None,
        methods=(),
    )


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "nonce"])
@pytest.mark.parametrize("value", [ABSENT, None, "", 0, 1.5, False, [], {}, [None], {"a": 1}], ids=str)
def test_what_must_be_there_is_never_guessed(name: str, value: Any) -> None:
    """ID-01, ID-02, ID-09, 3.3-06, 3.3-11: `sub` that is 0, null or empty made everybody the same user elsewhere."""
    assert refusal(id_token(**{name: value}))


# From whom.


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER[:-1],
        ISSUER + ".evil.example",
        "http://id.example.com",
        "id.example.com",
        f" {ISSUER}",
        [ISSUER],
        "https://evil.example",
        "https://accounts.google.com",
        "\ud800",
    ],
    ids=ascii,
)
def test_the_issuer_is_the_provider_letter_for_letter(issuer: object) -> None:
    """ID-01, JW-12, 3.3-07: the issuer comes from the configuration, never from the token."""
    assert refusal(id_token(iss=issuer))


@pytest.mark.parametrize("issuer", GOOGLE_ISSUERS)
def test_google_has_two_spellings_and_is_stored_under_one(issuer: str) -> None:
    """ID-01, ID-03: the same person is never two identities."""
    google = google_provider(client_id=CLIENT_ID, client_secret="x")
    assert read(id_token(iss=issuer), provider=google).issuer == "https://accounts.google.com"


@pytest.mark.parametrize(
    "issuer", ["http://accounts.google.com", "https://accounts.google.com/", "google.com", "accounts.google.com.evil"]
)
def test_google_has_no_third_spelling(issuer: str) -> None:
    """ID-01"""
    assert refusal(id_token(iss=issuer), provider=google_provider(client_id=CLIENT_ID, client_secret="x"))


# For whom.


@pytest.mark.parametrize("audience", ["another-client", CLIENT_ID.upper(), f"{CLIENT_ID} ", [], ["another-client"]])
def test_a_token_for_somebody_else_is_refused(audience: object) -> None:
    """ID-01, S66: a site where the victim signs in as well cannot use their token here."""
    assert refusal(id_token(aud=audience, azp=ABSENT)) == "audience is not us"


def test_a_native_app_is_an_audience_only_where_the_door_says_so() -> None:
    """ID-01: the code door takes tokens for our own client id alone."""
    token = id_token(aud=PHONE_ID, azp=PHONE_ID)
    assert refusal(token) == "audience is not us"
    assert read(token, audiences=PROVIDER.audiences).email == "ada@example.com"


@pytest.mark.parametrize("azp", [ABSENT, "another-client", None, "", [CLIENT_ID], 7, PHONE_ID], ids=str)
def test_a_token_for_several_must_have_been_asked_for_by_us(azp: object) -> None:
    """ID-01"""
    assert refusal(id_token(aud=[CLIENT_ID, "another-client"], azp=azp))


def test_a_token_for_several_that_we_asked_for_is_taken() -> None:
    """ID-01: as OpenID Connect Core 1.0, section 2, has it."""
    assert is_accepted(id_token(aud=[CLIENT_ID, "another-client"], azp=CLIENT_ID))
    assert is_accepted(id_token(aud=[CLIENT_ID], azp=ABSENT))


@pytest.mark.parametrize("azp", ["another-client", None, "", 7, [CLIENT_ID]], ids=str)
def test_a_token_for_us_that_somebody_else_asked_for_is_refused(azp: object) -> None:
    """ID-01"""
    assert refusal(id_token(azp=azp))


# When.


def test_a_token_ends_a_minute_after_it_says_and_not_later() -> None:
    """ID-02, ID-12: the clocks may be a minute apart."""
    token = id_token(exp=SECONDS)
    assert is_accepted(token, now=NOW + MINUTE - SECOND)
    assert refusal(token, now=NOW + MINUTE) == "expired"


def test_a_token_may_come_from_a_minute_ahead_and_not_further() -> None:
    """ID-02, ID-12"""
    assert is_accepted(id_token(iat=SECONDS + 60))
    assert refusal(id_token(iat=SECONDS + 61)) == "issued in the future, or not valid yet"
    assert is_accepted(id_token(nbf=SECONDS + 60))
    assert refusal(id_token(nbf=SECONDS + 61)) == "issued in the future, or not valid yet"


def test_a_token_that_was_made_before_any_living_flow_is_refused() -> None:
    """ID-02, JW-11: whatever it says of its own lifetime."""
    token = id_token(iat=SECONDS, exp=SECONDS + 10 * 365 * 86_400)
    assert is_accepted(token, now=NOW + 11 * MINUTE - SECOND)
    assert refusal(token, now=NOW + 11 * MINUTE) == "made too long ago to answer a flow"


@pytest.mark.parametrize("name", ["iat", "exp", "nbf", "auth_time"])
@pytest.mark.parametrize("value", NO_TIMES)
def test_a_time_is_whole_seconds(name: str, value: str) -> None:
    """ID-02, JW-10: no text, no infinity, no NaN; a clean refusal and no error."""
    assert refusal(with_claim(name, value))


def test_a_proof_is_as_young_as_was_asked_for() -> None:
    """ID-02, ID-12: `auth_time` is checked when `max_age` was sent, and must be there then."""
    five = timedelta(minutes=5)
    assert refusal(id_token(), max_age=five) == "claim auth_time is missing or not a time"
    assert read(id_token(auth_time=SECONDS - 359), max_age=five).authenticated_at == NOW - timedelta(seconds=359)
    assert refusal(id_token(auth_time=SECONDS - 360), max_age=five)
    assert refusal(id_token(auth_time=SECONDS - 61), max_age=timedelta(0))


def test_a_proof_of_the_future_is_none() -> None:
    """ID-02, ID-12: even when nobody asked for its age."""
    assert is_accepted(id_token(auth_time=SECONDS + 60))
    assert refusal(id_token(auth_time=SECONDS + 61))
    assert read(id_token(auth_time=SECONDS - 86_400)).authenticated_at == NOW - timedelta(days=1)


# For this flow.


@pytest.mark.parametrize(
    "nonce", ["another nonce", NONCE[:-1], f"{NONCE}x", NONCE.upper(), "\ud800", "é", [NONCE]], ids=ascii
)
def test_a_token_of_another_flow_is_refused(nonce: object) -> None:
    """ID-02, 3.3-10, S63: also one that holds half a surrogate pair, which no encoding takes."""
    assert refusal(id_token(nonce=nonce))


@pytest.mark.parametrize("nonce", [ABSENT, "", None])
def test_a_flow_without_a_nonce_takes_no_token(nonce: object) -> None:
    """ID-02, 3.3-11: absent on both sides is not equal."""
    assert refusal(id_token(nonce=nonce), nonce="")


@pytest.mark.parametrize(("algorithm", "digest"), [("RS256", "sha256"), ("ES256", "sha256"), ("EdDSA", "sha512")])
def test_the_access_token_beside_is_the_one_that_the_token_means(algorithm: str, digest: str) -> None:
    """ID-02, S66: an access token of somebody else cannot be put beside it."""
    token = id_token(algorithm=algorithm, at_hash=half_hash(ACCESS_TOKEN, digest))
    assert is_accepted(token)
    assert refusal(token, access_token=ACCESS_TOKEN + "x") == "another access token came with it"
    assert refusal(token, access_token="")


@pytest.mark.parametrize(
    "value", [None, "", 7, half_hash("another"), half_hash(ACCESS_TOKEN) + "=", "\ud800"], ids=ascii
)
def test_a_hash_of_the_access_token_that_is_there_must_be_right(value: object) -> None:
    """ID-02: present and wrong is not absent."""
    assert refusal(id_token(at_hash=value))


def test_a_token_that_came_alone_has_no_access_token_to_compare() -> None:
    """ID-02: native apps hand over the ID token alone, with the hash of an access token that they keep."""
    assert is_accepted(id_token(at_hash=half_hash("what the app keeps")), access_token=None)


# Who.


@pytest.mark.parametrize(
    "subject", ["x" * 256, "\x00", "a\nb", " ", "   ", "é", "\u202e", "\ud800", 0, ["1"]], ids=ascii
)
def test_a_subject_is_short_plain_text(subject: object) -> None:
    """ID-03, ID-09, 3.3-06: and never what a database cannot hold."""
    assert refusal(id_token(sub=subject))


@pytest.mark.parametrize("subject", ["1", "x" * 255, "auth0|5f7c8ec7c33c6c004bbafe82", "A", "a", "0"])
def test_a_subject_is_kept_letter_for_letter(subject: str) -> None:
    """ID-03: it is compared, never understood."""
    assert read(id_token(sub=subject)).subject == subject


@pytest.mark.parametrize("value", [ABSENT, None, False, "true", "True", 1, 1.0, "1", [True], {"value": True}], ids=str)
def test_only_true_is_verified(value: object) -> None:
    """ID-05, 3.3-02"""
    identity = read(id_token(email_verified=value))
    assert (identity.email, identity.email_verified) == ("ada@example.com", False)


@pytest.mark.parametrize(
    "email", [ABSENT, None, "", "ada", "Ada <ada@example.com>", "ada@example.com\n", "a@b@example.com", "x" * 300]
)
def test_no_address_is_no_verified_address(email: object) -> None:
    """ID-05, S32: the address is an attribute; the person still is who they are."""
    identity = read(id_token(email=email))
    assert (identity.email, identity.email_verified) == (None, False)
    assert identity.subject == "110169484474386276334"


@pytest.mark.parametrize("name", ["email", "hd", "name"])
@pytest.mark.parametrize("value", [7, True, ["ada@example.com"], {"a": 1}], ids=str)
def test_an_attribute_is_text(name: str, value: Any) -> None:
    """ID-09, JW-10: of a wrong type is wrong, not absent."""
    assert refusal(id_token(**{name: value}))


@pytest.mark.parametrize(
    ("name", "shown"), [("  Ada ", "Ada"), ("", None), ("\u202eadA", None), ("x" * 201, None), ("a\x00", None)]
)
def test_a_name_that_cannot_be_shown_is_left_out(name: str, shown: str | None) -> None:
    """3.6-14, S40: somebody chose it, and nothing depends on it."""
    assert read(id_token(name=name)).name == shown


def test_another_name_for_the_address_is_no_key() -> None:
    """ID-03, 3.3-01: neither `preferred_username` nor `upn` nor `oid` is looked at."""
    names: dict[str, Any] = {
        "preferred_username": "root",
        "upn": "admin@example.com",
        "oid": "7",
        "id": "7",
        "user_id": 7,
    }
    assert read(id_token(**names)) == read(id_token())


def test_how_the_user_proved_it_is_told() -> None:
    """ID-08: where the provider says so."""
    assert read(id_token(amr=["pwd", "otp"])).methods == ("pwd", "otp")
    for value in ("pwd", None, [7], {"pwd": 1}):
        assert refusal(id_token(amr=value))


# The organisation.


@pytest.mark.parametrize(
    "domain", [ABSENT, None, "", "other.example", "Example.com", "example.com.evil", ["example.com"], True]
)
def test_only_members_of_the_organisation_come_in(domain: object) -> None:
    """ID-10, S70: an address at the domain is no membership, and the token says it, not the question."""
    google = replace(PROVIDER, hosted_domain="example.com")
    assert refusal(id_token(hd=domain), provider=google)
    assert read(id_token(hd="example.com"), provider=google).hosted_domain == "example.com"


def test_membership_never_says_who_somebody_is() -> None:
    """ID-10, 3.3-21: `hd` narrows who may come, and excuses nothing else."""
    google = replace(PROVIDER, hosted_domain="example.com")
    wrong: dict[str, Any] = {"iss": "https://evil.example", "aud": "x", "sub": "", "exp": SECONDS - 60, "nonce": "x"}
    for name, value in wrong.items():
        assert refusal(id_token(hd="example.com", **{name: value}), provider=google)
    assert not read(id_token(hd="example.com", email_verified=ABSENT), provider=google).email_verified


def test_without_a_demand_everybody_comes_and_the_organisation_is_told() -> None:
    """ID-10"""
    assert read(id_token(hd="other.example")).hosted_domain == "other.example"


def test_one_key_of_the_provider_is_enough() -> None:
    """ID-01"""
    assert is_accepted(id_token(algorithm="ES256"), keys=provider_keys("ES256"))

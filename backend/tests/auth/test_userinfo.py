from typing import Any

import pytest

from app.auth.oidc.id_token import IdTokenRejected, with_userinfo
from tests.auth.provider import ABSENT, CLAIMS, id_token, present, read

BARE = read(id_token(email=ABSENT, email_verified=ABSENT, name=ABSENT))
DOCUMENT = {"sub": CLAIMS["sub"], "email": "ada@example.com", "email_verified": True, "name": "Ada"}


def test_an_address_that_the_id_token_lacks_comes_from_userinfo() -> None:
    """ID-04: many providers say in ID tokens who came, and nothing else."""
    told = with_userinfo(BARE, DOCUMENT)
    assert (told.email, told.email_verified, told.name) == ("ada@example.com", True, "Ada")
    assert (told.issuer, told.subject) == (BARE.issuer, BARE.subject)


@pytest.mark.parametrize("subject", [ABSENT, None, "", 0, "another", 110169484474386276334, [CLAIMS["sub"]]], ids=str)
def test_userinfo_about_somebody_else_is_refused(subject: object) -> None:
    """ID-04, ID-09, 3.3-06: an access token of another user leads to another user's address."""
    with pytest.raises(IdTokenRejected):
        with_userinfo(BARE, present({**DOCUMENT, "sub": subject}))


@pytest.mark.parametrize("document", [None, [], {}, "text", 7, {"error": "invalid_token"}, [DOCUMENT]], ids=str)
def test_what_is_no_userinfo_is_refused(document: object) -> None:
    """ID-09, 3.3-06, S67: an error body is no profile."""
    with pytest.raises(IdTokenRejected):
        with_userinfo(BARE, document)


@pytest.mark.parametrize("name", ["email", "name"])
def test_userinfo_is_read_as_strictly_as_the_token(name: str) -> None:
    """ID-09"""
    with pytest.raises(IdTokenRejected):
        with_userinfo(BARE, {**DOCUMENT, name: 7})


@pytest.mark.parametrize("value", [ABSENT, None, "true", 1, False], ids=str)
def test_only_true_is_verified_in_userinfo_too(value: object) -> None:
    """ID-05, S68"""
    assert not with_userinfo(BARE, present({**DOCUMENT, "email_verified": value})).email_verified


def test_what_the_signed_token_says_is_never_replaced() -> None:
    """ID-05: an unverified address of the token does not become verified by another one."""
    signed = read(id_token(email="eve@example.com", email_verified=False, name="Eve"))
    other: dict[str, Any] = {**DOCUMENT, "email": "victim@example.com"}
    assert with_userinfo(signed, other) == signed
    assert not signed.open_for_userinfo


@pytest.mark.parametrize(
    ("said", "verified"),
    [
        ({}, True),
        ({"email": "ADA@example.com"}, False),
        ({"email": "victim@example.com"}, False),
        ({"email": None}, False),
        ({"email_verified": "true"}, False),
    ],
    ids=str,
)
def test_userinfo_says_whether_the_address_of_the_token_is_verified(said: dict[str, Any], verified: bool) -> None:
    """ID-05, S68: where the token does not, and of that very address only."""
    signed = read(id_token(email_verified=ABSENT))
    assert signed.open_for_userinfo
    assert not signed.email_verified
    told = with_userinfo(signed, {**DOCUMENT, **said})
    assert (told.email, told.email_verified) == ("ada@example.com", verified)


@pytest.mark.parametrize("value", ["no address", "a@b@c", "@"])
def test_what_is_no_address_in_the_token_is_not_replaced_by_another(value: str) -> None:
    """ID-05: the provider has signed something about this person's address; userinfo is not signed."""
    signed = read(id_token(email=value))
    assert not signed.open_for_userinfo
    told = with_userinfo(signed, DOCUMENT)
    assert (told.email, told.email_verified) == (None, False)


@pytest.mark.parametrize("value", [ABSENT, None, ""], ids=str)
def test_a_token_without_an_address_leaves_it_to_userinfo(value: object) -> None:
    """ID-04."""
    assert read(id_token(email=value)).open_for_userinfo

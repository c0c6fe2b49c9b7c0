import pytest

from app.offline.people import Person, PersonRefused, read_person


def person(email: str = "ada@example.com", **changes: str) -> Person:
    return read_person({"email": email, "name": "Ada", **changes})


def test_a_subject_never_changes() -> None:
    """ID-03: it follows from the address alone, on every machine; this one must still be right in years."""
    assert person().subject == "178970747074305276138"


def test_a_subject_does_not_depend_on_spelling_or_on_anything_else() -> None:
    """ID-03: two spellings of one mailbox are one person."""
    subject = person().subject
    assert person("ADA@Example.COM", name="Countess", hosted_domain="example.com").subject == subject
    assert person("ada@example.org").subject != subject


def test_a_subject_looks_like_one_of_google_s() -> None:
    for number in range(50):
        subject = person(f"ada{number}@example.com").subject
        assert len(subject) == 21
        assert subject.isdigit()


def test_an_address_is_verified_only_if_the_box_is_ticked() -> None:
    assert person(email_verified="yes").email_verified is True
    assert person().email_verified is False


def test_an_empty_domain_is_none() -> None:
    assert person(hosted_domain=" ").hosted_domain is None
    assert person(hosted_domain="Example.COM").hosted_domain == "example.com"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(PersonRefused) as refused:
        read_person({"hosted_domain": "-"})
    assert set(refused.value.problems) == {"email", "name", "hosted_domain"}


@pytest.mark.parametrize(
    ("own", "wanted", "fits"),
    [
        (None, None, True),
        (None, "*", False),
        (None, "example.com", False),
        ("example.com", None, True),
        ("example.com", "*", True),
        ("example.com", "example.com", True),
        ("example.com", "other.example", False),
        ("sub.example.com", "example.com", False),
    ],
)
def test_who_belongs_to_a_workspace(own: str | None, wanted: str | None, fits: bool) -> None:
    """ID-10."""
    assert Person(email="ada@example.com", name="Ada", hosted_domain=own).belongs_to(wanted) is fits

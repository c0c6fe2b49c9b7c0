import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.assurance import MAILED_CODE, authentication_level


@pytest.mark.parametrize("methods", [(), ("pwd",), ("pwd", "pwd"), ["pwd", "pwd", "pwd"]])
def test_one_factor_however_often_is_the_first_level(methods: list[str]) -> None:
    """SE-01, 3.5-03: two proofs of the same kind are one factor."""
    assert authentication_level(methods) == "aal1"


@pytest.mark.parametrize(
    ("methods", "level"),
    [
        (["pwd", "otp"], "aal2"),
        (["email", "otp"], "aal1"),
        (["fed", "otp"], "aal2"),
        (["pwd", "swk"], "aal2"),
        (["pwd", "recovery"], "aal2"),
        (["hwk", "uv"], "aal2"),
        (["swk", "uv", "mfa"], "aal2"),
        (["hwk"], "aal1"),
        (["hwk", "otp"], "aal1"),
        (["hwk", "recovery", "mfa"], "aal1"),
        (["pwd", "fed"], "aal1"),
    ],
)
def test_two_factors_of_different_kinds_are_the_second_level(methods: list[str], level: str) -> None:
    """SE-01, 3.5-03: what one has twice is one factor, and a word that nobody proved is none."""
    assert authentication_level(methods) == level


@pytest.mark.parametrize("unknown", ["", "PWD", "pwd ", "mfa", "OTP", "aal2", "hwk ", "\x00"])
def test_a_method_that_is_unknown_proves_nothing(unknown: str) -> None:
    """3.5-15: what nobody has rated cannot raise anybody."""
    assert authentication_level([unknown]) == "aal1"
    assert authentication_level(["pwd", unknown]) == "aal1"


def test_a_mailed_code_raises_nobody() -> None:
    """SE-03: e-mail is no second factor beside anything."""
    assert {authentication_level([MAILED_CODE, other]) for other in ("pwd", "fed", "otp", MAILED_CODE)} == {"aal1"}


@given(st.lists(st.text(max_size=10)))
def test_there_are_two_levels_and_no_third(methods: list[str]) -> None:
    assert authentication_level(methods) in {"aal1", "aal2"}
    assert authentication_level(iter(methods)) == authentication_level(reversed(methods))

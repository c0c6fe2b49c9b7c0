import hashlib
import re
from collections import Counter
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.auth.recovery_codes import ALPHABET, RecoveryCodeMalformed, digest_of_code, new_codes, normal_form

ANN = UUID("01900000-0000-7000-8000-000000000001")
BOB = UUID("01900000-0000-7000-8000-000000000002")
CODE = "7k3m-q01z-9xwe-4hvb"
NORMAL = "7k3mq01z9xwe4hvb"


def test_a_set_is_ten_codes_of_four_groups_of_four() -> None:
    """SE-04: no code comes twice."""
    codes = new_codes()
    assert len(set(codes)) == len(codes) == 10
    assert all(re.fullmatch(f"[{ALPHABET}]{{4}}(-[{ALPHABET}]{{4}}){{3}}", code) for code in codes)


def test_the_alphabet_has_32_letters_and_none_that_looks_like_another() -> None:
    """SE-04: five bits a letter, so sixteen of them are 80 bits."""
    assert len(set(ALPHABET)) == len(ALPHABET) == 32
    assert set(ALPHABET) == set("0123456789abcdefghijklmnopqrstuvwxyz") - set("ilou")


def test_every_letter_is_as_likely_as_any_other_at_every_place_and_beside_any_other() -> None:
    """SE-04: no bias. The bounds are ten standard deviations away: chance alone never passes them."""
    codes = [normal_form(code) for _ in range(1000) for code in new_codes()]
    assert len(set(codes)) == 10_000
    places = Counter((place, letter) for code in codes for place, letter in enumerate(code))
    assert len(places) == 16 * 32
    assert all(312 - 175 < count < 312 + 175 for count in places.values())
    pairs = Counter(pair for code in codes for pair in pairwise(code))
    assert len(pairs) == 32 * 32
    assert all(146 - 121 < count < 146 + 121 for count in pairs.values())


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        NORMAL,
        CODE.upper(),
        "7K3m-Q01z-9xWE-4hVB",
        f"  {CODE}\r\n",
        CODE.replace("-", " "),
        CODE.replace("-", "\u00a0"),
        CODE.replace("-", " - "),
        "-".join(NORMAL),
        CODE.replace("-", "\u2010"),
        CODE.replace("-", "\u2011"),
        CODE.replace("-", "\u2013"),
        CODE.replace("-", " \u2014 "),
        CODE.replace("-", "\u2212"),
        CODE.replace("0", "o"),
        CODE.replace("0", "O"),
        CODE.replace("1", "i"),
        CODE.replace("1", "I"),
        CODE.replace("1", "l"),
        CODE.replace("1", "L"),
    ],
    ids=ascii,
)
def test_a_code_is_known_however_it_is_typed(typed: str) -> None:
    """SE-04: case, spaces, dashes, and the letters that look like others."""
    assert normal_form(typed) == NORMAL
    assert digest_of_code(ANN, typed) == digest_of_code(ANN, CODE)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "----",
        CODE[:-1],
        f"{CODE}0",
        CODE * 2,
        CODE.replace("z", "u"),
        CODE.replace("z", "U"),
        CODE.replace("z", "!"),
        CODE.replace("-", "_"),
        CODE.replace("-", "."),
        f"{CODE}\0",
        CODE.replace("z", "\0"),
        CODE.replace("k", "\u212a"),
        CODE.replace("0", "\u0660"),
        CODE.replace("0", "\uff10"),
        CODE.replace("0", "\u043e"),
        CODE.replace("1", "\u0130"),
        CODE.replace("-", "\u200b"),
        CODE.replace("z", "\ud800"),
        "123456",
        "x" * 100_000,
    ],
    ids=lambda typed: ascii(typed)[:40],
)
def test_what_cannot_be_a_code_is_refused(typed: str) -> None:
    """SE-04: the Kelvin sign too, which becomes a plain k in lower case."""
    with pytest.raises(RecoveryCodeMalformed, match=r"^this is not a recovery code$"):
        normal_form(typed)
    with pytest.raises(RecoveryCodeMalformed):
        digest_of_code(ANN, typed)


def test_the_refusal_is_a_value_error() -> None:
    """What checks the fields of a request answers it as one of them."""
    assert issubclass(RecoveryCodeMalformed, ValueError)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=40) | st.text(ALPHABET + "ilouILOU -", min_size=14, max_size=22))
@example(CODE)
def test_a_normal_form_is_its_own_and_nothing_else_comes_out(text: str) -> None:
    try:
        normal = normal_form(text)
    except RecoveryCodeMalformed:
        return
    assert re.fullmatch(f"[{ALPHABET}]{{16}}", normal)
    assert normal_form(normal) == normal


@settings(deadline=None, max_examples=100)
@given(st.text(ALPHABET, min_size=16, max_size=16), st.text(ALPHABET, min_size=16, max_size=16))
def test_two_codes_never_have_one_normal_form(first: str, second: str) -> None:
    """SE-04: or some of the 80 bits would not count."""
    assert (digest_of_code(ANN, first) == digest_of_code(ANN, second)) is (first == second)


def test_a_digest_holds_for_one_user_and_shows_nothing_of_the_code() -> None:
    """SE-04: a dump of the table gives no code away, nor which users have the same, nor serves in another's row."""
    digest = digest_of_code(ANN, CODE)
    assert len(digest) == 32
    assert digest != digest_of_code(BOB, CODE)
    assert digest != hashlib.sha256(NORMAL.encode()).digest()
    assert digest == hashlib.sha256(f"recovery-code/{ANN}/{NORMAL}".encode()).digest()

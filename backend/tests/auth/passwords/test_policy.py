import secrets
import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.passwords.policy import EXPLANATIONS, PasswordProblem, common_passwords, password_problem

OWN = ("ada.lovelace@example.com", "Ada Lovelace", "Ostiary")


def problem(password: str, *, minimum: int = 12, own: tuple[str, ...] = OWN) -> PasswordProblem | None:
    return password_problem(password, minimum_length=minimum, own_words=own)


# Length.


@pytest.mark.parametrize("minimum", [8, 12, 15, 64])
def test_the_least_length_is_the_first_that_is_accepted(minimum: int) -> None:
    """S25, PW-01: counted to the character."""
    text = "wombat-violin-teacup-gravel-orbit-mosaic-lantern-puzzle-clover-harbour"
    assert problem(text[: minimum - 1], minimum=minimum) is PasswordProblem.TOO_SHORT
    assert problem(text[:minimum], minimum=minimum) is None


@pytest.mark.parametrize("length", [64, 128, 255, 256])
def test_long_passwords_are_accepted(length: int) -> None:
    """PW-02"""
    assert problem(("wombat violin " + "teacup gravel orbit " * 20)[:length]) is None


@pytest.mark.parametrize("length", [257, 1000, 20_000_000])
def test_the_first_thing_asked_is_whether_a_password_is_too_long(length: int) -> None:
    """S26, PW-02, 3.2-05: whatever else is wrong with it, so that no other question costs anything."""
    assert problem("\x00" * length) is PasswordProblem.TOO_LONG


@pytest.mark.parametrize(
    "text",
    [
        "🔥🐉🌊🍀⚡🎸🚀🐙🍉🎲🧊🪁",
        "正しい馬電池ホッチキス青",
        "קפהמעולה בבו",
        "ünïcödé÷ñämé",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467🎲🧊🪁🚀🐙🍉🔥",
    ],
)
def test_each_code_point_counts_once(text: str) -> None:
    """PW-01, PW-03: emoji, ideographs, joined families; neither bytes nor what is seen as one."""
    assert len(text) == 12
    assert problem(text) is None
    assert problem(text, minimum=13) is PasswordProblem.TOO_SHORT


def test_letters_and_their_accents_count_as_they_are_stored() -> None:
    """PW-03, PW-06: a passphrase is as long on a system that decomposes as on one that composes."""
    composed = "éàüöñç-wxyz"
    decomposed = unicodedata.normalize("NFD", composed)
    assert (len(composed), len(decomposed)) == (11, 17)
    assert problem(composed) is problem(decomposed) is PasswordProblem.TOO_SHORT
    assert problem(composed, minimum=11) is problem(decomposed, minimum=11) is None


def test_accents_that_have_no_composed_form_count() -> None:
    """PW-03"""
    assert problem("q\u0308z\u0308v\u0308k\u0308j\u0308p\u0308") is None


# Characters.


@pytest.mark.parametrize("letter", ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\ud800"])
def test_a_character_that_cannot_be_typed_again_is_refused(letter: str) -> None:
    """S28, 3.2-03: controls and halves of characters, at either end or within."""
    good = "wombat violin teacup"
    for text in (letter + good, good + letter, good[:6] + letter + good[6:]):
        assert problem(text) is PasswordProblem.UNUSABLE_CHARACTER


def test_every_printable_character_of_ascii_may_be_used() -> None:
    """PW-03: the space, too."""
    for letter in string.ascii_letters + string.digits + string.punctuation + " ":
        assert problem(f"wombat{letter}violin teacup{letter}") is None, letter


@pytest.mark.parametrize(
    "text",
    [
        "alllowercaseletterswork",
        "ALLUPPERCASELETTERSWORK",
        "8472193855610293",
        "~!^%{}[]@&*=-|",
        "only words and spaces here",
        "Пароль Длинный и Хороший",
    ],
)
def test_no_rule_asks_for_kinds_of_characters(text: str) -> None:
    """PW-04, V6.2.5: one kind is enough."""
    assert problem(text) is None


# What attackers try first.


@pytest.mark.parametrize(
    "text",
    [
        "qwertyuiop123",
        "Password1234",
        "PASSWORD!!!!",
        "!!!password!!!",
        "password12345",
        "123password123",
        "  iloveyou   ",
        "Football2026!",
        "Summer2026!!!",
        "1qaz2wsx3edc",
        "123456789101",
        "peanutbutter",
        "PeanutButter1",
        "abc123456789",
        "\U0001f511password\U0001f511\U0001f511\U0001f511\U0001f511",
    ],
)
def test_a_common_password_with_decorations_is_common(text: str) -> None:
    """S25, PW-05, V6.2.4: digits and symbols around it add nothing an attacker would not try; nor do capitals."""
    assert problem(text) is PasswordProblem.COMMON


@pytest.mark.parametrize("text", ["123456789012", "1234567890123", "098765432109", "abcdefghijkl", "abcdefghijklmnop"])
def test_letters_and_digits_in_their_order_are_guessed(text: str) -> None:
    """S25, PW-05, V6.2.4: they stand high on every list of leaked passwords."""
    assert problem(text) in {PasswordProblem.COMMON, PasswordProblem.REPETITIVE}


@pytest.mark.parametrize(
    "text",
    [
        "aaaaaaaaaaaa",
        "aaaaaaaaaaab",
        "abababababab",
        "abcabcabcabc",
        "AaAaAaAaAaAa",
        "121212121212",
        "passwordpassword",
        "Wombat!Wombat!",
        "wombat violin wombat violin ",
        "            ",
        "🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥",
        "🔥🐉🔥🐉🔥🐉🔥🐉🔥🐉🔥🐉",
        "e\u0301" * 12,
    ],
)
def test_the_same_few_characters_again_are_refused(text: str) -> None:
    """S25, PW-05: few different ones, or a short text said more than once."""
    assert problem(text) is PasswordProblem.REPETITIVE


@pytest.mark.parametrize(
    "text",
    [
        "adalovelace12",
        "AdaLovelace!!",
        "lovelace-2026",
        "Ostiary2026!",
        "ostiary-lovelace",
        "example.com/ada",
        "ada@example.com",
        "12Lovelace345",
        "LOVELACE, ada lovelace!",
    ],
)
def test_a_password_made_of_the_account_s_own_words_is_refused(text: str) -> None:
    """S25, PW-05, V6.2.4: name, address and the service's name are what is tried for this account first."""
    assert problem(text) is PasswordProblem.CONTAINS_OWN_WORDS
    assert problem(text, own=()) is None


@pytest.mark.parametrize(
    "text",
    ["my lovelace engine counts to ten", "ostiary keeps the door of the house", "an example of wombats"],
)
def test_an_own_word_among_others_does_no_harm(text: str) -> None:
    """PW-05: six characters beside the own words are enough; short words of a name spoil nothing."""
    assert problem(text) is None
    assert problem("jo likes li and bo and al", own=("jo.li@bo.al", "Jo Li")) is None


def test_an_own_word_is_found_in_other_letters() -> None:
    assert problem("STRASSENBAHN1", own=("Straßenbahn",)) is PasswordProblem.CONTAINS_OWN_WORDS
    assert problem("rene\u0301andre\u0301e12", own=("René Andrée",)) is PasswordProblem.CONTAINS_OWN_WORDS


@pytest.mark.parametrize("own", [(), ("",), ("", "a@b.c"), ("@@@", "1234567"), ("\ud800",)])
def test_an_account_without_words_refuses_nothing_for_them(own: tuple[str, ...]) -> None:
    assert problem("wombat violin teacup", own=own) is None


# What must not be refused.

GOOD = """\
correct horse battery staple
CorrectHorseBatteryStaple
wombat-violin-teacup
8472-1938-5561-0293
2024-11-23 19:45:07 +0200
3f2504e0-4f89-11d3-9a0c-0305e82c3301
x8Kq-P2vL-m9Zt-R4wN
0xDEADBEEFCAFEBABE1234
the quick brown fox jumps
to be or not to be, that is
la la la la la la land
Ich mag Kartoffelsalat sehr
пароль длинный и хороший
パスワードは長いほど良い
iloveyou more than the moon and stars
password manager made this 7f3k
monkey dragon football sunshine
my 3 cats: Tom, Zoe & Max
I was born in a small town.
$2b$12$R9h/cIPz0gi.URNNX3kh2O"""


@pytest.mark.parametrize("text", GOOD.splitlines())
def test_a_good_passphrase_is_accepted(text: str) -> None:
    """PW-03, PW-04, PW-05: no strength gate besides the named ones."""
    assert problem(text) is None


@pytest.mark.parametrize(
    "kind", [string.ascii_letters + string.digits + "-_", string.ascii_lowercase, string.printable[:94]]
)
def test_what_a_password_manager_makes_is_accepted(kind: str) -> None:
    """PW-05, PW-08"""
    made = ["".join(secrets.choice(kind) for _ in range(20)) for _ in range(500)]
    assert [text for text in made if problem(text)] == []


@pytest.mark.parametrize(
    "text",
    ["394857261094857-dragon", "8472!!91-monkey-5512??77", "baseball 4829 1057 3829 6610", "$4%91#77!203&86 sunshine"],
)
def test_a_common_word_beside_a_long_random_number_is_accepted(text: str) -> None:
    """PW-05: fourteen random digits are not "a few characters added"; no list that an attacker tries has them."""
    assert problem(text) is None


# The answer.


def test_every_reason_has_a_code_of_its_own_and_an_explanation() -> None:
    """PW-05: the answer says why."""
    assert set(EXPLANATIONS) == set(PasswordProblem)
    assert len(set(EXPLANATIONS.values())) == len(PasswordProblem)
    assert all(reason.value.startswith("PASSWORD_") for reason in PasswordProblem)


def test_the_codes_are_stable() -> None:
    """Front ends translate them."""
    assert {reason.value for reason in PasswordProblem} == {
        "PASSWORD_TOO_SHORT",
        "PASSWORD_TOO_LONG",
        "PASSWORD_COMMON",
        "PASSWORD_REPETITIVE",
        "PASSWORD_CONTAINS_OWN_WORDS",
        "PASSWORD_UNUSABLE_CHARACTER",
    }


def test_the_blocklist_is_whole_and_fit_to_be_looked_up() -> None:
    """V6.2.4: at least the 3000 most used; folded as passwords are; no comment and no empty line among them."""
    listed = common_passwords()
    assert len(listed) > 25_000
    assert {"password", "123456", "qwerty", "iloveyou", "letmein"} <= listed
    assert all(entry == entry.casefold() for entry in listed)
    assert "" not in listed
    assert not any(entry.startswith("# ") for entry in listed)


@settings(deadline=None, max_examples=300)
@given(password=st.text(max_size=300), own=st.lists(st.text(max_size=40), max_size=3).map(tuple))
def test_any_text_has_one_answer(password: str, own: tuple[str, ...]) -> None:
    """3.2-03: never an error; and what is accepted is within the limits."""
    answer = problem(password, own=own)
    if answer is None:
        assert len(unicodedata.normalize("NFC", password)) >= 12
        assert len(password) <= 256


@settings(deadline=None, max_examples=200)
@given(password=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60))
def test_the_answer_is_the_same_for_both_ways_to_write_an_accent(password: str) -> None:
    """PW-06"""
    composed, decomposed = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
    assert problem(composed) is problem(decomposed)

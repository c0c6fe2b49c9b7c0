import re
import subprocess
import sys
import unicodedata

import pytest
from argon2 import PasswordHasher as Argon2
from argon2 import Type, extract_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.passwords.hashing import PasswordHasher, normalize_password
from app.config import Settings
from tests.auth.forge import SERVER_SECRET

PASSWORD = "correct horse battery staple"
QUICK = PasswordHasher(memory_kib=8, iterations=1)
"""As little work as Argon2 allows: what is tested here does not depend on how much there is."""


def matches(typed: str, chosen: str) -> bool:
    return QUICK.verify(typed, QUICK.hash(chosen))


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    """3.2-02: hashing and verifying work on the libraries that are installed."""
    assert matches(PASSWORD, PASSWORD)
    assert not matches(PASSWORD + "r", PASSWORD)
    assert not matches("", PASSWORD)


def test_the_default_is_argon2id_as_owasp_asks_for() -> None:
    """S29, PW-09, PW-10: read from a stored hash; one lane, 16 bytes of salt, 32 of hash."""
    defaults = Settings.load(ENVIRONMENT="development", SECRET_KEY=SERVER_SECRET)
    hasher = PasswordHasher(memory_kib=defaults.ARGON2_MEMORY_KIB, iterations=defaults.ARGON2_ITERATIONS)
    parameters = extract_parameters(hasher.hash(PASSWORD))
    assert parameters.type is Type.ID
    assert parameters.version == 19
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)


def test_a_stored_hash_names_the_parameters_it_was_made_with() -> None:
    """PW-09"""
    stored = PasswordHasher(memory_kib=64, iterations=3).hash(PASSWORD)
    assert re.fullmatch(r"\$argon2id\$v=19\$m=64,t=3,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", stored)


def test_two_hashes_of_one_password_differ() -> None:
    """PW-10: the salt is fresh each time."""
    salts = {QUICK.hash(PASSWORD).split("$")[4] for _ in range(50)}
    assert len(salts) == 50


# What is done to a password before it is hashed: NFC, and nothing else.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rene\u0301 & zoe\u0308", "ren\u00e9 & zo\u00eb"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("\u212bngstro\u0308m", "Ångström"),
    ],
)
def test_one_passphrase_typed_on_two_systems_is_one(one: str, other: str) -> None:
    """PW-06: NFC and NFD of one text sign in for each other, whichever was chosen."""
    assert one != other
    assert matches(one, other)
    assert matches(other, one)


@pytest.mark.parametrize(
    "other",
    [
        "Correct horse battery staple",
        "CORRECT HORSE BATTERY STAPLE",
        " correct horse battery staple",
        "correct horse battery staple ",
        "correct  horse battery staple",
        "correct horse battery staple\n",
        "correct horse battery staple\x00",
        "correct\u00a0horse battery staple",
        "\uff43orrect horse battery staple",
        "correct\u200b horse battery staple",
        "c\u043errect horse battery staple",
    ],
)
def test_nothing_is_trimmed_folded_or_made_compatible(other: str) -> None:
    """S27, PW-06, V6.2.8: the whole password counts, in its own letters."""
    assert not matches(other, PASSWORD)
    assert not matches(PASSWORD, other)


@pytest.mark.parametrize(
    ("one", "other"), [("\ufb01le", "file"), ("x²", "x2"), ("\uff41", "a"), ("\u017f", "s"), ("ß", "ss")]
)
def test_compatible_forms_stay_different(one: str, other: str) -> None:
    """PW-06: never NFKC."""
    assert normalize_password(one) == one
    assert not matches(one, other)


@pytest.mark.parametrize("start", ["x" * 72, "x" * 71 + "é", "é" * 36])
def test_two_passwords_that_differ_after_72_bytes_differ(start: str) -> None:
    """S27, 3.2-01: what bcrypt would cut is hashed here."""
    assert not matches(start + "one tail", start + "another tail")
    assert not matches(start, start + "tail")


@pytest.mark.parametrize("tail", ["", "b", "\x00", "\x00b"])
def test_nothing_ends_at_a_nul_character(tail: str) -> None:
    """S28, 3.2-03"""
    chosen = "before\x00after"
    assert matches(chosen, chosen)
    assert matches("before" + tail, chosen) is False


@pytest.mark.parametrize("text", ["\ud800", "before\ud800after", "\udfff" * 100])
def test_half_a_character_is_a_wrong_password_and_no_error(text: str) -> None:
    """3.2-03: what cannot be encoded cannot have been chosen."""
    assert not QUICK.verify(text, QUICK.hash(PASSWORD))
    assert not QUICK.verify(text, None)


def test_a_megabyte_is_verified_without_an_error() -> None:
    """3.2-03, 3.2-05: those who call refuse it sooner; here it is a plain wrong password."""
    assert not QUICK.verify("x" * 1_000_000, QUICK.hash(PASSWORD))


# Accounts without a password, and hashes that cannot be read.


@pytest.mark.parametrize("stored", [None, ""])
@pytest.mark.parametrize("typed", ["", " ", "None", "\x00", PASSWORD])
def test_an_account_without_a_password_has_no_right_one(stored: str | None, typed: str) -> None:
    """S38, 3.3-18: not the empty one either."""
    assert QUICK.verify(typed, stored) is False


def test_even_the_password_of_the_dummy_hash_signs_nobody_in() -> None:
    """S24, S38: the work is done for the sake of time; its outcome decides nothing."""
    dummy = PasswordHasher(memory_kib=8, iterations=1)
    dummy._dummy = dummy.hash(PASSWORD)
    assert dummy.verify(PASSWORD, dummy._dummy) is True
    assert dummy.verify(PASSWORD, None) is False
    assert dummy.verify(PASSWORD, "") is False


def test_the_dummy_hash_costs_what_a_real_one_costs() -> None:
    """S24, 3.7-01: the same parameters, so that time does not tell who has an account."""
    for iterations in (1, 2):
        hasher = PasswordHasher(memory_kib=32, iterations=iterations)
        assert extract_parameters(hasher._dummy) == extract_parameters(hasher.hash(PASSWORD))


def test_nobody_knows_the_password_of_the_dummy_hash() -> None:
    """S24, 3.7-01: it is made of chance, anew in every process."""
    program = "from app.auth.passwords.hashing import PasswordHasher as H; print(H(memory_kib=32, iterations=1)._dummy)"
    outputs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)
    }
    assert len(outputs) == 2


BROKEN = [
    "x",
    " ",
    "!",
    "*",
    "plaintext",
    PASSWORD,
    "$",
    "$$$$$",
    "$argon2id",
    "$argon2id$",
    "$argon2id$v=19$m=8,t=1,p=1$",
    "$argon2id$v=19$m=8,t=1,p=1$AAAA$",
    "$argon2id$v=19$m=0,t=0,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
    "$argon2id$v=19$m=x,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
    "$argon2id$v=99$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
    "$argon2xx$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
    "$6$rounds=5000$salt$hash",
    "{SSHA}c2FsdA==",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "é$argon2id$",
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize("stored", BROKEN, ids=ascii)
def test_a_hash_that_cannot_be_read_counts_as_wrong(stored: str) -> None:
    """S38, 3.2-03: plain text in the database is no password either."""
    assert QUICK.verify(PASSWORD, stored) is False
    assert QUICK.verify(stored, stored) is False


def test_a_hash_cut_short_anywhere_counts_as_wrong() -> None:
    stored = QUICK.hash(PASSWORD)
    for length in range(len(stored)):
        assert QUICK.verify(PASSWORD, stored[:length]) is False, length


# Moving old hashes up.


def test_a_hash_of_today_needs_no_other() -> None:
    assert not QUICK.needs_rehash(QUICK.hash(PASSWORD))


@pytest.mark.parametrize(
    "older",
    [
        Argon2(time_cost=2, memory_cost=8, parallelism=1),
        Argon2(time_cost=1, memory_cost=16, parallelism=1),
        Argon2(time_cost=1, memory_cost=16, parallelism=2),
        Argon2(time_cost=1, memory_cost=8, parallelism=1, hash_len=16),
        Argon2(time_cost=1, memory_cost=8, parallelism=1, salt_len=8),
        Argon2(time_cost=1, memory_cost=8, parallelism=1, type=Type.I),
        Argon2(time_cost=1, memory_cost=8, parallelism=1, type=Type.D),
    ],
    ids=["passes", "memory", "lanes", "shorter hash", "shorter salt", "argon2i", "argon2d"],
)
def test_a_hash_with_other_parameters_still_signs_in_and_is_replaced(older: Argon2) -> None:
    """S30, PW-09, PW-11: settings may change without anybody being locked out."""
    stored = older.hash(PASSWORD)
    assert QUICK.verify(PASSWORD, stored)
    assert not QUICK.verify(PASSWORD + "r", stored)
    assert QUICK.needs_rehash(stored)


def test_a_foreign_hash_is_always_replaced() -> None:
    """PW-11"""
    for stored in ("$2b$12$" + "a" * 53, "pbkdf2_sha256$600000$salt$hash", "$pbkdf2-sha256$29000$salt$hash"):
        assert QUICK.needs_rehash(stored)


@settings(deadline=None, max_examples=150)
@given(password=st.text(max_size=256))
def test_whatever_can_be_typed_matches_itself_in_every_canonical_form(password: str) -> None:
    """PW-03, PW-06: every code point counts; equal texts are equal passwords."""
    stored = QUICK.hash(password)
    assert QUICK.verify(password, stored)
    assert QUICK.verify(unicodedata.normalize("NFD", password), stored)
    assert not QUICK.verify(password + "x", stored)


@settings(deadline=None, max_examples=150)
@given(password=st.text(max_size=40), stored=st.text(max_size=120) | st.text("$argon2id=v19mtp,ABC+/", max_size=120))
def test_no_stored_text_is_an_error(password: str, stored: str) -> None:
    """S38"""
    assert QUICK.verify(password, stored) is False

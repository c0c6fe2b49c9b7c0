"""Hashes that users bring from bcrypt, Django and passlib. The vectors are computed here, by the standard library."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from app.auth.passwords.foreign import is_foreign, verify_foreign
from app.auth.passwords.hashing import PasswordHasher

PASSWORD = "correct horse battery staple"
BCRYPT_SALT = b"$2b$04$ujY6Wki0uOKxBaefhT7P.e"


def bcrypt_hash(password: str, version: str = "2b") -> str:
    """bcrypt at its least cost, written with the version that the other system used."""
    made = bcrypt.hashpw(password.encode()[:72], BCRYPT_SALT).decode()
    return f"${version}${made[4:]}"


def django_hash(password: str, iterations: int = 1000, salt: str = "seasalt") -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
    return f"pbkdf2_sha256${iterations}${salt}${base64.b64encode(digest).decode()}"


def adapted(raw: bytes) -> str:
    """passlib's own base64: no padding, and a dot where the standard has a plus."""
    return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")


def passlib_hash(password: str, iterations: int = 1000, salt: bytes = b"\xfb\xef\xbe 16 bytes ok") -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return f"$pbkdf2-sha256${iterations}${adapted(salt)}${adapted(digest)}"


ALL_KINDS = [bcrypt_hash, django_hash, passlib_hash]


def vectors(password: str = PASSWORD) -> list[str]:
    return [
        *(bcrypt_hash(password, version) for version in ("2a", "2b", "2y")),
        django_hash(password),
        passlib_hash(password),
    ]


@pytest.mark.parametrize("stored", vectors(), ids=lambda stored: stored[:14])
def test_an_imported_password_signs_in(stored: str) -> None:
    """PW-11"""
    assert is_foreign(stored)
    assert verify_foreign(PASSWORD, stored)


@pytest.mark.parametrize("stored", vectors(), ids=lambda stored: stored[:14])
@pytest.mark.parametrize(
    "wrong", ["", "correct horse battery stapl", "Correct horse battery staple", PASSWORD + " ", "\x00"]
)
def test_no_other_password_does(stored: str, wrong: str) -> None:
    assert not verify_foreign(wrong, stored)


@pytest.mark.parametrize("stored", vectors(), ids=lambda stored: stored[:14])
def test_the_hasher_takes_an_imported_hash_and_wants_it_replaced(stored: str) -> None:
    """PW-11: the next sign-in moves it up."""
    hasher = PasswordHasher(memory_kib=8, iterations=1)
    assert hasher.verify(PASSWORD, stored)
    assert not hasher.verify(PASSWORD + "r", stored)
    assert hasher.needs_rehash(stored)
    assert not is_foreign(hasher.hash(PASSWORD))


@pytest.mark.parametrize("stored", vectors("ren\u00e9 & zo\u00eb and friends"), ids=lambda stored: stored[:14])
def test_an_imported_password_may_be_typed_decomposed(stored: str) -> None:
    """PW-06: most systems hashed what browsers send, which is NFC."""
    assert PasswordHasher(memory_kib=8, iterations=1).verify("rene\u0301 & zoe\u0308 and friends", stored)


@pytest.mark.parametrize(
    ("password", "stored"),
    [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        ("lètmein", "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0="),
        ("lètmein", "pbkdf2_sha256$20000$seasalt2$Flpve/uAcyo6+IFI6YAhjeABGPVbRQjzHDxRhqxewgw="),
        ("toomanysecrets", "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk"),
    ],
)
def test_vectors_that_others_published_are_verified(password: str, stored: str) -> None:
    """PW-11: from the tests of crypt_blowfish and of Django, and from passlib's manual."""
    assert verify_foreign(password, stored)
    assert not verify_foreign(password + "x", stored)


@pytest.mark.parametrize(
    "salt", [b"", b"\x00" * 16, b"\xff" * 16, b"\xfb" * 15, b"four", b"longer than any salt has to be" * 3]
)
def test_a_salt_of_any_bytes_is_read(salt: bytes) -> None:
    """Every length of passlib's base64, with and without the letters that differ from the standard."""
    assert verify_foreign(PASSWORD, passlib_hash(PASSWORD, salt=salt))
    assert not verify_foreign(PASSWORD + "r", passlib_hash(PASSWORD, salt=salt))


# bcrypt reads 72 bytes, and nothing can be done about it before the hash is replaced.


def test_an_imported_bcrypt_hash_knows_72_bytes_until_it_is_replaced() -> None:
    """S27, 3.2-01: such users can sign in with what their old system took; the first sign-in hashes all of it."""
    chosen = "x" * 72 + "one tail"
    hasher = PasswordHasher(memory_kib=8, iterations=1)
    assert hasher.verify(chosen, bcrypt_hash(chosen))
    assert hasher.verify("x" * 72 + "another tail", bcrypt_hash(chosen))
    assert not hasher.verify("x" * 71, bcrypt_hash(chosen))
    assert not hasher.verify("x" * 72 + "another tail", hasher.hash(chosen))


def test_bcrypt_may_cut_within_a_character() -> None:
    """3.2-01: bytes are counted, as the old system did."""
    chosen = "x" * 71 + "é and more"
    assert verify_foreign(chosen, bcrypt_hash(chosen))


@pytest.mark.parametrize("make", [django_hash, passlib_hash])
def test_pbkdf2_reads_the_whole_password(make: Callable[[str], str]) -> None:
    """3.2-01"""
    assert not verify_foreign("x" * 72 + "other", make("x" * 72 + "tail"))


# What cannot be read, or asks for too much.


@pytest.mark.parametrize("password", ["", "\x00", "a\x00b", "\ud800", "\x00" * 100, "\U0001f511" * 100])
@pytest.mark.parametrize("stored", vectors(), ids=lambda stored: stored[:14])
def test_no_password_is_an_error(password: str, stored: str) -> None:
    """S28, 3.2-03"""
    assert verify_foreign(password, stored) is False


@pytest.mark.parametrize("make", ALL_KINDS)
def test_the_empty_password_matches_only_its_own_hash(make: Callable[[str], str]) -> None:
    """3.3-18"""
    assert verify_foreign("", make(""))
    assert not verify_foreign("", make("x"))


DIGEST = django_hash(PASSWORD).rpartition("$")[2]
SALT_AND_DIGEST = bcrypt_hash(PASSWORD)[7:]
BROKEN = [
    "$2b$",
    "$2b$04$",
    "$2b$04$short",
    "$2a$",
    "$2y$$",
    f"$2b$00${SALT_AND_DIGEST}",
    f"$2b$03${SALT_AND_DIGEST}",
    f"$2b$32${SALT_AND_DIGEST}",
    f"$2b$99${SALT_AND_DIGEST}",
    f"$2b$xx${SALT_AND_DIGEST}",
    f"$2b$-4${SALT_AND_DIGEST}",
    f"$2b$4${SALT_AND_DIGEST}",
    f"$2b$04${SALT_AND_DIGEST}x",
    f"$2b$04${SALT_AND_DIGEST[:-1]}",
    f"$2b$04${SALT_AND_DIGEST[:22]}",
    "$2b$04$" + "!" * 53,
    "$2b$04$" + "é" * 53,
    "$2b$04$" + "\x00" * 53,
    "$2b$04$\ud800",
    "pbkdf2_sha256$",
    "pbkdf2_sha256$1000",
    "pbkdf2_sha256$1000$salt",
    f"pbkdf2_sha256$1000$seasalt${DIGEST}$more",
    "pbkdf2_sha256$1000$seasalt$",
    f"pbkdf2_sha256$1000$seasalt${DIGEST[:20]}",
    f"pbkdf2_sha256$1000$seasalt${DIGEST[:-1]}",
    f"pbkdf2_sha256$1000$seasalt$!{DIGEST}",
    f"pbkdf2_sha256$$seasalt${DIGEST}",
    f"pbkdf2_sha256$x$seasalt${DIGEST}",
    f"pbkdf2_sha256$1e3$seasalt${DIGEST}",
    f"pbkdf2_sha256$1000.0$seasalt${DIGEST}",
    f"pbkdf2_sha256$1000$\ud800${DIGEST}",
    f"pbkdf2_sha256$1000$seasalt$é{DIGEST}",
    "$pbkdf2-sha256$",
    "$pbkdf2-sha256$1000",
    "$pbkdf2-sha256$1000$salt",
    "$pbkdf2-sha256$1000$.$.",
    "$pbkdf2-sha256$1000$é$é",
    "$pbkdf2-sha256$1000$$",
]


@pytest.mark.parametrize("stored", BROKEN, ids=lambda stored: ascii(stored)[:30])
def test_a_broken_hash_counts_as_wrong(stored: str) -> None:
    """S38, 3.2-03: never an error, and never a match, whatever is typed."""
    assert is_foreign(stored)
    for typed in (PASSWORD, "", stored):
        assert verify_foreign(typed, stored) is False


@pytest.mark.parametrize("iterations", ["0", "-1", "5000001", "1000000000000", "4294967296", "9" * 400, "9" * 5000])
def test_an_absurd_number_of_iterations_counts_as_wrong(iterations: str) -> None:
    """3.2-05: it would stop a worker; none at all would be no hash."""
    assert verify_foreign(PASSWORD, f"pbkdf2_sha256${iterations}$seasalt${DIGEST}") is False
    assert verify_foreign(PASSWORD, f"$pbkdf2-sha256${iterations}$c2FsdA${DIGEST.rstrip('=')}") is False


def test_an_absurd_cost_of_bcrypt_counts_as_wrong_at_once() -> None:
    """3.2-05: cost 31 is two thousand million rounds, days of work for a thread. Another process tries, so that this
    one survives it."""
    stored = f"$2b$31${SALT_AND_DIGEST}"
    code = f"from app.auth.passwords.foreign import verify_foreign; print(verify_foreign('x', {stored!r}))"
    backend = Path(app.__file__).parent.parent
    try:
        answer = subprocess.run([sys.executable, "-c", code], cwd=backend, capture_output=True, check=True, timeout=15)
    except subprocess.TimeoutExpired:
        pytest.fail("a stored hash can keep a hashing thread busy for days")
    assert answer.stdout.split() == [b"False"]


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
        "$2x$04$" + "a" * 53,
        "$2$04$" + "a" * 53,
        "$2B$04$" + "a" * 53,
        " $2b$04$" + "a" * 53,
        "pbkdf2_sha1$1000$salt$AAAA",
        "pbkdf2_sha512$1000$salt$AAAA",
        "PBKDF2_SHA256$1000$salt$AAAA",
        "$pbkdf2$1000$salt$AAAA",
        "bcrypt_sha256$$2b$12$" + "a" * 53,
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    ],
)
def test_other_kinds_are_not_taken(stored: str) -> None:
    """PW-09: weak and unknown ones, the broken `$2x$` of 2011 among them, sign nobody in."""
    assert not is_foreign(stored)
    assert not PasswordHasher(memory_kib=8, iterations=1).verify(PASSWORD, stored)


@settings(deadline=None, max_examples=200)
@given(
    prefix=st.sampled_from(
        ["$2a$", "$2b$04$", "$2y$04$", "pbkdf2_sha256$", "pbkdf2_sha256$1$", "$pbkdf2-sha256$", "$pbkdf2-sha256$1$"]
    ),
    rest=st.text(max_size=70) | st.text("$./0123456789ABCabc=+", max_size=70),
)
def test_any_rest_of_a_hash_is_read_or_counts_as_wrong(prefix: str, rest: str) -> None:
    """S38"""
    assert verify_foreign(PASSWORD, prefix + rest) is False

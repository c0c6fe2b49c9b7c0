import base64
import hashlib
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.identifiers import new_id
from app.auth.keys import derive_key
from app.auth.tokens import (
    REFRESH_TOKEN_PREFIX,
    RefreshToken,
    TokenForged,
    decode_refresh_token,
    first_refresh_token,
    make_setup_code,
    setup_code_is_valid,
)
from tests.auth.forge import SERVER_SECRET, signed

KEY = derive_key(SERVER_SECRET, "refresh-token")
OTHER_KEY = derive_key(SERVER_SECRET, "another purpose")
BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def is_genuine(text: str, key: bytes = KEY) -> bool:
    """Whether a text is taken. Anything but a clean acceptance or refusal fails the test."""
    try:
        decode_refresh_token(text, key)
    except TokenForged:
        return False
    return True


# Refresh tokens.


def test_what_was_encoded_is_what_is_decoded() -> None:
    token = first_refresh_token(new_id())
    assert decode_refresh_token(token.encode(KEY), KEY) == token


def test_a_refresh_token_is_119_characters_that_are_safe_anywhere() -> None:
    """SE-02: it names its kind; the rest is 84 bytes without padding."""
    text = first_refresh_token(new_id()).encode(KEY)
    assert REFRESH_TOKEN_PREFIX == "ost_rt_"
    assert text.startswith("ost_rt_")
    assert len(text) == 119
    assert set(text.removeprefix("ost_rt_")) <= set(BASE64URL)


def test_a_new_session_has_a_fresh_secret_of_256_bits() -> None:
    """SE-02: even for one session id, and the first count is nought."""
    session_id = new_id()
    tokens = [first_refresh_token(session_id) for _ in range(100)]
    assert {token.counter for token in tokens} == {0}
    assert {token.session_id for token in tokens} == {session_id}
    assert {len(token.secret) for token in tokens} == {32}
    assert len({token.secret for token in tokens}) == 100


def test_the_database_keeps_a_digest_that_makes_no_token() -> None:
    """S53: SHA-256 of the secret; a copy of the row and the key together do not give the secret back."""
    token = first_refresh_token(new_id())
    assert token.secret_digest == hashlib.sha256(token.secret).digest()
    from_a_copy = RefreshToken(session_id=token.session_id, counter=0, secret=token.secret_digest)
    assert decode_refresh_token(from_a_copy.encode(KEY), KEY).secret_digest != token.secret_digest


def test_the_next_token_differs_by_its_count_alone() -> None:
    """S53: the counter decides which token of a session is the newest."""
    first = first_refresh_token(new_id())
    second = first.at(1)
    assert (second.session_id, second.secret, second.counter) == (first.session_id, first.secret, 1)
    assert first.counter == 0
    assert second.encode(KEY) != first.encode(KEY)


@pytest.mark.parametrize("counter", [0, 1, 255, 256, 2**31 - 2])
def test_every_count_survives_the_journey(counter: int) -> None:
    token = first_refresh_token(new_id()).at(counter)
    assert decode_refresh_token(token.encode(KEY), KEY).counter == counter


@pytest.mark.parametrize("counter", [2**31 - 1, 2**31, 2**32 - 1])
def test_a_count_beyond_the_row_s_is_refused(counter: int) -> None:
    """V1.4.2: the column holds 31 bits; only a thief of the server secret could make one."""
    with pytest.raises(TokenForged):
        decode_refresh_token(first_refresh_token(new_id()).at(counter).encode(KEY), KEY)


def test_a_holder_cannot_count_for_himself() -> None:
    """S53: the MAC covers session, counter and secret; exchanging one of them between two tokens shows."""
    one, other = first_refresh_token(new_id()), first_refresh_token(new_id()).at(7)
    pieces = [base64.urlsafe_b64decode(token.encode(KEY).removeprefix("ost_rt_")) for token in (one, other)]
    for begin, end in ((0, 16), (16, 20), (20, 52), (52, 84)):
        mixed = pieces[0][:begin] + pieces[1][begin:end] + pieces[0][end:]
        assert not is_genuine("ost_rt_" + base64.urlsafe_b64encode(mixed).decode())


def test_every_character_of_a_refresh_token_counts() -> None:
    """S53: any other letter at any place makes a token that this server never gave."""
    text = first_refresh_token(new_id()).encode(KEY)
    for place, letter in enumerate(text):
        for other in {BASE64URL[(BASE64URL.find(letter) + step) % 64] for step in (1, 32)} - {letter}:
            assert not is_genuine(text[:place] + other + text[place + 1 :]), place


def test_every_bit_of_a_refresh_token_counts() -> None:
    """S53"""
    raw = base64.urlsafe_b64decode(first_refresh_token(new_id()).encode(KEY).removeprefix("ost_rt_"))
    for bit in range(len(raw) * 8):
        turned = bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(raw))
        assert not is_genuine("ost_rt_" + base64.urlsafe_b64encode(turned).decode()), bit


def test_a_refresh_token_has_one_spelling() -> None:
    """JW-08: `+` and `/` are foreign to it, although they stand for the same bits as `-` and `_`."""
    session_id = new_id()
    texts = [first_refresh_token(session_id).encode(KEY) for _ in range(200)]
    text = next(text for text in texts if "-" in text and "_" in text[7:])
    body = text.removeprefix("ost_rt_")
    assert not is_genuine("ost_rt_" + body.replace("-", "+"))
    assert not is_genuine("ost_rt_" + body.replace("_", "/"))


@pytest.mark.parametrize("key", [OTHER_KEY, b"", b"\x00" * 32, KEY[:31], SERVER_SECRET.encode()])
def test_a_token_of_another_server_is_forged(key: bytes) -> None:
    """S46: and one of ours is forged there."""
    token = first_refresh_token(new_id())
    assert not is_genuine(token.encode(key))
    assert not is_genuine(token.encode(KEY), key)


@pytest.mark.parametrize(
    "prefix", ["", "ost_at_", "OST_RT_", "ost_rt-", "ost_rt", "0st_rt_", " ost_rt_", "ost_rt_ost_rt_"]
)
def test_a_token_of_another_kind_is_forged(prefix: str) -> None:
    """S52: the prefix names the kind, in one spelling."""
    assert not is_genuine(prefix + first_refresh_token(new_id()).encode(KEY).removeprefix("ost_rt_"))


def test_an_access_token_is_no_refresh_token() -> None:
    """S52, JW-13: the cross-use matrix is diagonal; the other half stands with the access tokens."""
    assert not is_genuine(signed())
    assert not is_genuine("ost_rt_" + signed()[:112])


@pytest.mark.parametrize("extra", [" ", "\n", "\t", "\r\n", "\x00", "=", "==", "A", "AAAA", "\u200b", "é", "."])
def test_nothing_may_stand_before_after_or_within(extra: str) -> None:
    text = first_refresh_token(new_id()).encode(KEY)
    for changed in (extra + text, text + extra, text[:60] + extra + text[60:], text[: -len(extra)] + extra):
        assert not is_genuine(changed) or changed == text


@pytest.mark.parametrize("length", [0, 1, 7, 118, 120, 4096, 1_000_000])
def test_a_token_of_another_length_is_forged(length: int) -> None:
    """JW-07: refused before decoding."""
    assert not is_genuine(("ost_rt_" + "A" * length)[:length])


@pytest.mark.parametrize("letter", ["é", "\u0410", "\uff21", "\ud800", "\U0001f511"])
def test_letters_beyond_ascii_are_refused(letter: str) -> None:
    """3.1-32: at the right length, so that they reach the decoder's door."""
    text = first_refresh_token(new_id()).encode(KEY)
    assert not is_genuine(text[:-1] + letter)
    assert not is_genuine(letter + text[1:])


@settings(deadline=None, max_examples=300)
@given(
    text=st.text()
    | st.text(BASE64URL + "+/=", min_size=112, max_size=112).map("ost_rt_".__add__)
    | st.text(min_size=112, max_size=112).map("ost_rt_".__add__)
    | st.binary(min_size=84, max_size=84).map(lambda raw: "ost_rt_" + base64.urlsafe_b64encode(raw).decode())
)
def test_any_text_is_forged_and_nothing_worse(text: str) -> None:
    """3.1-32, 3.2-03"""
    assert not is_genuine(text)


# The code with which the first administrator is set up.


def is_valid(code: str, *, now: datetime = NOW, key: bytes = KEY) -> bool:
    return setup_code_is_valid(code, key, now=now)


def setup_code() -> str:
    return make_setup_code(KEY, now=NOW, ttl=DAY)


def test_a_setup_code_is_easy_to_type_and_hard_to_guess() -> None:
    """S44, SE-02: 32 lower-case letters and digits; 128 of its bits cannot be known without the server secret."""
    assert len(setup_code()) == 32
    assert set(setup_code()) <= set(string.ascii_lowercase + "234567")
    assert is_valid(setup_code())


def test_a_setup_code_ends_at_the_very_second_it_was_made_for() -> None:
    """S44"""
    assert is_valid(setup_code(), now=NOW - DAY)
    assert is_valid(setup_code(), now=NOW + DAY - timedelta(microseconds=1))
    assert not is_valid(setup_code(), now=NOW + DAY)
    assert not is_valid(setup_code(), now=NOW + 400 * DAY)


def test_the_end_of_a_setup_code_cannot_be_moved() -> None:
    """S44: a later code's end with an earlier code's proof is no code."""
    later = make_setup_code(KEY, now=NOW + 30 * DAY, ttl=DAY)
    earlier_raw, later_raw = (base64.b32decode(code.upper()) for code in (setup_code(), later))
    mixed = base64.b32encode(later_raw[:4] + earlier_raw[4:]).decode()
    assert is_valid(later, now=NOW + 2 * DAY)
    assert not is_valid(mixed, now=NOW + 2 * DAY)


def test_every_character_of_a_setup_code_counts() -> None:
    """S44"""
    alphabet = string.ascii_lowercase + "234567"
    for place, letter in enumerate(setup_code()):
        for other in set(alphabet) - {letter}:
            assert not is_valid(setup_code()[:place] + other + setup_code()[place + 1 :]), (place, other)


@pytest.mark.parametrize("key", [OTHER_KEY, b"", derive_key("another server's secret", "refresh-token")])
def test_a_setup_code_of_another_server_is_none(key: bytes) -> None:
    """S44, S46"""
    assert not is_valid(make_setup_code(key, now=NOW, ttl=DAY))


def test_a_setup_code_may_be_typed_as_it_is_read() -> None:
    """Line breaks of a terminal, capitals and groups are what happens on the way from one screen to another."""
    code = setup_code()
    groups = [code[place : place + 4] for place in range(0, 32, 4)]
    for typed in (code.upper(), " ".join(groups), "-".join(groups), f"  {code[:16]}\n{code[16:]}\r\n", code.title()):
        assert is_valid(typed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        "=" * 32,
        "a" * 32,
        "0" * 32,
        "1" * 8,
        "aaaaaaa=",
        "mzxw6===",
        "é" * 32,
        "\ud800" * 32,
        "\x00" * 32,
        "a" * 1_000_000,
        "\u0130" * 32,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_what_is_no_setup_code_is_no_error_either(text: str) -> None:
    """3.2-03: too short to hold an end, too long, or of other letters."""
    assert not is_valid(text)


@pytest.mark.parametrize("extra", ["a", "=", "========", "aaaaaaaa", "0", "é"])
def test_a_setup_code_with_more_or_less_is_none(extra: str) -> None:
    assert not is_valid(setup_code() + extra)
    assert not is_valid(extra + setup_code())
    assert not is_valid(setup_code()[: -len(extra)])


def test_a_refresh_token_is_no_setup_code() -> None:
    """S52: one key, two kinds; a MAC made for one is not the other's."""
    token = first_refresh_token(new_id()).encode(KEY)
    raw = base64.urlsafe_b64decode(token.removeprefix("ost_rt_"))
    assert not is_valid(token)
    assert not is_valid(base64.b32encode(b"\xff\xff\xff\xff" + raw[52:68]).decode())


@settings(deadline=None, max_examples=300)
@given(text=st.text() | st.text(string.ascii_letters + string.digits + "=- \n", max_size=48))
def test_any_text_is_no_setup_code(text: str) -> None:
    """3.2-03"""
    assert not is_valid(text)

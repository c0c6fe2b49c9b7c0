"""A ceremony goes to the client sealed, and comes back as it was or not at all."""

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.identifiers import new_id
from app.auth.keys import derive_key
from app.auth.passkeys.ceremonies import (
    CEREMONY_LIFETIME,
    MAXIMUM_LENGTH,
    Ceremony,
    CeremonyInvalid,
    CeremonyKind,
    new_ceremony,
    open_ceremony,
    seal_ceremony,
)
from app.auth.sealing import seal

NOW = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
KEY = derive_key("a server secret of this test", "passkey-ceremony")
FORMER = derive_key("the secret before it", "passkey-ceremony")


def begun(kind: CeremonyKind = CeremonyKind.SIGN_IN, **bound: UUID) -> Ceremony:
    return new_ceremony(kind, now=NOW, **bound)


def is_open(
    text: str, *, kind: CeremonyKind = CeremonyKind.SIGN_IN, now: datetime = NOW, keys: tuple[bytes, ...] = (KEY,)
) -> bool:
    """Whether a ceremony opens. Anything but a clean opening or refusal fails the test."""
    try:
        open_ceremony(text, keys, kind=kind, now=now)
    except CeremonyInvalid:
        return False
    return True


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize("kind", CeremonyKind)
def test_a_ceremony_comes_back_as_it_went(kind: CeremonyKind) -> None:
    """WA-01: bound to session, user and kind."""
    for ceremony in (begun(kind), begun(kind, bound_to=new_id()), begun(kind, bound_to=new_id(), user_id=new_id())):
        assert open_ceremony(seal_ceremony(ceremony, KEY), [KEY], kind=kind, now=NOW) == ceremony


def test_each_challenge_is_32_random_bytes() -> None:
    """WA-01."""
    challenges = {begun().challenge for _ in range(1000)}
    assert (len(challenges), {len(each) for each in challenges}) == (1000, {32})


@pytest.mark.parametrize(
    ("begun_as", "opened_as"), [pair for pair in product(CeremonyKind, repeat=2) if len(set(pair)) == 2]
)
def test_a_ceremony_of_another_kind_is_none(begun_as: CeremonyKind, opened_as: CeremonyKind) -> None:
    """WA-01: a challenge that was made for one thing serves no other."""
    text = seal_ceremony(begun(begun_as), KEY)
    assert is_open(text, kind=begun_as)
    assert not is_open(text, kind=opened_as)


def test_a_ceremony_ends_after_five_minutes() -> None:
    """WA-01: to the second."""
    ceremony = begun()
    text = seal_ceremony(ceremony, KEY)
    assert timedelta(minutes=5) == CEREMONY_LIFETIME
    assert is_open(text, now=ceremony.expires_at - timedelta(microseconds=1))
    assert not is_open(text, now=ceremony.expires_at)
    assert not is_open(text, now=NOW + timedelta(days=400))
    assert NOW < ceremony.expires_at <= NOW + CEREMONY_LIFETIME


def test_a_changed_byte_anywhere_makes_it_nobody_s() -> None:
    """WA-01: nobody writes a ceremony but this server."""
    sealed = raw(seal_ceremony(begun(bound_to=new_id(), user_id=new_id()), KEY))
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert not is_open(base64url(bytes(changed))), at
    for length in range(len(sealed)):
        assert not is_open(base64url(sealed[:length])), length


def test_a_ceremony_opens_with_a_former_key_and_with_no_other() -> None:
    """S46: a change of the server secret ends no ceremony that has begun."""
    text = seal_ceremony(begun(), FORMER)
    assert is_open(text, keys=(KEY, FORMER))
    assert not is_open(text, keys=(KEY,))
    assert not is_open(text, keys=())


@pytest.mark.parametrize("text", ["", "=", "x", "é", "\ud800", "\x00", "A" * MAXIMUM_LENGTH, "A" * 10_000_000])
def test_a_text_that_is_no_ceremony_is_none(text: str) -> None:
    """WA-18."""
    assert not is_open(text)


def test_a_text_that_is_too_long_is_not_decoded() -> None:
    """WA-18."""
    with pytest.raises(CeremonyInvalid, match="too long"):
        open_ceremony("A" * (MAXIMUM_LENGTH + 1), [KEY], kind=CeremonyKind.SIGN_IN, now=NOW)


def test_the_longest_ceremony_is_shorter_than_what_is_read() -> None:
    text = seal_ceremony(begun(CeremonyKind.SECOND_FACTOR, bound_to=new_id(), user_id=new_id()), KEY)
    assert len(text) < MAXIMUM_LENGTH - 100
    assert not is_open(text + "\n")
    assert not is_open(text + "=")


def test_a_sealed_ceremony_is_one_text() -> None:
    """WA-01: the same ceremony in another spelling would be another text."""
    text = seal_ceremony(begun(), KEY)
    others = {text[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"} - {
        text
    }
    assert {other for other in others if is_open(other)} == set()


def test_nothing_shows_of_what_is_sealed() -> None:
    """S74: nor in what a traceback prints."""
    ceremony = begun(bound_to=new_id(), user_id=new_id())
    sealed = raw(seal_ceremony(ceremony, KEY))
    shown = base64url(ceremony.challenge)
    for secret in (ceremony.challenge, shown.encode(), str(ceremony.user_id).encode(), ceremony.digest):
        assert secret not in sealed
    assert shown not in repr(ceremony)
    assert repr(ceremony.challenge) not in repr(ceremony)


def test_a_digest_names_one_challenge_and_does_not_tell_it() -> None:
    """WA-01: what the row of a spent ceremony holds."""
    ceremony = begun()
    again = open_ceremony(seal_ceremony(ceremony, KEY), [KEY], kind=ceremony.kind, now=NOW)
    assert (again.digest, len(again.digest)) == (ceremony.digest, 32)
    assert len({begun().digest for _ in range(100)}) == 100
    assert ceremony.challenge not in ceremony.digest


@settings(deadline=None, max_examples=200)
@given(content=st.recursive(st.none() | st.text(max_size=9) | st.integers() | st.floats(), st.lists, max_leaves=6))
def test_what_an_older_release_sealed_is_read_or_refused(content: object) -> None:
    """WA-18: whatever stands in an unbroken seal."""
    text = base64url(seal(json.dumps(content).encode(), key=KEY, place="a ceremony with a passkey: sign_in"))
    assert not is_open(text)


@pytest.mark.parametrize(
    "values",
    [
        ["AAAA", None, None, 2**80],
        ["AAAA", None, None, "soon"],
        ["AAAA", "no id", None, 1],
        ["AAAA", 7, None, 1],
        [7, None, None, 1],
        ["A", None, None, 1],
        ["AAAA", None, None],
        ["AAAA", None, None, 1, 1],
    ],
    ids=range(8),
)
def test_a_seal_that_holds_no_ceremony_is_none(values: list[object]) -> None:
    """WA-18."""
    text = base64url(seal(json.dumps(values).encode(), key=KEY, place="a ceremony with a passkey: sign_in"))
    assert not is_open(text, now=datetime(1970, 1, 1, tzinfo=UTC))

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.passkeys.cbor import DEEPEST, CborInvalid, read_item, read_whole

NUMBERS = st.integers(-(2**64), 2**64 - 1)
PLAIN = st.none() | st.booleans() | NUMBERS | st.binary(max_size=300) | st.text(max_size=60)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NUMBERS | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def depth(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    return 1 + max((depth(each) for each in (value.values() if isinstance(value, dict) else value)), default=0)


def is_read(data: bytes) -> bool:
    """Whether bytes are read. Anything but a clean result fails the test."""
    try:
        read_whole(data)
    except CborInvalid:
        return False
    return True


@settings(deadline=None, max_examples=300)
@given(value=VALUES.filter(lambda value: depth(value) <= DEEPEST), behind=st.binary(max_size=4))
def test_what_another_writer_wrote_is_read_as_it_was(value: object, behind: bytes) -> None:
    """The writer is cbor2, whose form is the shortest."""
    written = cbor2.dumps(value)
    read, end = read_item(b"\x00" + written + behind, 1)
    assert (repr(read), end) == (repr(value), 1 + len(written))
    assert not is_read(written + b"\x00")
    assert not is_read(written[:-1])


@settings(deadline=None, max_examples=500)
@given(data=st.binary(max_size=40))
def test_what_is_read_has_no_other_spelling(data: bytes) -> None:
    """WA-18: any bytes are refused, or are what another writer would write of what was read."""
    if is_read(data):
        assert cbor2.dumps(read_whole(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\x18\x17", b"\x19\x00\xff", b"\x1a\x00\x00\xff\xff", b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", b"\x1c"),
        *(b"\x1f", b"\x5f\x41a\xff", b"\x7f\x61a\xff", b"\x9f\xff", b"\xbf\xff", b"\xff", b"\x58\x01a", b"\x78\x01a"),
        *(b"\x62\xff\xfe", b"\x63\xed\xa0\x80", b"\x41", b"\x61", b"\x81", b"\xa1\x01", b"\xa1\x01\x01\x01"),
        *(b"\xa2\x01\x01\x01\x02", b"\xa1\x40\x01", b"\xa1\xf5\x01", b"\xa1\x80\x01", b"\xa1\xa0\x01", b"\xa1\xf6\x01"),
        *(b"\xc0\x61a", b"\xc2\x41\x01", b"\xd8\x23\x61(", b"\xd8\x1c\x81\xd8\x1d\x00", b"\xf9\x3c\x00", b"\xf8\x14"),
        *(b"\xfa\x00\x00\x00\x00", b"\xfb" + bytes(8), b"\xf7", b"\xe0", b"\xf8\xff"),
    ],
)
def test_what_authenticators_never_write_is_refused(data: bytes) -> None:
    """WA-18: long, cut and open lengths, keys twice, tags, floats, broken text."""
    assert not is_read(data)


@pytest.mark.parametrize("kind", [0x40, 0x60, 0x80, 0xA0])
@pytest.mark.parametrize("claimed", [b"\x19\xff\xff", b"\x1a\xff\xff\xff\xff", b"\x1b" + b"\xff" * 8])
def test_a_length_that_is_only_claimed_costs_nothing(kind: int, claimed: bytes) -> None:
    """WA-18: or this test would not end, or end the process."""
    assert not is_read(bytes([kind | claimed[0]]) + claimed[1:])
    assert not is_read(bytes([kind | claimed[0]]) + claimed[1:] + b"\x00" * 100)


@pytest.mark.parametrize("level", [b"\x81", b"\xa1\x00"])
def test_levels_have_an_end(level: bytes) -> None:
    """WA-18."""
    assert is_read(level * DEEPEST + b"\x00")
    assert not is_read(level * (DEEPEST + 1) + b"\x00")
    assert not is_read(level * 16_000)

"""Reads the CBOR that authenticators write (the CTAP2 canonical form of RFC 8949), and nothing beyond it.

No tags, floats, open ends or second spellings of a length: what is read once says the same to every other reader.
"""

from typing import Any

DEEPEST = 8
"""Arrays and maps within one another. An attestation of several statements has five."""
_LEAST = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}
"""What needs so many bytes: a smaller number has a shorter spelling."""
_NUMBER, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 1, 2, 3, 4, 5, 7
_SIMPLE_VALUES: dict[int, bool | None] = {20: False, 21: True, 22: None}


class CborInvalid(ValueError):
    """The bytes are no CBOR of this kind."""


def read_whole(data: bytes) -> Any:
    """Return the one item that the bytes are. Raises `CborInvalid`, also for a byte too many."""
    value, end = read_item(data, 0)
    if end != len(data):
        raise CborInvalid("bytes behind the item")
    return value


def read_item(data: bytes, start: int) -> tuple[Any, int]:
    """Return the item that begins at an offset, and the offset behind it. Raises `CborInvalid`.

    Items are int, bytes, str, bool, None, list and dict; keys are int and str. The work grows with the bytes that are
    there, never with a length that they claim.
    """
    return _item(data, start, DEEPEST)


def _item(data: bytes, start: int, levels: int) -> tuple[Any, int]:
    kind, argument, at = _head(data, start)
    if kind == _NUMBER:
        return argument, at
    if kind == _NEGATIVE:
        return -1 - argument, at
    if kind in (_BYTES, _TEXT):
        return _string(data, at, argument, is_text=kind == _TEXT)
    if kind in (_ARRAY, _MAP) and levels > 0:
        return _array(data, at, argument, levels) if kind == _ARRAY else _map(data, at, argument, levels)
    if kind == _SIMPLE and argument in _SIMPLE_VALUES:
        return _SIMPLE_VALUES[argument], at
    raise CborInvalid("an item that no authenticator writes")


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    """Return the kind of an item, its number or length, and where its content begins."""
    if start >= len(data):
        raise CborInvalid("an item is missing")
    kind, argument, at = data[start] >> 5, data[start] & 0x1F, start + 1
    if argument < min(_LEAST.values()):
        return kind, argument, at
    size = 1 << (argument - 24)
    argument, end = int.from_bytes(data[at : at + size], "big"), at + size
    if size not in _LEAST or end > len(data) or argument < _LEAST[size]:
        raise CborInvalid("a number that is cut short, open or too long")
    return kind, argument, end


def _string(data: bytes, at: int, length: int, *, is_text: bool) -> tuple[bytes | str, int]:
    end = at + length
    if end > len(data):
        raise CborInvalid("a string that is cut short")
    if not is_text:
        return data[at:end], end
    try:
        return data[at:end].decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise CborInvalid("a text that is not UTF-8") from error


def _array(data: bytes, at: int, length: int, levels: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(length):
        item, at = _item(data, at, levels - 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, length: int, levels: int) -> tuple[dict[int | str, Any], int]:
    members: dict[int | str, Any] = {}
    for _ in range(length):
        key, at = _item(data, at, levels - 1)
        # A boolean is an int to Python, and `True` the same key as 1.
        if type(key) not in (int, str) or key in members:
            raise CborInvalid("a key that comes twice, or is none")
        members[key], at = _item(data, at, levels - 1)
    return members, at

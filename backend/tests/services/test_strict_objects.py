"""Which bodies of other people's servers are one JSON object, for whoever reads them."""

import json

import pytest

from app.services.federation.strict_objects import DEEPEST, read_object


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"a"',
        b"[{}]",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
        b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1),
    ],
    ids=lambda body: repr(body[:20]) + str(len(body)),
)
def test_what_two_parsers_could_read_in_two_ways_is_no_object(body: bytes) -> None:
    """ID-09"""
    assert read_object(body) is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": [1, 2.5, True, None, "ü", "\U0001f511"], "b": {"a": {}}},
        {"a": json.loads("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))},
    ],
    ids=["empty", "every type", "as deep as it may be"],
)
def test_an_object_is_read_as_it_is(document: dict[str, object]) -> None:
    assert read_object(json.dumps(document).encode()) == document

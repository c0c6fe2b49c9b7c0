import json
from typing import Any

import pytest
from fastapi import FastAPI

from tests.middleware import product
from tests.middleware.asgi import HOST, Answer, ask

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.settings(EXTENSIONS=[product.NAME])]

TARGET = "/api/v1/product/wishes"
JSON = "application/json"


async def send(app: FastAPI, *body: bytes, content_type: str | None = JSON) -> Answer:
    headers = [HOST, *([("Content-Type", content_type)] if content_type is not None else [])]
    return await ask(app, TARGET, method="POST", headers=headers, body=body)


def problem_of(answer: Answer) -> dict[str, Any]:
    """Return the problem document, which every refusal of a body must be."""
    assert answer.header("Content-Type") == "application/problem+json", answer.body
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem["status"] == answer.status
    return problem


async def test_ordinary_json_passes(app: FastAPI) -> None:
    answer = await send(app, b' {"text": "caf\xc3\xa9 \\ud83d\\ude00", "number": -1.5e3}\n')
    assert answer.status == 200
    assert json.loads(answer.body) == {"text": "café 😀", "number": -1500.0}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"text": "a", "text": "b"}', id="a key twice"),
        pytest.param(b'{"text": "a", "te\\u0078t": "b"}', id="a key twice in two spellings"),
        pytest.param(b'{"text": "a", "more": {"a": 1, "a": 2}}', id="a key twice further down"),
        pytest.param(b'[{"a": 1, "a": 2}]', id="a key twice in a list"),
        pytest.param(b'{"number": NaN}', id="not a number"),
        pytest.param(b'{"number": Infinity}', id="infinity"),
        pytest.param(b'{"number": -Infinity}', id="negative infinity"),
        pytest.param(b'{"text": "\xff\xfe"}', id="no UTF-8"),
        pytest.param(b'{"text": "\xc0\xaf"}', id="an overlong spelling"),
        pytest.param(b'{"text": "\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param('{"text": "a"}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"text": "a"}'.encode("utf-8-sig"), id="a byte order mark"),
        pytest.param(b"[" * 30_000 + b"]" * 30_000, id="endless depth"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="endless depth of objects"),
        pytest.param(b'{"number": ' + b"9" * 10_000 + b"}", id="a number of ten thousand digits"),
        pytest.param(b'{"text": "a"} {}', id="two documents"),
        pytest.param(b'{"text": "a"', id="cut off"),
        pytest.param(b'{"text": "a",}', id="a comma too many"),
        pytest.param(b"{'text': 'a'}", id="single quotes"),
        pytest.param(b'{"text": "a"} // comment', id="a comment"),
        pytest.param(b'{"text": "line\nbreak"}', id="a raw control character"),
        pytest.param(b'{"text": "\\x41"}', id="an unknown escape"),
        pytest.param(b'{"number": 01}', id="a leading zero"),
        pytest.param(b"\x00", id="a null byte"),
        pytest.param(b" ", id="nothing but white space"),
    ],
)
async def test_json_that_can_be_read_in_two_ways_is_refused(app: FastAPI, body: bytes) -> None:
    """3.9-03, JW-20: what another parser would read differently, or not at all, is not read here either."""
    answer = await send(app, body)
    assert answer.status == 400
    assert problem_of(answer)["code"] == "MALFORMED_BODY"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"number": 1e999}', id="a number beyond all numbers"),
        pytest.param(b'{"text": "\\ud800"}', id="half a character"),
        pytest.param(b'{"text": "\\udc00\\ud800"}', id="two halves in the wrong order"),
        pytest.param(b'{"\\ud800": "a"}', id="half a character in a name"),
    ],
)
async def test_json_that_no_other_parser_can_repeat_is_refused(app: FastAPI, body: bytes) -> None:
    """3.2-03, V16.5.3: infinity by the back door, and text that cannot be written down again (RFC 8259, 6 and 8.2)."""
    answer = await send(app, body)
    assert answer.status in {400, 422}, answer.body
    assert problem_of(answer)["code"] in {"MALFORMED_BODY", "VALIDATION_FAILED"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"number": ' + b"9" * 4_000 + b"}", id="a number of four thousand digits"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"unknown": 1}', id="a field of another name"),
        pytest.param(b'{"__proto__": {"a": 1}}', id="a prototype"),
    ],
)
async def test_json_that_does_not_fit_is_refused_by_its_schema(app: FastAPI, body: bytes) -> None:
    """V1.4.2, V16.5.3, 3.9-03: readable, and still no answer of 500."""
    answer = await send(app, body)
    assert answer.status == 422
    assert problem_of(answer)["code"] == "VALIDATION_FAILED"


async def test_a_body_is_judged_as_a_whole_however_it_is_cut(app: FastAPI) -> None:
    """3.9-03: pieces of a body, even pieces of a character."""
    whole = '{"text": "caf\u00e9"}'.encode()
    for cut in range(1, len(whole)):
        answer = await send(app, whole[:cut], b"", whole[cut:])
        assert answer.status == 200
        assert json.loads(answer.body)["text"] == "café"
    assert (await send(app, b'{"text": "a",', b' "text": "b"}')).status == 400


@pytest.mark.parametrize(
    "content_type", [JSON, "application/json; charset=utf-8", "APPLICATION/JSON ; a=b", "application/merge-patch+json"]
)
async def test_every_spelling_of_the_media_type_is_judged(app: FastAPI, content_type: str) -> None:
    """3.2-06: what the framework takes for JSON is checked as JSON."""
    assert (await send(app, b'{"text": "a", "text": "b"}', content_type=content_type)).status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
        "application/jsonp",
    ],
)
async def test_json_under_another_media_type_is_refused(app: FastAPI, content_type: str | None) -> None:
    """3.2-06, V3.5.2: a form of another site could send these without asking first."""
    answer = await send(app, b'{"text": "a"}', content_type=content_type)
    assert answer.status == 415
    assert problem_of(answer)["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "content_type", ["application/json;" + "a=" * 5_000, "application/json; charset=\xff", "a/" + ";" * 9_000]
)
async def test_a_hostile_media_type_is_no_accident(app: FastAPI, content_type: str) -> None:
    """3.2-07: strange parameters are neither slow nor a 500."""
    assert (await send(app, b'{"text": "a"}', content_type=content_type)).status in {200, 415}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", '"canary7Zq1Xw"'),
        ("number", '"1canary7Zq1Xw"'),
        ("number", '["canary7Zq1Xw"]'),
        ("text", '["canary7Zq1Xw"]'),
        ("text", '{"canary7Zq1Xw": 1}'),
    ],
)
async def test_a_value_that_does_not_fit_is_not_repeated(app: FastAPI, field: str, value: str) -> None:
    """PD-02, S87: a refusal says where and why, never what was sent."""
    answer = await send(app, f'{{"{field}": {value}}}'.encode())
    assert [error["pointer"] for error in problem_of(answer)["errors"]] == [f"/{field}"]
    assert b"canary" not in answer.body


async def test_a_refused_body_is_not_repeated(app: FastAPI) -> None:
    """PD-02, S87: neither the value nor the place where the parser stumbled."""
    answer = await send(app, b'{"text": "canary7Zq1Xw", "text": "canary7Zq1Xw"}')
    assert answer.status == 400
    assert b"canary" not in answer.body
    assert b"column" not in answer.body


@pytest.mark.settings(EXTENSIONS=[product.NAME], MAX_BODY_BYTES=2048)
async def test_a_body_beyond_the_limit_is_refused_announced_or_not(app: FastAPI) -> None:
    """3.9-03, S86, V15.2.2: by its length if it says one, by counting if it does not."""
    large = b'{"text": "' + b"a" * 3_000 + b'"}'
    announced = [HOST, ("Content-Type", JSON), ("Content-Length", str(len(large)))]
    for headers, body in ((announced, [large]), ([HOST, ("Content-Type", JSON)], [large[:1500], large[1500:]])):
        answer = await ask(app, TARGET, method="POST", headers=headers, body=body)
        assert answer.status == 413
        assert problem_of(answer)["code"] == "BODY_TOO_LARGE"

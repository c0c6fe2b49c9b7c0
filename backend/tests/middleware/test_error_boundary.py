import json
import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.middleware import product
from tests.middleware.asgi import HOST, Answer, ask

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.settings(EXTENSIONS=[product.NAME])]

ORIGIN = "http://localhost:3000"
REQUEST_ID = "0199b1d2-asked"
INNER = ("canary", "billing", "BillingBackendExploded", "RuntimeError", "Traceback", "SELECT", ".py", "tests.", "/srv")
"""What only the server may know: texts, names, places."""


async def ask_product(app: FastAPI, path: str) -> Answer:
    headers = [HOST, ("Origin", ORIGIN), ("X-Request-ID", REQUEST_ID)]
    return await ask(app, f"/api/v1/product/{path}", headers=headers)


def problem_of(answer: Answer) -> dict[str, Any]:
    """Return the problem document; it and the headers tell nothing of what is inside."""
    assert answer.header("Content-Type") == "application/problem+json", answer.body
    shown = f"{answer.headers} {answer.body.decode()}"
    assert [word for word in INNER if word in shown] == []
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["request_id"] == REQUEST_ID
    return problem


def failures(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event for event in found if event["event"] == "request.failed"]


async def test_an_accident_is_answered_bare(app: FastAPI) -> None:
    """PD-02, S88, V13.4.2, V16.5.1, V16.5.4: nothing but that it happened, and the number to ask about."""
    answer = await ask_product(app, "explosion")
    assert answer.status == 500
    assert problem_of(answer) == {
        "type": "urn:ostiary:problem:internal-error",
        "title": "Something went wrong on our side",
        "status": 500,
        "detail": "Something went wrong on our side",
        "code": "INTERNAL_ERROR",
        "request_id": REQUEST_ID,
    }


async def test_an_accident_can_be_read_by_the_front_end(app: FastAPI) -> None:
    """S84, PD-01: the net stands inside what adds headers."""
    answer = await ask_product(app, "explosion")
    assert answer.header("X-Request-ID") == REQUEST_ID
    assert answer.header("Access-Control-Allow-Origin") == ORIGIN
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Cache-Control") == "no-store"


async def test_an_accident_is_logged_whole(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """V16.3.4, V16.5.4: with its traceback, under the number that the caller was given."""
    await ask_product(app, "explosion")
    [event] = failures(caplog)
    assert event["request_id"] == REQUEST_ID
    assert event["level"] == "error"
    assert "Traceback (most recent call last)" in event["exception"]
    assert "BillingBackendExploded" in event["exception"]


async def test_the_server_serves_on_after_an_accident(app: FastAPI) -> None:
    """V16.5.2, V16.5.4."""
    for _ in range(3):
        assert (await ask_product(app, "explosion")).status == 500
    assert (await ask(app, "/health")).status == 200


async def test_an_accident_in_the_middle_of_an_answer_breaks_it_off(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """V16.5.4: half an answer must not look whole, and no second one begins inside it."""
    with pytest.raises(product.BillingBackendExploded):
        await ask_product(app, "half-an-answer")
    assert len(failures(caplog)) == 1


async def test_a_refusal_of_the_product_looks_like_ours(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """PD-01, S89: one shape, with the product's own code."""
    answer = await ask_product(app, "refusal")
    problem = problem_of(answer)
    assert answer.status == 409
    assert (problem["code"], problem["type"]) == ("PRODUCT_STOCK_EMPTY", "urn:ostiary:problem:product-stock-empty")
    assert problem["title"] == "Nothing of this is left"
    assert failures(caplog) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"),
        (401, "UNAUTHORIZED"),
        (402, "PAYMENT_REQUIRED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (410, "GONE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (423, "LOCKED"),
        (425, "TOO_EARLY"),
        (429, "TOO_MANY_REQUESTS"),
        (451, "UNAVAILABLE_FOR_LEGAL_REASONS"),
        (500, "INTERNAL_SERVER_ERROR"),
        (502, "BAD_GATEWAY"),
        (511, "NETWORK_AUTHENTICATION_REQUIRED"),
    ],
)
async def test_a_bare_status_of_the_product_becomes_a_problem(app: FastAPI, status: int, code: str) -> None:
    """PD-01, S89: one shape, and a code that can be switched on."""
    answer = await ask_product(app, f"status/{status}")
    assert answer.status == status
    assert problem_of(answer)["code"] == code


@pytest.mark.parametrize("status", [418, 430, 444, 460, 499, 509, 520, 599])
async def test_an_unusual_status_is_kept(app: FastAPI, status: int) -> None:
    """PD-01, V16.5.4: an odd number, or one that nobody has named, is no accident."""
    answer = await ask_product(app, f"status/{status}")
    assert answer.status == status
    assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", problem_of(answer)["code"])


@pytest.mark.parametrize("status", [400, 402, 404, 409, 413, 429, 499])
async def test_a_text_for_people_becomes_the_detail(app: FastAPI, status: int) -> None:
    """PD-01, S89: what the product wants to say is said, in our shape."""
    problem = problem_of(await ask_product(app, f"status/{status}/text"))
    assert problem["detail"] == product.TEXT
    assert problem["title"] != product.TEXT


@pytest.mark.parametrize("status", [400, 402, 404, 500])
async def test_anything_but_a_text_stays_inside(app: FastAPI, status: int) -> None:
    """PD-02: an object is not meant for people."""
    answer = await ask_product(app, f"status/{status}/object")
    assert answer.status == status
    assert set(problem_of(answer)) == {"type", "title", "status", "detail", "code", "request_id"}


@pytest.mark.parametrize("status", [402, 409, 418, 429])
async def test_a_refusal_is_not_called_a_fault_of_ours(app: FastAPI, status: int) -> None:
    """PD-01: the title of a problem says what kind it is (RFC 9457, section 3.1.4)."""
    problem = problem_of(await ask_product(app, f"status/{status}"))
    assert problem["title"] != "Something went wrong on our side"


async def test_the_headers_of_a_bare_status_are_kept(app: FastAPI) -> None:
    """PD-03: 429 says when to come back."""
    answer = await ask_product(app, "status/429")
    assert answer.header("Retry-After") == "7"
    assert answer.header("X-Product") == "yes"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_that_has_no_body_gets_none(app: FastAPI, status: int) -> None:
    """A body after these would be read as the beginning of the next answer (RFC 9110, section 6.4.1)."""
    answer = await ask_product(app, f"status/{status}")
    assert answer.status == status
    assert answer.body == b""


async def test_a_page_that_fails_is_answered_bare_too(app: FastAPI) -> None:
    """PD-02, V16.5.1: pages stand under the same net."""
    del app.state.runtime
    answer = await ask(app, "/setup", headers=[HOST, ("X-Request-ID", REQUEST_ID)])
    assert answer.status == 500
    assert problem_of(answer)["code"] == "INTERNAL_ERROR"

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.middleware import product
from tests.middleware.asgi import HOST, Answer, ask

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.settings(EXTENSIONS=[product.NAME])]
LOGGED = pytest.mark.settings(EXTENSIONS=[product.NAME], ACCESS_LOG=True)

GIVEN = "0199b1d2-proxy_07"
OWN = re.compile(r"[0-9a-f]{32}")
JSON = ("Content-Type", "application/json")
REFRESH = "/api/v1/auth/refresh"
LARGE = b'{"refresh_token": "' + b"a" * 70_000 + b'"}'


async def ask_with_id(app: FastAPI, *ids: str, target: str = "/nothing") -> Answer:
    return await ask(app, target, headers=[HOST, *(("X-Request-ID", value) for value in ids)])


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """Return what was logged under a name, as it was handed to the formatter."""
    found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event for event in found if event["event"] == name]


@pytest.mark.parametrize("value", [GIVEN, "a" * 8, "Z" * 64, "0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c"])
async def test_a_well_formed_id_is_kept(app: FastAPI, value: str) -> None:
    """PD-01, S92: the proxy's log and ours can be joined."""
    answer = await ask_with_id(app, value)
    assert answer.header("X-Request-ID") == value
    assert json.loads(answer.body)["request_id"] == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "short",
        "a" * 65,
        "a" * 1_000_000,
        "two words here",
        "line\nbreak-in-it",
        "12345678\n",
        "12345678\r\nSet-Cookie: a=b",
        "caf\u00e9-caf\u00e9",
        "\u0661\u0662\u0663\u0664".encode().decode("latin-1") * 2,
        "<script>alert(1)</script>",
        '"}{"code":"OK"',
        "\x1b[31mred-alert",
        "../../etc/passwd",
        "%0d%0a-escaped",
        "null\x00byte",
    ],
)
async def test_any_other_id_is_replaced(app: FastAPI, value: str) -> None:
    """3.6-14, V16.4.1, PD-02: nothing that a client invents gets into a header, a body or a log line."""
    answer = await ask_with_id(app, value)
    own = answer.header("X-Request-ID") or ""
    assert OWN.fullmatch(own)
    assert json.loads(answer.body)["request_id"] == own
    assert len(value) < 5 or value.encode("latin-1") not in answer.body


async def test_every_request_has_an_id_of_its_own(app: FastAPI) -> None:
    assert len({(await ask(app, "/health")).header("X-Request-ID") for _ in range(20)}) == 20


async def test_every_answer_carries_its_id(app: FastAPI) -> None:
    """PD-01, S89: whatever goes wrong, there is a number to ask about."""
    number = ("X-Request-ID", GIVEN)
    preflight = [("Origin", "http://localhost:3000"), ("Access-Control-Request-Method", "POST")]
    answers = [
        (200, await ask(app, "/health", headers=[HOST, number])),
        (200, await ask(app, "/setup", headers=[HOST, number])),
        (200, await ask(app, "/api/v1/auth/login", method="OPTIONS", headers=[HOST, number, *preflight])),
        (400, await ask(app, REFRESH, method="POST", headers=[HOST, number, JSON], body=[b"{"])),
        (401, await ask(app, "/api/v1/auth/me", headers=[HOST, number])),
        (404, await ask(app, "/nothing", headers=[HOST, number])),
        (405, await ask(app, "/health", method="DELETE", headers=[HOST, number])),
        (413, await ask(app, REFRESH, method="POST", headers=[HOST, number, JSON], body=[LARGE])),
        (500, await ask(app, "/api/v1/product/explosion", headers=[HOST, number])),
    ]
    for status, answer in answers:
        assert answer.status == status, answer.body
        assert answer.header("X-Request-ID") == GIVEN
        assert status < 400 or json.loads(answer.body)["request_id"] == GIVEN


async def test_a_refused_host_has_an_id_too(app: FastAPI) -> None:
    """S85, PD-01."""
    answer = await ask(app, "/setup", headers=[("Host", "evil.example"), ("X-Request-ID", GIVEN)])
    assert answer.status == 400
    assert answer.header("X-Request-ID") == GIVEN


@LOGGED
async def test_each_request_is_one_line_in_the_log(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """S92, V16.2.1: who asked what, what came of it, how long it took, and under which number."""
    await ask_with_id(app, GIVEN, target="/health?token=canary7Zq1Xw")
    [line] = events(caplog, "request")
    assert line["request_id"] == GIVEN
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GET", "/health", 200, "127.0.0.1")
    assert line["milliseconds"] >= 0


@LOGGED
async def test_a_query_is_never_logged(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """V16.2.5: what stands in a query may be a secret that somebody put there."""
    await ask(app, "/api/v1/users/?q=canary7Zq1Xw")
    assert len(events(caplog, "request")) == 1
    assert "canary7Zq1Xw" not in caplog.text


@LOGGED
@pytest.mark.parametrize(("target", "status"), [("/nothing", 404), ("/api/v1/product/explosion", 500)])
async def test_a_failed_request_is_logged_with_its_status(
    app: FastAPI, caplog: pytest.LogCaptureFixture, target: str, status: int
) -> None:
    """S92, V16.3.4."""
    await ask(app, target)
    assert [line["status"] for line in events(caplog, "request")] == [status]


@LOGGED
async def test_a_long_path_is_cut_and_cannot_forge_a_line(
    app: FastAPI, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """3.6-14, V16.4.1: one request, one line, of a bounded length."""
    await ask(app, "/" + "a" * 10_000)
    await ask(app, "/x%0Aevent=user.deleted%1B[31m")
    first, second = events(caplog, "request")
    assert len(first["path"]) == 200
    assert second["path"].startswith("/x\nevent")  # As it came; the formatter writes it with its escapes.
    printed = capsys.readouterr().err
    assert "\nevent=user.deleted" not in printed
    assert "\x1b[31m" not in printed


async def test_the_access_log_can_be_switched_off(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask_with_id(app, GIVEN, target="/health")
    assert answer.header("X-Request-ID") == GIVEN
    assert events(caplog, "request") == []

"""What reaches the log: everything that was said, in one format, and no secret."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from app.auth.identifiers import new_id
from app.auth.second_factor_cookies import PENDING_PREFIX, REMEMBERED_PREFIX
from app.auth.tokens import DEVICE_PREFIX, first_refresh_token, new_cookie_token
from app.logs import REDACTED, configure_logging, redact
from app.services.mailed.proofs import PREFIXES
from tests.auth.forge import signed
from tests.configuring import load

LIBRARIES = ("", "uvicorn", "uvicorn.error", "sqlalchemy.engine", "alembic.runtime")
JWT = signed()
REFRESH_TOKEN = first_refresh_token(new_id()).encode(b"k" * 32)
SECRET_VALUES = {
    "access token": JWT,
    "unsigned token": JWT.rpartition(".")[0] + ".",
    "refresh token": REFRESH_TOKEN,
    "one-time code": "ost_ec_" + "k" * 43,
    "device": DEVICE_PREFIX + "k" * 43,
    **{f"link of {purpose}": prefix + "k" * 43 for purpose, prefix in PREFIXES.items()},
    "session cookie": new_cookie_token(new_id()).encode(b"k" * 32),
    "pending sign-in": PENDING_PREFIX + "k" * 43,
    "remembered browser": REMEMBERED_PREFIX + "k" * 43,
    "seed of an app": "otpauth://totp/Ostiary:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ostiary",
    "recovery code": "7k3m-q0tz-9xwe-4hvb",
    "recovery code in capitals": "7K3M-Q0TZ-9XWE-4HVB",
    "database password": "hunter2-of-the-database",
    "address": "ada.lovelace@example.com",
}


def message_with(kind: str) -> str:
    """A sentence as code writes it, with a secret in the middle."""
    value = SECRET_VALUES[kind]
    if kind == "database password":
        return f"cannot connect to postgresql+asyncpg://ostiary:{value}@database.internal:5432/accounts, giving up"
    return f'while reading "Bearer {value}", on behalf of a caller'


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Logging is global: put everything back that `configure_logging` touches."""
    loggers = {name: logging.getLogger(name) for name in LIBRARIES}
    before = {name: (one.handlers, one.level, one.propagate) for name, one in loggers.items()}
    configured, processors = structlog.is_configured(), structlog.get_config()
    yield
    for name, (handlers, level, propagate) in before.items():
        loggers[name].handlers = handlers
        loggers[name].setLevel(level)
        loggers[name].propagate = propagate
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    if configured:
        structlog.configure(**processors)


class Output:
    """What was written to standard error. Logging is configured by the test itself: pytest changes the streams before."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def begin(self, format_name: str, **changes: object) -> None:
        configure_logging(load(LOG_FORMAT=format_name, **changes))

    def lines(self) -> list[str]:
        """The lines since the last call, as any reader splits them. Nothing may go to standard output."""
        captured = self._capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    def events(self) -> list[dict[str, Any]]:
        """The same in JSON; each line must be one object."""
        return [json.loads(line) for line in self.lines()]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


# One format for everybody.


def test_an_event_is_one_json_object_with_level_and_time(output: Output) -> None:
    """S92, V16.2"""
    output.begin("json")
    structlog.get_logger().info("session.created", user_id="7", counter=3)
    (event,) = output.events()
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "session.created", "level": "info", "user_id": "7", "counter": 3}


@pytest.mark.parametrize("name", ["some.library", "uvicorn", "uvicorn.error", "asyncio"])
def test_what_a_library_logs_comes_in_the_same_format_and_once(output: Output, name: str) -> None:
    """S92: the server's own logger brings handlers of its own, which would write everything twice."""
    output.begin("json")
    logging.getLogger(name).warning("%d connections are %s", 3, "open")
    (event,) = output.events()
    assert event["event"] == "3 connections are open"
    assert event["level"] == "warning"
    assert event["timestamp"].endswith("Z")


def test_handlers_that_a_server_has_set_before_are_replaced(output: Output) -> None:
    for name in ("", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = [logging.StreamHandler(sys.stderr), logging.StreamHandler(sys.stdout)]
    logging.getLogger("uvicorn").propagate = False
    output.begin("json")
    logging.getLogger("uvicorn.error").error("started twice")
    assert [event["event"] for event in output.events()] == ["started twice"]


def test_configuring_again_writes_nothing_twice(output: Output) -> None:
    """Every start of an application in one process configures it."""
    for _ in range(3):
        output.begin("json")
    structlog.get_logger().info("once")
    logging.getLogger("library").warning("once")
    assert len(output.lines()) == 2


def test_what_is_bound_to_a_request_stands_in_every_line_of_it(output: Output) -> None:
    """S92: ours and the libraries'."""
    output.begin("json")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().info("ours")
        logging.getLogger("library").warning("theirs")
    structlog.get_logger().info("afterwards")
    assert [event.get("request_id") for event in output.events()] == ["r-1", "r-1", None]


@pytest.mark.parametrize(("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_the_level_that_was_asked_for_is_written(output: Output, level: str, written: int) -> None:
    output.begin("json", LOG_LEVEL=level)
    for log in (structlog.get_logger(), logging.getLogger("library")):
        for name in ("debug", "info", "warning", "error"):
            getattr(log, name)("said")
        assert len(output.lines()) == written


@pytest.mark.parametrize("name", ["sqlalchemy.engine.Engine", "alembic.runtime.migration"])
def test_statements_and_their_parameters_are_not_logged(output: Output, name: str) -> None:
    """V16.2.5: at "info" they would be, with everything that is written to the database."""
    output.begin("json", LOG_LEVEL="debug")
    logging.getLogger(name).info("INSERT INTO users ... ('ada', '$argon2id$...')")
    assert output.lines() == []


@pytest.mark.parametrize(
    ("environment", "chosen", "is_json"),
    [
        ("production", "auto", True),
        ("development", "auto", False),
        ("production", "console", False),
        ("development", "json", True),
    ],
)
def test_production_logs_json_unless_told_otherwise(
    output: Output, environment: str, chosen: str, is_json: bool
) -> None:
    output.begin(chosen, ENVIRONMENT=environment)
    structlog.get_logger().info("started")
    (line,) = output.lines()
    assert line.startswith("{") is is_json


# No secret.


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "password_hash",
        "PASSWORD",
        "passwd",
        "access_token",
        "refresh_token",
        "token",
        "token_digest",
        "secret",
        "SECRET_KEY",
        "client_secret",
        "authorization",
        "Authorization",
        "Cookie",
        "set_cookie",
        "Set-Cookie",
        "api_key",
        "credential",
        "code",
        "setup_code",
        "seed",
        "seed_encrypted",
        "uri",
        "qr_svg",
        "recovery_code",
        "recovery_codes",
    ],
)
def test_what_is_called_a_secret_is_not_written(output: Output, name: str) -> None:
    """S41, S74, V16.2.5: by its name, whatever its type."""
    output.begin("json")
    for value in ("correct horse", 7, {"inner": "correct horse"}, ["correct horse"]):
        structlog.get_logger().info("something.happened", **{name: value})
        (event,) = output.events()
        assert event[name] == REDACTED


@pytest.mark.parametrize(
    "name",
    [
        "token_id",
        "status_code",
        "error_code",
        "redirect_uri",
        "recovery_codes_left",
        "user_id",
        "session_id",
        "counter",
        "path",
    ],
)
def test_what_is_needed_to_understand_a_line_is_written(output: Output, name: str) -> None:
    """S41: a log that hides everything explains nothing."""
    output.begin("json")
    structlog.get_logger().info("something.happened", **{name: "value"})
    assert output.events()[0][name] == "value"


@pytest.mark.parametrize("kind", sorted(SECRET_VALUES))
@pytest.mark.parametrize("format_name", ["json", "console"])
def test_what_looks_like_a_secret_is_not_written_wherever_it_stands(
    output: Output, kind: str, format_name: str
) -> None:
    """S41, S74, V16.2.5, V14.1: as value, as message, in a library's message and in its arguments."""
    output.begin(format_name)
    message = message_with(kind)
    structlog.get_logger().info("happened", detail=message)
    structlog.get_logger().info(message)
    logging.getLogger("library").warning(message)
    logging.getLogger("library").warning("failed: %s (%r)", message, message)
    written = output.lines()
    assert len(written) == 4
    assert SECRET_VALUES[kind] not in "".join(written)


def fail(message: str) -> None:
    raise ValueError(message)


def fail_twice(message: str) -> None:
    try:
        fail(message)
    except ValueError as cause:
        raise RuntimeError(message) from cause


@pytest.mark.parametrize("kind", sorted(SECRET_VALUES))
@pytest.mark.parametrize("format_name", ["json", "console"])
def test_a_traceback_shows_no_secret(output: Output, kind: str, format_name: str) -> None:
    """S74, V16.2.5: neither the exception nor its cause, neither in our lines nor in a library's."""
    output.begin(format_name)
    try:
        fail_twice(message_with(kind))
    except RuntimeError as error:
        structlog.get_logger().exception("failed")
        structlog.get_logger().error("failed", exc_info=error)
        logging.getLogger("library").exception("failed")
    written = "\n".join(output.lines())
    assert written.count("RuntimeError") >= 3
    assert SECRET_VALUES[kind] not in written


@pytest.mark.parametrize("kind", sorted(SECRET_VALUES))
def test_what_stands_inside_of_a_value_is_not_written_either(output: Output, kind: str) -> None:
    """S41, V16.2.5: lists, mappings, bytes and exceptions are written out, so they are looked through."""
    output.begin("json")
    message = message_with(kind)
    for value in ([message], {"header": message}, (message,), {"deep": [{"deeper": message}]}, ValueError(message)):
        structlog.get_logger().info("happened", detail=value)
    structlog.get_logger().info("happened", detail=message.encode())
    assert SECRET_VALUES[kind] not in json.dumps(output.events())


def test_a_secret_name_inside_of_a_value_is_one_too(output: Output) -> None:
    """S41, V16.2.5: a whole request body, say."""
    output.begin("json")
    structlog.get_logger().info(
        "happened", body={"email": "x", "password": "correct horse"}, items=[{"token": "horse"}]
    )
    assert "horse" not in json.dumps(output.events())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ada@example.com", "a***@example.com"),
        ("from a@example.com to bob.b+c@mail.example.org", "from a***@example.com to b***@mail.example.org"),
        ("<ada@example.com>", "<a***@example.com>"),
        ("{'email': 'ada@example.com'}", "{'email': 'a***@example.com'}"),
        ("éva@exämple.com", "é***@exämple.com"),
        ("no address here", "no address here"),
        ("5 @ 3 is no address", "5 @ 3 is no address"),
    ],
)
def test_an_address_keeps_its_first_letter_and_its_domain(text: str, shown: str) -> None:
    """S41, V14.1: enough to recognise, too little to write to."""
    assert redact(None, "info", {"event": text}) == {"event": shown}


@pytest.mark.parametrize("address", ["o'brien@example.com", "ada!lovelace@example.com", "ada#lovelace@example.com"])
def test_an_address_with_unusual_letters_is_masked_as_well(address: str) -> None:
    """S41, V14.1: such addresses can have accounts here."""
    shown = redact(None, "info", {"event": f"mail to {address} failed"})["event"]
    assert shown == f"mail to {address[0]}***@example.com failed"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ostiary:hunter2@database.internal/accounts",
        "postgresql+asyncpg://ostiary:hunter2@[::1]:5432/accounts",
        "https://user:hunter2@example.com/path?x=1",
        "redis://:hunter2@cache.internal/0",
        "amqp://u:hunter2%40@queue.internal",
    ],
)
def test_the_password_of_a_url_is_not_written(url: str) -> None:
    """S74: with a user's name before it or without."""
    shown = redact(None, "info", {"event": f"connecting to {url}"})["event"]
    assert "hunter2" not in shown
    assert shown.startswith("connecting to " + url.partition("//")[0])


def test_a_stored_hash_in_an_error_of_the_database_is_not_written() -> None:
    """V16.2.5: such errors quote the parameters of their statement."""
    error = "[parameters: ('7', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo')]"
    assert "aGFzaGhhc2hoYXNo" not in redact(None, "error", {"event": error})["event"]


@settings(deadline=None, max_examples=200)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_token_is_found_in_any_company(before: str, after: str) -> None:
    """S41: whatever stands directly before or behind it."""
    for secret in (JWT, REFRESH_TOKEN):
        assert secret not in str(redact(None, "info", {"event": before + secret + after})["event"])


# One event is one line.

FORGED = "2026-03-01T12:00:00Z [info     ] sign_in.succeeded user_id=1"
BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("separator", BREAKS, ids=ascii)
def test_a_line_break_makes_no_second_line_of_json(output: Output, separator: str) -> None:
    """3.6-14, V16.4.1: in a value, a message, a library's argument; even in a name."""
    output.begin("json")
    text = f"x{separator}{FORGED}"
    structlog.get_logger().info("happened", path=text)
    structlog.get_logger().info(text)
    structlog.get_logger().info("happened", **{text: 1})
    logging.getLogger("library").warning("path %s", text)
    events = output.events()
    assert len(events) == 4
    assert events[0]["path"] == text


@pytest.mark.parametrize("separator", BREAKS, ids=ascii)
def test_a_line_break_in_a_value_makes_no_second_line_of_text(output: Output, separator: str) -> None:
    """3.6-14, V16.4.1"""
    output.begin("console")
    structlog.get_logger().info("happened", path=f"x{separator}{FORGED}", inner=[f"x{separator}{FORGED}"])
    assert len(output.lines()) == 1


def test_a_line_break_in_a_message_makes_no_second_line_of_text(output: Output) -> None:
    """3.6-14, V16.4.1: libraries put what callers sent into their messages."""
    output.begin("console")
    for separator in BREAKS:
        logging.getLogger("library").warning("bad path: %s", f"x{separator}{FORGED}")
        assert len(output.lines()) == 1, ascii(separator)


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x08\x08\x08", "\u202egnp.exe", "\x9b31m"], ids=ascii
)
@pytest.mark.parametrize("format_name", ["json", "console"])
def test_a_value_cannot_play_tricks_on_a_terminal(output: Output, format_name: str, text: str) -> None:
    """3.6-14, V16.4.1: escape sequences, backspaces and turned directions are shown, not obeyed."""
    output.begin(format_name)
    structlog.get_logger().info("happened", path=text)
    (line,) = output.lines()
    assert line.isprintable()


def test_a_long_value_does_not_hold_up_the_server() -> None:
    """3.9-02: looking for secrets must not take longer than in proportion, whatever the text. Half a megabyte would
    take a quarter of an hour otherwise; another process tries, so that this one need not wait."""
    code = (
        "from app.logs import redact\n"
        "for text in ('a' * 500_000, 'a.' * 250_000, 'eyJ' * 150_000, 'eyJaaaaaaaaaa.' * 30_000, '://a:' * 100_000,\n"
        "             'ost_rt_' * 70_000, 'a@' * 250_000, '@a.' * 150_000):\n"
        "    redact(None, 'info', {'event': text})\n"
        "print('done')"
    )
    backend = Path(app.__file__).parent.parent
    try:
        answer = subprocess.run([sys.executable, "-c", code], cwd=backend, capture_output=True, check=True, timeout=30)
    except subprocess.TimeoutExpired:
        pytest.fail("redacting one long text keeps a worker busy for minutes")
    assert answer.stdout.split() == [b"done"]

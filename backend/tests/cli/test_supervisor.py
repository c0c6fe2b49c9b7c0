"""Processes that serve: one that is told to stop stops, however young it is."""

import gc
import http.client
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from starlette.types import Send
from uvicorn import Config

from app.cli.garbage import LOOKS
from app.cli.supervisor import IS_FORKING, Supervisor, listening_sockets
from tests.cli.serving import echo
from tests.journeys.server import free_port

pytestmark = pytest.mark.skipif(
    not IS_FORKING, reason="only forked workers inherit what the supervisor does with signals"
)
_PATIENCE_SECONDS = 20


@contextmanager
def supervised(app: object) -> Iterator[Supervisor]:
    """One worker that has been started. The handlers of this process are put back at the end."""
    before = {each: signal.getsignal(each) for each in signal.valid_signals() if each not in {9, 19}}
    config = Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=2)  # type: ignore[arg-type]
    supervisor = Supervisor(config, listening_sockets("127.0.0.1", free_port(), 1))
    try:
        supervisor.init_processes()
        yield supervisor
    finally:
        supervisor.terminate_all()
        supervisor.join_all()
        for each, handler in before.items():
            if handler is not None:
                signal.signal(each, handler)


@pytest.mark.parametrize("delay", [0, 0.02, 0.3])
def test_a_worker_that_is_stopped_just_after_its_start_stops(delay: float) -> None:
    """A forked process begins with the handlers of the one that it was forked from, which would note the signal and go on."""
    with supervised(echo) as supervisor:
        (worker,) = supervisor.processes
        time.sleep(delay)
        began = time.monotonic()
        supervisor.terminate_all()
        supervisor.join_all()
        assert time.monotonic() - began < _PATIENCE_SECONDS / 2
        assert worker.exitcode in {0, -signal.SIGTERM}
        assert worker.pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)


async def collector(_scope: object, _receive: object, send: Send) -> None:
    """Answer with how many objects make the collector look, and how many it never looks at."""
    content = f"{gc.get_threshold()[0]} {gc.get_freeze_count()}".encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def test_a_worker_looks_for_garbage_seldom_and_not_where_there_is_none() -> None:
    """One look at all that is imported, connected and waiting would hold up everybody who is served."""
    with supervised(collector) as supervisor:
        host, port = supervisor.sockets[0].getsockname()
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        with closing(connection):
            connection.request("GET", "/")
            threshold, frozen = map(int, connection.getresponse().read().split())
    assert threshold == LOOKS[0]
    assert frozen > 0


def test_each_worker_has_a_socket_of_its_own_at_the_same_address() -> None:
    first, second = listening_sockets("127.0.0.1", free_port(), 2)
    with first, second:
        assert first.getsockname() == second.getsockname()
        assert first.fileno() != second.fileno()

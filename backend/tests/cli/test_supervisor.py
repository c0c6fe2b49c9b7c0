"""Processes that serve: one that is told to stop stops, however young it is."""

import os
import signal
import time

import pytest
from uvicorn import Config

from app.cli.supervisor import IS_FORKING, Supervisor, listening_sockets
from tests.cli.serving import echo
from tests.journeys.server import free_port

pytestmark = pytest.mark.skipif(
    not IS_FORKING, reason="only forked workers inherit what the supervisor does with signals"
)
_PATIENCE_SECONDS = 20


@pytest.mark.parametrize("delay", [0, 0.02, 0.3])
def test_a_worker_that_is_stopped_just_after_its_start_stops(delay: float) -> None:
    """A forked process begins with the handlers of the one that it was forked from, which would note the signal and go on."""
    before = {each: signal.getsignal(each) for each in signal.valid_signals() if each not in {9, 19}}
    config = Config(echo, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=2)
    sockets = listening_sockets("127.0.0.1", free_port(), 1)
    supervisor = Supervisor(config, sockets)
    try:
        supervisor.init_processes()
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
    finally:
        for each, handler in before.items():
            if callable(handler) or handler is not None:
                signal.signal(each, handler)


def test_each_worker_has_a_socket_of_its_own_at_the_same_address() -> None:
    first, second = listening_sockets("127.0.0.1", free_port(), 2)
    with first, second:
        assert first.getsockname() == second.getsockname()
        assert first.fileno() != second.fileno()

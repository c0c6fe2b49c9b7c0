"""Keeps the server's processes: as many as asked for, each with a socket of its own, forked from one that is ready.

uvicorn's own supervisor starts each worker as a new interpreter and hands all of them one socket. From there whoever wakes
first takes the connections that wait, and one worker may have most of them. With a socket for each the kernel spreads them, and
forked workers share the memory of what was imported, once.
"""

import gc
import multiprocessing
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Any

import structlog
from uvicorn import Config, Server
from uvicorn._subprocess import subprocess_started
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.cli.drain import DrainingServer
from app.cli.garbage import collect_rarely

IS_FORKING = sys.platform == "linux"
"""Elsewhere system libraries may hold locks that a forked process never sees released, and no kernel spreads connections."""
_BACKLOG = 2048
_STOPPING = (signal.SIGINT, signal.SIGTERM)
_LAST_SECONDS = 10
"""What a worker may take to stop beyond the time for its requests."""

log = structlog.get_logger()


class Worker(Process):
    """One server process. Its supervisor notices at once when it dies."""

    def __init__(self, config: Config, sockets: Sequence[socket.socket], slot: int) -> None:
        self.config = config
        self.slot = slot
        self.parent_conn, self.child_conn = Pipe()
        self._server: Server | None = None
        self._others = [other for other in dict.fromkeys(sockets) if other is not sockets[slot]]
        context: Any = multiprocessing.get_context("fork" if IS_FORKING else "spawn")
        self.process = context.Process(
            target=subprocess_started,
            kwargs={"config": config, "target": self.target, "sockets": [sockets[slot]], "stdin_fileno": None},
        )

    @property
    def server(self) -> Server:
        """The server, made in the process that runs it."""
        self._server = self._server or DrainingServer(self.config, on_start=collect_rarely)
        return self._server

    def start(self) -> None:
        """Start the process, and leave its end of the pipe to it alone.

        The supervisor's own copy would make a question to a dead worker wait for the whole patience. A signal that comes
        before the new process has handlers of its own waits until it has: in a forked one, ours would swallow it.
        """
        with _signals_held():
            super().start()
        self.child_conn.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the new process. The sockets of the other workers are theirs: a copy here would keep them open."""
        for each in _STOPPING:
            signal.signal(each, signal.SIG_DFL)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        for other in self._others:
            other.close()
        super().target(sockets)

    def join(self) -> None:
        """Wait until the process has ended, and end it when it takes longer than it may."""
        patience = (self.config.timeout_graceful_shutdown or 0) + _LAST_SECONDS
        self.process.join(patience)
        if self.process.is_alive():
            log.error("worker.killed", pid=self.process.pid, after_seconds=patience)
            self.process.kill()
            self.process.join()


@contextmanager
def _signals_held() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor(Multiprocess):
    """Starts the workers, replaces those that die, and one after the other on SIGHUP; stops them on SIGTERM.

    A worker that takes over serves the socket of the one before it, which this process holds open all the time: whoever
    connects meanwhile waits. SIGTTIN and SIGTTOU change nothing: the number of workers is a setting.
    """

    def __init__(self, config: Config, sockets: Sequence[socket.socket]) -> None:
        super().__init__(config, list(sockets))
        self.processes: list[Process] = []

    def run(self) -> None:
        """Serve until somebody says stop."""
        # What was imported lies still from here on: no collection visits it, so that its memory stays shared.
        gc.collect()
        gc.freeze()
        super().run()

    def init_processes(self) -> None:
        """Start a worker for each socket."""
        self.processes = [self._begin(slot) for slot in range(len(self.sockets))]

    def terminate_all(self) -> None:
        """Let the workers end in good order. From then on nobody new may connect, and wait for nobody."""
        for each in self.sockets:
            each.close()
        super().terminate_all()

    def restart_all(self) -> None:
        """Replace each worker once its successor serves. One that does not come up in time ends the attempt."""
        for slot, old in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            new = self._begin(slot)
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                log.error("worker.not_ready", pid=new.pid, kept=old.pid)
                new.kill()
                new.join()
                return
            old.terminate()
            old.join()
            self.processes[slot] = new

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died, or do not answer any more."""
        for slot, worker in enumerate(self.processes):
            if self.should_exit.is_set() or worker.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                log.error("worker.cannot_start", pid=worker.pid)
                # The next one would fail in the same way.
                self.should_exit.set()
                return
            log.error("worker.died", pid=worker.pid, exit_code=worker.exitcode)
            self.processes[slot] = self._begin(slot)

    def handle_ttin(self) -> None:
        """Do nothing."""

    def handle_ttou(self) -> None:
        """Do nothing."""

    def _begin(self, slot: int) -> Worker:
        worker = Worker(self.config, self.sockets, slot)
        worker.start()
        return worker


def listening_sockets(host: str, port: int, number: int) -> list[socket.socket]:
    """Return a socket for each of so many workers, all bound to one address. Raises `OSError` when it is taken.

    Where the kernel does not spread connections (SO_REUSEPORT, Linux) it is one and the same.
    """
    if not IS_FORKING:
        return [_listening(host, port)] * number
    return [_listening(host, port, shared=True) for _ in range(number)]


def _listening(host: str, port: int, *, shared: bool = False) -> socket.socket:
    # With its protocol named: event loops look for it before they switch Nagle's algorithm off.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    each = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    each.bind((host, port))
    each.listen(_BACKLOG)
    each.set_inheritable(True)
    return each

"""A server that stops without losing a request: it goes on for a moment, and lets each connection end with an answer."""

import asyncio
import socket
from collections.abc import Callable

from uvicorn import Config, Server
from uvicorn.server import ServerState

LINGER_SECONDS = 0.5
"""How long a connection without a request may still bring one after the server has been told to stop.

A request may be on its way already. Closing the connection at once would reset it, and nobody would know whether it was
served (RFC 9112, section 9.6).
"""


class DrainState(ServerState):
    """What the server's connections share."""

    def __init__(self) -> None:
        super().__init__()
        self.is_draining = False
        """Whether every answer from now on is the last one on its connection, and says so."""


class DrainingServer(Server):
    """uvicorn's server, which closes idle connections at once when it stops; this one waits for what is on its way."""

    def __init__(self, config: Config, *, on_start: Callable[[], None] | None = None) -> None:
        """Prepare. `on_start` is called when everything has been made and the server listens."""
        super().__init__(config)
        self.server_state: ServerState = DrainState()
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self._on_start is not None:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve for a moment more, each connection once, and then stop in uvicorn's good order."""
        state = self.server_state
        if isinstance(state, DrainState):
            state.is_draining = True
        for connection in list(state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is not None:
                cycle.keep_alive = False
        if state.connections and not self.force_exit:
            await asyncio.sleep(LINGER_SECONDS)
        await super().shutdown(sockets)

"""`python -m bench.floor_server PORT WORKERS`: serves `bench.floors` with the server software, and the options, of `ostiary serve`."""

import sys

from uvicorn import Config

from app.cli.http_protocol import BoundedHttpProtocol
from app.cli.supervisor import Supervisor, listening_sockets
from bench.processes import HOST


def main(port: int, workers: int) -> None:
    """Serve until somebody says stop."""
    config = Config(
        "bench.floors:app",
        workers=workers,
        http=BoundedHttpProtocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        reset_contextvars=True,
    )
    Supervisor(config, listening_sockets(HOST, port, workers)).run()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

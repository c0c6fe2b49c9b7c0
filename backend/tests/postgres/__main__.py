"""The command line: run a server in the foreground until Ctrl-C or SIGTERM, and print its URL first."""

import argparse
import signal
import sys

from tests.postgres import PostgresNotFound, PostgresServer, PostgresStartError


def serve(*, durable: bool) -> int:
    # Both: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with PostgresServer(durable=durable) as server:
            print(server.url(), flush=True)
            code = server.wait()
            print(f"The server ended by itself with code {code}:\n{server.log_tail()}", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        return 0
    except (PostgresNotFound, PostgresStartError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.postgres", description=__doc__)
    parser.add_argument("--durable", action="store_true", help="use PostgreSQL's own settings, and a disk")
    sys.exit(serve(durable=parser.parse_args().durable))

"""What the commands beside `python -m bench` have in common: how they end, and where their figures go."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.client import UnexpectedAnswer
from bench.load import HOW_TO_INSTALL, LoadFailed, installed
from bench.servers import ServerFailed
from tests.postgres import PostgresNotFound, PostgresStartError

RESULTS = Path(__file__).resolve().parent / "results"
_MISSED, _MISSING, _INTERRUPTED = 1, 2, 130


def run(measure: Callable[[], bool]) -> int:
    """Measure and return the exit status: 0 when every bar is met, 1 when not or when it failed, 2 without wrk."""
    if not installed():
        print(HOW_TO_INSTALL, file=sys.stderr)
        return _MISSING
    # As Ctrl-C: an exception, so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return 0 if measure() else _MISSED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return _INTERRUPTED
    except (ServerFailed, LoadFailed, UnexpectedAnswer, PostgresNotFound, PostgresStartError) as error:
        print(error, file=sys.stderr)
    except (ConnectionError, EOFError) as error:
        print(f"The server went away while we asked it: {error!r}", file=sys.stderr)
    return _MISSED


def positive(text: str) -> int:
    """Read an option that is a positive whole number."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"not a positive whole number: {text}")
    return int(text)


def write(found: dict[str, Any], path: Path) -> None:
    """Write all figures, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nWritten to {path}")

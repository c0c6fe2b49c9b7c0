"""`python -m bench`: starts everything, measures in rounds, prints the tables, and stops everything."""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import machine, report, servers
from bench.client import UnexpectedAnswer
from bench.load import HOW_TO_INSTALL, LoadFailed, Plan, installed
from bench.measures import MEASURES, Bench, Measure, summary
from bench.people import register_people
from bench.probe import Responsiveness
from bench.processes import memory_of
from bench.starting import measure_starts
from tests.postgres import PostgresNotFound, PostgresStartError

RESULTS = Path(__file__).resolve().parent / "results"
RESPONSIVENESS, STARTS = "responsiveness", "starts"
KEYS = (*(item.key for item in MEASURES), RESPONSIVENESS, STARTS)


def main() -> int:
    """Run the command; 2 stands for something that is missing or misspelt, 1 for a failed measurement."""
    options = _options()
    if not installed():
        print(HOW_TO_INSTALL, file=sys.stderr)
        return 2
    # As Ctrl-C: an exception, so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(options)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (servers.ServerFailed, LoadFailed, UnexpectedAnswer, PostgresNotFound, PostgresStartError) as error:
        print(error, file=sys.stderr)
        return 1
    except (ConnectionError, EOFError) as error:
        print(f"The server went away while we asked it: {error!r}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    chosen = {name: getattr(options, name) for name in ("rounds", "seconds", "connections", "workers", "only")}
    kinds = [servers.POSTGRESQL, servers.SQLITE] if options.database == "both" else [options.database]
    found: dict[str, Any] = {"machine": machine.describe(), "options": chosen, "databases": {}}
    if servers.POSTGRESQL in kinds:
        found["machine"]["versions"]["PostgreSQL"] = servers.postgresql_version()
    print(report.header(found["machine"], chosen), flush=True)
    for kind in kinds:
        found["databases"][kind] = database = _measure(kind, options)
        if database["rows"]:
            print(f"\n{report.main_table(kind, database)}", flush=True)
        if RESPONSIVENESS in database:
            print(f"\n{report.responsiveness_table(kind, database[RESPONSIVENESS])}", flush=True)
        if STARTS in database:
            print(f"\n{report.starts_line(database[STARTS])}", flush=True)
    found["machine"]["load_after"] = machine.load_average()
    print(f"\n{report.footer(found['machine'])}")
    if options.baseline.is_file():
        print(f"\n{report.comparison(found, json.loads(options.baseline.read_text()))}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nWritten to {options.json}")


def _measure(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure on one database; whatever happens, what was started here is stopped."""
    items = [item for item in MEASURES if item.key in options.only]
    plan = Plan(options.seconds, options.connections, threads=max(1, machine.cores() // 2))
    with ExitStack() as running:
        scratch = running.enter_context(servers.scratch_directory())
        url = running.enter_context(servers.database(kind, scratch=scratch, workers=options.workers))
        server = running.enter_context(servers.ostiary(url, scratch=scratch, workers=options.workers))
        found: dict[str, Any] = {"memory_idle": asdict(memory_of(server.group))}
        if STARTS in options.only:
            found[STARTS] = measure_starts(server, scratch).summary()
        unbatched = running.enter_context(servers.unbatched(server, scratch=scratch, workers=options.workers))
        floor = running.enter_context(servers.floor(scratch=scratch, workers=options.workers, url=url))
        people = asyncio.run(register_people(server.port, scratch))
        bench = Bench(server, floor, unbatched, people, plan, machine.cores(), kind)
        found |= _rounds(kind, bench, items, options)
    return found


def _rounds(kind: str, bench: Bench, items: list[Measure], options: argparse.Namespace) -> dict[str, Any]:
    rounds, responsiveness = [], Responsiveness(bench.server, bench.floor)
    for number in range(1, options.rounds + 1):
        print(f"{kind}: round {number} of {options.rounds}", file=sys.stderr, flush=True)
        if items:
            rounds.append(bench.round(items))
        if RESPONSIVENESS in options.only:
            responsiveness.measure(bench.people, bench.plan)
    found: dict[str, Any] = {"rows": {item.key: summary(rounds, item) for item in items}}
    return found | ({RESPONSIVENESS: responsiveness.summary()} if RESPONSIVENESS in options.only else {})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the server as in production.")
    add = parser.add_argument
    add("--database", choices=(servers.POSTGRESQL, servers.SQLITE, "both"), default="both")
    add("--only", type=_keys, default=list(KEYS), help=f"separated by commas: {','.join(KEYS)}")
    add("--rounds", type=_positive, default=3, help="the median counts; 3")
    add("--seconds", type=_positive, default=8, help="of each measurement in each round; 8")
    add("--connections", type=_positive, default=64, help="kept open by wrk; 64")
    add("--workers", type=_positive, default=machine.cores(), help="server processes; one for each core")
    add("--quick", action="store_true", help="one round of 3 s, to see that it works")
    add("--json", type=Path, default=RESULTS / "latest.json", help="where to write all figures")
    add("--baseline", type=Path, default=RESULTS / "baseline.json", help="what to compare with")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 3
    return options


def _keys(text: str) -> list[str]:
    keys = text.split(",")
    if unknown := set(keys) - set(KEYS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(KEYS)}")
    return keys


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"not a positive whole number: {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

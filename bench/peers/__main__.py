"""`python -m bench.peers`: installs the peers, starts everybody, measures in rounds, and prints one table."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from bench import commands, machine, servers
from bench.load import Plan
from bench.peers import installed, report, waiting
from bench.peers.contenders import CONTENDERS, Running, people_of
from bench.peers.rows import CONNECTIONS, ROWS, Sample, measure_row, own_account, summary
from bench.peers.serving import Place
from bench.peers.waiting import Waiting
from tests.postgres import PostgresServer

_POOL = 12
"""Connections to the database that a worker of Ostiary keeps at most; the others keep ten."""
_WARMING_SECONDS = 2
KEYS = (*(row.key for row in ROWS), report.WAITING)


def main() -> int:
    """Run the command; 2 stands for something that is missing or misspelt, 1 for a failed measurement."""
    return commands.run(partial(_measure, _options()))


def _measure(options: argparse.Namespace) -> bool:
    installed.install()
    chosen = {"rounds": options.rounds, "seconds": options.seconds, "only": options.only}
    found: dict[str, Any] = {
        "machine": machine.describe(),
        "ostiary": version("ostiary"),
        "peers": installed.versions(),
        "options": {**chosen, "workers": machine.cores()},
        "contenders": {key: {"hashing": each.hashing, "proof": each.proof} for key, each in CONTENDERS.items()},
    }
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(durable=True, max_connections=_connections_needed()))
        found["postgresql"] = asyncio.run(_version_of(postgres.url()))
        print(report.header(found), flush=True)
        running = _start(stack, postgres, _needed(options.only))
        found |= _rounds(running, options)
    found["machine"]["load_after"] = machine.load_average()
    print(f"\n{report.whole(found)}")
    commands.write(found, options.json)
    return True


def _needed(only: list[str]) -> list[str]:
    """Return the keys of those who are measured at all."""
    chosen = [row.contenders for row in ROWS if row.key in only]
    chosen += [waiting.CONTENDERS] if report.WAITING in only else []
    return [key for key in CONTENDERS if any(key in keys for keys in chosen)]


def _start(stack: ExitStack, postgres: PostgresServer, keys: list[str]) -> dict[str, Running]:
    """Start everybody, each on a database of its own; the stack stops them."""
    scratch = stack.enter_context(servers.scratch_directory())
    found = {}
    for key in keys:
        asyncio.run(postgres.create_database(key))
        place = Place(key, postgres.url(key), scratch, machine.cores())
        server = stack.enter_context(CONTENDERS[key].run(place))
        found[key] = asyncio.run(people_of(CONTENDERS[key], place, server))
        print(f"{key} runs, and keeps what it promises", file=sys.stderr, flush=True)
    return found


def _rounds(running: Mapping[str, Running], options: argparse.Namespace) -> dict[str, Any]:
    rows = [row for row in ROWS if row.key in options.only]
    plan = Plan(options.seconds, CONNECTIONS, threads=max(1, machine.cores() // 2))
    for each in running.values():
        # Neither a compiler that learns as it runs nor an empty cache is what is measured.
        own_account(each, Plan(_WARMING_SECONDS, CONNECTIONS, plan.threads))
    rounds: dict[str, list[dict[str, Sample]]] = {row.key: [] for row in rows}
    waits = Waiting()
    for turn in range(options.rounds):
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for row in rows:
            rounds[row.key].append(measure_row(row, running, plan, turn))
        if report.WAITING in options.only:
            waits.measure(running, plan, turn)
    found = {row.key: {key: summary(rounds[row.key], key) for key in row.contenders} for row in rows}
    return {"rows": found, report.WAITING: waits.summary()}


def _connections_needed() -> int:
    return len(CONTENDERS) * machine.cores() * _POOL + 20


async def _version_of(url: str) -> str:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return str(await connection.fetchval("SHOW server_version")).split()[0]
    finally:
        await connection.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=commands.positive, default=3, help="the median counts; 3")
    add("--seconds", type=commands.positive, default=6, help="of each measurement in each round; 6")
    add("--only", type=_keys, default=list(KEYS), help=f"separated by commas: {','.join(KEYS)}")
    add("--json", type=Path, default=commands.RESULTS / "peers.json", help="where to write all figures")
    return parser.parse_args()


def _keys(text: str) -> list[str]:
    keys = text.split(",")
    if unknown := set(keys) - set(KEYS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(KEYS)}")
    return keys


if __name__ == "__main__":
    sys.exit(main())

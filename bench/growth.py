"""`python -m bench.growth`: whether anything gets slower as the data grows, from a thousand users to a million.

Two servers stand side by side, one on a small database and one on a large one, and are measured in turn, so that whatever
else happens to the machine happens to both.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import commands, machine, report, servers
from bench.growth_rows import BAR, Measured, Row, rows
from bench.growth_sides import LARGE, SMALL, Side, look_up_statement, sides
from bench.load import Plan
from bench.tables import number, table

_WARMING_SECONDS = 1
_LEAST = 1000
_OF_MEMORY = "PostgreSQL's own memory for pages; a quarter of the machine's, as its documentation advises"
Round = dict[str, Measured]
"""What one round found, by row."""


def _measure(options: argparse.Namespace) -> bool:
    """Measure in rounds, print the table, and return whether every bar is met."""
    chosen = {
        name: getattr(options, name)
        for name in ("rounds", "seconds", "small", "large", "connections", "workers", "shared_buffers")
    }
    described = machine.describe()
    described["versions"]["PostgreSQL"] = servers.postgresql_version()
    print(report.header(described, chosen), flush=True)
    plan = Plan(options.seconds, options.connections, threads=max(1, machine.cores() // 2))
    sizes = {"small": options.small, "large": options.large}
    with sides(**sizes, workers=options.workers, shared_buffers_mb=options.shared_buffers) as both:
        megabytes = {side.name: asyncio.run(side.megabytes()) for side in both}
        asked = rows(asyncio.run(look_up_statement(both[0])))
        # Pages, prepared statements and plans: a server that has run for a while has them at hand.
        _round(asked, both, Plan(_WARMING_SECONDS, plan.connections, plan.threads))
        rounds = []
        for turn in range(1, options.rounds + 1):
            print(f"round {turn} of {options.rounds}", file=sys.stderr, flush=True)
            rounds.append(_round(asked, both if turn % 2 else both[::-1], plan))
    found = {key: _summary(row, [each[key] for each in rounds]) for key, row in asked.items()}
    print(f"\n{_table(asked, found, options, megabytes)}")
    described["load_after"] = machine.load_average()
    everything = {"machine": described, "options": chosen, "megabytes": megabytes, "rows": found}
    commands.write(everything, options.json)
    return all(row["met"] for row in found.values())


def _round(asked: Mapping[str, Row], both: Sequence[Side], plan: Plan) -> Round:
    return {key: row.measure(both, plan) for key, row in asked.items()}


def _summary(row: Row, measured: Sequence[Measured]) -> dict[str, Any]:
    """Return medians. A ratio is taken within its round, where both sides ran under the same conditions."""
    ratios = [figures[LARGE].milliseconds / figures[SMALL].milliseconds for figures in measured]
    processor = {name: median(figures[name].processor_us for figures in measured) for name in (SMALL, LARGE)}
    return {
        **{name: [round(figures[name].shown, 4) for figures in measured] for name in (SMALL, LARGE)},
        "unit": row.unit,
        "ratios": [round(ratio, 4) for ratio in ratios],
        "ratio": round(median(ratios), 4),
        "processor_us": {name: round(value, 1) for name, value in processor.items()},
        "processor_ratio": round(processor[LARGE] / processor[SMALL], 4),
        "met": not row.has_bar or median(ratios) <= BAR,
    }


def _table(
    asked: Mapping[str, Row], found: dict[str, dict[str, Any]], options: argparse.Namespace, megabytes: dict[str, int]
) -> str:
    sizes = f"{options.small:,}", f"{options.large:,}"
    heads = ["PostgreSQL", "unit", *sizes, "ratio", "min..max", "CPU", "bar", ""]
    return (
        f"{table(heads, [_line(row, found[key]) for key, row in asked.items()])}\n"
        f"Columns: users, and as many sessions; {megabytes[SMALL]:,} and {megabytes[LARGE]:,} MB of database. PostgreSQL keeps "
        f"{options.shared_buffers:,} MB of pages.\nratio: time in the large database over time in the small one, median and "
        f"range over the rounds. CPU: the same of the\nprocessor time, the server's and PostgreSQL's together, which hardly "
        "depends on who else uses the machine."
    )


def _line(row: Row, found: dict[str, Any]) -> list[str]:
    figures = [number(median(found[name])) for name in (SMALL, LARGE)]
    spread = f"{min(found['ratios']):.2f}..{max(found['ratios']):.2f}"
    bar = f"<= {BAR:.2f}" if row.has_bar else ""
    verdict = ("met" if found["met"] else "MISSED") if row.has_bar else ""
    ratios = f"{found['ratio']:.2f}", spread, f"{found['processor_ratio']:.2f}"
    return [row.title, row.unit, *figures, *ratios, bar, verdict]


def _quarter_of_memory() -> int:
    """Return what PostgreSQL's documentation calls a reasonable start for `shared_buffers`, in MB."""
    return max(128, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // 4)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=commands.positive, default=5, help="the median counts; 5")
    add("--seconds", type=commands.positive, default=4, help="of each measurement in each round; 4")
    add("--small", type=commands.positive, default=1_000, help="users and sessions in the small database; 1000")
    add("--large", type=commands.positive, default=1_000_000, help="and in the large one; 1000000")
    add("--connections", type=commands.positive, default=16, help="kept open by wrk; 16")
    add("--workers", type=commands.positive, default=machine.cores(), help="server processes; one for each core")
    add("--shared-buffers", type=commands.positive, default=_quarter_of_memory(), metavar="MB", help=_OF_MEMORY)
    add("--json", type=Path, default=commands.RESULTS / "growth.json", help="where to write all figures")
    options = parser.parse_args()
    if options.small < _LEAST:
        parser.error(f"--small: at least {_LEAST}, or its last pages are no whole ones")
    return options


if __name__ == "__main__":
    sys.exit(commands.run(partial(_measure, _options())))

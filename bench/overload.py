"""`python -m bench.overload`: what a server does when ten times as many sign in as it can take.

In each round the peak comes first: as many sign-ins as the server manages while a few clients keep it busy. Then sign-ins
arrive ten times as fast, each when it is due and whether or not earlier ones have been answered, and a light client asks
for other things meanwhile.
"""

import argparse
import asyncio
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from app.config import Settings
from bench import commands, machine, report, servers
from bench.client import API, get
from bench.load import LoadFailed, Plan, measure, started
from bench.people import People, register_people
from bench.processes import processor_seconds_of
from bench.steady import SteadyClient
from bench.tables import number, percentile, table

_LOGIN, _ME, _HEALTH = f"{API}/auth/login", f"{API}/auth/me", "/health"
_PEAK_CONNECTIONS = 32
_A_SECOND = 50
"""How often the light client asks for each of its two things."""
_SESSIONS = 16
_FILLING_SECONDS = 2
"""Until the queues are full, at the beginning and with a second to spare."""
_REST_SECONDS = 60
_QUIET = 0.05
"""Seconds of processor time in one second: what idle event loops use."""
_LONG_MS = 5000
"""A sign-in that takes longer is counted apart: so long, by default, may it wait for its hash."""


@dataclass(frozen=True)
class Flood:
    """What became of the sign-ins that arrived. Milliseconds of each that was let in, and of each that was refused."""

    seconds: float
    sent: int
    taken: list[float]
    refused: list[float]
    without_retry_after: int
    errors: int


@dataclass(frozen=True)
class Figure:
    """One line of the table. With a bar, `is_met` judges the median, or of what must not happen the sum."""

    key: str
    title: str
    bar: str = ""
    is_met: Callable[[float], bool] | None = None
    is_sum: bool = False


@dataclass(frozen=True)
class Overload:
    """All that a round needs."""

    server: servers.Server
    people: People
    options: argparse.Namespace

    def round(self) -> dict[str, float]:
        """Measure the peak and then the flood, and return every figure of this round."""
        forms = self.people.write("forms", self.people.forms)
        plan = Plan(self.options.seconds, _PEAK_CONNECTIONS, max(1, machine.cores() // 2))
        peak, cost = measure(self.server, "login", _LOGIN, [forms], plan)
        if not peak.rate or peak.errors or peak.busy:
            raise LoadFailed(f"the peak cannot be measured: {peak}")
        self._rest()
        spent, clients = processor_seconds_of(self.server.group), _own_processor_seconds()
        flood, waits = self._flood(forms, peak.rate)
        spent, clients = processor_seconds_of(self.server.group) - spent, _own_processor_seconds() - clients
        self._rest()
        # Not exact: what is still in the queues has been looked at, and others were answered meanwhile.
        refusals = spent * 1e3 - len(flood.taken) * cost.cpu_us / 1e3
        figures = _flood_figures(flood, peak.rate) | {"clients": clients / flood.seconds}
        left = 1 - figures["clients"] / machine.cores()
        figures |= {"refused_cpu": refusals / max(1, len(flood.refused)), "left": figures["goodput_ratio"] / left}
        return {"peak": peak.rate, "peak_p50": peak.p50} | figures | waits

    def _flood(self, forms: str, peak: float) -> tuple[Flood, dict[str, float]]:
        """Let sign-ins arrive, and ask for other things from when the queues are full until shortly before the end."""
        tokens = [session["access_token"] for session in asyncio.run(self.people.sign_in(_SESSIONS))]
        rate = self.options.times * peak
        plan = Plan(self.options.seconds + 2 * _FILLING_SECONDS, self._connections(rate), max(1, machine.cores() // 2))
        arguments = [forms, f"{rate:.1f}", str(plan.threads)]
        with started("flood", self.server.url(_LOGIN), arguments, plan) as process:
            time.sleep(_FILLING_SECONDS)
            waits = asyncio.run(self._ask(tokens))
            return _flood_of(process, plan), waits

    def _connections(self, rate: float) -> int:
        """Return enough connections that one is free whenever a sign-in is due: most wait in the server's queues."""
        names = "HASHING_THREADS", "HASHING_QUEUE"
        defaults = {name: Settings.model_fields[name].default for name in names}
        places = sum(int((defaults | dict(self.server.environment))[name]) for name in names)
        # Half as many more, because connections are not spread evenly over the workers.
        return int(self.options.connections or 1.5 * self.options.workers * places + rate / 2)

    async def _ask(self, tokens: Sequence[str]) -> dict[str, float]:
        """Ask for one's own account and for the server's health at a steady rate, and return the waits."""
        clients = {"me": [get(_ME, token=token) for token in tokens], "health": [get(_HEALTH)]}
        found = await asyncio.gather(
            *(
                SteadyClient(self.server.port, requests).ask(rate=_A_SECOND, seconds=self.options.seconds)
                for requests in clients.values()
            )
        )
        summaries = [answers.summary() for answers in found]
        return {
            f"{name}_{figure}": summary[figure]
            for name, summary in zip(clients, summaries, strict=True)
            for figure in ("p50", "p99", "errors")
        }

    def _rest(self) -> None:
        """Wait until the server has worked off what nobody waits for any more."""
        deadline, spent = time.monotonic() + _REST_SECONDS, -1.0
        while (now := processor_seconds_of(self.server.group)) - spent > _QUIET:
            if time.monotonic() > deadline:
                raise LoadFailed(f"the server was still busy {_REST_SECONDS} s after the load")
            spent = now
            time.sleep(1)


def _flood_figures(flood: Flood, peak: float) -> dict[str, float]:
    offered, goodput = flood.sent / flood.seconds, len(flood.taken) / flood.seconds
    return {
        "offered": offered,
        "offered_ratio": offered / peak,
        "goodput": goodput,
        "goodput_ratio": goodput / peak,
        "refused": len(flood.refused) / flood.seconds,
        "without_retry_after": flood.without_retry_after,
        "errors": flood.errors,
        "refused_p50": percentile(flood.refused, 50),
        "refused_p99": percentile(flood.refused, 99),
        "taken_p50": percentile(flood.taken, 50),
        "taken_p99": percentile(flood.taken, 99),
        "taken_long": sum(value > _LONG_MS for value in flood.taken) / max(1, len(flood.taken)),
    }


def _own_processor_seconds() -> float:
    """Return the processor time of this process and of those that it has started and that have ended: wrk."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _figures(options: argparse.Namespace) -> list[Figure]:
    """Return the lines of the table, with the bars."""
    return [
        Figure("peak", f"peak, sign-ins/s ({_PEAK_CONNECTIONS} connections)"),
        Figure("offered", "offered/s"),
        _at_least(0.95 * options.times, "offered_ratio", "offered / peak"),
        Figure("goodput", "let in/s"),
        _at_least(0.9, "goodput_ratio", "let in / peak"),
        Figure("left", "let in / peak, of what the clients leave of the machine"),
        Figure("refused", "refused/s (503)"),
        _never("without_retry_after", "refused without Retry-After"),
        _never("errors", "sign-ins answered otherwise, or not"),
        Figure("refused_p50", "a refusal takes ms, p50"),
        Figure("refused_p99", "a refusal takes ms, p99"),
        Figure("refused_cpu", "a refusal takes ms of the server's processor time"),
        Figure("taken_p50", "being let in takes ms, p50"),
        Figure("taken_p99", "being let in takes ms, p99"),
        Figure("taken_long", f"of those let in, longer than {_LONG_MS / 1000:.0f} s"),
        Figure("me_p50", "GET /auth/me meanwhile ms, p50"),
        _at_most(20, "me_p99", "GET /auth/me meanwhile ms, p99"),
        Figure("health_p50", "GET /health meanwhile ms, p50"),
        _at_most(20, "health_p99", "GET /health meanwhile ms, p99"),
        _never("me_errors", "GET /auth/me not answered 200"),
        _never("health_errors", "GET /health not answered 200"),
        Figure("clients", "cores that wrk and the light client take"),
    ]


def _at_least(bar: float, key: str, title: str) -> Figure:
    return Figure(key, title, f">= {bar:.3g}", lambda value: value >= bar)


def _at_most(bar: float, key: str, title: str) -> Figure:
    return Figure(key, title, f"<= {bar:.3g}", lambda value: value <= bar)


def _never(key: str, title: str) -> Figure:
    return Figure(key, title, "0", lambda count: count == 0, is_sum=True)


def _flood_of(process: subprocess.Popen[bytes], plan: Plan) -> Flood:
    """Wait for wrk and return what it reports. Raises `LoadFailed`."""
    try:
        output = process.communicate(timeout=plan.seconds + 60)[0].decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        raise LoadFailed("wrk did not end by itself") from error
    found = re.search(r"^REPORT (.*)$", output, re.MULTILINE)
    if found is None:
        raise LoadFailed(f"wrk gave no report:\n{output}")
    return Flood(**json.loads(found[1]))


def _measure(options: argparse.Namespace) -> bool:
    """Measure in rounds, print the table, and return whether every bar is met."""
    chosen = {name: getattr(options, name) for name in ("rounds", "seconds", "workers", "times", "connections", "set")}
    described = machine.describe()
    described["versions"]["PostgreSQL"] = servers.postgresql_version()
    print(report.header(described, chosen | {"connections": chosen["connections"] or "enough"}), flush=True)
    rounds = []
    with ExitStack() as running:
        scratch = running.enter_context(servers.scratch_directory())
        url = running.enter_context(servers.database(servers.POSTGRESQL, scratch=scratch, workers=options.workers))
        server = running.enter_context(
            servers.ostiary(url, scratch=scratch, workers=options.workers, changes=dict(options.set))
        )
        overload = Overload(server, asyncio.run(register_people(server.port, scratch)), options)
        for turn in range(1, options.rounds + 1):
            print(f"round {turn} of {options.rounds}", file=sys.stderr, flush=True)
            rounds.append(overload.round())
    lines = [(figure, _judged(figure, [found[figure.key] for found in rounds])) for figure in _figures(options)]
    print(f"\n{_table(lines, rounds)}")
    described["load_after"] = machine.load_average()
    found: dict[str, Any] = {"machine": described, "options": chosen, "rounds": rounds}
    commands.write(found | {"summary": {figure.key: value for figure, (value, _) in lines}}, options.json)
    return all(is_met for _, (_, is_met) in lines)


def _judged(figure: Figure, values: Sequence[float]) -> tuple[float, bool]:
    """Return the median, or the sum, and whether the bar is met."""
    value = sum(values) if figure.is_sum else median(values)
    return value, figure.is_met is None or figure.is_met(value)


def _table(lines: Sequence[tuple[Figure, tuple[float, bool]]], rounds: Sequence[dict[str, float]]) -> str:
    shown = range(1, len(rounds) + 1) if len(rounds) <= 5 else []  # noqa: PLR2004  # More have no room in 120 columns.
    heads = ["PostgreSQL", *(f"round {turn}" for turn in shown), "median", "bar", ""]
    rows = []
    for figure, (value, is_met) in lines:
        verdict = "" if figure.is_met is None else "met" if is_met else "MISSED"
        each = [number(rounds[turn - 1][figure.key]) for turn in shown]
        rows.append([figure.title, *each, number(value), figure.bar, verdict])
    return f"{table(heads, rows)}\nWhat must not happen at all is added up instead of taking the median."


def _setting(text: str) -> tuple[str, str]:
    """Read an option that is a setting. `ostiary serve` itself checks its value."""
    name, equals, value = text.partition("=")
    if not equals or name not in Settings.model_fields:
        raise argparse.ArgumentTypeError(f"not a setting: {text}")
    return name, value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=commands.positive, default=3, help="the median counts; 3")
    add("--seconds", type=commands.positive, default=12, help="of the peak, and of the flood, in each round; 12")
    add("--workers", type=commands.positive, default=machine.cores(), help="server processes; one for each core")
    add("--times", type=commands.positive, default=10, help="how many times the peak arrives; 10")
    add("--connections", type=commands.positive, help="for the flood; enough that one is free whenever one is due")
    add("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    add("--json", type=Path, default=commands.RESULTS / "overload.json", help="where to write all figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(commands.run(partial(_measure, _options())))

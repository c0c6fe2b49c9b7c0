"""What is measured, of whom and in which order, and how rounds become one line."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from bench.client import API
from bench.load import Cost, Load, Plan, measure
from bench.peers.contenders import Running
from bench.peers.serving import wait_until_quiet

OSTIARY = "ostiary"
CONNECTIONS, HASHING_CONNECTIONS = 64, 16
EQUALS = (OSTIARY, "fastapi-users", "better-auth")
"""Equal hashing, and sessions that end at once."""
WITH_DEFAULT_HASHES = (*EQUALS, "fastapi-users-default-hash", "better-auth-default-hash")


@dataclass(frozen=True)
class Sample:
    """One measurement of one round."""

    load: Load
    cost: Cost
    others: float = 0.0
    """How many cores others used just before, when everybody measured here had nothing to do."""


@dataclass(frozen=True)
class Row:
    """One kind of load. `contenders` are the keys of those who are measured."""

    key: str
    title: str
    contenders: tuple[str, ...]
    run: Callable[[Running, Plan], Sample]


def own_account(running: Running, plan: Plan) -> Sample:
    """Ask for one's own account with two sessions for each connection, which are good before and after."""
    api = running.contender.api
    credentials = [api.credential(answer) for answer in asyncio.run(running.sign_in(2 * plan.connections))]
    wait_until_quiet([running.server.group])
    sample = Sample(
        *measure(running.server, api.me_script, api.me_path, [running.write("sessions", credentials)], plan)
    )
    asyncio.run(running.check_sessions(credentials))
    return sample


def sign_in(running: Running, plan: Plan) -> Sample:
    """Sign everybody in, in turn."""
    api = running.contender.api
    arguments = [running.write("credentials", running.credentials)]
    return Sample(*measure(running.server, api.login_script, api.login_path, arguments, _hashing(plan)))


def register(running: Running, plan: Plan) -> Sample:
    """Make a new account each time."""
    api, prefix = running.contender.api, secrets.token_hex(6)
    return Sample(*measure(running.server, api.register_script, api.register_path, [prefix], _hashing(plan)))


def refresh(running: Running, plan: Plan) -> Sample:
    """Rotate the refresh tokens of twice as many sessions as connections."""
    found = asyncio.run(running.sign_in(2 * plan.connections))
    tokens = running.write("refresh", [json.loads(answer.body)["refresh_token"] for answer in found])
    wait_until_quiet([running.server.group])
    return Sample(*measure(running.server, "refresh", f"{API}/auth/refresh", [tokens], plan))


def _hashing(plan: Plan) -> Plan:
    """Return the plan for what waits for hashes: longer, and with no more connections than keep every core busy.

    A hash that waits, or is half done, when the time is up is not counted: with many connections that would count against
    whoever has the slower hash.
    """
    return Plan(2 * plan.seconds, HASHING_CONNECTIONS, plan.threads)


ROWS = (
    Row("me", "Own account", (*EQUALS, "fastapi-users-jwt", "better-auth-cached"), own_account),
    Row("login", "Sign-in", WITH_DEFAULT_HASHES, sign_in),
    Row("register", "Register", EQUALS, register),
    Row("refresh", "Refresh (rotating tokens)", (OSTIARY,), refresh),
)


def measure_row(row: Row, running: Mapping[str, Running], plan: Plan, turn: int) -> dict[str, Sample]:
    """Measure everybody once, one after the other, while the others have nothing to do."""
    found = {}
    for key in rotated(row.contenders, turn):
        others = wait_until_quiet([each.server.group for each in running.values()])
        found[key] = replace(row.run(running[key], plan), others=others)
    return found


def rotated(keys: Sequence[str], turn: int) -> list[str]:
    """Return the keys in the order of a round: in each another one comes first."""
    start = turn % len(keys)
    return [*keys[start:], *keys[:start]]


def summary(rounds: Sequence[Mapping[str, Sample]], key: str) -> dict[str, Any]:
    """Return one line: medians over the rounds, and sums of what should not have happened.

    `of_ostiary` is the rate as a part of Ostiary's in the same round.
    """
    samples = [found[key] for found in rounds]
    loads = [asdict(sample.load) for sample in samples]
    return {
        **{name: round(median(load[name] for load in loads), 2) for name in ("rate", "p50", "p99")},
        **{name: sum(load[name] for load in loads) for name in ("errors", "busy")},
        "cpu_us": round(median(sample.cost.cpu_us for sample in samples), 1),
        "memory_mb": max(sample.cost.memory.whole for sample in samples),
        "of_ostiary": round(median(found[key].load.rate / max(found[OSTIARY].load.rate, 0.1) for found in rounds), 3),
        "others": [round(sample.others, 2) for sample in samples],
        "rates": [sample.load.rate for sample in samples],
    }

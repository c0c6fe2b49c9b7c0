"""What is measured, beside which floor, and how rounds become one row of the table."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from app.config import Settings
from bench.client import API
from bench.hashes import measure_hashes
from bench.load import Cost, Load, Plan, measure
from bench.people import People
from bench.servers import Server

HASHES, BARE, PLAIN, UNBATCHED, UPDATE = "hashes", "bare", "plain", "unbatched", "update"


@dataclass(frozen=True)
class Measure:
    """One path under load. `key` names the wrk script, and the floor's paths unless `like` does."""

    key: str
    title: str
    path: str
    floors: tuple[str, ...]
    bar: tuple[str, float] | None = None
    """Which floor counts, and which part of it must be reached."""
    like: str = ""

    def floors_on(self, kind: str) -> tuple[str, ...]:
        """Return the floors that there are on a kind of database: the transaction is PostgreSQL's."""
        return tuple(name for name in self.floors if name != UPDATE or kind == "postgresql")


MEASURES = (
    Measure("login", "sign-in", f"{API}/auth/login", (HASHES,), (HASHES, 0.9)),
    Measure("me", "GET /auth/me", f"{API}/auth/me", (BARE, PLAIN, UNBATCHED), (PLAIN, 0.65)),
    Measure("cookie", "same, by cookie", f"{API}/auth/me", (BARE, PLAIN), (PLAIN, 0.6), like="me"),
    Measure("refresh", "refresh", f"{API}/auth/refresh", (UPDATE, PLAIN), (UPDATE, 0.8)),
    Measure("register", "register", f"{API}/auth/register", (HASHES,), (HASHES, 0.85)),
    Measure("health", "GET /health", "/health", (BARE, PLAIN)),
)


@dataclass(frozen=True)
class Floor:
    """The least that an operation costs on this machine: how many a second, and the processor time of one."""

    rate: float
    cpu_us: float


@dataclass(frozen=True)
class Sample:
    """One measurement of one round, with the floors that were measured just before it."""

    load: Load
    cost: Cost
    floors: dict[str, Floor]

    def ratio(self, floor: str) -> float:
        """Return which part of a floor's rate was reached in this round."""
        return self.load.rate / self.floors[floor].rate if self.floors[floor].rate else 0.0

    def cpu_ratio(self, floor: str) -> float:
        """Return how many times the processor time of a floor was spent in this round."""
        return self.cost.cpu_us / self.floors[floor].cpu_us if self.floors[floor].cpu_us else 0.0


@dataclass(frozen=True)
class Bench:
    """All that a round needs."""

    server: Server
    floor: Server
    unbatched: Server
    """Ostiary with one statement for each guard, on the same database."""
    people: People
    plan: Plan
    cores: int
    kind: str

    def round(self, chosen: Sequence[Measure]) -> dict[str, Sample]:
        """Measure everything once: floor, ours, floor, ours."""
        arguments = asyncio.run(self._arguments())
        return {item.key: self._sample(item, arguments[item.key]) for item in chosen}

    async def _arguments(self) -> dict[str, list[str]]:
        """Return what each wrk script is given. Sessions are new in each round: wrk keeps the tokens it received."""
        write = self.people.write
        # Twice as many chains as connections, so that none runs dry before the next answer.
        sessions = await self.people.sign_in(2 * self.plan.connections)
        return {
            "login": [write("forms", self.people.forms)],
            "me": [write("access-tokens", [session["access_token"] for session in sessions])],
            "cookie": [write("cookies", await self.people.cookies(self.plan.connections))],
            "refresh": [write("refresh-tokens", [session["refresh_token"] for session in sessions])],
            "register": [secrets.token_hex(6)],
            "health": [],
        }

    def _sample(self, item: Measure, arguments: list[str]) -> Sample:
        floors = {name: self._floor(name, item, arguments) for name in item.floors_on(self.kind)}
        load, cost = measure(self.server, item.key, item.path, arguments, self.plan)
        return Sample(load=load, cost=cost, floors=floors)

    def _floor(self, name: str, item: Measure, arguments: list[str]) -> Floor:
        if name == HASHES:
            fields = Settings.model_fields
            hashes = measure_hashes(
                seconds=self.plan.seconds,
                processes=self.cores,
                memory_kib=fields["ARGON2_MEMORY_KIB"].default,
                iterations=fields["ARGON2_ITERATIONS"].default,
            )
            return Floor(rate=hashes.rate, cpu_us=hashes.cpu_us)
        path = f"/{name}/{item.like or item.key}"
        server, path = (self.unbatched, item.path) if name == UNBATCHED else (self.floor, path)
        load, cost = measure(server, item.key, path, arguments, self.plan)
        return Floor(rate=load.rate, cpu_us=cost.cpu_us)


def summary(rounds: Sequence[Mapping[str, Sample]], item: Measure) -> dict[str, Any]:
    """Return one row: medians over the rounds, and the sums of what should not have happened."""
    samples = [samples[item.key] for samples in rounds]
    loads = [asdict(sample.load) for sample in samples]
    medians = {name: round(median(load[name] for load in loads), 2) for name in ("rate", "p50", "p95", "p99")}
    return {
        **medians,
        "errors": sum(sample.load.errors for sample in samples),
        "busy": sum(sample.load.busy for sample in samples),
        "cpu_us": round(median(sample.cost.cpu_us for sample in samples), 1),
        "memory_mb": max(sample.cost.memory.whole for sample in samples),
        "workers_mb": max((sample.cost.memory.workers for sample in samples), key=sum),
        "rates": [sample.load.rate for sample in samples],
        "floors": {name: _floor_summary(samples, name) for name in samples[0].floors},
    }


def _floor_summary(samples: Sequence[Sample], name: str) -> dict[str, float]:
    """Return medians. A ratio is taken within its round, where both ran under the same conditions."""
    return {
        "rate": round(median(sample.floors[name].rate for sample in samples), 1),
        "cpu_us": round(median(sample.floors[name].cpu_us for sample in samples), 1),
        "ratio": round(median(sample.ratio(name) for sample in samples), 4),
        "cpu_ratio": round(median(sample.cpu_ratio(name) for sample in samples), 3),
    }

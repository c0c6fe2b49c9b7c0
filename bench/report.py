"""Turns what was measured into text of at most 120 columns, and compares it with the baseline."""

from collections.abc import Sequence
from typing import Any

from bench.measures import BARE, HASHES, MEASURES, PLAIN, UNBATCHED, UPDATE, Measure
from bench.probe import BAR_MS, FLOOR, HEALTH, ME, SIGN_INS
from bench.starting import BAR_SECONDS

TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
LEGEND = (
    "req/s counts successes. Latencies in ms. CPU: µs of the server's processor time for each request. MB: memory\n"
    "(PSS) of all server processes, and of the largest worker. Floors, in the same round: raw Argon2id hashes/s for\n"
    "sign-in and register, else a bare ASGI callable (floor/s) and a plain FastAPI route (FastAPI/s); ratio: req/s over\n"
    "the floor's. CPU x: how many times the processor time of a hash, or of the FastAPI route. bench/README.md says more."
)


def header(machine: dict[str, Any], options: dict[str, Any]) -> str:
    """Return the first lines."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    loads = " ".join(f"{value:.2f}" for value in machine["load_before"])
    return (
        f"Ostiary, measured {machine['date']} with Python {machine['python']}\n"
        f"{versions}\n"
        f"{machine['cores']} cores ({machine['processor']}), {options['workers']} workers, "
        f"{options['connections']} connections, {options['rounds']} round(s) of {options['seconds']} s, load average {loads}"
    )


def footer(machine: dict[str, Any]) -> str:
    """Return the last lines: what the columns mean, and how far to trust them."""
    before = machine["load_before"][0]
    if before < machine["cores"] / 4:
        return LEGEND
    return (
        f"{LEGEND}\nOthers were using this machine (load {before:.2f}): trust ratio and CPU x, not rates and latencies."
    )


def main_table(kind: str, found: dict[str, Any]) -> str:
    """Return the table of one database."""
    heads = [TITLES[kind], "req/s", "p50", "p95", "p99", "errors", "503", "CPU", "MB", "worker", "floor/s", "ratio"]
    heads += ["FastAPI/s", "ratio", "CPU x", "bar"]
    rows = [_main_row(item, found["rows"][item.key]) for item in MEASURES if item.key in found["rows"]]
    idle = found["memory_idle"]
    each = " + ".join(f"{size:.0f}" for size in idle["workers"])
    remarks = [f"Before any load: {idle['whole']:.0f} MB, of which workers {each}", *_batching(found["rows"])]
    return "\n".join([_table(heads, rows), *remarks])


def _batching(rows: dict[str, Any]) -> list[str]:
    """Return what the batching reader is worth, if it was measured."""
    floors = [row["floors"][UNBATCHED] for row in rows.values() if UNBATCHED in row["floors"]]
    return [
        f"With one statement for each request, GET /auth/me: {floor['rate']:.0f}/s, {floor['cpu_us']:.0f} µs; "
        f"batching makes it {floor['ratio']:.2f} times as fast"
        for floor in floors
    ]


def responsiveness_table(kind: str, found: dict[str, Any]) -> str:
    """Return how long others waited while many signed in."""
    heads = [f"{TITLES[kind]}, while {SIGN_INS} sign in", "p50", "p95", "p99", "max", "answers", "503", "errors"]
    names = {FLOOR: "a bare server beside it", HEALTH: "GET /health", ME: "GET /auth/me"}
    states = {"idle": ", nobody signing in", "loaded": ""}
    columns = ("p50", "p95", "p99", "max", "answers", "busy", "errors")
    rows = [
        [title + when, *(_number(found[state][name][column]) for column in columns)]
        for state, when in states.items()
        for name, title in names.items()
    ]
    p99 = max(found["loaded"][name]["p99"] for name in (HEALTH, ME))
    verdict = "met" if p99 <= BAR_MS else "MISSED"
    crowd = found["sign_ins"]
    return (
        f"{_table(heads, rows)}\n"
        f"Bar: p99 of both at most {BAR_MS} ms: {verdict} ({p99:.1f} ms). "
        f"Sign-ins meanwhile: {crowd['rate']:.0f}/s, {crowd['busy']} answered 503, {crowd['errors']} errors"
    )


def comparison(now: dict[str, Any], then: dict[str, Any]) -> str:
    """Return now divided by then, for everything that both have."""
    heads = ["now / baseline", "req/s", "p50", "p99", "CPU", "MB", "floor/s", "ratio", "FastAPI/s", "ratio", "CPU x"]
    rows = [
        _comparison_row(f"{TITLES[kind]} {item.title}", found["rows"][item.key], old["rows"][item.key])
        for kind, found in now["databases"].items()
        if (old := then["databases"].get(kind))
        for item in MEASURES
        if item.key in found["rows"] and item.key in old["rows"]
    ]
    if not rows:
        return "Nothing of this is in the baseline"
    machine = then["machine"]
    remark = f"Baseline of {machine['date']}, {machine['cores']} cores ({machine['processor']})"
    if _circumstances(now) != _circumstances(then):
        remark += ". Circumstances differ: only the ratios to the floors compare"
    return f"{_table(heads, rows)}\n{remark}"


def _circumstances(found: dict[str, Any]) -> tuple[Any, ...]:
    machine, options = found["machine"], found["options"]
    return machine["processor"], machine["cores"], options["workers"], options["connections"]


def _main_row(item: Measure, row: dict[str, Any]) -> list[str]:
    names = ("rate", "p50", "p95", "p99", "errors", "busy", "cpu_us", "memory_mb")
    cells = [item.title, *(_number(row[name]) for name in names), _number(max(row["workers_mb"], default=0))]
    for name in (_first_floor(row), PLAIN):
        floor = row["floors"].get(name)
        cells += [_number(floor["rate"]), f"{floor['ratio']:.3f}"] if floor else ["", ""]
    return [*cells, f"{row['floors'][_near_floor(row)]['cpu_ratio']:.2f}", _verdict(item, row)]


def _verdict(item: Measure, row: dict[str, Any]) -> str:
    """Return the part of its floor that a row must reach, and whether it does."""
    if item.bar is None or item.bar[0] not in row["floors"]:
        return ""
    floor, part = item.bar
    return f"{part} {'met' if row['floors'][floor]['ratio'] >= part else 'MISSED'}"


def starts_line(found: dict[str, Any]) -> str:
    """Return how long the server took to its first answer."""
    verdict = "met" if found["median"] <= BAR_SECONDS else "MISSED"
    return f"First answer after the start: {found['median']:.2f} s (slowest {found['slowest']:.2f}); bar {BAR_SECONDS} s: {verdict}"


def _comparison_row(title: str, now: dict[str, Any], then: dict[str, Any]) -> list[str]:
    names = ("rate", "p50", "p99", "cpu_us", "memory_mb")
    cells = [title, *(_quotient(now[name], then[name]) for name in names)]
    for name in (_first_floor(now), PLAIN):
        floors = now["floors"].get(name, {}), then["floors"].get(name, {})
        cells += [_quotient(*(floor.get(figure, 0) for floor in floors)) for figure in ("rate", "ratio")]
    near = _near_floor(now)
    return [*cells, _quotient(*(row["floors"][near]["cpu_ratio"] for row in (now, then)))]


def _first_floor(row: dict[str, Any]) -> str:
    return next(name for name in (HASHES, UPDATE, BARE, PLAIN) if name in row["floors"])


def _near_floor(row: dict[str, Any]) -> str:
    return HASHES if HASHES in row["floors"] else PLAIN


def _quotient(now: float, then: float) -> str:
    return f"{now / then:.2f}" if then else ""


def _number(value: float) -> str:
    if isinstance(value, int) or value >= 1000:  # noqa: PLR2004  # Four digits say enough.
        return f"{value:.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left and the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )

"""Turns what was measured into one table of at most 120 columns."""

from statistics import mean
from typing import Any

from bench.peers.contenders import CONTENDERS, Contender
from bench.peers.rows import CONNECTIONS, EQUALS, HASHING_CONNECTIONS, OSTIARY, ROWS, Row
from bench.peers.waiting import SIGN_INS
from bench.tables import number, table

WAITING = "waiting"
_AT_ONCE, _LATER = "ends at once", "good until it expires"
LEGEND = (
    "req/s counts successes. Latencies in ms. CPU: µs of the server's processor time for each request, without\n"
    "PostgreSQL's. of Ostiary's: the rate as a part of Ostiary's in the same round. Medians over the rounds; errors and\n"
    "503 (a full queue that says so) are sums. While many sign in, who is answered 503 waits for its Retry-After; one's own\n"
    "account and a route that asks nothing are asked for 50 times a second each, and timed from when each was due:\n"
    "percentiles over all rounds."
)


def header(found: dict[str, Any]) -> str:
    """Return the first lines: when, with what, and on what."""
    machine, options = found["machine"], found["options"]
    own = {"Ostiary": found["ostiary"], "Python": machine["python"], **machine["versions"]}
    loads = " ".join(f"{value:.2f}" for value in machine["load_before"])
    how = f"{options['workers']} workers each, {options['rounds']} round(s) of {options['seconds']} s"
    connections = (
        f"{CONNECTIONS} connections ({HASHING_CONNECTIONS} and {2 * options['seconds']} s to sign in and register)"
    )
    return "\n".join(
        [
            f"Measured {machine['date']} on {machine['cores']} cores ({machine['processor']}), load average {loads}",
            f"{how}, {connections}, one PostgreSQL {found['postgresql']}",
            *(_versions(name, which) for name, which in {"Ostiary": own, **found["peers"]}.items()),
        ]
    )


def whole(found: dict[str, Any]) -> str:
    """Return the table, and below it what its columns mean."""
    blocks = [_block(row, found["rows"][row.key]) for row in ROWS if row.key in found["rows"]]
    if found[WAITING]:
        blocks.append(_waits(found[WAITING]))
    return "\n\n".join([*blocks, f"{LEGEND}\n{_others(found)}"])


def _others(found: dict[str, Any]) -> str:
    """Return how far to trust all this."""
    lines = [*found[WAITING].values(), *(line for lines in found["rows"].values() for line in lines.values())]
    used, cores = mean(cores for line in lines for cores in line["others"]), found["machine"]["cores"]
    verdict = "" if used < cores / 8 else ": trust CPU, and the rest only where it differs by far"
    return f"Between measurements others used {used:.2f} of {cores} cores{verdict}."


def _versions(name: str, which: dict[str, str]) -> str:
    others = [
        f"{package} {number}" for package, number in which.items() if package not in {name, "SQLite", "aiosqlite"}
    ]
    return f"{name} {which[name]}: {', '.join(others)}"


def _block(row: Row, lines: dict[str, dict[str, Any]]) -> str:
    heads = [row.title, "req/s", "p50", "p99", "errors", "503", "CPU", "of Ostiary's"]
    names = ("rate", "p50", "p99", "errors", "busy", "cpu_us")
    rows = [
        [_title(row, CONTENDERS[key]), *(number(lines[key][name]) for name in names), _part(lines[key], key)]
        for key in row.contenders
    ]
    # What somebody does not have is said.
    rows += [[_system(CONTENDERS[key]) + "none", *[""] * 7] for key in EQUALS if key not in row.contenders]
    return table(heads, rows)


def _waits(found: dict[str, dict[str, Any]]) -> str:
    heads = [f"While {SIGN_INS} sign in", "sign-ins/s", "errors", "503", "account p50", "p99", "max"]
    heads += ["health p50", "p99", "max"]
    rows = []
    for key, waits in found.items():
        crowd, me, health = waits["sign_ins"], waits["me"], waits["health"]
        errors = crowd["errors"] + me["errors"] + health["errors"]
        times = [each[name] for each in (me, health) for name in ("p50", "p99", "max")]
        figures = map(number, [crowd["rate"], errors, crowd["busy"], *times])
        rows.append([_system(CONTENDERS[key]) + _short(CONTENDERS[key]), *figures])
    return table(heads, rows)


def _title(row: Row, contender: Contender) -> str:
    if row.key == "refresh":
        return f"{_system(contender)}each token once, then its successor"
    if row.key == "me":
        return f"{_system(contender)}{contender.proof}: {_AT_ONCE if contender.is_revocable else _LATER}"
    return _system(contender) + contender.hashing


def _short(contender: Contender) -> str:
    """Return the hashing in a few letters; its parameters stand above."""
    return contender.hashing.partition(" N=")[0]


def _system(contender: Contender) -> str:
    return f"{contender.system:<14} "


def _part(line: dict[str, Any], key: str) -> str:
    return "" if key == OSTIARY else f"{line['of_ostiary']:.2f}"

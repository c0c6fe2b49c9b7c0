"""Says on what, with what and when something was measured."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "aiosqlite")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def describe() -> dict[str, Any]:
    """Return date, versions and machine."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES} | {"SQLite": sqlite3.sqlite_version},
        "processor": _processor(),
        "cores": cores(),
        "load_before": load_average(),
    }


def load_average() -> list[float]:
    """Return the system's load over the last 1, 5 and 15 minutes: above zero, others were working too."""
    return [round(value, 2) for value in os.getloadavg()]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

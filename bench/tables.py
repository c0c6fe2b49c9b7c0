"""Tables of plain text, and the figures in them."""

import math
from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left and the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def number(value: float) -> str:
    """Return a figure with about three digits that count."""
    magnitude = abs(value)
    if magnitude >= 100 or value == int(value):  # noqa: PLR2004  # Three digits say enough.
        return f"{value:,.0f}"
    return f"{value:.1f}" if magnitude >= 10 else f"{value:.3f}" if magnitude < 1 else f"{value:.2f}"  # noqa: PLR2004


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least value that so many per cent of all do not exceed. 0 when there is none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0

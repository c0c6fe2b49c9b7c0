"""The page on the audit log says of each kind that it is written, and of nothing else."""

import re

from app.models import AuditKind
from tests.architecture.sources import REPOSITORY


def test_the_page_lists_every_kind_of_event() -> None:
    """Whoever searches the log, or keeps it, knows from the list what can stand in it."""
    page = (REPOSITORY / "docs/concepts/audit.md").read_text(encoding="utf-8")
    section = page.partition("## What is recorded\n")[2].partition("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    listed = re.findall(r"`(\w+\.\w+)`", table)
    assert sorted(listed) == sorted(kind.value for kind in AuditKind)

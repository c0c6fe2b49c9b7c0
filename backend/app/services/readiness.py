"""Whether this process can serve."""

from app.database import Database
from app.exceptions import DatabaseUnavailable, NotReady
from app.migrations import Revisions, present_heads


async def check_readiness(database: Database, expected: Revisions) -> dict[str, str]:
    """Return each check with `ok`. Raises `NotReady` that names what is missing, and nothing about why."""
    try:
        present = await present_heads(database)
    except DatabaseUnavailable as error:
        raise NotReady({"database": "unavailable", "migrations": "unknown"}) from error
    if not expected.satisfied_by(present):
        raise NotReady({"database": "ok", "migrations": "pending"})
    return {"database": "ok", "migrations": "ok"}

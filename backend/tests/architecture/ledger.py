"""An extension that writes and then ends in each of the ways in which a request can end."""

from fastapi import APIRouter
from sqlalchemy import text

from app.auth.dependencies import Public, WorkDep
from app.exceptions import ConflictError, Refusal

NAME = __name__
TABLES = (
    "CREATE TABLE ledger (entry INTEGER PRIMARY KEY, account INTEGER)",
    # Checked at the commit, and not before: the only way to make a commit itself fail.
    "CREATE TABLE ledger_link (entry INTEGER REFERENCES ledger (entry) DEFERRABLE INITIALLY DEFERRED)",
)

router = APIRouter(prefix="/ledger", dependencies=[Public])


class Noted(Refusal):
    """A "no" whose trace is kept."""

    code = "LEDGER_NOTED"
    status_code = 403
    title = "No, and that is written down"


async def _write(work: WorkDep, entry: int) -> None:
    await work.db.execute(text("INSERT INTO ledger (entry) VALUES (:entry)"), {"entry": entry})


@router.post("/kept/{entry}")
async def keep(entry: int, work: WorkDep) -> int:
    """Write and answer."""
    await _write(work, entry)
    return entry


@router.post("/refused/{entry}")
async def refuse(entry: int, work: WorkDep) -> None:
    """Write and refuse in a way that keeps what was written."""
    await _write(work, entry)
    raise Noted


@router.post("/conflict/{entry}")
async def conflict(entry: int, work: WorkDep) -> None:
    """Write and refuse in the ordinary way."""
    await _write(work, entry)
    raise ConflictError


@router.post("/accident/{entry}")
async def fail(entry: int, work: WorkDep) -> None:
    """Write and fail."""
    await _write(work, entry)
    raise RuntimeError("Nobody planned for this")


@router.post("/unsendable/{entry}")
async def answer_wrongly(entry: int, work: WorkDep) -> int:
    """Write and return something that does not fit the promised answer."""
    await _write(work, entry)
    return "no number"  # type: ignore[return-value]


@router.post("/uncommittable/{entry}")
async def break_the_commit(entry: int, work: WorkDep) -> int:
    """Write what only the commit refuses."""
    await _write(work, entry)
    await work.db.execute(text("INSERT INTO ledger_link (entry) VALUES (-1)"))
    return entry

"""Makes and spends mailed values as the journeys do, each in a unit of work of its own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app.exceptions import MailedProofInvalid
from app.models import MailedProof, Purpose
from app.runtime import Runtime
from app.services.mailed import proofs
from app.services.mailed.proofs import NewProof, Proved
from tests.accounts import CLIENT
from tests.rows import write

ADA = "ada@example.com"
AN_HOUR = timedelta(hours=1)


async def issue(runtime: Runtime, purpose: Purpose = Purpose.VERIFY_ADDRESS, **changes: Any) -> NewProof:
    """Mail something to Ada, as it were."""
    async with runtime.database.begin(CLIENT) as work:
        return await proofs.issue_proof(
            work, **{"purpose": purpose, "email_normal": ADA, "valid_for": AN_HOUR, **changes}
        )


async def follow(
    runtime: Runtime, token: str, purpose: Purpose = Purpose.VERIFY_ADDRESS, binding: str | None = None
) -> Proved | None:
    """Spend a link. None: it was refused."""
    try:
        async with runtime.database.begin(CLIENT) as work:
            return await proofs.spend_link(work, purpose=purpose, token=token, binding=binding)
    except MailedProofInvalid:
        return None


async def type_code(
    runtime: Runtime,
    code: str | None,
    purpose: Purpose = Purpose.VERIFY_ADDRESS,
    *,
    email: str = ADA,
    binding: str | None = None,
) -> Proved | None:
    """Spend a code, or a try. None: it was refused."""
    try:
        async with runtime.database.begin(CLIENT) as work:
            return await proofs.spend_code(work, purpose=purpose, email_normal=email, code=code or "", binding=binding)
    except MailedProofInvalid:
        return None


async def proofs_in(runtime: Runtime) -> list[MailedProof]:
    """Return every mailed value that has not been used, oldest first."""
    return list(await runtime.database.read.entities(select(MailedProof).order_by(MailedProof.id)))


async def change_proofs(runtime: Runtime, **values: object) -> None:
    """Change every one of them behind the API's back: that is how time passes."""
    await write(runtime, update(MailedProof).values(**values))


async def end_proofs(runtime: Runtime, *, now: datetime) -> None:
    """Let the time of all of them be over, as of a moment."""
    await change_proofs(runtime, expires_at=now)


def another_code(proof: NewProof) -> str:
    """Return a code that is not this one."""
    return f"{(int(proof.code or 0) + 1) % 10**proofs.CODE_DIGITS:08}"


def id_of(person_id: str) -> UUID:
    return UUID(person_id)

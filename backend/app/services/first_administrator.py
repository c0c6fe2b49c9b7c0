"""How an installation gets its first administrator: by a one-time code from the server's log, or by the command."""

from sqlalchemy import update

from app.auth.emails import mask_email
from app.auth.passwords.pool import HashingPool
from app.database import Work
from app.exceptions import NotFoundError
from app.models import AuditKind, User
from app.models.role import ADMINISTRATOR
from app.services import audit
from app.services.accounts import NewAccount, checked_email, register
from app.services.administrators import check_setup_code, claim_setup


async def set_up(work: Work, hashing: HashingPool, *, code: str, account: NewAccount) -> User:
    """Register the first administrator and return them.

    Raises `SetupCodeInvalid` when the code is wrong or out of date or an administrator exists, and what `register`
    raises. Of fifty at once one succeeds.
    """
    with audit.refusals(work, AuditKind.SETUP_REFUSED, subject=mask_email(account.email)):
        check_setup_code(work, code)
    user = await register(work, hashing, account=account, role=ADMINISTRATOR)
    with audit.refusals(work, AuditKind.SETUP_REFUSED, subject=mask_email(account.email)):
        await claim_setup(work, new=user.id)
    return user


async def create_administrator(work: Work, hashing: HashingPool, *, account: NewAccount) -> User:
    """Register an administrator on the word of whoever can run commands on the server. Raises what `register` does."""
    return await register(work, hashing, account=account, role=ADMINISTRATOR)


async def promote(work: Work, *, email: str) -> User:
    """Make an existing account an administrator and return it. Raises `NotFoundError`, or `FieldInvalid`."""
    statement = (
        update(User)
        .where(User.email_normal == checked_email(email).normal)
        .values(role_name=ADMINISTRATOR, is_active=True, updated_at=work.now)
        .returning(User)
    )
    user = (await work.db.execute(statement)).scalar_one_or_none()
    if user is None:
        raise NotFoundError("User")
    await audit.record(work, AuditKind.USER_PROMOTED, target_id=user.id, detail={"role": ADMINISTRATOR})
    return user

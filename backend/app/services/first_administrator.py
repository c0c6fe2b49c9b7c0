"""How an installation gets its first administrator: by a one-time code from the server's log, or by the command."""

import structlog
from sqlalchemy import update

from app.auth.passwords.pool import HashingPool
from app.database import Work
from app.exceptions import NotFoundError
from app.models import User
from app.models.role import ADMINISTRATOR
from app.services.accounts import NewAccount, checked_email, register
from app.services.administrators import check_setup_code, claim_setup

log = structlog.get_logger()


async def set_up(work: Work, hashing: HashingPool, *, code: str, account: NewAccount) -> User:
    """Register the first administrator and return them.

    Raises `SetupCodeInvalid` when the code is wrong or out of date or an administrator exists, and what `register`
    raises. Of fifty at once one succeeds.
    """
    check_setup_code(work, code)
    user = await register(work, hashing, account=account, role=ADMINISTRATOR)
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
    log.warning("user.promoted", user_id=str(user.id), role=ADMINISTRATOR)
    return user

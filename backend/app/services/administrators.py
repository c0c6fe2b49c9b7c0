"""The first administrator, and the rule that there is always one."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, select

from app.auth.keys import derive_key
from app.auth.tokens import make_setup_code, setup_code_is_valid
from app.config import Settings
from app.database import Reader, Work
from app.exceptions import LastAdministrator, SetupCodeInvalid
from app.models import Role, User
from app.models.role import ADMINISTRATOR

SETUP_CODE_TTL = timedelta(hours=24)
_PURPOSE = "first-administrator"


async def has_administrator(read: Reader) -> bool:
    """Whether anybody can administer this installation."""
    row = await read.first(_active_administrators())
    return bool(row and row[0])


def new_setup_code(settings: Settings, *, now: datetime) -> str:
    """Return the code that makes the first administrator. It works for 24 hours, and only while there is none."""
    return make_setup_code(_key(settings), now=now, ttl=SETUP_CODE_TTL)


def check_setup_code(work: Work, code: str) -> None:
    """Raise `SetupCodeInvalid` when the code is wrong or out of date. Costs nothing, so it comes before any hashing."""
    if not setup_code_is_valid(code, _key(work.settings), now=work.now):
        raise SetupCodeInvalid


async def claim_setup(work: Work, *, new: UUID) -> None:
    """Make sure that the administrator just added is the first: from here to the commit nobody else can be.

    Raises `SetupCodeInvalid` when there is another one already.
    """
    await lock_administrators(work)
    others = _active_administrators().where(User.id != new)
    if (await work.db.execute(others)).scalar_one():
        raise SetupCodeInvalid


async def lock_administrators(work: Work) -> None:
    """Serialise changes to who administers. SQLite's transaction has the only write lock already."""
    await work.db.execute(select(Role.name).where(Role.name == ADMINISTRATOR).with_for_update(key_share=True))


async def keep_an_administrator(work: Work, *, without: UUID) -> None:
    """Raise `LastAdministrator` when this user is the only active administrator, as of this very moment.

    Takes a lock that every such change takes, so that two administrators cannot remove each other at once.
    """
    await lock_administrators(work)
    statement = select(User.id).where(User.role_name == ADMINISTRATOR, User.is_active).limit(2)
    if (await work.db.execute(statement)).scalars().all() == [without]:
        raise LastAdministrator


def _active_administrators() -> Select[int]:
    return select(func.count()).select_from(User).where(User.role_name == ADMINISTRATOR, User.is_active)


def _key(settings: Settings) -> bytes:
    return derive_key(settings.SECRET_KEY.get_secret_value(), _PURPOSE)

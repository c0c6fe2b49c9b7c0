"""What those who administer do with the accounts of others."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from app.auth.actor import CurrentUser
from app.database import Reader, Work
from app.exceptions import FieldCode, FieldInvalid, NotFoundError, PermissionDenied
from app.models import AuditKind, EndCause, Role, User
from app.models.role import ADMINISTRATOR
from app.services import audit
from app.services.administrators import keep_an_administrator, lock_administrators
from app.services.callers import reread_current_user
from app.services.cursors import decode_cursor, encode_cursor
from app.services.sessions.end import end_sessions_of

READ = "users:read"
WRITE = "users:write"


@dataclass(frozen=True)
class UserPage:
    """Some users, and where the next page begins."""

    items: Sequence[User]
    next_cursor: str | None


@dataclass(frozen=True)
class UserChange:
    """What an administrator wants changed; None leaves a thing as it is."""

    is_active: bool | None = None
    role: str | None = None


async def list_users(read: Reader, *, limit: int, cursor: str | None, skip: int, search: str | None) -> UserPage:
    """Return users in the order of their registration, a page at a time.

    A cursor goes on where a page ended, however deep, at equal cost, and neither repeats nor leaves out anybody who
    was there all along. Raises `FieldInvalid` for a cursor that is not one of ours.
    """
    statement = select(User).order_by(User.id).limit(limit + 1).offset(skip)
    if cursor is not None:
        statement = statement.where(User.id > decode_cursor(cursor))
    if search:
        statement = statement.where(
            User.search_text.contains(unicodedata.normalize("NFC", search).lower(), autoescape=True)
        )
    users = await read.entities(statement)
    more = len(users) > limit
    return UserPage(items=users[:limit], next_cursor=encode_cursor(users[limit - 1].id) if more else None)


async def get_user(read: Reader, *, actor: CurrentUser, user_id: UUID) -> User:
    """Return a user whom the caller may see: themselves, or anybody with `users:read`.

    Raises `NotFoundError` for everybody else, there or not, so that ids cannot be probed.
    """
    visible = actor.id == user_id or actor.may(READ)
    found = await read.entities(select(User).where(User.id == user_id)) if visible else []
    if not found:
        raise NotFoundError("User")
    return found[0]


async def change_user(work: Work, *, actor: CurrentUser, user_id: UUID, change: UserChange) -> User:
    """Disable, enable or give another role to a user, and return them. A disabled user's sessions end at once.

    Raises `NotFoundError`, `PermissionDenied` when the user or the new role ranks above the caller, `FieldInvalid`
    for an unknown role, `LastAdministrator` when nobody would be left to administer, `SessionEnded` when the caller
    was disabled while this waited for another administrator's change.
    """
    about = audit.About(actor_id=actor.id, target_id=user_id, session_id=actor.session_id)
    detail = {"is_active": change.is_active, "role": change.role}
    with audit.refusals(work, AuditKind.USER_CHANGE_REFUSED, **about, detail=detail):
        target = await _checked_target(work, actor=actor, user_id=user_id, change=change)
    target.is_active = target.is_active if change.is_active is None else change.is_active
    target.role_name = change.role or target.role_name
    target.updated_at = work.now
    if change.is_active is False:
        await end_sessions_of(work, user_id=user_id, cause=EndCause.USER_DISABLED, actor_id=actor.id)
    await audit.record(work, AuditKind.USER_CHANGED, **about, detail=detail)
    return target


async def _checked_target(work: Work, *, actor: CurrentUser, user_id: UUID, change: UserChange) -> User:
    """Return the user to be changed, locked, once it is sure that the caller may change them like this."""
    await lock_administrators(work)
    actor = await reread_current_user(work, user=actor)
    if not actor.may(WRITE):
        raise PermissionDenied
    target = await get_target(work, actor=actor, user_id=user_id)
    if change.role is not None:
        await check_role(work, actor=actor, name=change.role)
    if _stops_administering(target, change):
        await keep_an_administrator(work, without=user_id)
    return target


async def get_target(work: Work, *, actor: CurrentUser, user_id: UUID) -> User:
    """Return the user to be changed, locked until the commit: a sign-in of theirs comes before or after, not between.

    Raises `NotFoundError`, or `PermissionDenied` when they rank above the caller.
    """
    user = (await work.db.execute(select(User).where(User.id == user_id).with_for_update())).scalar_one_or_none()
    if user is None:
        raise NotFoundError("User")
    # A statement of its own, after the lock: joined to the first it would see the role from before the wait.
    rank = (await work.db.execute(select(Role.rank).where(Role.name == user.role_name))).scalar_one()
    if rank > actor.role_rank:
        raise PermissionDenied("This user has a higher role than yours")
    return user


async def check_role(work: Work, *, actor: CurrentUser, name: str) -> None:
    """Raise `FieldInvalid` for a role that there is not, and `PermissionDenied` for one that ranks above the caller."""
    rank = (await work.db.execute(select(Role.rank).where(Role.name == name))).scalar_one_or_none()
    if rank is None:
        raise FieldInvalid("/role", FieldCode.ROLE_UNKNOWN, "there is no role of this name")
    if rank > actor.role_rank:
        raise PermissionDenied("This role is higher than yours")


def _stops_administering(user: User, change: UserChange) -> bool:
    demoted = change.role is not None and change.role != ADMINISTRATOR
    return user.role_name == ADMINISTRATOR and user.is_active and (demoted or change.is_active is False)

"""Sign-in with a password. Whoever asks learns only whether it worked, whatever the reason."""

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, case, select, update

from app.auth.assurance import PASSWORD
from app.auth.emails import EmailInvalid, mask_email, parse_email
from app.auth.passwords.hashing import MAXIMUM_LENGTH
from app.auth.passwords.pool import HashingPool, Place
from app.database import Reader, Work
from app.driver import HotStatement
from app.exceptions import HashingBusy, InvalidCredentials
from app.models import AuditKind, User
from app.models.role import ORDINARY
from app.services import audit
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInContext, complete


@dataclass(frozen=True)
class Credentials:
    """What somebody types who signs in with a password."""

    email: str
    password: str = field(repr=False)


class _Account(NamedTuple):
    user_id: UUID
    password_hash: str | None
    is_active: bool
    is_proved: bool
    role_name: str


_BY_ADDRESS = HotStatement(
    select(User.id, User.password_hash, User.is_active, User.email_verified_at.is_not(None), User.role_name).where(
        User.email_normal == bindparam("address")
    ),
    "address",
    row=_Account,
)


async def sign_in_with_password(
    work: Work, hashing: HashingPool, context: SignInContext, *, credentials: Credentials
) -> Issued | IssuedCookie:
    """Begin a session for the owner of an address and its password.

    Raises `InvalidCredentials` for an unknown address, a wrong password, an account without one, and a disabled
    account alike, after one hash computation on each of these paths; a hash that was brought from elsewhere takes
    the time of its own kind until its owner has signed in once. Raises `HashingBusy` under too much load, and what a
    gate raises. No connection is held while the hash is computed. A hash that is out of date is replaced on the way.
    """
    with hashing.place() as place:
        account = await _identify(work.read, credentials.email)
        proved = await _prove(work, hashing, account, credentials, place)
    attempt = Attempt(
        user_id=proved.user_id,
        methods=(PASSWORD,),
        authenticated_at=work.now,
        password_hash=proved.password_hash,
        is_vouched_for=proved.is_proved or proved.role_name != ORDINARY,
    )
    return await complete(work, context, attempt)


async def _identify(read: Reader, email: str) -> _Account | None:
    try:
        address = parse_email(email)
    except EmailInvalid:
        return None
    return next(iter(await read.ask(_BY_ADDRESS, address.normal)), None)


async def _prove(
    work: Work, hashing: HashingPool, account: _Account | None, credentials: Credentials, place: Place
) -> _Account:
    """Return the account whose password this is, or raise `InvalidCredentials`. Everybody takes the same time."""
    usable = len(credentials.password) <= MAXIMUM_LENGTH
    password = credentials.password if usable else ""
    matches = await hashing.verify(password, account.password_hash if account else None, place=place)
    if account is None or not matches or not usable or not account.is_active:
        about = audit.About(target_id=account.user_id if account else None, subject=mask_email(credentials.email))
        audit.refuse(work, AuditKind.SIGN_IN_FAILED, **about, cause=_cause(account, matches=matches))
        raise InvalidCredentials
    if hashing.needs_rehash(account.password_hash or ""):
        return account._replace(password_hash=await _move_up(work, hashing, account, password))
    return account


def _cause(account: _Account | None, *, matches: bool) -> str:
    """Return why somebody does not come in. Only who may read the audit log learns it."""
    if account is None:
        return "unknown_address"
    if account.password_hash is None:
        return "no_password"
    return "wrong_password" if not matches else "user_disabled"


async def _move_up(work: Work, hashing: HashingPool, account: _Account, password: str) -> str:
    """Replace an old hash by one of today, and return what stands in the account now, whose row is locked from here on.

    Under too much load the old one stays, and nothing is locked: whose password is right comes in all the same.
    A password change that committed meanwhile is seen here. Only when another sign-in has moved the same hash up at this
    moment is the password verified once more, against the new one. Raises `InvalidCredentials`.
    """
    stored = account.password_hash or ""
    try:
        fresh = await hashing.hash(password)
    except HashingBusy:  # The next sign-in will move it up.
        return stored
    moved = case((User.password_hash == stored, fresh), else_=User.password_hash)
    statement = (
        update(User)
        .where(User.id == account.user_id, User.is_active)
        .values(password_hash=moved)
        .returning(User.password_hash)
        .execution_options(synchronize_session=False)
    )
    current: str | None = (await work.db.execute(statement)).scalar_one_or_none()
    if current is None or (current != fresh and not await hashing.verify(password, current)):
        audit.refuse(work, AuditKind.SIGN_IN_OVERTAKEN, target_id=account.user_id, cause=InvalidCredentials.code)
        raise InvalidCredentials
    return current

"""What people do with their own account: register, change name or password, delete it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import ReturningInsert

from app.auth.actor import CurrentUser
from app.auth.emails import EmailAddress, EmailInvalid, mask_email, parse_email
from app.auth.identifiers import new_id
from app.auth.names import TextRefused, person_name
from app.auth.passwords.policy import EXPLANATIONS, PasswordProblem, password_problem
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Work
from app.exceptions import EmailTaken, FieldCode, FieldInvalid, NewPasswordRefused, WrongPassword
from app.mail.locales import known_locales
from app.mail.messages import NoticeEvent
from app.models import AuditKind, EndCause, Purpose, SessionEventKind, User
from app.models.role import ORDINARY
from app.services import audit
from app.services.administrators import keep_an_administrator
from app.services.callers import lock_current_user
from app.services.mailed.notices import notify
from app.services.mailed.proofs import forget_proofs, leave_to_reader
from app.services.second_factors.remembered import forget_all
from app.services.sessions.end import end_sessions_of
from app.services.sessions.events import record_habit


@dataclass(frozen=True)
class NewAccount:
    """What somebody who wants an account says of themselves."""

    email: str
    password: str = field(repr=False)
    full_name: str | None = None
    locale: str | None = None
    """The language that mail to them is written in. None: DEFAULT_LOCALE."""


async def register(work: Work, hashing: HashingPool, *, account: NewAccount, role: str = ORDINARY) -> User:
    """Add an account and return it.

    Raises `FieldInvalid` for an address or a password that is not accepted, `EmailTaken` when the address has an
    account already, `HashingBusy` under too much load. The unique index decides, so of fifty at once one succeeds.
    """
    added = await add_account(work, hashing, account=account, role=role)
    if added is None:
        raise EmailTaken
    return added


async def add_account(work: Work, hashing: HashingPool, *, account: NewAccount, role: str = ORDINARY) -> User | None:
    """Add an account whose address nobody has proved, and return it. None: the address has an account already.

    The work is the same either way. Raises `FieldInvalid` and `HashingBusy`.
    """
    address, full_name = checked_email(account.email), checked_name(account.full_name)
    check_new_password(
        work.settings, account.password, pointer="/password", own_words=(address.normal, full_name or "")
    )
    own = OwnWords(full_name=full_name, locale=account.locale, password_hash=await hashing.hash(account.password))
    added = await insert_account(work, address=address, own=own, role=role)
    if added is None:
        subject = mask_email(account.email)
        audit.refuse(work, AuditKind.USER_REGISTRATION_REFUSED, subject=subject, cause=EmailTaken.code)
        return None
    await audit.record(work, AuditKind.USER_REGISTERED, target_id=added.id, detail={"role": role})
    return added


@dataclass(frozen=True)
class OwnWords:
    """What an account keeps of what its user has said."""

    full_name: str | None
    locale: str | None
    password_hash: str | None = field(repr=False)


async def insert_account(
    work: Work, *, address: EmailAddress, own: OwnWords, role: str, verified_at: datetime | None = None
) -> User | None:
    """Insert an account and return it. None: the address has one. The unique index decides."""
    values = {
        "id": new_id(),
        "email": address.deliverable,
        "email_normal": address.normal,
        "email_verified_at": verified_at,
        "full_name": own.full_name,
        "search_text": search_text(address.normal, own.full_name),
        "password_hash": own.password_hash,
        "locale": own.locale,
        "is_active": True,
        "role_name": role,
        "created_at": work.now,
        "updated_at": work.now,
    }
    return (await work.db.execute(_claim_address(work, values))).scalar_one_or_none()


class Profile(TypedDict, total=False):
    """What people change of their own account. What is left out stays as it is."""

    full_name: str | None
    """None takes the name away."""
    locale: str | None
    """The language that mail to them is written in. None: DEFAULT_LOCALE."""


async def update_profile(work: Work, *, user: CurrentUser, **changed: Unpack[Profile]) -> User:
    """Set the caller's own name or language and return the account.

    Raises `FieldInvalid` for a name that is not accepted and for a language that there are no templates in; `SessionEnded` or
    `TokenInvalid` when session or account have just ended.
    """
    values: dict[str, Any] = {"updated_at": work.now}
    if "full_name" in changed:
        values["full_name"] = checked_name(changed["full_name"])
        values["search_text"] = search_text(parse_email(user.email).normal, values["full_name"])
    if "locale" in changed:
        values["locale"] = _checked_locale(work.settings, changed["locale"])
    await lock_current_user(work, user=user)
    statement = update(User).where(User.id == user.id).values(values).returning(User)
    updated = (await work.db.execute(statement)).scalar_one()
    await audit.record(work, AuditKind.USER_PROFILE_CHANGED, **_by(user))
    return updated


async def change_password(work: Work, hashing: HashingPool, *, user: CurrentUser, current: str | None, new: str) -> int:
    """Replace the caller's password, or set the first one, and end every other session of theirs.

    Devices that were known are strangers: whoever has learnt the former password has nothing of them. Returns by which
    number devices are known from now on (`Handover.keep_device`).

    `current` is None only for an account without a password, or with a second factor, whose caller has given another fresh proof. Raises
    `WrongPassword` when the current one is wrong or was changed meanwhile, `SessionEnded` when the session was ended
    meanwhile, `FieldInvalid` when the new one is not accepted.
    """
    check_new_password(work.settings, new, pointer="/new_password", own_words=(user.email, user.full_name or ""))
    stored = await _proved_hash(work, hashing, user=user, password=current)
    replacement = await hashing.hash(new)
    await lock_current_user(work, user=user)
    statement = (
        update(User)
        .where(User.id == user.id, User.password_hash == stored)
        .values({"password_hash": replacement, "updated_at": work.now, **strange_devices()})
        .returning(User.device_generation)
    )
    devices = (await work.db.execute(statement)).scalar_one_or_none()
    if devices is None:
        raise WrongPassword
    await end_sessions_of(work, user_id=user.id, cause=EndCause.PASSWORD_CHANGED, but=user.session_id)
    # What was mailed under the old password lets nobody around the new one. But whoever has registered somebody else's
    # address takes no link away that its owner has in the mailbox.
    if user.email_verified or user.role != ORDINARY:
        await forget_proofs(work, user_id=user.id, purposes=[Purpose.RESET_PASSWORD, Purpose.SIGN_IN])
    await forget_all(work, user_id=user.id)
    await audit.record(work, AuditKind.USER_PASSWORD_CHANGED, **_by(user), detail={"first": stored is None})
    await notify(work, user_id=user.id, event=NoticeEvent.PASSWORD_CHANGED)
    return devices


async def delete_account(work: Work, hashing: HashingPool, *, user: CurrentUser, password: str | None) -> None:
    """Delete the caller's account with everything that hangs on it, after a fresh proof: of the password, if it has one.

    Raises `WrongPassword`, `SessionEnded`, or `LastAdministrator` when nobody else could administer the installation.
    """
    stored = await _proved_hash(work, hashing, user=user, password=password)
    with audit.refusals(work, AuditKind.USER_DELETION_REFUSED, **_by(user)):
        await keep_an_administrator(work, without=user.id)
    await lock_current_user(work, user=user)
    if not user.email_verified and user.role == ORDINARY:
        await leave_to_reader(work, user_id=user.id)
    statement = delete(User).where(User.id == user.id, User.password_hash == stored).returning(User.id)
    if (await work.db.execute(statement)).first() is None:
        raise WrongPassword
    await audit.record(work, AuditKind.USER_DELETED, **_by(user))


async def _proved_hash(work: Work, hashing: HashingPool, *, user: CurrentUser, password: str | None) -> str | None:
    """Return the stored hash once its password has been proved, or None where there is none and none was sent.

    Who had a password, and no second factor, when the request began must send it: no other proof was asked of them. Raises
    `WrongPassword`.
    """
    if password is None and not user.has_password:
        return None
    if password is None and user.has_second_factor:
        return await _stored_hash(work, user)
    return await verified_password_hash(work, hashing, user=user, password=password or "")


async def verified_password_hash(work: Work, hashing: HashingPool, *, user: CurrentUser, password: str) -> str:
    """Return the stored hash of the caller's password once it has been proved.

    Raises `WrongPassword`, which the session's story keeps: its owner may not be the one who is guessing.
    """
    with hashing.place() as place:
        stored = await _stored_hash(work, user)
        matches = await hashing.verify(password, stored, place=place)
    if not matches or stored is None:
        audit.refuse(work, AuditKind.USER_PASSWORD_REFUSED, **_by(user), cause=WrongPassword.code)
        await record_habit(work, user.session_id, kind=SessionEventKind.PASSWORD_REFUSED, once_per_address=False)
        raise WrongPassword
    return stored


async def _stored_hash(work: Work, user: CurrentUser) -> str | None:
    row = await work.read.first(select(User.password_hash).where(User.id == user.id))
    return row.password_hash if row else None


def checked_email(text: str) -> EmailAddress:
    """Return both forms of an address that somebody typed, or raise `FieldInvalid`."""
    try:
        return parse_email(text)
    except EmailInvalid as error:
        raise FieldInvalid("/email", FieldCode.EMAIL_INVALID, str(error)) from error


def checked_name(text: str | None) -> str | None:
    """Return a name in its normal form, or raise `FieldInvalid`. None stays None."""
    try:
        return None if text is None else person_name(text)
    except TextRefused as error:
        raise FieldInvalid("/full_name", FieldCode.NAME_INVALID, f"the name {error}") from error


def _checked_locale(settings: Settings, locale: str | None) -> str | None:
    if locale is not None and locale not in known_locales(settings):
        raise FieldInvalid("/locale", FieldCode.LOCALE_UNKNOWN, "there are no mails in this language")
    return locale


def check_new_password(settings: Settings, password: str, *, pointer: str, own_words: tuple[str, ...]) -> None:
    """Raise `NewPasswordRefused` with the reason as its code when a new password is not accepted."""
    problem = password_problem(
        password, minimum_length=settings.PASSWORD_MIN_LENGTH, own_words=(*own_words, settings.APP_NAME)
    )
    if problem:
        least = f": at least {settings.PASSWORD_MIN_LENGTH} characters" if problem == PasswordProblem.TOO_SHORT else ""
        raise NewPasswordRefused(pointer, problem.value, f"this password {EXPLANATIONS[problem]}{least}")


def search_text(email_normal: str, full_name: str | None) -> str:
    """Return what the administrators' search looks in: address and name, in lower case."""
    return f"{email_normal} {full_name or ''}".lower().strip()[:500]


def strange_devices() -> dict[str, Any]:
    """Return the values that make strangers of all devices on which an account has signed in before."""
    return {"device_generation": User.device_generation + 1}


def _by(user: CurrentUser) -> audit.About:
    """What an event says of somebody who does something to their own account."""
    return audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)


def _claim_address(work: Work, values: dict[str, object]) -> ReturningInsert[User]:
    """Insert unless the address is taken: the index answers, not a look-up that another request could overtake."""
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    return insert(User).values(values).on_conflict_do_nothing(index_elements=["email_normal"]).returning(User)

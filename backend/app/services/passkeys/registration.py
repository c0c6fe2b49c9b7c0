"""A signed-in user adds a passkey to their account."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.auth.actor import CurrentUser
from app.auth.identifiers import new_id
from app.auth.passkeys.answers import says_discoverable
from app.auth.passkeys.ceremonies import CeremonyKind
from app.auth.passkeys.options import registration_options
from app.auth.passkeys.values import NewPasskey, PasskeyRejected, Reason
from app.auth.passkeys.verification import verify_registration
from app.auth.second_factors import Factor, passkey_methods
from app.database import Work
from app.exceptions import PasskeyRefused, TooManyPasskeys
from app.models import AuditKind, Passkey, User
from app.services import audit
from app.services.callers import lock_current_user
from app.services.passkeys.ceremonies import Begun, Purpose, begin, descriptors_of, must_verify_user, reopen, spend
from app.services.passkeys.party import relying_party
from app.services.passkeys.proof import Brought
from app.services.second_factors.changes import FactorAdded, NewFactor, note_added

MOST_PASSKEYS = 20
_HANDLE_BYTES = 32


async def begin_registration(work: Work, *, user: CurrentUser) -> Begun:
    """Return what the browser is asked, so that it makes a passkey. Devices that hold one of this account make no second.

    Raises `TooManyPasskeys`, `SessionEnded`, `TokenInvalid`.
    """
    await lock_current_user(work, user=user)
    exclude = await descriptors_of(work, user_id=user.id)
    if len(exclude) >= MOST_PASSKEYS:
        raise TooManyPasskeys
    ceremony, text = begin(work, _purpose(user))
    options = registration_options(
        relying_party(work.settings),
        challenge=ceremony.challenge,
        user_handle=await _handle(work, user.id),
        user_name=user.email,
        display_name=user.full_name or user.email,
        exclude=exclude,
    )
    if must_verify_user(work.settings):
        options["authenticatorSelection"]["userVerification"] = "required"
    return Begun(options, text)


@dataclass(frozen=True, slots=True)
class PasskeyAdded:
    """A passkey, and what came with it."""

    passkey: Passkey
    added: FactorAdded
    methods: tuple[str, ...]
    """What making it has proved."""


async def add_passkey(work: Work, *, user: CurrentUser, name: str, brought: Brought) -> PasskeyAdded:
    """Add the passkey that a browser has made, and tell the user by mail.

    Raises `PasskeyRefused` for an answer that is wrong or was given before, and for a passkey that anybody has already; `TooManyPasskeys`,
    `SessionEnded`, `TokenInvalid`.
    """
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    await lock_current_user(work, user=user)
    try:
        ceremony = reopen(work, brought.ceremony, _purpose(user))
        party = relying_party(work.settings)
        made = verify_registration(party, challenge=ceremony.challenge, credential=brought.credential)
        _check_verified(work, made)
        await spend(work, ceremony)
        is_discoverable = says_discoverable(brought.credential)
        passkey = await _insert(work, user.id, name, made, is_discoverable=is_discoverable)
    except (PasskeyRejected, PasskeyRefused) as error:
        cause = error.reason.value if isinstance(error, PasskeyRejected) else "ceremony"
        audit.refuse(work, AuditKind.FACTOR_REFUSED, **about, cause=cause, detail={"factor": "passkey"})
        raise PasskeyRefused from error
    added = await note_added(
        work, user_id=user.id, session_id=user.session_id, factor=NewFactor(Factor.PASSKEY, passkey.id, passkey.name)
    )
    methods = passkey_methods(is_synced=made.backup_eligible, is_user_verified=made.user_verified)
    return PasskeyAdded(passkey, added, methods)


def _check_verified(work: Work, made: NewPasskey) -> None:
    """Raise `PasskeyRejected` for a passkey that did not verify its user where only such a one signs in."""
    if must_verify_user(work.settings) and not made.user_verified:
        raise PasskeyRejected(Reason.USER_VERIFICATION)


def _purpose(user: CurrentUser) -> Purpose:
    return Purpose(CeremonyKind.REGISTER, bound_to=user.session_id, user_id=user.id)


async def _handle(work: Work, user_id: UUID) -> bytes:
    """Return what an account's passkeys know it by: the same for all of them, drawn for the first."""
    drawn = func.coalesce(User.passkey_handle, secrets.token_bytes(_HANDLE_BYTES))
    statement = update(User).where(User.id == user_id).values(passkey_handle=drawn).returning(User.passkey_handle)
    handle = (await work.db.execute(statement.execution_options(synchronize_session=False))).scalar_one()
    return bytes(handle or b"")


async def _insert(work: Work, user_id: UUID, name: str, made: NewPasskey, *, is_discoverable: bool) -> Passkey:
    """Add a passkey and return it, unless anybody has one of this id: the index answers. Raises `PasskeyRejected`."""
    number = await work.db.execute(select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id))
    if number.scalar_one() >= MOST_PASSKEYS:
        raise TooManyPasskeys
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    row = {
        "id": new_id(),
        "user_id": user_id,
        "credential_id": made.credential_id,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "is_uv_initialized": made.user_verified,
        "is_discoverable": is_discoverable,
        "transports": " ".join(made.transports),
        "is_backup_eligible": made.backup_eligible,
        "is_backed_up": made.backed_up,
        "aaguid": made.aaguid,
        "name": name,
        "created_at": work.now,
    }
    statement = insert(Passkey).values(row).on_conflict_do_nothing(index_elements=["credential_id"]).returning(Passkey)
    passkey = (await work.db.execute(statement)).scalar_one_or_none()
    if passkey is None:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    return passkey

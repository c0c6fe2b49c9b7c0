"""Somebody proves that they hold a passkey: to sign in, as a second factor, or once more within a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, literal, or_, select, update

from app.auth.passkeys.answers import credential_id_of
from app.auth.passkeys.values import PasskeyRejected, Reason, StoredPasskey, Used
from app.auth.passkeys.verification import verify_authentication
from app.auth.second_factors import passkey_methods
from app.database import Work
from app.exceptions import PasskeyRefused
from app.mail.messages import NoticeEvent
from app.models import AuditKind, Passkey, User
from app.services import audit
from app.services.mailed.notices import notify
from app.services.passkeys.ceremonies import Purpose, must_verify_user, reopen, spend
from app.services.passkeys.party import relying_party


@dataclass(frozen=True, slots=True)
class Brought:
    """What a client brings: the ceremony that was begun, and what the browser answered (`PublicKeyCredential.toJSON()`)."""

    ceremony: str
    credential: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose passkey it was, and how strong a proof."""

    user_id: UUID
    methods: tuple[str, ...]


async def prove_passkey(work: Work, *, purpose: Purpose, brought: Brought, kind: AuditKind) -> Proved:
    """Take the answer of a passkey, once, and return what it proves. Its account is locked until the commit.

    Raises `PasskeyRefused` for an unknown or removed passkey, one of another account, an answer to another question, one
    that was given before, where second factors are off one that did not verify its user, and one whose counter did not
    grow: there may be a copy of that passkey, and its user is told. `kind` is what the audit log calls a refusal; it
    learns the reason, and whoever asks does not.
    """
    row: Row[*tuple[Any, ...]] | None = None
    try:
        ceremony = reopen(work, brought.ceremony, purpose)
        row = await _find(work, purpose, credential_id_of(brought.credential))
        used = verify_authentication(
            relying_party(work.settings),
            challenge=ceremony.challenge,
            credential=brought.credential,
            stored=_stored(row),
            user_verification_required=must_verify_user(work.settings),
            user_handle_required=purpose.user_id is None,
        )
        await spend(work, ceremony)
        await _note_use(work, row, used, is_found=purpose.user_id is None)
    except (PasskeyRejected, PasskeyRefused) as error:
        cause = error.reason.value if isinstance(error, PasskeyRejected) else "ceremony"
        about = audit.About(target_id=row.user_id if row else purpose.user_id)
        audit.refuse(work, kind, **about, cause=cause, detail={"method": "passkey"})
        raise PasskeyRefused from error
    methods = passkey_methods(is_synced=row.is_backup_eligible, is_user_verified=used.user_verified)
    return Proved(row.user_id, methods)


async def _find(work: Work, purpose: Purpose, credential_id: bytes) -> Row[*tuple[Any, ...]]:
    """Return a passkey, with its account locked. What this statement reads of the passkey may be a moment old.

    Raises `PasskeyRejected` for one that is not known, or not of the account that the purpose names.
    """
    statement = (
        select(*Passkey.__table__.columns, User.passkey_handle)
        .join(User, User.id == Passkey.user_id)
        .where(Passkey.credential_id == credential_id)
        .with_for_update(of=User)
    )
    row = (await work.db.execute(statement)).one_or_none()
    if row is None or purpose.user_id not in {None, row.user_id}:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    return row


def _stored(row: Row[*tuple[Any, ...]]) -> StoredPasskey:
    return StoredPasskey(
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        backup_eligible=row.is_backup_eligible,
        user_handle=row.passkey_handle or b"",
    )


async def _note_use(work: Work, row: Row[*tuple[Any, ...]], used: Used, *, is_found: bool) -> None:
    """Move the counter on, unless the passkey has gone meanwhile, or another answer has moved it as far.

    In one statement: of two copies that answer at the same moment one is found out. One that was found without an address
    can be found so, whatever its browser said of it. Raises `PasskeyRejected`.
    """
    grows = or_(Passkey.sign_count < used.sign_count, and_(Passkey.sign_count == 0, literal(used.sign_count) == 0))
    moved = (
        update(Passkey)
        .where(Passkey.id == row.id, grows)
        .values(
            sign_count=used.sign_count,
            is_backed_up=used.backed_up,
            is_uv_initialized=Passkey.is_uv_initialized | used.user_verified,
            is_discoverable=Passkey.is_discoverable | is_found,
            last_used_at=work.now,
        )
        .returning(Passkey.id)
        .execution_options(synchronize_session=False)
    )
    if (await work.db.execute(moved)).first() is not None:
        return
    if (await work.db.execute(select(Passkey.id).where(Passkey.id == row.id))).first() is None:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)  # Its owner has just removed it: nobody has a copy.
    await _tell_of_copy(work, row, used)
    raise PasskeyRejected(Reason.COUNTER)


async def _tell_of_copy(work: Work, row: Row[*tuple[Any, ...]], used: Used) -> None:
    detail = {"passkey_id": str(row.id), "stored": row.sign_count, "presented": used.sign_count}
    audit.refuse(work, AuditKind.PASSKEY_COUNTER_FELL, cause="counter", target_id=row.user_id, detail=detail)
    await notify(work, user_id=row.user_id, event=NoticeEvent.PASSKEY_COPIED, what=row.name)

"""Changes accounts for people who come from providers: makes them, hands them to their owners, adds identities."""

from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import Insert as AnyInsert

from app.auth.emails import parse_email
from app.auth.identifiers import new_id
from app.auth.oidc import id_token
from app.database import Base, Work
from app.exceptions import InvalidCredentials
from app.models import AuditKind, EndCause, Identity, User
from app.models.role import ORDINARY
from app.services import audit
from app.services.accounts import search_text, strange_devices
from app.services.former_owner import forget_former_owner
from app.services.mailed.reset import forget_ways
from app.services.sessions.end import end_sessions_of


async def begin_account(work: Work, *, comer: id_token.Identity, proved: bool, role: str | None = None) -> UUID | None:
    """Add an account for somebody new and return its id. None: the address has just been taken.

    Not `proved`: the provider is no authority for the address. The account gives way to one that is. `role` is what
    somebody was invited to; None: the ordinary one.
    """
    values = {"id": new_id(), "is_active": True, "created_at": work.now, **_begun(work, comer, role)}
    values["email_verified_at"] = work.now if proved else None
    statement = insert_or_nothing(work, User, values, "email_normal").returning(User.id)
    return (await work.db.execute(statement)).scalar_one_or_none()


async def hand_over_account(work: Work, *, user: User, comer: id_token.Identity, role: str | None = None) -> UUID:
    """Give an account to the owner of its address, and return its id.

    Every way in that somebody has put there who never proved the address to be theirs is gone: the password, the
    sessions, the identities, and with these their one-time codes, and what was mailed for it. Raises `InvalidCredentials` for a disabled account,
    which stays as it is.
    """
    if not user.is_active:
        raise InvalidCredentials
    await forget_former_owner(work, user_id=user.id)
    await forget_ways(work, user_id=user.id)
    await end_sessions_of(work, user_id=user.id, cause=EndCause.ADDRESS_PROVED)
    await work.db.execute(
        update(User).where(User.id == user.id).values({**_begun(work, comer, role), **strange_devices()})
    )
    await audit.record(work, AuditKind.FEDERATION_ACCOUNT_GAVE_WAY, target_id=user.id)
    return user.id


async def note_proof(work: Work, *, identity: Identity, session_id: UUID | None) -> None:
    """Note that the address is its user's: who is signed in has shown it at the provider. It gives way to nobody now.

    With the first proof every session ends but the one that asked, and every identity goes but the one that proves:
    somebody else may have put them there. The password stays, because nobody could say that it is not the user's.
    """
    unproved = (User.id == identity.user_id, User.email_verified_at.is_(None))
    values = {"email_verified_at": work.now, "updated_at": work.now, **strange_devices()}
    noted = update(User).where(*unproved).values(values).returning(User.id)
    if (await work.db.execute(noted.execution_options(synchronize_session=False))).first() is None:
        return
    others = (Identity.user_id == identity.user_id, Identity.id != identity.id)
    await work.db.execute(delete(Identity).where(*others).execution_options(synchronize_session=False))
    await end_sessions_of(work, user_id=identity.user_id, cause=EndCause.ADDRESS_PROVED, but=session_id)
    about = audit.About(actor_id=identity.user_id, target_id=identity.user_id, session_id=session_id)
    await audit.record(work, AuditKind.FEDERATION_ADDRESS_PROVED, **about, detail={"identity_id": str(identity.id)})


def _begun(work: Work, comer: id_token.Identity, role: str | None) -> dict[str, object]:
    """What an account is whose only proof, until now, came from the provider, which is an authority for its address."""
    address = parse_email(comer.email or "")
    return {
        "email": address.deliverable,
        "email_normal": address.normal,
        "email_verified_at": work.now,
        "full_name": comer.name,
        "search_text": search_text(address.normal, comer.name),
        "password_hash": None,
        "locale": None,
        "role_name": role or ORDINARY,
        "updated_at": work.now,
    }


async def add_identity(work: Work, *, comer: id_token.Identity, user_id: UUID) -> Identity | None:
    """Add an identity to an account and return it. None: it has just been added, to whomever."""
    values = {
        "id": new_id(),
        "user_id": user_id,
        "issuer": comer.issuer,
        "subject": comer.subject,
        "email": comer.email,
        "email_verified": comer.email_verified,
        "created_at": work.now,
        "last_used_at": work.now,
    }
    statement = insert_or_nothing(work, Identity, values, "issuer", "subject").returning(Identity)
    return (await work.db.execute(statement)).scalar_one_or_none()


def insert_or_nothing(work: Work, model: type[Base], values: dict[str, object], *unique: str) -> AnyInsert:
    """Insert unless the row is there: the index answers, not a look-up that another request could overtake."""
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    return insert(model).values(values).on_conflict_do_nothing(index_elements=list(unique))

"""Links and codes that are mailed: made, spent once, forgotten. What they are worth is the business of each journey.

The database holds neither: of the link (256 random bits) a digest, of the code (eight digits) a MAC under a server key
together with the row's id. Both name their purpose, so that a value of one journey is nothing in another one. Each is
spent by one statement; of any number at once one succeeds.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.auth.identifiers import new_id
from app.auth.keys import derive_key
from app.database import Work
from app.exceptions import MailedProofInvalid
from app.models import MailedProof, Purpose, User
from app.models.mailed_proof import ONE_LIVE

PREFIXES = {
    Purpose.VERIFY_ADDRESS: "ost_mv_",
    Purpose.RESET_PASSWORD: "ost_mr_",
    Purpose.CHANGE_ADDRESS: "ost_mc_",
    Purpose.VETO_ADDRESS: "ost_mo_",
    Purpose.SIGN_IN: "ost_ms_",
    Purpose.INVITATION: "ost_mi_",
    Purpose.UNDO: "ost_mu_",
}
"""Name the kind, so that a secret scanner or a support engineer sees what leaked."""
TRIES = 5
"""Codes that may be tried before only the link counts."""
CODE_DIGITS = 8
BATCH = 1000
"""Rows that one statement of the purge deletes."""

_MANY = frozenset({Purpose.UNDO, Purpose.VETO_ADDRESS, Purpose.SIGN_IN, Purpose.CHANGE_ADDRESS})
"""Of these an address may have several: the newest notice must not kill the link of the one before, nor a stranger who asks
for a code, which is worth something in their own browser or account alone, the code that the owner is typing."""
_RANDOM_BYTES = 32
_KEY = "mailed-proof/code"


@dataclass(frozen=True, slots=True)
class NewProof:
    """What is to be mailed, and nowhere else to be seen."""

    token: str = field(repr=False)
    code: str | None = field(repr=False)
    valid_for: timedelta


@dataclass(frozen=True, slots=True)
class Proved:
    """What somebody has proved: that they read the mail to this address."""

    user_id: UUID | None
    """None: there was no account when the mail was written, or it is gone and nobody had proved it."""
    email_normal: str
    detail: Mapping[str, Any]
    """What the journey wanted to remember."""
    issued_at: datetime


async def issue_proof(  # noqa: PLR0913  # Each is said by name, and most journeys say four.
    work: Work,
    *,
    purpose: Purpose,
    email_normal: str,
    user_id: UUID | None = None,
    valid_for: timedelta,
    with_code: bool = True,
    binding: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> NewProof:
    """Add a value for an address, in place of the one of this purpose that it had. Return what is to be mailed.

    With a `binding`, a secret that only the asking browser keeps, it counts together with that alone. An UNDO and a
    VETO_ADDRESS replace none; nor do a SIGN_IN and a CHANGE_ADDRESS, which need a binding of their own.
    """
    proof_id, token = new_id(), PREFIXES[purpose] + secrets.token_urlsafe(_RANDOM_BYTES)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}" if with_code else None
    values = {
        "id": proof_id,
        "purpose": purpose,
        "email_normal": email_normal,
        "user_id": user_id,
        "link_digest": _digest(purpose, "link", token),
        "code_digest": _code_digest(work.settings.secrets[0], proof_id, purpose, code) if code else None,
        "tries": 0,
        "binding_digest": _digest(purpose, "binding", binding) if binding is not None else None,
        "created_at": work.now,
        "expires_at": work.now + valid_for,
        "detail": dict(detail) if detail else None,
    }
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    statement = insert(MailedProof).values(values)
    if purpose not in _MANY:
        statement = statement.on_conflict_do_update(
            index_elements=["purpose", "email_normal"], index_where=ONE_LIVE, set_=values
        )
    # Whoever deletes an account takes it first and its rows here after it: so do we, and nobody waits for the other.
    await work.db.execute(select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True))
    await work.db.execute(statement)
    return NewProof(token=token, code=code, valid_for=valid_for)


async def pretend_proof(work: Work, *, purpose: Purpose) -> NewProof:
    """Do the work of `issue_proof`, and leave nothing that anybody could use: for an address that gets no such mail.

    Unlike a value that is issued for nobody it leaves alone what the address has.
    """
    over = timedelta(0)
    return await issue_proof(work, purpose=purpose, email_normal=new_id().hex, valid_for=over)


async def spend_link(work: Work, *, purpose: Purpose, token: str, binding: str | None = None) -> Proved:
    """Use up a link: its code goes with it. Return what it proves. The account, if there is one, is locked.

    Raises `MailedProofInvalid` for a link that is wrong, spent, too old, of another purpose or another browser's.
    """
    mine = _live(work, purpose, binding, MailedProof.link_digest == _digest(purpose, "link", token))
    await _lock_owner(work, mine)
    return await _spend(work, mine)


async def spend_code(
    work: Work, *, purpose: Purpose, email_normal: str, code: str, binding: str | None = None
) -> Proved:
    """Use up a code that somebody typed for an address: its link goes with it. Spaces and dashes do not matter.

    Each attempt is counted before it is looked at, so that no number of them at once gets more than five answers. A browser
    that has asked several times may type the code of each mail, and a wrong one counts for all of them. Raises
    `MailedProofInvalid`, which keeps the count; for an address that awaits no code it is the same answer after the same
    work. Another browser than the bound one uses up no attempt. The account, if there is one, is locked.
    """
    mine = _live(work, purpose, binding, MailedProof.email_normal == email_normal)
    await _lock_owner(work, mine)
    counted = (
        update(MailedProof)
        .where(*mine, MailedProof.tries < TRIES, MailedProof.code_digest.is_not(None))
        .values(tries=MailedProof.tries + 1)
        .returning(MailedProof.id, MailedProof.code_digest)
        .execution_options(synchronize_session=False)
    )
    found = (await work.db.execute(counted)).all()
    right = _whose_code(work.settings.secrets, purpose, code, found)
    if right is None:
        raise MailedProofInvalid
    return await _spend(work, (MailedProof.id == right,))


async def forget_proofs(work: Work, *, user_id: UUID, purposes: Collection[Purpose] | None = None) -> None:
    """Make values of an account's worthless: those of some purposes, or all."""
    chosen: list[ColumnElement[bool]] = [MailedProof.user_id == user_id]
    if purposes is not None:
        chosen.append(MailedProof.purpose.in_(sorted(purposes)))
    await work.db.execute(delete(MailedProof).where(*chosen).execution_options(synchronize_session=False))


async def leave_to_reader(work: Work, *, user_id: UUID) -> None:
    """Let what proves an address count on without an account that nobody has proved, and that gives the address up.

    Whoever registers an address and lets it go again would else end every link that its owner has in the mailbox. It counts
    for the next account with this address, as long as nobody has proved that one either.
    """
    mine = (MailedProof.user_id == user_id, MailedProof.purpose.in_([Purpose.VERIFY_ADDRESS, Purpose.RESET_PASSWORD]))
    statement = update(MailedProof).where(*mine).values(user_id=None, detail=None)
    await work.db.execute(statement.execution_options(synchronize_session=False))


async def purge_proofs(work: Work) -> int:
    """Delete some values whose time is over, and wait for nobody: requests take the same rows in other orders. Return how many."""
    over = select(MailedProof.id).where(MailedProof.expires_at <= work.now).limit(BATCH)
    some = over.with_for_update(skip_locked=True)
    statement = delete(MailedProof).where(MailedProof.id.in_(some)).returning(MailedProof.id)
    statement = statement.execution_options(synchronize_session=False)
    return len((await work.db.execute(statement)).all())


def _live(
    work: Work, purpose: Purpose, binding: str | None, *named: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ...]:
    """Return what a row must fulfil that is named like this and still counts here and now."""
    bound: ColumnElement[bool] = MailedProof.binding_digest.is_(None)
    if binding is not None:
        bound = or_(bound, MailedProof.binding_digest == _digest(purpose, "binding", binding))
    return (MailedProof.purpose == purpose, *named, MailedProof.expires_at > work.now, bound)


async def _lock_owner(work: Work, mine: tuple[ColumnElement[bool], ...]) -> None:
    """Lock the account before its row here, in the order in which a deletion takes them. None is all the same work."""
    has_address = select(User.id).where(User.email_normal == MailedProof.email_normal).scalar_subquery()
    owner = select(func.coalesce(MailedProof.user_id, has_address)).where(*mine).limit(1).scalar_subquery()
    await work.db.execute(select(User.id).where(User.id == owner).with_for_update())


async def _spend(work: Work, mine: tuple[ColumnElement[bool], ...]) -> Proved:
    row = MailedProof.user_id, MailedProof.email_normal, MailedProof.detail, MailedProof.created_at
    statement = delete(MailedProof).where(*mine).returning(*row).execution_options(synchronize_session=False)
    spent = (await work.db.execute(statement)).one_or_none()
    if spent is None:
        raise MailedProofInvalid
    return Proved(spent.user_id, spent.email_normal, spent.detail or {}, spent.created_at)


def _digest(purpose: Purpose, part: str, secret: str) -> bytes:
    """Return what a row keeps in place of a random secret, each purpose for itself."""
    return hashlib.sha256(f"mailed-proof/{purpose}/{part}/{secret}".encode(errors="replace")).digest()


def _code_digest(server_secret: str, proof_id: UUID, purpose: Purpose, code: str) -> bytes:
    key = derive_key(server_secret, _KEY)
    return hmac.digest(key, proof_id.bytes + f"{purpose}/{code}".encode(errors="replace"), "sha256")


def _whose_code(
    server_secrets: list[str], purpose: Purpose, typed: str, found: Sequence[Row[UUID, bytes | None]]
) -> UUID | None:
    """Return of which row a code is, under the present server secret or a former one. Without a row the work is the same."""
    code = "".join(typed.split()).replace("-", "")
    right = None
    for proof_id, stored in [(row.id, row.code_digest) for row in found] or [(UUID(int=0), b"")]:
        digests = [_code_digest(secret, proof_id, purpose, code) for secret in server_secrets]
        if any(hmac.compare_digest(digest, stored or b"") for digest in digests):
            right = proof_id
    return right

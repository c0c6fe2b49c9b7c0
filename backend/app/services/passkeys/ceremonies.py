"""Ceremonies of this installation: begun without a trace, and spent once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.auth.keys import derive_key
from app.auth.passkeys.ceremonies import (
    Ceremony,
    CeremonyInvalid,
    CeremonyKind,
    new_ceremony,
    open_ceremony,
    seal_ceremony,
)
from app.auth.passkeys.options import UserVerification, authentication_options
from app.auth.passkeys.values import Descriptor
from app.auth.second_factors import OFF
from app.config import Settings
from app.database import Work
from app.exceptions import PasskeyRefused
from app.models import Passkey, SpentCeremony
from app.services.passkeys.party import relying_party


@dataclass(frozen=True, slots=True)
class Begun:
    """What a browser is asked, and what the client gives back with its answer."""

    options: Mapping[str, Any]
    ceremony: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a passkey is asked for, and by whom. An answer to another question is none."""

    kind: CeremonyKind
    bound_to: UUID | None = None
    """The session, or the pending sign-in."""
    user_id: UUID | None = None
    """Whose passkey it must be. None: the answer says whose it is."""


def must_verify_user(settings: Settings) -> bool:
    """Whether a passkey counts only where its device has asked its user for a PIN, a finger or a face.

    Where nobody is asked for a second factor it stands alone: one that was found, or stolen, must open nothing.
    """
    return settings.SECOND_FACTOR == OFF


def begin(work: Work, purpose: Purpose) -> tuple[Ceremony, str]:
    """Return a new ceremony, and its text."""
    ceremony = new_ceremony(purpose.kind, now=work.now, bound_to=purpose.bound_to, user_id=purpose.user_id)
    return ceremony, seal_ceremony(ceremony, _keys(work.settings)[0])


def ask_for_any(work: Work) -> Begun:
    """Ask for whichever passkey of this installation the browser finds: the same question for everybody."""
    return _ask(work, Purpose(CeremonyKind.SIGN_IN), ())


async def ask_for_own(work: Work, purpose: Purpose) -> Begun:
    """Ask for one of the passkeys of the account that the purpose names."""
    return _ask(work, purpose, await descriptors_of(work, user_id=purpose.user_id))


async def descriptors_of(work: Work, *, user_id: UUID | None) -> Sequence[Descriptor]:
    """Return an account's passkeys as a browser is told of them, the oldest first."""
    mine = select(Passkey.credential_id, Passkey.transports).where(Passkey.user_id == user_id).order_by(Passkey.id)
    return [Descriptor(row.credential_id, tuple(row.transports.split())) for row in await work.db.execute(mine)]


def reopen(work: Work, text: str, purpose: Purpose) -> Ceremony:
    """Return a ceremony that somebody gives back. Raises `PasskeyRefused` for one that is not theirs, or not for this."""
    try:
        ceremony = open_ceremony(text, _keys(work.settings), kind=purpose.kind, now=work.now)
    except CeremonyInvalid as error:
        raise PasskeyRefused from error
    if (ceremony.bound_to, ceremony.user_id) != (purpose.bound_to, purpose.user_id):
        raise PasskeyRefused
    return ceremony


async def spend(work: Work, ceremony: Ceremony) -> None:
    """Note that a ceremony has been answered. Of any number at once one succeeds; the others raise `PasskeyRefused`."""
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    row = {"digest": ceremony.digest, "expires_at": ceremony.expires_at}
    added = insert(SpentCeremony).values(row).on_conflict_do_nothing().returning(SpentCeremony.digest)
    if (await work.db.execute(added)).first() is None:
        raise PasskeyRefused


def _ask(work: Work, purpose: Purpose, allow: Sequence[Descriptor]) -> Begun:
    ceremony, text = begin(work, purpose)
    party = relying_party(work.settings)
    wanted: UserVerification = "required" if must_verify_user(work.settings) else "preferred"
    options = authentication_options(party, challenge=ceremony.challenge, allow=allow, user_verification=wanted)
    return Begun(options, text)


def _keys(settings: Settings) -> list[bytes]:
    return [derive_key(secret, "passkey-ceremony") for secret in settings.secrets]

"""Deletes what second factors leave behind and nobody can use any more."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from app.database import Work
from app.models import PendingSignIn, RememberedDevice, SpentCeremony, TotpAuthenticator
from app.services.mailed.notices import VALID_FOR

BATCH = 1000
"""Rows that one statement deletes, so that no transaction lasts long."""
MARGIN = timedelta(minutes=5)
"""A ceremony must be forgotten later than it ends, on every server, however its clock goes: else it could be answered twice."""
UNCONFIRMED_FOR = timedelta(days=1)
"""How long an app stays that was offered and never confirmed. It could be confirmed for half an hour."""


async def purge_leftovers(work: Work) -> int:
    """Delete some of what is over, and wait for nobody. Return how many of that kind of which there are most."""
    never_confirmed = TotpAuthenticator.confirmed_at.is_(None)
    too_late = TotpAuthenticator.created_at <= work.now - UNCONFIRMED_FOR
    counts = [
        await _purge(work, PendingSignIn.id, PendingSignIn.expires_at <= work.now),
        await _purge(work, RememberedDevice.id, RememberedDevice.expires_at <= work.now),
        await _purge(work, SpentCeremony.digest, SpentCeremony.expires_at <= work.now - MARGIN),
        await _purge(work, TotpAuthenticator.id, never_confirmed, too_late),
        await _purge(work, TotpAuthenticator.id, TotpAuthenticator.replaced_at <= work.now - VALID_FOR),
    ]
    return max(counts)


async def _purge(work: Work, key: InstrumentedAttribute[Any], *over: ColumnElement[bool]) -> int:
    """Delete some rows that are over, but none that a request holds."""
    some = select(key).where(*over).limit(BATCH).with_for_update(skip_locked=True)
    statement = delete(key.class_).where(key.in_(some)).returning(key)
    return len((await work.db.execute(statement.execution_options(synchronize_session=False))).all())

"""Notes that a session is used, seldom enough to cost nothing: what its owner sees as "last seen"."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, update

from app.auth.transports import Transport
from app.database import Work
from app.models import Session, SessionEventKind
from app.services.sessions.events import record_habit
from app.services.sessions.state import unended

NOTED_EVERY = timedelta(minutes=5)


async def note_use(work: Work, *, session_id: UUID) -> None:
    """Move on when a session was last seen and, for a cookie, which nobody refreshes, when idleness ends it.

    Of many requests at once one does, and records an address that this session has not come from before.
    """
    idle_expires_at = work.now + work.settings.session_idle_ttl
    statement = (
        update(Session)
        .where(Session.id == session_id, Session.last_seen_at <= work.now - NOTED_EVERY, *unended(work.now))
        .values(
            last_seen_at=work.now,
            last_address=work.client.address,
            idle_expires_at=case(
                (Session.transport != Transport.COOKIE.value, Session.idle_expires_at),
                (Session.expires_at > idle_expires_at, idle_expires_at),
                else_=Session.expires_at,
            ),
        )
        .returning(Session.client_address)
        .execution_options(synchronize_session=False)
    )
    noted = (await work.db.execute(statement)).first()
    if noted and noted.client_address != work.client.address:
        await record_habit(work, session_id, kind=SessionEventKind.NEW_ADDRESS, once_per_address=True)

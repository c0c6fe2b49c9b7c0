"""A sign-in that is still, or was once, alive. Every access and refresh token hangs on one."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.auth.transports import Transport
from app.database import Base


class EndCause(StrEnum):
    """Why a session ended. The values are stable: clients and support read them."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    LOGOUT_OTHERS = "logout_others"
    ENDED_BY_USER = "ended_by_user"
    ENDED_BY_ADMINISTRATOR = "ended_by_administrator"
    SIGNED_IN_AGAIN = "signed_in_again"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    DISOWNED = "disowned"
    """Somebody read a notice of ours and said "this wasn't me"."""
    ADDRESS_PROVED = "address_proved"
    """The owner of the account's address came; whoever had this session had never proved to be that."""
    WAY_IN_REMOVED = "way_in_removed"
    FACTORS_RESET = "factors_reset"
    """An administrator has taken away the account's second factors."""
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    USER_DISABLED = "user_disabled"
    IDLE_TIMEOUT = "idle_timeout"
    ABSOLUTE_TIMEOUT = "absolute_timeout"


class Session(Base):
    """The root of a sign-in. `counter` says which refresh token is current; the row never holds a token."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    transport: Mapped[str] = mapped_column(String(10), default=Transport.BEARER.value)
    secret_digest: Mapped[bytes]
    former_secret_digest: Mapped[bytes | None]
    """Of the cookie before the current one, which counts for a short grace after `refreshed_at`."""
    counter: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]
    """When the user last proved who they are; 1970 if their provider does not say."""
    methods: Mapped[str] = mapped_column(String(100))
    """How the user proved who they are, separated by spaces (RFC 8176): `pwd`, `fed`."""
    refreshed_at: Mapped[datetime]
    """When the current refresh token, or cookie, was made; its parent is honoured for a short grace after that."""
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    end_cause: Mapped[str | None] = mapped_column(String(40))
    client_address: Mapped[str | None] = mapped_column(String(45))
    """Where the sign-in came from."""
    user_agent: Mapped[str | None] = mapped_column(String(400))
    device: Mapped[str | None] = mapped_column(String(100))
    """What the user agent says it is: `Firefox on Linux`."""
    network: Mapped[str | None] = mapped_column(String(50))
    """The network of the sign-in's address, by which a place is known again."""
    last_seen_at: Mapped[datetime]
    """When it was last used, to within a few minutes."""
    last_address: Mapped[str | None] = mapped_column(String(45))

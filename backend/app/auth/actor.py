"""Who is calling: one frozen value that guards hand to routes and routes hand to services."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.auth.assurance import authentication_level
from app.auth.second_factors import is_multi_factor
from app.auth.transports import Transport


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The signed-in caller, as the database knew them when the request began."""

    id: UUID
    email: str
    full_name: str | None
    locale: str | None
    """The language that mail to them is written in. None: the one of the installation."""
    is_active: bool
    email_verified: bool
    """Whether somebody has proved that the address is theirs."""
    role: str
    role_rank: int
    permissions: frozenset[str]
    created_at: datetime
    session_id: UUID
    transport: Transport
    """How this request carried its session."""
    authenticated_at: datetime
    """When the user last proved who they are, as far as this very credential knows (`auth_time`)."""
    methods: tuple[str, ...]
    """How they did (`amr`, RFC 8176)."""
    has_password: bool
    has_second_factor: bool
    """Whether the account has one that counts: then a fresh proof is one of a second factor."""

    @property
    def level(self) -> str:
        """How strongly they did: `aal1` or `aal2` (`acr`)."""
        return authentication_level(self.methods)

    @property
    def is_multi_factor(self) -> bool:
        """Whether they proved two factors."""
        return is_multi_factor(self.methods)

    def may(self, permission: str) -> bool:
        """Whether the caller's role carries a permission."""
        return permission in self.permissions

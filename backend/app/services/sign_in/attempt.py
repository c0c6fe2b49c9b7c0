"""Somebody who signs in, as far as they have come."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Attempt:
    """A sign-in whose first factor has been proved."""

    user_id: UUID
    methods: tuple[str, ...]
    """How, so far (RFC 8176)."""
    authenticated_at: datetime | None = None
    """When. None: nobody knows, so what asks for a fresh proof asks for another one."""
    password_hash: str | None = field(default=None, repr=False)
    """The hash of the password that was just verified, where it must still be the account's when the session begins."""
    is_vouched_for: bool = False
    """Whether the account's address was found proved, or its role above the ordinary: it must be so when the session begins."""
    proves_address: bool = False
    """Whether this very proof shows that the account's address is its user's, though the account does not say so yet."""

"""A provider's own tokens for one identity, sealed: this server calls the provider's interfaces with them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class ProviderToken(Base):
    """What a person lets this installation do at a provider. It goes with the identity, and so with the account."""

    __tablename__ = "provider_tokens"

    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    access_sealed: Mapped[bytes]
    """Another one whenever the row is written, because every seal is: whoever finds it unchanged was not overtaken."""
    refresh_sealed: Mapped[bytes | None]
    """None: the provider gave none, and once the access token has expired its user must consent again."""
    scopes: Mapped[str] = mapped_column(Text)
    """What was granted, separated by blanks."""
    expires_at: Mapped[datetime]
    """When the access token ends. One whose end the provider does not tell counts as expired at once."""
    updated_at: Mapped[datetime]
    refreshing_until: Mapped[datetime | None]
    """Until then somebody is asking the provider for fresh tokens, and everybody else waits."""
    failing_until: Mapped[datetime | None]
    """The provider has just failed; until then nobody asks it again."""

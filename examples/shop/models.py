"""The shop's table. It hangs on our users, and goes when they go."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class Order(Base):
    """Somebody wants some of an article."""

    __tablename__ = "shop_orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    article: Mapped[str] = mapped_column(String(80))
    quantity: Mapped[int]
    created_at: Mapped[datetime]

"""Roles and what they allow: data, so that a product can add its own without a new version."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base

ADMINISTRATOR = "admin"
ORDINARY = "user"


class Role(Base):
    """A name that users carry. A higher rank may act on a lower or an equal one, never on one above."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    rank: Mapped[int]
    description: Mapped[str] = mapped_column(String(200))


class RolePermission(Base):
    """One thing that a role may do, such as `users:read`."""

    __tablename__ = "role_permissions"

    role_name: Mapped[str] = mapped_column(ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(60), primary_key=True)

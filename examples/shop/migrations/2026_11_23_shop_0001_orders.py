"""The shop's orders, and the permission to read them all."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "shop_0001"
down_revision: str | Sequence[str] | None = None
# A branch of its own: the shop's history and Ostiary's move independently.
branch_labels: str | Sequence[str] | None = ("shop",)
depends_on: str | Sequence[str] | None = "0001"


def upgrade() -> None:
    """Add the table, and let administrators read every order."""
    op.create_table(
        "shop_orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("article", sa.String(80), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_shop_orders_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_shop_orders"),
    )
    op.create_index("ix_shop_orders_user_id", "shop_orders", ["user_id"])
    permissions = sa.table("role_permissions", sa.column("role_name"), sa.column("permission"))
    op.bulk_insert(permissions, [{"role_name": "admin", "permission": "orders:read"}])


def downgrade() -> None:
    """Take both away."""
    permissions = sa.table("role_permissions", sa.column("role_name"), sa.column("permission"))
    op.execute(permissions.delete().where(permissions.c.permission == "orders:read"))
    op.drop_table("shop_orders")

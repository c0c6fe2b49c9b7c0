"""How often something has been tried lately. Nothing hangs on it: to empty the table forgives every try."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "limit_buckets",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_limit_buckets"),
    )


def downgrade() -> None:
    op.drop_table("limit_buckets")

"""Mail that is to leave, written in the transaction that it tells of; the language of an account."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WAITING = sa.text("sent_at IS NULL AND given_up_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("locale", sa.String(20), nullable=True))
    op.create_table(
        "outgoing_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("recipient", sa.String(254), nullable=False),
        sa.Column("recipient_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("locale", sa.String(20), nullable=False),
        sa.Column("content_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(300), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_mails"),
    )
    op.create_index(
        "ix_outgoing_mails_due_at", "outgoing_mails", ["due_at"], postgresql_where=_WAITING, sqlite_where=_WAITING
    )
    op.create_index("ix_outgoing_mails_recipient_digest", "outgoing_mails", ["recipient_digest", "created_at"])
    for column in ("user_id", "created_at"):
        op.create_index(f"ix_outgoing_mails_{column}", "outgoing_mails", [column])


def downgrade() -> None:
    """Mail that has not left yet is lost."""
    op.drop_table("outgoing_mails")
    with op.batch_alter_table("users") as users:
        users.drop_column("locale")

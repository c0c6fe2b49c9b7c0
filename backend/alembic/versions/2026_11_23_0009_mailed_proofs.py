"""Links and codes that were mailed: to prove an address, to reset a password, to sign in, to undo; who may invite; known devices."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ONE_LIVE = sa.text("purpose NOT IN ('undo', 'veto_address', 'sign_in', 'change_address')")


def upgrade() -> None:
    op.create_table(
        "mailed_proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("email_normal", sa.String(254), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("link_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("binding_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mailed_proofs"),
        sa.UniqueConstraint("link_digest", name="uq_mailed_proofs_link_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mailed_proofs_user_id_users", ondelete="CASCADE"),
    )
    op.create_index("ix_mailed_proofs_user_id", "mailed_proofs", ["user_id"])
    op.create_index("ix_mailed_proofs_expires_at", "mailed_proofs", ["expires_at"])
    op.create_index(
        "uq_mailed_proofs_purpose_email_normal",
        "mailed_proofs",
        ["purpose", "email_normal"],
        unique=True,
        postgresql_where=_ONE_LIVE,
        sqlite_where=_ONE_LIVE,
    )
    with op.batch_alter_table("users") as users:
        # With a value for who is there already, and for workers that do not know the column yet.
        users.add_column(sa.Column("device_generation", sa.Integer(), nullable=False, server_default="0"))
    # An installation may have taken the role away, or have a permission of this name.
    op.execute(
        "INSERT INTO role_permissions (role_name, permission) SELECT name, 'users:invite' FROM roles WHERE name = 'admin' "
        "AND NOT EXISTS (SELECT 1 FROM role_permissions WHERE role_name = 'admin' AND permission = 'users:invite')"
    )


def downgrade() -> None:
    """Links and codes that are under way are worth nothing any more."""
    # Other roles have it from the installation, not from here.
    op.execute("DELETE FROM role_permissions WHERE role_name = 'admin' AND permission = 'users:invite'")
    with op.batch_alter_table("users") as users:
        users.drop_column("device_generation")
    op.drop_table("mailed_proofs")

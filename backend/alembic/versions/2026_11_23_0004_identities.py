"""Sign-in through identity providers: who somebody is there, which flows were answered, one-time codes.

Nobody's address counts as proved yet: until now nobody was asked for a proof.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "spent_flows",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_flows"),
    )
    op.create_index("ix_spent_flows_expires_at", "spent_flows", ["expires_at"])
    op.create_table(
        "sign_in_codes",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("binding", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sign_in_codes_user_id_users", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name="fk_sign_in_codes_identity_id_identities", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_in_codes"),
    )
    for column in ("user_id", "identity_id", "expires_at"):
        op.create_index(f"ix_sign_in_codes_{column}", "sign_in_codes", [column])


def downgrade() -> None:
    """Accounts stay, also those that have no other way in.

    When the tables return, their owners come back through a provider that is an authority for their address; who has
    neither that nor a password is locked out until an administrator helps.
    """
    op.drop_table("sign_in_codes")
    op.drop_table("spent_flows")
    op.drop_table("identities")
    with op.batch_alter_table("users") as users:
        users.drop_column("email_verified_at")

"""Accounts, roles and sessions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    roles = op.create_table(
        "roles",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_roles"),
    )
    permissions = op.create_table(
        "role_permissions",
        sa.Column("role_name", sa.String(40), nullable=False),
        sa.Column("permission", sa.String(60), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_name"], ["roles.name"], name="fk_role_permissions_role_name_roles", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_name", "permission", name="pk_role_permissions"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_normal", sa.String(254), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=True),
        sa.Column("search_text", sa.String(500), nullable=False),
        sa.Column("password_hash", sa.String(500), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("role_name", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["role_name"], ["roles.name"], name="fk_users_role_name_roles"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("uq_users_email_normal", "users", ["email_normal"], unique=True)
    op.create_index("ix_users_role_name", "users", ["role_name"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("methods", sa.String(100), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_cause", sa.String(40), nullable=True),
        sa.Column("client_address", sa.String(45), nullable=True),
        sa.Column("user_agent", sa.String(400), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.bulk_insert(
        roles,
        [
            {"name": "admin", "rank": 100, "description": "Administers users and roles"},
            {"name": "user", "rank": 0, "description": "Has an account"},
        ],
    )
    op.bulk_insert(
        permissions,
        [
            {"role_name": "admin", "permission": "users:read"},
            {"role_name": "admin", "permission": "users:write"},
        ],
    )


def downgrade() -> None:
    for table in ("sessions", "users", "role_permissions", "roles"):
        op.drop_table(table)

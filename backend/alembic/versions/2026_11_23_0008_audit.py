"""The audit log, who may read it, and how the server's own jobs are doing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REFUSED = sa.text("outcome <> 'success'")


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("cause", sa.String(100), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.String(254), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("client_address", sa.String(45), nullable=True),
        sa.Column("user_agent", sa.String(400), nullable=True),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    for column in ("target_id", "actor_id", "kind", "client_address"):
        op.create_index(f"ix_audit_events_{column}_id", "audit_events", [column, "id"])
    # How many refusals of a kind came from an address just now is asked before each one more is written. Without what
    # succeeded the index is small, and looked at alone, however much else comes from there.
    op.create_index(
        "ix_audit_events_refused",
        "audit_events",
        ["client_address", "kind", "id"],
        postgresql_where=_REFUSED,
        sqlite_where=_REFUSED,
    )
    op.create_table(
        "job_runs",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(100), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_job_runs"),
    )
    # An installation may have taken the role away, or have a permission of this name.
    op.execute(
        "INSERT INTO role_permissions (role_name, permission) SELECT name, 'audit:read' FROM roles WHERE name = 'admin' "
        "AND NOT EXISTS (SELECT 1 FROM role_permissions WHERE role_name = 'admin' AND permission = 'audit:read')"
    )


def downgrade() -> None:
    """The whole audit log goes; export it before."""
    # Other roles have it from the installation, not from here.
    op.execute("DELETE FROM role_permissions WHERE role_name = 'admin' AND permission = 'audit:read'")
    op.drop_table("job_runs")
    op.drop_table("audit_events")

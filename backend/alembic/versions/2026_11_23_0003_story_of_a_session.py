"""The story of a session: how it is carried, from where, when it was last seen, and what happened to it.

Every row of `sessions` is written once; nobody signs in or refreshes meanwhile.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ADDED = (
    ("transport", sa.String(10)),
    ("former_secret_digest", sa.LargeBinary()),
    ("device", sa.String(100)),
    ("network", sa.String(50)),
    ("last_seen_at", sa.DateTime(timezone=True)),
    ("last_address", sa.String(45)),
)


def upgrade() -> None:
    with op.batch_alter_table("sessions") as sessions:
        for name, kind in ADDED:
            sessions.add_column(sa.Column(name, kind, nullable=True))
    op.execute("UPDATE sessions SET transport = 'bearer', last_seen_at = refreshed_at, last_address = client_address")
    with op.batch_alter_table("sessions") as sessions:
        sessions.alter_column("transport", existing_type=sa.String(10), nullable=False)
        sessions.alter_column("last_seen_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "session_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.String(100), nullable=True),
        sa.Column("client_address", sa.String(45), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_session_events_session_id_sessions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_session_events"),
    )
    op.create_index("ix_session_events_session_id", "session_events", ["session_id"])


def downgrade() -> None:
    """A cookie session cannot live on without its columns: what is left would pass for one with refresh tokens."""
    op.drop_table("session_events")
    op.drop_index("ix_sessions_expires_at", "sessions")
    op.execute("DELETE FROM sessions WHERE transport <> 'bearer'")
    with op.batch_alter_table("sessions") as sessions:
        for name, _ in reversed(ADDED):
            sessions.drop_column(name)

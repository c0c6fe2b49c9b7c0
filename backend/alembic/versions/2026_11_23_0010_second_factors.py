"""Second factors: authenticator apps, passkeys, recovery codes, sign-ins that lack one, browsers that are not asked again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PERMISSION = "users:reset_factors"


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("has_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
        users.add_column(sa.Column("must_enrol_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
        users.add_column(sa.Column("passkey_handle", sa.LargeBinary(32), nullable=True))
    _add_authenticators()
    _add_passkeys()
    _add_sign_ins()
    # An installation may have taken the role away, or have a permission of this name.
    op.execute(
        f"INSERT INTO role_permissions (role_name, permission) SELECT name, '{_PERMISSION}' FROM roles "  # noqa: S608  # Our own word.
        "WHERE name = 'admin' AND NOT EXISTS "
        f"(SELECT 1 FROM role_permissions WHERE role_name = 'admin' AND permission = '{_PERMISSION}')"
    )


def downgrade() -> None:
    """Every account signs in by its first factor alone again; passkeys and apps have to be registered anew."""
    op.execute(f"DELETE FROM role_permissions WHERE role_name = 'admin' AND permission = '{_PERMISSION}'")  # noqa: S608
    for table in (
        "remembered_devices",
        "pending_sign_ins",
        "spent_ceremonies",
        "passkeys",
        "recovery_codes",
        "totp_authenticators",
    ):
        op.drop_table(table)
    with op.batch_alter_table("users") as users:
        users.drop_column("passkey_handle")
        users.drop_column("must_enrol_factor")
        users.drop_column("has_second_factor")


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id_users", ondelete="CASCADE")


def _add_authenticators() -> None:
    table = "totp_authenticators"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seed_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_with", sa.String(16), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _owner(table),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
    for name, condition in (
        ("counts", "confirmed_at IS NOT NULL AND replaced_at IS NULL"),
        ("unconfirmed", "confirmed_at IS NULL"),
    ):
        op.create_index(
            f"uq_{table}_{name}",
            table,
            ["user_id"],
            unique=True,
            postgresql_where=sa.text(condition),
            sqlite_where=sa.text(condition),
        )
    op.create_index(f"ix_{table}_sealed_with", table, ["sealed_with"])
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owner("recovery_codes"),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_codes"),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])


def _add_passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("is_uv_initialized", sa.Boolean(), nullable=False),
        sa.Column("is_discoverable", sa.Boolean(), nullable=False),
        sa.Column("transports", sa.String(200), nullable=False),
        sa.Column("is_backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), nullable=False),
        sa.Column("aaguid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _owner("passkeys"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "spent_ceremonies",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_ceremonies"),
    )
    op.create_index("ix_spent_ceremonies_expires_at", "spent_ceremonies", ["expires_at"])


def _add_sign_ins() -> None:
    op.create_table(
        "pending_sign_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("methods", sa.String(100), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("transport", sa.String(10), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _owner("pending_sign_ins"),
        sa.PrimaryKeyConstraint("id", name="pk_pending_sign_ins"),
        sa.UniqueConstraint("secret_digest", name="uq_pending_sign_ins_secret_digest"),
    )
    op.create_table(
        "remembered_devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _owner("remembered_devices"),
        sa.PrimaryKeyConstraint("id", name="pk_remembered_devices"),
        sa.UniqueConstraint("secret_digest", name="uq_remembered_devices_secret_digest"),
    )
    for table in ("pending_sign_ins", "remembered_devices"):
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])

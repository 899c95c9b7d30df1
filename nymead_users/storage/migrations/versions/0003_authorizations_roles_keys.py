"""What smart-lock authorizations, sharing roles and access keys are beyond grants and credentials."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_EVERYWHERE = sa.text("lock_id IS NULL")
_OF_LOCK = sa.text("lock_id IS NOT NULL")


def upgrade() -> None:
    """Name grants and count their uses, let a code be one lock's, and keep who may share a lock."""
    op.add_column("grants", sa.Column("name", sa.String(length=255), server_default="", nullable=False))
    op.add_column("grants", sa.Column("kind", sa.Integer(), nullable=True))
    op.add_column("grants", sa.Column("updated", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("grants", sa.Column("uses", sa.Integer(), server_default="0", nullable=False))
    op.add_column("grants", sa.Column("last_used", sa.BigInteger(), nullable=True))
    op.add_column("grants", sa.Column("shared_by", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_grants_shared_by"), "grants", ["shared_by"], unique=False)
    op.create_index("ix_grants_created_id", "grants", ["created", "id"], unique=False)
    op.execute("UPDATE grants SET updated = coalesce(revoked, created)")

    op.add_column("sync_items", sa.Column("operation_id", sa.String(length=36), server_default="", nullable=False))
    op.execute("UPDATE sync_items SET operation_id = id")

    with op.batch_alter_table("credentials") as credentials:
        credentials.drop_constraint("uq_credentials_owner_id_type_value", type_="unique")
        credentials.add_column(sa.Column("lock_id", sa.String(length=36), nullable=True))
        credentials.add_column(sa.Column("valid_from", sa.BigInteger(), nullable=True))
        credentials.add_column(sa.Column("valid_before", sa.BigInteger(), nullable=True))
        credentials.create_foreign_key(
            op.f("fk_credentials_lock_id_locks"), "locks", ["lock_id"], ["id"], ondelete="CASCADE"
        )
        credentials.create_check_constraint(
            op.f("ck_credentials_begins_before_it_ends"), sa.text("valid_from < valid_before")
        )
    op.create_index(
        "uq_credentials_value",
        "credentials",
        ["owner_id", "type", "value"],
        unique=True,
        sqlite_where=_EVERYWHERE,
        postgresql_where=_EVERYWHERE,
    )
    op.create_index(
        "uq_credentials_of_lock",
        "credentials",
        ["lock_id", "type", "value"],
        unique=True,
        sqlite_where=_OF_LOCK,
        postgresql_where=_OF_LOCK,
    )

    op.create_table(
        "sharing_roles",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("lock_id", sa.String(length=36), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("can_share", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_keys", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lock_id"], ["locks.id"], name=op.f("fk_sharing_roles_lock_id_locks"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_sharing_roles_person_id_persons"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_roles")),
        sa.UniqueConstraint("person_id", "lock_id", name=op.f("uq_sharing_roles_person_id_lock_id")),
    )
    op.create_index(op.f("ix_sharing_roles_lock_id"), "sharing_roles", ["lock_id"], unique=False)

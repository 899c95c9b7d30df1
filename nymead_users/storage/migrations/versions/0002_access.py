"""Who may open which lock, when: owners, persons, locks, groups, grants, what locks must hear of, and what happened."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of access, and the one owner that every home has."""
    op.create_table(
        "events",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("lock_id", sa.String(length=36), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("credential_id", sa.String(length=36), nullable=True),
        sa.Column("allowed", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_lock_id", "events", ["lock_id", "number"], unique=False)
    op.create_index("ix_events_person_id", "events", ["person_id", "number"], unique=False)
    op.create_index(op.f("ix_events_time"), "events", ["time"], unique=False)
    owners = op.create_table(
        "owners",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owners")),
    )
    op.bulk_insert(owners, [{"id": str(uuid4()), "title": "Home", "next_number": 1}])
    op.create_table(
        "lock_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("rcl_serial_no", sa.Integer(), nullable=False),
        sa.Column("rcl_date", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.id"], name=op.f("fk_lock_groups_owner_id_owners"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lock_groups")),
    )
    op.create_index(op.f("ix_lock_groups_owner_id"), "lock_groups", ["owner_id"], unique=False)
    op.create_table(
        "locks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("protocol_version", sa.Integer(), nullable=False),
        sa.Column("system_id", sa.String(length=255), nullable=False),
        sa.Column("virtual", sa.Boolean(), nullable=False),
        sa.Column("bridge_id", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("rcl_serial_no", sa.Integer(), nullable=False),
        sa.Column("rcl_date", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_rcl_serial_no", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bridge_id"], ["users.id"], name=op.f("fk_locks_bridge_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_locks_owner_id_owners"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locks")),
    )
    op.create_index(op.f("ix_locks_bridge_id"), "locks", ["bridge_id"], unique=False)
    op.create_index(op.f("ix_locks_owner_id"), "locks", ["owner_id"], unique=False)
    op.create_table(
        "persons",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_name", sa.String(length=255), nullable=False),
        sa.Column("last_name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.id"], name=op.f("fk_persons_owner_id_owners"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_persons_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("owner_id", "number", name=op.f("uq_persons_owner_id_number")),
        sa.UniqueConstraint("owner_id", "user_id", name=op.f("uq_persons_owner_id_user_id")),
    )
    op.create_index(op.f("ix_persons_user_id"), "persons", ["user_id"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("pin_hash", sa.String(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("wrong_pins", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.id"], name=op.f("fk_credentials_owner_id_owners"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_credentials_person_id_persons"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("owner_id", "type", "value", name=op.f("uq_credentials_owner_id_type_value")),
    )
    op.create_index(op.f("ix_credentials_person_id"), "credentials", ["person_id"], unique=False)
    op.create_table(
        "held_grants",
        sa.Column("lock_id", sa.String(length=36), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("credential_id", sa.String(length=36), nullable=True),
        sa.Column("group_id", sa.String(length=36), nullable=True),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_before", sa.BigInteger(), nullable=True),
        sa.Column("schedule", sa.JSON(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("remote_allowed", sa.Boolean(), nullable=False),
        sa.Column("credentials", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["lock_id"], ["locks.id"], name=op.f("fk_held_grants_lock_id_locks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lock_id", "grant_id", name=op.f("pk_held_grants")),
    )
    op.create_index("ix_held_grants_credential_id", "held_grants", ["credential_id", "lock_id"], unique=False)
    op.create_index("ix_held_grants_person_id", "held_grants", ["person_id", "lock_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("lock_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("join_start", sa.BigInteger(), nullable=False),
        sa.Column("join_completed", sa.BigInteger(), nullable=True),
        sa.Column("leave_start", sa.BigInteger(), nullable=True),
        sa.Column("leave_completed", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_rcl_serial_no", sa.Integer(), nullable=True),
        sa.Column("last_seen_rcl_update_date", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "leave_completed IS NULL OR leave_start IS NOT NULL", name=op.f("ck_memberships_left_after_leaving")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["lock_groups.id"], name=op.f("fk_memberships_group_id_lock_groups"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["lock_id"], ["locks.id"], name=op.f("fk_memberships_lock_id_locks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_group_id"), "memberships", ["group_id"], unique=False)
    op.create_index(
        "uq_memberships_open",
        "memberships",
        ["lock_id", "group_id"],
        unique=True,
        sqlite_where=sa.text("leave_completed IS NULL"),
        postgresql_where=sa.text("leave_completed IS NULL"),
    )
    op.create_table(
        "sync_items",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("lock_id", sa.String(length=36), nullable=False),
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("op", sa.String(length=16), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("confirmed", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=255), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lock_id"], ["locks.id"], name=op.f("fk_sync_items_lock_id_locks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sync_items")),
        sa.UniqueConstraint("id", name=op.f("uq_sync_items_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_sync_items_entity",
        "sync_items",
        ["entity_id"],
        unique=False,
        sqlite_where=sa.text("confirmed IS NULL"),
        postgresql_where=sa.text("confirmed IS NULL"),
    )
    op.create_index("ix_sync_items_lock_id_confirmed", "sync_items", ["lock_id", "confirmed"], unique=False)
    op.create_index(
        "ix_sync_items_pending",
        "sync_items",
        ["lock_id", "number"],
        unique=False,
        sqlite_where=sa.text("confirmed IS NULL"),
        postgresql_where=sa.text("confirmed IS NULL"),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("credential_id", sa.String(length=36), nullable=True),
        sa.Column("lock_id", sa.String(length=36), nullable=True),
        sa.Column("group_id", sa.String(length=36), nullable=True),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_before", sa.BigInteger(), nullable=True),
        sa.Column("schedule", sa.JSON(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("remote_allowed", sa.Boolean(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("issuer", sa.String(length=254), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(lock_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_grants_one_target")),
        sa.CheckConstraint("(person_id IS NULL) <> (credential_id IS NULL)", name=op.f("ck_grants_one_subject")),
        sa.CheckConstraint("valid_from < valid_before", name=op.f("ck_grants_begins_before_it_ends")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_grants_credential_id_credentials"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["lock_groups.id"], name=op.f("fk_grants_group_id_lock_groups"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["lock_id"], ["locks.id"], name=op.f("fk_grants_lock_id_locks"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.id"], name=op.f("fk_grants_owner_id_owners"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_grants_person_id_persons"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_credential_id"), "grants", ["credential_id"], unique=False)
    op.create_index(op.f("ix_grants_group_id"), "grants", ["group_id"], unique=False)
    op.create_index(op.f("ix_grants_lock_id"), "grants", ["lock_id"], unique=False)
    op.create_index(op.f("ix_grants_owner_id"), "grants", ["owner_id"], unique=False)
    op.create_index(op.f("ix_grants_person_id"), "grants", ["person_id"], unique=False)

"""Who may open which lock, when: the model of the page on access.

What must hold of rows alone is a constraint here: a grant has one subject and one target and begins before it ends, a
person's number and a credential's value are unique, a lock is in a group at most once at a time.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from nymead_users.storage.tables.base import Id, Instant, metadata

#: The longest text for people.
TEXT = String(255)

# A site: what belongs together. One is made with the table.
owners = Table(
    "owners",
    metadata,
    Column("id", Id, primary_key=True),
    Column("title", TEXT, nullable=False),
    # The number that the next person gets.
    Column("next_number", Integer, nullable=False),
)

# Who walks in.
persons = Table(
    "persons",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_name", TEXT, nullable=False),
    Column("last_name", TEXT, nullable=False),
    Column("email", TEXT, nullable=False),
    Column("phone", String(16), nullable=False),  # E.164, or nothing
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("enabled", Boolean, nullable=False),
    UniqueConstraint("owner_id", "number"),
    UniqueConstraint("owner_id", "user_id"),
)

# A lock's id is its thing's. Removed locks stay, for the memberships they had; nothing else knows them.
locks = Table(
    "locks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("title", TEXT, nullable=False),
    Column("description", TEXT, nullable=False),
    Column("time_zone", String(64), nullable=False),  # an IANA name
    Column("protocol_version", Integer, nullable=False),
    Column("system_id", TEXT, nullable=False),
    Column("virtual", Boolean, nullable=False),
    # The user who speaks for it: hands on what is due, and reports attempts.
    Column("bridge_id", ForeignKey("users.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("active", Boolean, nullable=False),
    # Revocations so far, and up to which of them the lock has heard.
    Column("rcl_serial_no", Integer, nullable=False),
    Column("rcl_date", Instant, nullable=True),
    Column("last_seen_rcl_serial_no", Integer, nullable=True),
)

# Removed groups stay, inactive.
lock_groups = Table(
    "lock_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("title", TEXT, nullable=False),
    Column("description", TEXT, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("rcl_serial_no", Integer, nullable=False),
    Column("rcl_date", Instant, nullable=True),
)

memberships = Table(
    "memberships",
    metadata,
    Column("id", Id, primary_key=True),
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), nullable=False),
    Column("group_id", ForeignKey("lock_groups.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("join_start", Instant, nullable=False),
    Column("join_completed", Instant, nullable=True),
    Column("leave_start", Instant, nullable=True),
    Column("leave_completed", Instant, nullable=True),
    Column("last_seen_rcl_serial_no", Integer, nullable=True),
    Column("last_seen_rcl_update_date", Instant, nullable=True),
    CheckConstraint("leave_completed IS NULL OR leave_start IS NOT NULL", name="left_after_leaving"),
)
_OPEN = memberships.c.leave_completed.is_(None)
Index(
    "uq_memberships_open",
    memberships.c.lock_id,
    memberships.c.group_id,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)

# What somebody shows at a door.
credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", ForeignKey("persons.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("type", String(16), nullable=False),
    Column("value", TEXT, nullable=False),  # canonical: one spelling for one thing
    Column("pin_hash", String, nullable=True),
    Column("enabled", Boolean, nullable=False),
    # Wrong PINs in a row, and until when it opens nothing because of them.
    Column("wrong_pins", Integer, nullable=False),
    Column("locked_until", Instant, nullable=True),
    # The only lock that knows it, of a keypad's code; of all others none.
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), nullable=True),
    # The window that an access key was given for all its levels.
    Column("valid_from", Instant, nullable=True),
    Column("valid_before", Instant, nullable=True),
    CheckConstraint("valid_from < valid_before", name="begins_before_it_ends"),
)
_EVERYWHERE = credentials.c.lock_id.is_(None)
Index(
    "uq_credentials_value",
    credentials.c.owner_id,
    credentials.c.type,
    credentials.c.value,
    unique=True,
    sqlite_where=_EVERYWHERE,
    postgresql_where=_EVERYWHERE,
)
Index(
    "uq_credentials_of_lock",
    credentials.c.lock_id,
    credentials.c.type,
    credentials.c.value,
    unique=True,
    sqlite_where=~_EVERYWHERE,
    postgresql_where=~_EVERYWHERE,
)

grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("person_id", ForeignKey("persons.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("credential_id", ForeignKey("credentials.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("group_id", ForeignKey("lock_groups.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("valid_from", Instant, nullable=True),
    Column("valid_before", Instant, nullable=True),
    Column("schedule", JSON(none_as_null=True), nullable=True),  # the API's form
    Column("enabled", Boolean, nullable=False),
    Column("remote_allowed", Boolean, nullable=False),
    Column("revoked", Instant, nullable=True),  # when, if it was
    Column("issuer", String(254), nullable=False),  # the username of who made it, "" for the operator
    Column("created", Instant, nullable=False),
    Column("name", TEXT, nullable=False, server_default=text("''")),
    Column("kind", Integer, nullable=True),  # Nuki's number for what opens by it, where its subject does not say
    Column("updated", Instant, nullable=False, server_default="0"),
    # How often a lock has reported that it opened by it, and when it last did.
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("last_used", Instant, nullable=True),
    Column("shared_by", Id, nullable=True, index=True),  # the person who shared it, who may be gone
    CheckConstraint("(person_id IS NULL) <> (credential_id IS NULL)", name="one_subject"),
    CheckConstraint("(lock_id IS NULL) <> (group_id IS NULL)", name="one_target"),
    CheckConstraint("valid_from < valid_before", name="begins_before_it_ends"),
)

# Lists of grants are by age.
Index("ix_grants_created_id", grants.c.created, grants.c.id)

# Who may share a lock with others.
sharing_roles = Table(
    "sharing_roles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", ForeignKey("persons.id", ondelete="CASCADE"), nullable=False),
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_name", TEXT, nullable=False),
    Column("can_share", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    Column("created_keys", Integer, nullable=False),  # how many grants it has ever issued
    UniqueConstraint("person_id", "lock_id"),
)

# What a lock must still hear of, in order of `number`; heard ones stay for a while, so that hearing twice does no harm.
sync_items = Table(
    "sync_items",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), nullable=False),
    Column("entity", String(16), nullable=False),  # grant or membership
    Column("entity_id", Id, nullable=False),
    Column("op", String(16), nullable=False),  # add, update, remove
    Column("payload", JSON, nullable=False),  # the entity as the lock must know it
    Column("created", Instant, nullable=False),
    Column("confirmed", Instant, nullable=True),
    Column("error", TEXT, nullable=True),  # why the lock did not take it when it last tried
    Column("attempts", Integer, nullable=False),
    Column("operation_id", Id, nullable=False, server_default=text("''")),  # the same for all that one change made due
    sqlite_autoincrement=True,
)
_PENDING = sync_items.c.confirmed.is_(None)
Index(
    "ix_sync_items_pending",
    sync_items.c.lock_id,
    sync_items.c.number,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index("ix_sync_items_entity", sync_items.c.entity_id, sqlite_where=_PENDING, postgresql_where=_PENDING)
Index("ix_sync_items_lock_id_confirmed", sync_items.c.lock_id, sync_items.c.confirmed)

# The grants that locks hold, as they have last heard of them. A grant that is gone here may still be held there.
held_grants = Table(
    "held_grants",
    metadata,
    Column("lock_id", ForeignKey("locks.id", ondelete="CASCADE"), primary_key=True),
    Column("grant_id", Id, primary_key=True),
    Column("person_id", Id, nullable=True),
    Column("credential_id", Id, nullable=True),
    Column("group_id", Id, nullable=True),
    Column("valid_from", Instant, nullable=True),
    Column("valid_before", Instant, nullable=True),
    Column("schedule", JSON(none_as_null=True), nullable=True),
    Column("enabled", Boolean, nullable=False),
    Column("remote_allowed", Boolean, nullable=False),
    Column("credentials", JSON(none_as_null=True), nullable=True),  # what may be shown, as the lock knows it
)
Index("ix_held_grants_person_id", held_grants.c.person_id, held_grants.c.lock_id)
Index("ix_held_grants_credential_id", held_grants.c.credential_id, held_grants.c.lock_id)

# What happened. Rows are added and never changed, and outlive what they speak of.
events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("time", Instant, nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # decision, change, sync
    Column("lock_id", Id, nullable=True),
    Column("person_id", Id, nullable=True),
    Column("credential_id", Id, nullable=True),
    Column("allowed", Boolean, nullable=True),
    Column("reason", String(32), nullable=False),
    Column("code", Integer, nullable=True),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_events_lock_id", events.c.lock_id, events.c.number)
Index("ix_events_person_id", events.c.person_id, events.c.number)

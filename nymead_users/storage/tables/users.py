"""Users, their tokens and addresses, and the server's identity."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table

from nymead_users.storage.tables.base import metadata

# One row, made with the table: the identity this server keeps for life.
server = Table(
    "server",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("username", String(254), nullable=False, unique=True),
    Column("password_hash", String, nullable=True),  # none: no password logs this user in
    Column("display_name", String(255), nullable=False),
    Column("email", String(255), nullable=False),
    Column("scopes", Integer, nullable=False),
    Column("allowed_thing_ids", JSON, nullable=False),
    # A removed user's id is never given to another, as sequences have it elsewhere.
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("creation_time", BigInteger, nullable=False),  # seconds since the epoch
    Column("device_name", String(255), nullable=False),
)

# The addresses from which a user has logged in.
known_addresses = Table(
    "known_addresses",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("last_login", BigInteger, nullable=False),  # seconds since the epoch
)

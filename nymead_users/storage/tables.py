"""The tables as this version of the program knows them; the migrations lead every older store here."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData(
    # Constraints have names, so that a later migration can speak of them on every database.
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

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

"""The tables as this version of the program knows them; the migrations lead every older store here."""

from nymead_users.storage.tables.access import (
    credentials,
    events,
    grants,
    held_grants,
    lock_groups,
    locks,
    memberships,
    owners,
    persons,
    sharing_roles,
    sync_items,
)
from nymead_users.storage.tables.base import metadata
from nymead_users.storage.tables.users import known_addresses, server, tokens, users

__all__ = [
    "credentials",
    "events",
    "grants",
    "held_grants",
    "known_addresses",
    "lock_groups",
    "locks",
    "memberships",
    "metadata",
    "owners",
    "persons",
    "server",
    "sharing_roles",
    "sync_items",
    "tokens",
    "users",
]

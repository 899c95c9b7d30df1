"""The LockRoles namespace: who may share a lock, and the keys that they shared, after Unloc's roles."""

from nymead_users.namespaces.lockroles.namespace import LockRolesNamespace

__all__ = ["LockRolesNamespace"]

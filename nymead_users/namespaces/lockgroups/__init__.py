"""The LockGroups namespace: locks that are granted together, after Tapkey's lock groups."""

from nymead_users.namespaces.lockgroups.namespace import LockGroupsNamespace

__all__ = ["LockGroupsNamespace"]

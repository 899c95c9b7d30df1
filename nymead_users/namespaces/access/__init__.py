"""The Access namespace: owners, persons, locks, credentials, grants, what locks must hear of, and decisions."""

from nymead_users.namespaces.access.namespace import AccessNamespace

__all__ = ["AccessNamespace"]

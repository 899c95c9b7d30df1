"""The SmartlockAuths namespace: grants at single locks, after Nuki's smart-lock authorizations."""

from nymead_users.namespaces.smartlockauths.namespace import SmartlockAuthsNamespace

__all__ = ["SmartlockAuthsNamespace"]

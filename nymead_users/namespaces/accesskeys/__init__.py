"""The AccessKeys namespace: keys and codes with what they open, after IntServ's access keys."""

from nymead_users.namespaces.accesskeys.namespace import AccessKeysNamespace

__all__ = ["AccessKeysNamespace"]

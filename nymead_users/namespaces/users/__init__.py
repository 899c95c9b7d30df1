"""The Users namespace: users, their permissions and their tokens."""

from nymead_users.namespaces.users.namespace import UsersNamespace

__all__ = ["UsersNamespace"]

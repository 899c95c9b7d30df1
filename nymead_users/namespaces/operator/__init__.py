"""The Operator namespace: what only the machine's operator may do, served on Unix sockets alone."""

from nymead_users.namespaces.operator.namespace import OperatorNamespace

__all__ = ["OperatorNamespace"]

"""The JSONRPC namespace: the connection itself, set-up and logging in."""

from nymead_users.namespaces.jsonrpc.namespace import JsonRpcNamespace

__all__ = ["JsonRpcNamespace"]

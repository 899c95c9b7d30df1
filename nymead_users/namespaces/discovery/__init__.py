"""The rpc namespace: the contract as an OpenRPC document."""

from nymead_users.namespaces.discovery.namespace import DiscoveryNamespace

__all__ = ["DiscoveryNamespace"]

"""All namespaces of a server, looked up by name."""

from __future__ import annotations

from collections.abc import Iterable

from nymead_users.rpc.namespace import Method, Namespace, Notification
from nymead_users.rpc.types import members


class Registry:
    """The methods that can be called. Construction refuses what would only fail at a call.

    Raises ValueError for a name given twice and TypeError for a type that the contract can't express.
    """

    def __init__(self, namespaces: Iterable[Namespace]) -> None:
        self.namespaces: dict[str, Namespace] = {}
        self._methods: dict[str, Method] = {}
        self._notifications: list[Notification] = []
        for namespace in namespaces:
            self.add(namespace)

    def add(self, namespace: Namespace) -> None:
        """Serve one more namespace."""
        if namespace.name in self.namespaces:
            raise ValueError(f"namespace {namespace.name} is declared twice")
        self.namespaces[namespace.name] = namespace
        for method in namespace.methods():
            if method.name in self._methods:
                raise ValueError(f"method {method.name} is declared twice")
            if not method.description:
                raise ValueError(f"method {method.name} has no description")
            members(method.params, {})
            members(method.returns, {})
            self._methods[method.name] = method
        for notification in namespace.notifications:
            if not notification.name.startswith(f"{namespace.name}."):
                raise ValueError(f"notification {notification.name} is not of namespace {namespace.name}")
            if notification.name in {known.name for known in self._notifications}:
                raise ValueError(f"notification {notification.name} is declared twice")
            if not notification.description:
                raise ValueError(f"notification {notification.name} has no description")
            members(notification.params, {})
            self._notifications.append(notification)

    def get(self, name: str) -> Method | None:
        """The method of that whole name."""
        return self._methods.get(name)

    def methods(self, *, hidden: bool = False) -> list[Method]:
        """All methods in the order of their names; those of hidden namespaces only if asked for."""
        return sorted(
            (
                method
                for name, method in self._methods.items()
                if hidden or not self.namespaces[name.partition(".")[0]].hidden
            ),
            key=lambda method: method.name,
        )

    def notifications(self) -> list[Notification]:
        """All notifications, in the order of their names."""
        return sorted(self._notifications, key=lambda notification: notification.name)

    def names(self) -> frozenset[str]:
        """The names of the namespaces that anybody may know of."""
        return frozenset(name for name, namespace in self.namespaces.items() if not namespace.hidden)

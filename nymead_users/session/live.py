"""A session as the directory and the broadcaster see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nymead_users.permissions import Principal, User
from nymead_users.session.outbox import Outbox
from nymead_users.wire.dialect import Dialect


class LiveSession(Protocol):
    """What can be told to a session from outside its own calls. Nothing here waits."""

    principal: Principal | None
    subscriptions: frozenset[str]
    notification_dialect: Dialect
    outbox: Outbox

    def hears(self, audience: Callable[[User], bool]) -> bool:
        """Whether a notification for this audience may be sent here."""

    def user_changed(self, user: User) -> None:
        """The bound user has other permissions or details from here on."""

    def revoke(self) -> None:
        """The bound token is no longer valid."""

"""Notifications to the sessions that asked for them and may know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from nymead_users.permissions import Principal
from nymead_users.session.directory import Directory
from nymead_users.wire.dialect import Dialect


class Broadcaster:
    """Writes each notification once per dialect and puts it into the outboxes; it never waits for a client."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._numbers = count(1)
        #: Notifications sent so far, by name: one for each session that each went to.
        self.sent: Counter[str] = Counter()

    def next_number(self) -> int:
        """The number of the next notification."""
        return next(self._numbers)

    def notify(self, name: str, params: Mapping[str, Any], *, audience: Callable[[Principal], bool]) -> None:
        """Send a notification to every session subscribed to its namespace that ``audience`` lets know."""
        namespace = name.partition(".")[0]
        number = self.next_number()
        encoded: dict[Dialect, bytes] = {}
        sent = 0
        for session in list(self._directory.sessions):
            if namespace in session.subscriptions and session.hears(audience):
                dialect = session.notification_dialect
                message = encoded.get(dialect)
                if message is None:
                    message = encoded[dialect] = dialect.notification(number, name, params)
                session.send(message)
                sent += 1
        self.sent[name] += sent

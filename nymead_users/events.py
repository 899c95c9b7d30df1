"""The bus on which the domain says what has happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

Event = TypeVar("Event")


class EventBus:
    """Hands every event to those who asked for its type, in the order in which they asked.

    Publishing is synchronous: when ``publish`` returns, everybody has heard. Subscribers must
    neither block nor raise; an event is published after what it tells of is stored, never before.
    """

    def __init__(self) -> None:
        self._subscribers: dict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)

    def subscribe(self, event_type: type[Event], subscriber: Callable[[Event], None]) -> None:
        """Call ``subscriber`` with each event of exactly this type."""
        self._subscribers[event_type].append(subscriber)

    def publish(self, event: object) -> None:
        """Tell everybody who asked for this type of event."""
        for subscriber in self._subscribers[type(event)]:
            subscriber(event)

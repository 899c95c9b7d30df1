"""The push button: whoever can press it on the device becomes an administrator."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from nymead_users.identity.tokens import NewToken

log = logging.getLogger(__name__)


class Requester(Protocol):
    """Who waits for the button to be pressed."""

    def failed(self, transaction_id: int) -> None:
        """It is over: somebody else has asked meanwhile, or no token could be made."""

    async def granted(self, transaction_id: int, token: str) -> bool:
        """The button was pressed; whether the token could be handed over."""


@dataclass(frozen=True, slots=True)
class _Transaction:
    id: int
    device_name: str
    requester: Requester


class PushButton:
    """One transaction at a time; the newest request wins."""

    def __init__(
        self,
        *,
        available: bool,
        mint: Callable[[str], Awaitable[NewToken]],
        revoke: Callable[[NewToken], Awaitable[None]],
    ) -> None:
        self.available = available
        self._mint = mint
        self._revoke = revoke
        self._waiting: _Transaction | None = None
        self._ids = count(1)

    def request(self, device_name: str, requester: Requester) -> int:
        """Wait for the button; the transaction's id. A requester that waits already is told that it lost."""
        displaced = self._waiting
        self._waiting = _Transaction(next(self._ids), device_name, requester)
        if displaced is not None:
            log.warning("push button: request displaced", extra={"transaction": displaced.id})
            displaced.requester.failed(displaced.id)
        return self._waiting.id

    def cancel(self, transaction_id: int) -> None:
        """The requester has gone. Does nothing for a transaction that has ended."""
        if self._waiting is not None and self._waiting.id == transaction_id:
            self._waiting = None

    async def press(self) -> bool:
        """The button is pressed: whoever waits gets a token. Whether anybody did. Raises StoreError."""
        transaction, self._waiting = self._waiting, None
        if transaction is None or not self.available:
            return False
        token = None
        try:
            token = await self._mint(transaction.device_name)
            delivered = await transaction.requester.granted(transaction.id, token.value)
        except Exception:
            transaction.requester.failed(transaction.id)
            if token is not None:
                await self._revoke(token)
            raise
        if not delivered:
            await self._revoke(token)
        return delivered

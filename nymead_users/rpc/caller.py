"""What a method may know of, and ask from, the connection that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nymead_users.peer import Peer
from nymead_users.permissions import Principal, Scope
from nymead_users.rpc.errors import PermissionDenied, Unauthorized


class Caller(Protocol):
    """The calling session, as methods and the dispatcher see it."""

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""

    @property
    def principal(self) -> Principal | None:
        """On whose behalf: the user whose valid token is bound, if any."""

    @property
    def authentication_required(self) -> bool:
        """Whether this listener asks for tokens; if not, every method is allowed."""

    @property
    def greeted(self) -> bool:
        """Whether JSONRPC.Hello was answered."""

    @property
    def presented_token(self) -> str | None:
        """The token in the envelope of the present call: "" for none, None where the envelope says nothing."""

    @property
    def token_bound(self) -> bool:
        """Whether a token is bound, valid or not."""

    def permits(self, scope: Scope) -> bool:
        """Whether the caller holds all of ``scope`` at this moment."""

    def holds(self, token: str) -> bool:
        """Whether this token is the bound one ("" for none), valid or not."""

    async def present_token(self, token: str, *, lenient: bool) -> None:
        """Take up the token of a message that is not the bound one, where none is bound yet.

        Raises TokenChanged where they differ.
        """

    async def bind(self, token: str) -> Principal | None:
        """Bind a token ("" for none) from here on; the principal it stands for, None if it is not valid."""

    def greet(self, locale: str) -> None:
        """The handshake is done; ``locale`` is this connection's from here on."""

    def subscribe(self, namespaces: frozenset[str]) -> None:
        """Send the notifications of exactly these namespaces, in the dialect of the present call."""

    def postpone(self) -> Callable[[str, Mapping[str, Any]], None]:
        """A function that sends a notification to this connection alone, in the dialect of the present call."""

    def on_close(self, name: str, callback: Callable[[], None]) -> None:
        """Call back when the connection ends, in place of an earlier callback of that name."""


def confirm(caller: Caller, scope: Scope) -> None:
    """Raise what the caller's next call would meet: Unauthorized, or PermissionDenied without ``scope``.

    For methods that work for a while before they change something.
    """
    if caller.authentication_required and caller.principal is None:
        raise Unauthorized
    if not caller.permits(scope):
        raise PermissionDenied

"""All live sessions: counted at the door, found by user and token, told of what changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from uuid import UUID

from nymead_users.events import EventBus
from nymead_users.identity.events import TokensRemoved, UserChanged, UserRemoved
from nymead_users.peer import Peer
from nymead_users.permissions import Principal
from nymead_users.session.live import LiveSession


class Directory:
    """Who is connected, and as whom.

    The moment a token or its user is removed, every session bound to it loses its principal; changed
    users reach their sessions likewise. Must subscribe before whatever notifies clients.

    ``limit`` bounds all connections, ``limit_per_address`` those of one network address; loopback counts
    only in all, since a reverse proxy sits there. The operator's Unix sockets are not bounded: they must work
    when everybody else fills the server.
    """

    def __init__(self, events: EventBus, *, limit: int, limit_per_address: int) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._count = 0
        self._per_address: Counter[str] = Counter()
        #: Sessions cut off so far because their clients did not read.
        self.overflows = 0
        self.sessions: dict[LiveSession, None] = {}
        self._by_user: defaultdict[str, dict[LiveSession, None]] = defaultdict(dict)
        events.subscribe(UserChanged, self._user_changed)
        events.subscribe(UserRemoved, self._user_removed)
        events.subscribe(TokensRemoved, self._tokens_removed)

    @property
    def connections(self) -> int:
        """How many connections count at the moment."""
        return self._count

    def admit(self, peer: Peer) -> bool:
        """Count a connection in, unless there are too many. Each one admitted must ``leave``."""
        if peer.operator:
            return True
        if self._count >= self._limit:
            return False
        if not peer.local and self._per_address[peer.network] >= self._limit_per_address:
            return False
        self._count += 1
        self._per_address[peer.network] += 1
        return True

    def leave(self, peer: Peer) -> None:
        """Count a connection out."""
        if peer.operator:
            return
        self._count -= 1
        self._per_address[peer.network] -= 1
        if not self._per_address[peer.network]:
            del self._per_address[peer.network]

    def add(self, session: LiveSession) -> None:
        """A session begins."""
        self.sessions[session] = None

    def remove(self, session: LiveSession) -> None:
        """A session ends."""
        self.sessions.pop(session, None)
        self.rebind(session, session.principal, None)

    def rebind(self, session: LiveSession, old: Principal | None, new: Principal | None) -> None:
        """A session acts for somebody else from here on."""
        if old is not None:
            bound = self._by_user[old.username]
            bound.pop(session, None)
            if not bound:
                del self._by_user[old.username]
        if new is not None:
            self._by_user[new.username][session] = None

    def _of(self, username: str) -> list[LiveSession]:
        return list(self._by_user.get(username, ()))

    def _user_changed(self, event: UserChanged) -> None:
        for session in self._of(event.user.username):
            session.user_changed(event.user)

    def _user_removed(self, event: UserRemoved) -> None:
        for session in self._of(event.username):
            session.revoke()

    def _tokens_removed(self, event: TokensRemoved) -> None:
        removed: frozenset[UUID] = event.token_ids
        for session in self._of(event.username):
            if session.principal is not None and session.principal.token_id in removed:
                session.revoke()

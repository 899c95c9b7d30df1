"""Users and their tokens: who exists, who logs in, who may do what."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID

from nymead_users.events import EventBus
from nymead_users.identity.errors import (
    Busy,
    InconsistentScopes,
    NotPermitted,
    TooManyAttempts,
    UnknownUser,
)
from nymead_users.identity.events import TokensRemoved, UserAdded, UserChanged, UserRemoved
from nymead_users.identity.passwords import Passwords
from nymead_users.identity.policy import canonical_username, check_password
from nymead_users.identity.store import Confirm, UserStore
from nymead_users.identity.takeover import Account, IssuedToken, Outcome, Report
from nymead_users.identity.throttling import Throttle
from nymead_users.identity.tokens import NewToken, TokenInfo, mint
from nymead_users.permissions import Principal, Scope, User
from nymead_users.storage.database import Connection

log = logging.getLogger(__name__)


def unconditional() -> None:
    """Confirm a change that needs nobody's permission."""


class Users:
    """The domain service. Names are taken in any case and kept in lower case.

    Every verb raises StoreError where the database fails; nothing is changed and nobody is told then.
    Whatever changes is published on the bus once it is stored. ``confirm`` is called when a change is about to
    be stored, and raises if the caller may not make it any more.
    """

    def __init__(
        self,
        store: UserStore,
        passwords: Passwords,
        throttle: Throttle,
        events: EventBus,
        *,
        initial_setup: Literal["anyone", "local", "off"] = "anyone",
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._events = events
        self._initial_setup = initial_setup
        #: Whether there is no user yet (rpc.dispatcher.Setup).
        self.required = False
        #: Changes whenever users or tokens do (session.session.Tokens).
        self.generation = 0
        #: How often a stored hash has gone, and how often one had when it was last looked at what others cost.
        self._hashes_gone = 0
        self._costs_as_of: int | None = None
        self._learning_costs = asyncio.Lock()
        #: Logins by password and button so far, by outcome: success, failed, throttled, busy, error.
        self.logins: Counter[str] = Counter()

    async def start(self) -> None:
        """Find out whether there are users. Must come before anything else."""
        self.required = await self._store.is_empty()

    def allowed(self, *, local: bool) -> bool:
        """Whether a peer may make the first user."""
        return self._initial_setup == "anyone" or (self._initial_setup == "local" and local)

    # Sessions

    async def resolve(self, token: str) -> Principal | None:
        """The principal for whom a token stands; None if it is not valid."""
        return await self._store.principal(token)

    async def authenticate(
        self, username: str, password: str, device_name: str, *, address: str, local: bool = False
    ) -> tuple[User, NewToken] | None:
        """Log in; the user and a new token, or None for a wrong name or password.

        ``address`` is what is delayed after wrong passwords, ``local`` whether it is on this machine. Raises
        TooManyAttempts and Busy. An unknown user takes as long as a wrong password.
        """
        outcome = "error"
        try:
            login = await self._authenticate(username, password, device_name, address, local=local)
            outcome = "failed" if login is None else "success"
        except TooManyAttempts:
            outcome = "throttled"
            raise
        except Busy:
            outcome = "busy"
            raise
        else:
            return login
        finally:
            self.logins[outcome] += 1

    async def _authenticate(
        self, username: str, password: str, device_name: str, address: str, *, local: bool
    ) -> tuple[User, NewToken] | None:
        username = username.lower()
        record = await self._store.login_record(username, address)
        known = record is not None and record.known

        def admit() -> None:
            try:
                self._throttle.check(address, username, known=known)
            except TooManyAttempts as refusal:
                log.warning(
                    "login refused: too many attempts",
                    extra={"account": username[:64], "retry_after": round(refusal.retry_after, 1)},
                )
                raise

        admit()
        await self._learn_costs()
        checked = None if record is None else record.password_hash
        network = None if local else address
        right = await self._passwords.verify(password, checked, network=network, admit=admit)
        if not right or checked is None:
            self._throttle.failed(address, username, known=known)
            log.warning("login failed", extra={"account": username[:64]})
            return None
        rehashed = await self._passwords.hash(password) if self._passwords.outdated(checked) else None
        token = mint(device_name)
        try:
            user, displaced = await self._store.log_in(username, token, address, checked=checked, rehashed=rehashed)
        except UnknownUser:
            log.warning("login failed: changed meanwhile", extra={"account": username})
            return None
        if rehashed is not None:
            self._hashes_gone += 1
        self._throttle.succeeded(address, username)
        log.info("logged in", extra={"account": username, "token": str(token.id), "device": device_name})
        self._displace(username, displaced)
        return user, token

    async def log_in_by_button(self, device_name: str) -> NewToken:
        """A token for the user of the empty name, who is made an administrator when first needed."""
        token = mint(device_name)
        user, displaced, made = await self._store.log_in_by_button(token)
        self.logins["success"] += 1
        log.warning("push button pressed: token made", extra={"token": str(token.id), "device": device_name})
        if made:
            self.required = False
            self._publish(UserAdded(user))
        self._displace("", displaced)
        return token

    # Users

    async def create_first(self, username: str, password: str, display_name: str, email: str) -> None:
        """Make the first administrator. Raises NotPermitted once there is a user; otherwise as ``create``."""
        if not self.required:
            raise NotPermitted("there is a user already")
        user = User(canonical_username(username), email, display_name, Scope.ADMIN, ())
        check_password(password)
        await self._store.add(user, await self._passwords.hash(password), unconditional, first=True)
        log.warning("initial setup done", extra={"account": user.username})
        self.required = False
        self._publish(UserAdded(user))

    async def create(
        self,
        username: str,
        password: str,
        *,
        display_name: str = "",
        email: str = "",
        scopes: Scope = Scope.ADMIN,
        allowed_thing_ids: tuple[UUID, ...] = (),
        confirm: Confirm = unconditional,
    ) -> None:
        """Make a user.

        Raises, in this order: InvalidUsername, WeakPassword, InconsistentScopes, DuplicateUser; and Busy.
        """
        name = canonical_username(username)
        check_password(password)
        check_scopes(scopes)
        user = User(name, email, display_name, scopes, allowed_thing_ids)
        password_hash = await self._passwords.hash(password)
        await self._store.add(user, password_hash, confirm)
        log.info("user added", extra={"account": name, "scopes": int(scopes)})
        self.required = False
        self._publish(UserAdded(user))

    async def take_over(self, accounts: Iterable[Account], tokens: Iterable[IssuedToken], *, dry_run: bool) -> Report:
        """Add users of another server with their tokens, all of them or none; with ``dry_run`` none.

        What becomes of each is in the report; nothing is stored where one is an error (``takeover.weigh``).
        """
        own = [
            replace(account, user=replace(account.user, username=account.user.username.lower())) for account in accounts
        ]
        issued = [replace(token, info=replace(token.info, username=token.info.username.lower())) for token in tokens]
        # Hashes of another kind come: no login may be held against one before all cost the same again.
        async with self._learning_costs:
            report = await self._store.take_over(own, issued, dry_run=dry_run)
            if not report.changed:
                return report
            self._costs_as_of = None
        self.required = False
        added = [
            account.user
            for account, verdict in zip(own, report.accounts, strict=True)
            if verdict.outcome is Outcome.ADDED
        ]
        log.info("users taken over", extra={"accounts": len(added)})
        for user in added:
            self._publish(UserAdded(user))
        return report

    def pages(self) -> AsyncGenerator[list[User]]:
        """All users by name, a page at a time, as they are at one moment. To be closed where it is left early."""
        return self._store.pages()

    async def set_password(
        self, username: str, password: str, *, keep_tokens: bool = False, confirm: Confirm = unconditional
    ) -> None:
        """Change a password; without ``keep_tokens`` every device of the user is logged out.

        Raises UnknownUser, WeakPassword and Busy.
        """
        name = username.lower()
        if not name or await self._store.find(name) is None:
            raise UnknownUser(name)
        check_password(password)
        password_hash = await self._passwords.hash(password)
        removed = await self._store.set_password(name, password_hash, confirm, keep_tokens=keep_tokens)
        self._hashes_gone += 1
        log.info("password changed", extra={"account": name, "tokens_removed": len(removed)})
        if removed:
            self._publish(TokensRemoved(name, removed))

    async def set_info(
        self, username: str, *, display_name: str | None, email: str | None, confirm: Confirm = unconditional
    ) -> None:
        """Change the details that are given. Raises UnknownUser."""
        user = await self._store.change(username.lower(), confirm, display_name=display_name, email=email)
        if display_name is None and email is None:
            return
        log.info("user info changed", extra={"account": user.username})
        self._publish(UserChanged(user))

    async def set_scopes(
        self,
        username: str,
        scopes: Scope,
        allowed_thing_ids: tuple[UUID, ...] | None,
        *,
        confirm: Confirm = unconditional,
    ) -> None:
        """Change what a user may do; without ``allowed_thing_ids`` that list stays.

        Raises InconsistentScopes and UnknownUser.
        """
        check_scopes(scopes)
        user = await self._store.change(username.lower(), confirm, scopes=scopes, allowed_thing_ids=allowed_thing_ids)
        log.info("user scopes changed", extra={"account": user.username, "scopes": int(scopes)})
        self._publish(UserChanged(user))

    async def remove(self, username: str, *, confirm: Confirm = unconditional) -> None:
        """Remove a user and all their tokens. Raises UnknownUser."""
        name = username.lower()
        self.required, afterwards = await self._store.remove(name, confirm)
        self._hashes_gone += 1
        log.info("user removed", extra={"account": name})
        self._publish(UserRemoved(name))
        for callback in afterwards:
            callback()

    async def forget_thing(self, connection: Connection, thing_id: str) -> list[User]:
        """Take a thing out of all users' lists in another's transaction; the users to be given to ``told_changed``."""
        return await self._store.forget_thing(connection, thing_id)

    async def known(self, username: str) -> bool:
        """Whether there is a user of that name."""
        return await self._store.find(username.lower()) is not None

    def pages_in(self, connection: Connection) -> AsyncGenerator[list[User]]:
        """What ``pages`` gives, in another's transaction."""
        return self._store.pages_in(connection)

    async def enter(self, connection: Connection, added: Sequence[tuple[User, str | None]]) -> None:
        """Add users in another's transaction, who are to be given to ``told_added``.

        They were checked; with them come the hashes of their passwords, where they have one.
        """
        await self._store.enter(connection, added)

    async def replace(self, connection: Connection, user: User) -> None:
        """Change a user in another's transaction, who is to be given to ``told_changed``. The password stays."""
        await self._store.replace(connection, user)

    def told_added(self, users: Iterable[User]) -> None:
        """Tell of users that were added in another's transaction, once that is stored."""
        for user in users:
            self.required = False
            self._publish(UserAdded(user))

    def told_changed(self, users: Iterable[User]) -> None:
        """Tell of users that were changed in another's transaction, once that is stored."""
        for user in users:
            self._publish(UserChanged(user))

    # Tokens

    async def tokens(self, username: str) -> list[TokenInfo]:
        """A user's tokens by age; none for an unknown user."""
        return await self._store.tokens(username.lower())

    async def remove_token(self, token_id: UUID, *, owner: str | None = None, confirm: Confirm = unconditional) -> None:
        """Remove a token; with ``owner`` only if it is theirs. Raises TokenNotFound and NotPermitted."""
        username = await self._store.remove_token(token_id, confirm, owner=owner)
        log.info("token removed", extra={"account": username, "token": str(token_id)})
        self._publish(TokensRemoved(username, frozenset({token_id})))

    async def revoke(self, token: NewToken) -> None:
        """Take back a token that could not be handed over."""
        await self.remove_token(token.id)

    def _displace(self, username: str, tokens: frozenset[UUID]) -> None:
        """Tell of tokens that gave way to a new one."""
        if tokens:
            log.warning("tokens removed: too many", extra={"account": username, "tokens_removed": len(tokens)})
            self._publish(TokensRemoved(username, tokens))

    async def _learn_costs(self) -> None:
        """Have every login cost the same, by all costs at which a hash is stored.

        New hashes have the present cost; so once there are no others, none come any more but with users taken over.
        """
        async with self._learning_costs:
            if self._costs_as_of is None or (self._costs_as_of != self._hashes_gone and self._passwords.costs > 1):
                as_of = self._hashes_gone
                self._passwords.expect(await self._store.hashes_unlike(self._passwords.cost))
                self._costs_as_of = as_of

    def _publish(self, event: object) -> None:
        self.generation += 1
        self._events.publish(event)


def check_scopes(scopes: Scope) -> None:
    """Raise InconsistentScopes for scopes that contradict one another."""
    if not scopes.consistent:
        raise InconsistentScopes(repr(scopes))

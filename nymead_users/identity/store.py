"""Users and tokens in the database: one verb, one transaction."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, String, bindparam, case, cast, delete, exists, func, insert, literal, select, update

from nymead_users.identity.errors import DuplicateUser, NotPermitted, TokenNotFound, UnknownUser
from nymead_users.identity.passwords import NYMEAD, SALT_AND_DIGEST
from nymead_users.identity.takeover import Account, IssuedToken, Outcome, Present, Report, weigh
from nymead_users.identity.tokens import NewToken, TokenInfo, digest
from nymead_users.permissions import Principal, Scope, User
from nymead_users.storage.database import Connection, Database
from nymead_users.storage.errors import IntegrityViolation
from nymead_users.storage.tables import known_addresses, tokens, users

#: Raises if the caller may not make a change any more.
Confirm = Callable[[], None]

#: Does what belongs to a user's removal in its transaction; what it returns is called once that is stored.
Companion = Callable[[Connection, str], Awaitable[Callable[[], None]]]

#: How many addresses a user is known to log in from; the one longest unused gives way.
KNOWN_ADDRESSES = 16

#: Users read and handed on at a time: some milliseconds of work, after which others have their turn.
PAGE = 250

#: The columns that make a User.
_USER = (users.c.username, users.c.email, users.c.display_name, users.c.scopes, users.c.allowed_thing_ids)


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """What a login is held against. ``known``: the user has logged in from this address before."""

    password_hash: str | None
    known: bool

    def __repr__(self) -> str:
        """Nothing of the hash."""
        return f"LoginRecord(known={self.known})"


class UserStore:
    """All verbs raise StoreError where the database fails; nothing is changed then.

    Names are expected in lower case. Verbs that change something for a caller take ``confirm``, which is
    called when it is their turn to write, and raises if the caller may not any more: who is removed while
    waiting changes nothing.
    """

    def __init__(self, database: Database, *, tokens_per_user: int) -> None:
        self._database = database
        self._tokens_per_user = tokens_per_user
        #: What else happens when a user is removed.
        self.companions: list[Companion] = []

    async def is_empty(self) -> bool:
        """Whether there is no user, and so no token either."""
        async with self._database.read() as connection:
            return not await connection.scalar(select(exists(select(users.c.id))))

    async def add(self, user: User, password_hash: str, confirm: Confirm, *, first: bool = False) -> None:
        """Add a user. Raises DuplicateUser; NotPermitted where ``first`` and there is a user already."""
        try:
            async with self._database.write() as connection:
                confirm()
                if first and await connection.scalar(select(exists(select(users.c.id)))):
                    raise NotPermitted("there is a user already")
                if await self._id(connection, user.username) is not None:
                    raise DuplicateUser(user.username)
                await connection.execute(insert(users).values(**_columns(user), password_hash=password_hash))
        except IntegrityViolation as violation:
            raise DuplicateUser(user.username) from violation

    async def take_over(self, accounts: Sequence[Account], issued: Sequence[IssuedToken], *, dry_run: bool) -> Report:
        """Add users with their tokens, all or none, unless ``dry_run``; what becomes of each (``takeover.weigh``)."""
        async with self._database.write() as connection:
            report = weigh(accounts, issued, await self._present(connection), tokens_per_user=self._tokens_per_user)
            if dry_run or report.refused:
                return report
            ids: dict[str, int | None] = {}
            for account, verdict in zip(accounts, report.accounts, strict=True):
                if verdict.outcome is Outcome.ADDED:
                    columns = {**_columns(account.user), "password_hash": account.password_hash}
                    statement = insert(users).values(columns).returning(users.c.id)
                    ids[account.user.username] = await connection.scalar(statement)
            for token, verdict in zip(issued, report.tokens, strict=True):
                if verdict.outcome is Outcome.ADDED:
                    columns = _token_columns(token.info, token.digest)
                    await connection.execute(insert(tokens).values({**columns, "user_id": ids[token.info.username]}))
            return replace(report, changed=bool(ids))

    async def find(self, username: str) -> User | None:
        """The user of that name."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_USER).where(users.c.username == username))).first()
        return None if row is None else _user(row)

    async def pages(self) -> AsyncGenerator[list[User]]:
        """All users by name, at most PAGE at a time, as they are at one moment. To be closed where it is left early."""
        async with self._database.read() as connection, aclosing(self.pages_in(connection)) as pages:
            async for page in pages:
                yield page

    async def pages_in(self, connection: Connection) -> AsyncGenerator[list[User]]:
        """The same in another's transaction."""
        page = select(*_USER).order_by(users.c.username).limit(PAGE)
        following = page.where(users.c.username > bindparam("last"))
        rows = (await connection.execute(page)).all()
        while rows:
            yield [_user(row) for row in rows]
            if len(rows) < PAGE:
                break
            rows = (await connection.execute(following, {"last": rows[-1].username})).all()

    async def enter(self, connection: Connection, added: Iterable[tuple[User, str | None]]) -> None:
        """Add users with the hashes of their passwords, in another's transaction."""
        rows = [{**_columns(user), "password_hash": password_hash} for user, password_hash in added]
        await connection.execute(insert(users), rows)

    async def replace(self, connection: Connection, user: User) -> None:
        """Have a user be as they are given, in another's transaction; the password stays."""
        await connection.execute(update(users).where(users.c.username == user.username).values(**_columns(user)))

    async def login_record(self, username: str, address: str) -> LoginRecord | None:
        """What a login of this user from this address is held against; None without such a user."""
        known = (
            select(literal(1))
            .where(known_addresses.c.user_id == users.c.id, known_addresses.c.address == address)
            .exists()
        )
        statement = select(users.c.password_hash, known).where(users.c.username == username)
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else LoginRecord(row[0], bool(row[1]))

    async def hashes_unlike(self, cost: str) -> list[str]:
        """One stored hash of each cost but this one; reads all users."""
        password_hash = users.c.password_hash
        argon2 = func.substr(password_hash, 1, func.length(password_hash) - SALT_AND_DIGEST)
        beginning = case((password_hash.startswith(NYMEAD), NYMEAD), else_=argon2)
        statement = select(func.min(password_hash)).where(beginning != cost).group_by(beginning)
        async with self._database.read() as connection:
            return list(await connection.scalars(statement))

    async def principal(self, token: str) -> Principal | None:
        """For whom a token stands."""
        statement = select(tokens.c.id, *_USER).join_from(tokens, users).where(tokens.c.digest == digest(token))
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else Principal(_user(row), UUID(row.id))

    async def log_in(
        self, username: str, token: NewToken, address: str, *, checked: str, rehashed: str | None
    ) -> tuple[User, frozenset[UUID]]:
        """Keep a login's token, the address it came from, and the hash made anew where it was outdated.

        Returns the user and the ids of the tokens that gave way where there were ``tokens_per_user`` already.
        Raises UnknownUser if the user is gone or has another password than the one that was ``checked``.
        """
        async with self._database.write() as connection:
            statement = select(users.c.id, *_USER).where(users.c.username == username, users.c.password_hash == checked)
            row = (await connection.execute(statement)).first()
            if row is None:
                raise UnknownUser(username)
            if rehashed is not None:
                await connection.execute(update(users).where(users.c.id == row.id).values(password_hash=rehashed))
            displaced = await self._add_token(connection, row.id, token)
            await self._remember(connection, row.id, address)
            return _user(row), displaced

    async def log_in_by_button(self, token: NewToken) -> tuple[User, frozenset[UUID], bool]:
        """Keep a push button's token.

        Returns its user (of the empty name), the tokens that gave way, and whether the user was made just now.
        """
        async with self._database.write() as connection:
            row = (await connection.execute(select(users.c.id, *_USER).where(users.c.username == ""))).first()
            if row is not None:
                return _user(row), await self._add_token(connection, row.id, token), False
            user = User("", "", "", Scope.ADMIN, ())
            await connection.execute(insert(users).values(**_columns(user), password_hash=None))
            return user, await self._add_token(connection, await self._require(connection, ""), token), True

    async def set_password(
        self, username: str, password_hash: str, confirm: Confirm, *, keep_tokens: bool
    ) -> frozenset[UUID]:
        """Change a password; the ids of the tokens removed with it. Raises UnknownUser.

        The push button's user has no password to change, and is unknown here.
        """
        async with self._database.write() as connection:
            confirm()
            user_id = await self._require(connection, username)
            if not username:
                raise UnknownUser(username)
            await connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
            return frozenset() if keep_tokens else await self._remove_tokens(connection, user_id)

    async def change(
        self,
        username: str,
        confirm: Confirm,
        *,
        display_name: str | None = None,
        email: str | None = None,
        scopes: Scope | None = None,
        allowed_thing_ids: Iterable[UUID] | None = None,
    ) -> User:
        """Change what is given; the user as it is then. Raises UnknownUser."""
        values: dict[str, Any] = {}
        if display_name is not None:
            values["display_name"] = display_name
        if email is not None:
            values["email"] = email
        if scopes is not None:
            values["scopes"] = int(scopes)
        if allowed_thing_ids is not None:
            values["allowed_thing_ids"] = [str(thing_id) for thing_id in allowed_thing_ids]
        async with self._database.write() as connection:
            confirm()
            statement = (
                update(users).where(users.c.username == username).values(**values).returning(*_USER)
                if values
                else select(*_USER).where(users.c.username == username)
            )
            row = (await connection.execute(statement)).first()
            if row is None:
                raise UnknownUser(username)
            return _user(row)

    async def remove(self, username: str, confirm: Confirm) -> tuple[bool, list[Callable[[], None]]]:
        """Remove a user with all tokens; whether no user is left, and what companions do now. Raises UnknownUser."""
        async with self._database.write() as connection:
            confirm()
            user_id = await self._require(connection, username)
            afterwards = [await companion(connection, username) for companion in self.companions]
            await connection.execute(delete(users).where(users.c.id == user_id))
            return not await connection.scalar(select(exists(select(users.c.id)))), afterwards

    async def forget_thing(self, connection: Connection, thing_id: str) -> list[User]:
        """Take a thing out of all users' lists, in another's transaction; these users as they are then."""
        # A uuid in the text of the list is a member of it.
        named = cast(users.c.allowed_thing_ids, String).contains(thing_id)
        changed = []
        for row in (await connection.execute(select(users.c.id, users.c.allowed_thing_ids).where(named))).all():
            kept = [other for other in row.allowed_thing_ids if other != thing_id]
            statement = update(users).where(users.c.id == row.id).values(allowed_thing_ids=kept).returning(*_USER)
            changed.append(_user((await connection.execute(statement)).one()))
        return changed

    async def tokens(self, username: str) -> list[TokenInfo]:
        """A user's tokens by age; none for an unknown user."""
        statement = (
            select(tokens.c.id, users.c.username, tokens.c.creation_time, tokens.c.device_name)
            .join_from(tokens, users)
            .where(users.c.username == username)
            .order_by(tokens.c.creation_time, tokens.c.id)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(statement)
            return [TokenInfo(UUID(row[0]), row[1], row[2], row[3]) for row in rows]

    async def remove_token(self, token_id: UUID, confirm: Confirm, *, owner: str | None) -> str:
        """Remove a token; the name of its user. ``owner``: only if it is theirs.

        Raises TokenNotFound; NotPermitted where it is somebody else's.
        """
        async with self._database.write() as connection:
            confirm()
            statement = select(users.c.username).join_from(tokens, users).where(tokens.c.id == str(token_id))
            username = await connection.scalar(statement)
            if username is None:
                raise TokenNotFound(str(token_id))
            if owner is not None and username != owner:
                raise NotPermitted("the token is somebody else's")
            await connection.execute(delete(tokens).where(tokens.c.id == str(token_id)))
            return str(username)

    async def _present(self, connection: Connection) -> Present:
        hashes = await connection.execute(select(users.c.username, users.c.password_hash))
        statement = select(tokens.c.id, users.c.username, tokens.c.digest).join_from(tokens, users)
        return Present(
            {row.username: row.password_hash for row in hashes},
            {UUID(token_id): (username, value) for token_id, username, value in await connection.execute(statement)},
        )

    async def _id(self, connection: Connection, username: str) -> int | None:
        user_id: int | None = await connection.scalar(select(users.c.id).where(users.c.username == username))
        return user_id

    async def _require(self, connection: Connection, username: str) -> int:
        user_id = await self._id(connection, username)
        if user_id is None:
            raise UnknownUser(username)
        return user_id

    async def _add_token(self, connection: Connection, user_id: int, token: NewToken) -> frozenset[UUID]:
        """Add a token; the ids of those that gave way to it.

        They are the oldest, and first those of the same device: what logs in again and again harms no other.
        """
        surplus = (
            select(tokens.c.id)
            .where(tokens.c.user_id == user_id)
            .order_by(tokens.c.device_name == token.device_name, tokens.c.creation_time.desc(), tokens.c.id)
            .offset(self._tokens_per_user - 1)
        )
        displaced = frozenset(UUID(token_id) for token_id in await connection.scalars(surplus))
        if displaced:
            await connection.execute(delete(tokens).where(tokens.c.id.in_(surplus)))
        columns = _token_columns(token, digest(token.value))
        await connection.execute(insert(tokens).values({**columns, "user_id": user_id}))
        return displaced

    async def _remove_tokens(self, connection: Connection, user_id: int) -> frozenset[UUID]:
        ids = await connection.scalars(select(tokens.c.id).where(tokens.c.user_id == user_id))
        removed = frozenset(UUID(token_id) for token_id in ids)
        await connection.execute(delete(tokens).where(tokens.c.user_id == user_id))
        return removed

    async def _remember(self, connection: Connection, user_id: int, address: str) -> None:
        mine = known_addresses.c.user_id == user_id
        others = (
            select(known_addresses.c.address)
            .where(mine, known_addresses.c.address != address)
            .order_by(known_addresses.c.last_login.desc())
            .offset(KNOWN_ADDRESSES - 1)
        )
        forgotten = [address, *(await connection.scalars(others))]
        await connection.execute(delete(known_addresses).where(mine, known_addresses.c.address.in_(forgotten)))
        await connection.execute(
            insert(known_addresses).values(user_id=user_id, address=address, last_login=int(time.time()))
        )


def _columns(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "email": user.email,
        "display_name": user.display_name,
        "scopes": int(user.scopes),
        "allowed_thing_ids": [str(thing_id) for thing_id in user.allowed_thing_ids],
    }


def _token_columns(token: NewToken | TokenInfo, value: bytes) -> dict[str, Any]:
    return {
        "id": str(token.id),
        "digest": value,
        "creation_time": token.creation_time,
        "device_name": token.device_name,
    }


def _user(row: Row[*tuple[Any, ...]]) -> User:
    """The user in a row that ends with the columns of _USER."""
    username, email, display_name, scopes, allowed_thing_ids = row[-len(_USER) :]
    return User(username, email, display_name, _scope(scopes), tuple(map(UUID, allowed_thing_ids)))


#: Making one takes longer than all the rest of a user, and there are few.
_scope = cache(Scope)

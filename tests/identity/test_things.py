"""What else happens with users: things that are gone leave their lists, and others join in their removal."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE, Server
from sqlalchemy import insert, select

from nymead_users.client import Client
from nymead_users.events import EventBus
from nymead_users.identity.errors import UnknownUser
from nymead_users.identity.events import UserChanged, UserRemoved
from nymead_users.identity.passwords import Passwords
from nymead_users.identity.store import UserStore
from nymead_users.identity.throttling import Throttle
from nymead_users.identity.users import Users, unconditional
from nymead_users.permissions import Scope, User
from nymead_users.storage.database import Connection, Database
from nymead_users.storage.tables import owners, users


class Failed(Exception):
    """What goes wrong in these tests."""


@pytest.fixture
async def database(empty_store: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "store"
    shutil.copy(empty_store, path)
    database = await Database.open(path)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> UserStore:
    return UserStore(database, tokens_per_user=3)


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def service(store: UserStore, told: list[Any]) -> Users:
    events = EventBus()
    for kind in (UserChanged, UserRemoved):
        events.subscribe(kind, told.append)
    throttle = Throttle(free_attempts=3, first_delay=1, max_delay=60, forget_after=60)
    return Users(store, Passwords(**CHEAP_ARGON2), throttle, events)


async def add(store: UserStore, name: str, *things: UUID) -> None:
    await store.add(User(name, "", "", Scope.CONTROL_THINGS, things), "a hash", unconditional)


async def things_of(store: UserStore, name: str) -> tuple[UUID, ...]:
    user = await store.find(name)
    assert user is not None
    return user.allowed_thing_ids


# Things that are gone


async def test_a_forgotten_thing_is_in_no_list(database: Database, store: UserStore) -> None:
    """Each user who had a thing has the others in their order, and is told as they are then; nobody else is."""
    gone, first, second = uuid4(), uuid4(), uuid4()
    await add(store, "all", first, gone, second)
    await add(store, "gone", gone)
    await add(store, "others", first, second)
    await add(store, "nothing")
    async with database.write() as connection:
        changed = await store.forget_thing(connection, str(gone))
    assert {user.username: user.allowed_thing_ids for user in changed} == {"all": (first, second), "gone": ()}
    assert changed == [await store.find(user.username) for user in changed]
    assert await things_of(store, "others") == (first, second)
    async with database.write() as connection:
        assert await store.forget_thing(connection, str(gone)) == []


async def test_a_thing_that_is_listed_twice_is_forgotten_twice(database: Database, store: UserStore) -> None:
    """However often a list names a thing, it names it no more."""
    gone, kept = uuid4(), uuid4()
    await add(store, "twice", gone, kept, gone)
    async with database.write() as connection:
        await store.forget_thing(connection, str(gone))
    assert await things_of(store, "twice") == (kept,)


async def test_a_thing_is_forgotten_with_the_transaction_or_not_at_all(database: Database, store: UserStore) -> None:
    """Where the rest of the transaction fails, the thing is still listed."""
    thing = uuid4()
    await add(store, "user", thing)
    with pytest.raises(Failed):
        await _fail_after_forgetting(database, store, thing)
    assert await things_of(store, "user") == (thing,)


async def _fail_after_forgetting(database: Database, store: UserStore, thing: UUID) -> None:
    async with database.write() as connection:
        await store.forget_thing(connection, str(thing))
        raise Failed


# Companions of a removal


def companion(calls: list[Any], name: str) -> Callable[[Connection, str], Any]:
    """A companion that writes down what it sees, and adds an owner of its name."""

    async def join_in(connection: Connection, username: str) -> Callable[[], None]:
        there = await connection.scalar(select(users.c.id).where(users.c.username == username))
        calls.append((name, username, there is not None))
        await connection.execute(insert(owners).values(id=str(uuid4()), title=name, next_number=1))
        return lambda: calls.append(name)

    return join_in


async def titles(database: Database) -> set[str]:
    async with database.read() as connection:
        return set(await connection.scalars(select(owners.c.title))) - {"Home"}


async def test_companions_join_in_the_transaction_of_a_removal(
    database: Database, store: UserStore, service: Users, told: list[Any]
) -> None:
    """Each companion acts while the user is still there, and is called back after the removal is told."""
    calls: list[Any] = []
    store.companions += [companion(calls, "first"), companion(calls, "second")]
    await add(store, "ada")
    await add(store, "bob")

    def look() -> None:
        calls.append(list(told))

    async def last(connection: Connection, username: str) -> Callable[[], None]:  # noqa: ARG001 - of the protocol
        return look

    store.companions.append(last)
    await service.remove("Ada")
    assert calls == [("first", "ada", True), ("second", "ada", True), "first", "second", [UserRemoved("ada")]]
    assert await titles(database) == {"first", "second"}
    assert [await store.find(name) is not None for name in ("ada", "bob")] == [False, True]


async def test_a_removal_fails_with_its_companion(
    database: Database, store: UserStore, service: Users, told: list[Any]
) -> None:
    """Where a companion fails, the user stays, nothing of the others is done, and nobody is told or called back."""
    calls: list[Any] = []

    async def fail(connection: Connection, username: str) -> Callable[[], None]:  # noqa: ARG001 - of the protocol
        raise Failed

    store.companions += [companion(calls, "first"), fail]
    await add(store, "ada")
    with pytest.raises(Failed):
        await service.remove("ada")
    assert calls == [("first", "ada", True)]
    assert told == []
    assert await titles(database) == set()
    assert await store.find("ada") is not None


async def test_nobody_joins_in_a_removal_that_does_not_happen(store: UserStore, service: Users) -> None:
    """Without such a user, or without permission, no companion is asked."""
    calls: list[Any] = []
    store.companions.append(companion(calls, "first"))
    await add(store, "ada")

    def refuse() -> None:
        raise Failed

    with pytest.raises(UnknownUser):
        await service.remove("bob")
    with pytest.raises(Failed):
        await service.remove("ada", confirm=refuse)
    assert calls == []


# Live sessions


async def user_infos(client: Client, count: int) -> list[dict[str, Any]]:
    """The next notifications about users."""
    async with asyncio.timeout(PATIENCE):
        found = client.notifications()
        return [(await anext(found)).params["userInfo"] for _ in range(count)]


async def test_live_sessions_know_at_once_that_a_lock_is_gone(home: Server) -> None:
    """Who is connected sees a removed lock no more, also when it is back, and administrators hear of each user once."""
    admin, watcher = await home.login(), await home.login()
    lock, other = str(uuid4()), str(uuid4())
    for lock_id in (lock, other):
        await admin.call("Access.AddLock", {"title": "Door", "lockId": lock_id})
    person = (await admin.call("Access.AddPerson", {"firstName": "Ada"}))["person"]["id"]
    await home.add_user("both", "ControlThings", allowedThingIds=[lock, other])
    await home.add_user("none", "ControlThings", allowedThingIds=[other])
    both, again, none = [await home.login(name, password=PASSWORD) for name in ("both", "both", "none")]
    await watcher.subscribe("Users")

    async def answers(client: Client) -> list[str]:
        questions = [{"personId": person, "lockId": lock_id} for lock_id in (lock, other)]
        return [(await client.call("Access.Evaluate", params))["error"] for params in questions]

    denied, allowed = "AccessErrorPermissionDenied", "AccessErrorNoError"
    assert [await answers(client) for client in (both, again, none)] == [
        [allowed] * 2,
        [allowed] * 2,
        [denied, allowed],
    ]
    assert await admin.call("Access.RemoveLock", {"lockId": lock}) == {"error": allowed}
    await admin.call("Access.AddLock", {"title": "Again", "lockId": lock})
    assert [await answers(client) for client in (both, again, none)] == [[denied, allowed]] * 3
    locks = (await both.call("Access.GetLocks"))["locks"]
    assert [each["id"].strip("{}") for each in locks] == [other]
    # The next change of a user comes right behind.
    await admin.call("Users.SetUserInfo", {"username": "none", "displayName": "No one"})
    first, second = await user_infos(watcher, 2)
    assert (first["username"], [thing.strip("{}") for thing in first["allowedThingIds"]]) == ("both", [other])
    assert second["username"] == "none"

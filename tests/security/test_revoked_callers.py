"""Somebody keeps a connection open after their token, their account or their permissions are gone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, Transport
from house import NO_ERROR, House, Phone, a_home, compact, ended, greeted, heard, request

from nymead_users.client import Unauthorized
from nymead_users.storage.datadir import STORE

MALLORY = "mallory"


async def token_id(house: House, username: str) -> str:
    (token,) = await house.users.tokens(username)
    return str(token.id)


async def remove_token(house: House, operator: Phone) -> None:
    assert await operator.call("Users.RemoveToken", {"tokenId": await token_id(house, MALLORY)}) == NO_ERROR


async def remove_user(_: House, operator: Phone) -> None:
    assert await operator.call("Users.RemoveUser", {"username": MALLORY}) == NO_ERROR


async def change_scopes(_: House, operator: Phone) -> None:
    assert await operator.call("Users.SetUserScopes", {"username": MALLORY, "scopes": []}) == NO_ERROR


REVOCATIONS = [remove_token, remove_user, change_scopes]

#: What takes a place in the queue of passwords, and so may be overtaken by a revocation.
SLOW = [
    ("Users.CreateUser", {"username": "backdoor", "password": "Backd00rs"}),
    ("Users.ChangeUserPassword", {"username": "admin", "newPassword": "Backd00rs"}),
    ("Users.ChangePassword", {"newPassword": "Backd00rs"}),
]


async def present(house: House) -> list[Any]:
    """Everything an intruder could have changed, save their own account."""
    return [user async for page in house.users.pages() for user in page if user.username != MALLORY]


@pytest.mark.parametrize("revoke", REVOCATIONS)
@pytest.mark.parametrize(("method", "params"), SLOW)
async def test_what_waits_for_its_password_to_be_hashed_dies_with_its_caller(
    tmp_path: Path,
    method: str,
    params: dict[str, str],
    revoke: Callable[[House, Phone], Awaitable[None]],
    dialect: Dialect,
) -> None:
    """An administrator's call that is queued for hashing has no effect if they lose their rights meanwhile."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY, "Admin")
        mallory = await house.login(MALLORY, dialect)
        before = await present(house)
        house.passwords.hold()
        waiting = asyncio.create_task(mallory.ask(method, params))
        await house.passwords.queued(1)
        await revoke(house, house.operator())
        house.passwords.release()
        reply = await waiting
        expected = "Permission denied." if revoke is change_scopes else "Forbidden: Invalid token."
        assert expected in str(reply)
        assert await present(house) == before
        assert (await house.phone().authenticate("admin"))["params"]["success"] is True
        if method == "Users.ChangePassword" and revoke is not remove_user:
            assert (await house.phone().authenticate(MALLORY))["params"]["success"] is True


async def test_a_login_that_waits_for_its_hash_dies_with_the_user(tmp_path: Path) -> None:
    """A login under way when its user is removed yields no token, nor does it when a namesake is made meanwhile."""
    async with a_home(tmp_path, cost={"workers": 1}) as house:
        await house.add(MALLORY)
        mallory, operator = house.phone(), house.operator()
        house.passwords.hold()
        login = asyncio.create_task(mallory.authenticate(MALLORY))
        await house.passwords.queued(1)
        await remove_user(house, operator)
        # The namesake has the same password, and its hash waits behind the login.
        params = {"username": MALLORY, "password": PASSWORD, "scopes": []}
        namesake = asyncio.create_task(operator.call("Users.CreateUser", params))
        await house.passwords.queued(2)
        house.passwords.release()
        assert (await login)["params"] == {"success": False}
        assert await namesake == NO_ERROR
        assert await house.tokens(MALLORY) == 0


async def test_a_login_with_a_password_that_is_changed_meanwhile_fails(tmp_path: Path) -> None:
    """The old password opens nothing once the change was answered, not even for a login already under way."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY)
        thief, operator = house.phone(), house.operator()
        house.passwords.verified.hold()
        login = asyncio.create_task(thief.authenticate(MALLORY))
        await house.passwords.verified.arrival()
        params = {"username": MALLORY, "newPassword": "An0therOne"}
        assert await operator.call("Users.ChangeUserPassword", params) == NO_ERROR
        house.passwords.verified.release()
        assert (await login)["params"] == {"success": False}
        assert await house.tokens(MALLORY) == 0
        assert await operator.call("Users.GetUserTokens", {"username": MALLORY}) == {
            "error": "UserErrorNoError",
            "tokenInfoList": [],
        }


@pytest.mark.loaded
async def test_calls_sent_ahead_die_with_their_caller(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Of many calls sent in one go, none has an effect after the one that removes the caller's own token."""
    admin = await home.login()
    login = await (await home.client()).authenticate("admin", PASSWORD, "mallory's phone")
    assert login is not None
    tokens = (await admin.call("Users.GetTokens"))["tokenInfoList"]
    (mine,) = [token["id"] for token in tokens if token["deviceName"] == "mallory's phone"]
    raw = await greeted(home, transport) if dialect == "nymea" else await home.raw(transport)
    await raw.ask(request("JSONRPC.Hello", token=login.token, dialect=dialect))
    calls = [request("Users.RemoveToken", {"tokenId": mine}, token=login.token, dialect=dialect, number=1)]
    for i in range(2, 30):
        user = {"username": f"backdoor{i}", "password": PASSWORD}
        calls.append(request("Users.CreateUser", user, token=login.token, dialect=dialect, number=i))
    if transport == "tcp":
        await raw.send("".join(map(compact, calls)))
    else:
        for call in calls:
            await raw.send(call)
    replies = await raw.ends()
    assert '"UserErrorNoError"' in compact(replies[0])
    assert len(replies) > 1
    assert all("Forbidden: Invalid token." in compact(reply) for reply in replies[1:])
    users = (await admin.call("Users.GetUsers"))["users"]
    assert [user["username"] for user in users] == ["admin"]


async def test_the_members_of_a_batch_die_with_their_caller(tmp_path: Path) -> None:
    """In a batch, whatever comes after the removal of the caller's own account is refused."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY, "Admin")
        mallory = await house.login(MALLORY, "jsonrpc2")
        batch = [
            request("Users.RemoveUser", {"username": MALLORY}, dialect="jsonrpc2", number=100),
            request("Users.CreateUser", {"username": "backdoor", "password": PASSWORD}, dialect="jsonrpc2", number=101),
            request("Users.GetUsers", dialect="jsonrpc2", number=102),
        ]
        await mallory.session.receive(batch)
        first, *others = mallory.received[-1]
        assert first["result"] == NO_ERROR
        assert [other["error"]["code"] for other in others] == [-32001, -32001]
        assert await house.usernames() == ["admin"]


@pytest.mark.loaded
@pytest.mark.parametrize("revoke", ["Users.RemoveToken", "Users.RemoveUser", "Users.ChangeUserPassword"])
async def test_a_revoked_connection_is_refused_and_closed(
    home: Server, transport: Transport, dialect: Dialect, revoke: str
) -> None:
    """Whatever took the token away, the next call on its open connection is unauthorized, and that is the end of it."""
    await home.add_user(MALLORY, "Admin")
    mallory = await home.login(MALLORY, transport, dialect)
    other = await home.login("admin", transport, dialect)
    await mallory.subscribe("Users")
    operator = await home.operator()
    (token,) = (await operator.call("Users.GetUserTokens", {"username": MALLORY}))["tokenInfoList"]
    params = {
        "Users.RemoveToken": {"tokenId": token["id"]},
        "Users.RemoveUser": {"username": MALLORY},
        "Users.ChangeUserPassword": {"username": MALLORY, "newPassword": "An0therOne"},
    }[revoke]
    assert await operator.call(revoke, params) == NO_ERROR
    assert await operator.call("Users.SetUserInfo", {"username": "admin", "displayName": "x"}) == NO_ERROR
    with pytest.raises(Unauthorized, match=r"^Forbidden: Invalid token\.$"):
        await mallory.call("Users.GetUserInfo")
    await ended(mallory)
    assert [item.name async for item in mallory.notifications()] == []
    assert (await other.call("Users.GetUserInfo"))["userInfo"]["displayName"] == "x"


async def test_taken_permissions_are_gone_from_an_open_connection(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """A demoted administrator stays logged in, may do no more than the new scopes, and hears nobody else's news."""
    await home.add_user(MALLORY, "Admin")
    mallory = await home.login(MALLORY, transport, dialect)
    await mallory.subscribe("Users")
    operator = await home.operator()
    await operator.call("Users.SetUserScopes", {"username": MALLORY, "scopes": ["PermissionScopeControlThings"]})
    await operator.call("Users.CreateUser", {"username": "bob", "password": PASSWORD, "email": "bob@home.example"})
    await operator.call("Users.RemoveUser", {"username": "bob"})
    with pytest.raises(Exception, match="Permission denied"):
        await mallory.call("Users.GetUsers")
    assert (await mallory.call("JSONRPC.Hello", {}))["permissionScopes"] == ["PermissionScopeControlThings"]
    told = await heard(mallory)
    assert told.params["userInfo"]["scopes"] == ["PermissionScopeControlThings"]
    await mallory.close()
    assert [item.name async for item in mallory.notifications()] == []


async def test_a_token_that_is_removed_while_it_is_bound_does_not_stay_bound(tmp_path: Path) -> None:
    """If a token is removed between its look-up and its binding, the connection is not logged in."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY, "Admin")
        token = (await house.login(MALLORY)).token
        late = house.phone("jsonrpc2")
        house.store.resolved.hold()
        hello = asyncio.create_task(late.call("JSONRPC.Hello", {"token": token}))
        await house.store.resolved.arrival()
        await remove_token(house, house.operator())
        house.store.resolved.release()
        assert (await hello)["authenticated"] is False
        assert (await late.ask("Users.GetUsers"))["error"]["code"] == -32001


async def test_scopes_taken_while_a_token_is_bound_are_gone(tmp_path: Path) -> None:
    """If the user is demoted between a token's look-up and its binding, the connection has the new scopes."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY, "Admin")
        token = (await house.login(MALLORY)).token
        late = house.phone("jsonrpc2")
        house.store.resolved.hold()
        hello = asyncio.create_task(late.call("JSONRPC.Hello", {"token": token}))
        await house.store.resolved.arrival()
        await change_scopes(house, house.operator())
        house.store.resolved.release()
        assert (await hello)["permissionScopes"] == []
        assert (await late.ask("Users.GetUsers"))["error"]["code"] == -32003


async def test_binding_and_removing_a_token_in_any_interleaving_ends_unauthorized(tmp_path: Path) -> None:
    """Over many interleavings of Hello with a token and its removal, no connection is left logged in."""
    async with a_home(tmp_path) as house:
        await house.add(MALLORY, "Admin")
        operator = house.operator()
        for turns in range(0, 80, 2):
            token = (await house.login(MALLORY)).token
            late = [house.phone("jsonrpc2") for _ in range(4)]
            identity = await token_id(house, MALLORY)
            removal = operator.call("Users.RemoveToken", {"tokenId": identity})
            hellos = [asyncio.create_task(phone.call("JSONRPC.Hello", {"token": token})) for phone in late[:2]]
            for _ in range(turns):
                await asyncio.sleep(0)
            removing = asyncio.create_task(removal)
            hellos += [asyncio.create_task(phone.call("JSONRPC.Hello", {"token": token})) for phone in late[2:]]
            assert await removing == NO_ERROR
            await asyncio.gather(*hellos)
            for phone in late:
                assert phone.session.principal is None
                assert (await phone.ask("Users.GetUsers"))["error"]["code"] == -32001
                phone.hang_up()


async def test_binding_and_removing_a_token_over_the_network_ends_unauthorized(home: Server) -> None:
    """A connection that says Hello with a token while it is being removed is not logged in afterwards."""
    await home.add_user(MALLORY, "Admin")
    operator = await home.operator()
    for _ in range(15):
        login = await (await home.client()).authenticate(MALLORY, PASSWORD, "phone")
        assert login is not None
        tokens = (await operator.call("Users.GetUserTokens", {"username": MALLORY}))["tokenInfoList"]
        late = [await home.client(hello=False) for _ in range(3)]
        await asyncio.gather(
            *(client.hello(token=login.token) for client in late),
            *(operator.call("Users.RemoveToken", {"tokenId": token["id"]}) for token in tokens),
        )
        for client in late:
            with pytest.raises(Unauthorized):
                await client.call("Users.GetUsers")
            await client.close()


async def test_a_connection_that_has_ended_changes_nothing_more(tmp_path: Path) -> None:
    """Calls left over from a connection that is gone are not run, whoever was logged in on it."""
    async with a_home(tmp_path) as house:
        mallory = await house.login()
        mallory.hang_up()
        await mallory.session.receive(
            request("Users.CreateUser", {"username": "backdoor", "password": PASSWORD}, token=mallory.token)
        )
        assert await house.usernames() == ["admin"]


async def answered(raw: Raw, times: int) -> None:
    """The server has served this connection so often: whatever else had arrived before is being served."""
    for number in range(times):
        await raw.ask(request("JSONRPC.Hello", number=number))


@pytest.mark.alone
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("Users.CreateUser", {"username": "backdoor", "password": PASSWORD}),
        ("Users.SetUserScopes", {"username": "friend", "scopes": ["PermissionScopeAdmin"]}),
        ("Users.RemoveUser", {"username": "friend"}),
        ("Users.SetUserInfo", {"username": "friend", "email": "mallory@evil.example"}),
    ],
)
async def test_what_waits_for_the_database_dies_with_its_caller(
    home: Server, method: str, params: dict[str, Any]
) -> None:
    """A call that waits behind the removal of its own caller in the database's queue has no effect."""
    for username, scopes in ((MALLORY, "Admin"), ("friend", "ControlThings")):
        await home.add_user(username, scopes)
    operator, witness = await home.operator(), await greeted(home)
    mallory = await home.login(MALLORY)
    await operator.subscribe("Users")

    database = sqlite3.connect(home.data_dir / STORE, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        removal = asyncio.create_task(operator.call("Users.RemoveUser", {"username": MALLORY}))
        await answered(witness, 10)
        attack = asyncio.create_task(mallory.call(method, params))
        await answered(witness, 10)
        database.execute("COMMIT")
    finally:
        database.close()
    assert await removal == NO_ERROR
    await asyncio.wait([attack])
    await operator.call("JSONRPC.KeepAlive", {"sessionId": None})
    await operator.close()
    heard = [(item.name, item.params.get("username")) async for item in operator.notifications()]
    assert heard[-1] == ("Users.UserRemoved", MALLORY), f"changed by a user who was gone already: {heard}"

"""The way of a new home: set-up, login, users, tokens, notifications, on every transport and dialect."""

from __future__ import annotations

import pytest
from conftest import PASSWORD, Dialect, Server, Transport

from nymead_users.client import Unauthorized


async def test_from_set_up_to_a_notification(server: Server, transport: Transport, dialect: Dialect) -> None:
    """A new server is set up, the administrator logs in, adds a user and hears of it before the reply."""
    client = await server.client(transport, dialect, hello=False)
    hello = await client.hello()
    assert hello["initialSetupRequired"] is True
    made = await client.call("JSONRPC.CreateUser", {"username": "Alice", "password": PASSWORD})
    assert made == {"error": "UserErrorNoError"}
    login = await client.authenticate("ALICE", PASSWORD, "phone")
    assert login is not None
    assert login.username == "alice"
    assert await client.subscribe("Users") == ["Users"]
    params = {"username": "bob", "password": PASSWORD, "scopes": ["PermissionScopeControlThings"]}
    assert await client.call("Users.CreateUser", params) == {"error": "UserErrorNoError"}
    notification = await anext(client.notifications())
    assert notification.name == "Users.UserAdded"
    assert notification.params["userInfo"]["username"] == "bob"


async def test_an_unknown_token_is_unauthorized(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A call without a valid token is refused, and the connection closes."""
    client = await home.client(transport, dialect)
    with pytest.raises(Unauthorized, match="Forbidden: Invalid token"):
        await client.call("Users.GetUsers")
    await client.closed()

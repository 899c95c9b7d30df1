"""An attacker wants the token that a press of the button makes for somebody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import get_args

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, StartServer, Transport
from house import NO_ERROR, a_home, a_house, ended, greeted, heard, request

from nymead_users.client import CallError, Unauthorized

FINISHED = "JSONRPC.PushButtonAuthFinished"


@pytest.fixture
async def button(start_server: StartServer) -> Server:
    """A home with a push button."""
    server = await start_server(push_button=True)
    await server.set_up()
    return server


async def everything_until_pong(raw: Raw, token: str, dialect: Dialect) -> list[str]:
    """All that a connection has been sent, as text, up to the reply of a last call."""
    await raw.send(request("JSONRPC.KeepAlive", {"sessionId": "pong"}, token=token, dialect=dialect, number=99))
    texts: list[str] = []
    while not texts or '"pong"' not in texts[-1]:
        texts.append(await raw.receive_text())
        assert texts[-1], "the connection ended"
    return texts


async def test_who_is_displaced_is_told_and_gets_nothing(
    button: Server, transport: Transport, dialect: Dialect
) -> None:
    """The owner whose request an attacker displaces is told so, before the press and whatever the press brings."""
    owner = await button.client(transport, dialect)
    attacker = await button.client()
    mine = await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "owner's phone"})
    theirs = await attacker.call("Users.RequestPushButtonAuth", {"deviceName": "phone"})
    assert mine["success"] is theirs["success"] is True
    told = await heard(owner)
    assert (told.name, told.params) == (FINISHED, {"success": False, "transactionId": mine["transactionId"]})

    operator = await button.operator()
    assert await operator.call("Operator.PressButton") == {"success": True}
    granted = await heard(attacker)
    assert granted.name == "Users.PushButtonAuthFinished"
    assert granted.params["transactionId"] == theirs["transactionId"]
    with pytest.raises(Unauthorized):
        await owner.call("Users.GetUserInfo")
    await ended(owner)
    assert [item async for item in owner.notifications()] == []


async def test_the_displaced_is_told_before_the_new_requester_is_answered(tmp_path: Path) -> None:
    """When the attacker's request is answered the owner knows already."""
    async with a_home(tmp_path) as house:
        owner, attacker = house.phone(), house.phone("jsonrpc2")
        mine = await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        asking = asyncio.ensure_future(attacker.ask("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"}))
        asking.add_done_callback(lambda _: order.append(len(owner.notifications(FINISHED))))
        order: list[int] = []
        await asking
        assert owner.notifications(FINISHED) == [{"success": False, "transactionId": mine["transactionId"]}]
        await asyncio.sleep(0)
        assert order == [1]


async def test_a_press_with_nobody_waiting_does_nothing(button: Server) -> None:
    """A press before anybody asks makes no user and no token, and is not kept for who asks next."""
    operator = await button.operator()
    assert await operator.call("Operator.PressButton") == {"success": False}
    attacker = await button.client()
    await attacker.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    with pytest.raises(Unauthorized):
        await attacker.call("Users.GetUserInfo")
    assert [user["username"] for user in (await operator.call("Users.GetUsers"))["users"]] == ["admin"]


async def test_one_press_serves_one_request(button: Server) -> None:
    """A second press right after the first finds nobody waiting."""
    owner = await button.client()
    await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    operators = [await button.operator() for _ in range(4)]
    presses = await asyncio.gather(*(operator.call("Operator.PressButton") for operator in operators))
    assert sorted(press["success"] for press in presses) == [False, False, False, True]
    assert len((await operators[0].call("Users.GetUserTokens", {"username": ""}))["tokenInfoList"]) == 1


async def test_a_requester_that_hangs_up_cancels(tmp_path: Path) -> None:
    """Nobody is served by a press once the requester has gone, nor is an older, displaced request revived."""
    async with a_home(tmp_path) as house:
        displaced, gone = house.phone(), house.phone()
        for phone in (displaced, gone):
            await phone.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        gone.hang_up()
        assert await house.operator().call("Operator.PressButton") == {"success": False}
        assert await house.usernames() == ["admin"]


async def test_who_was_displaced_and_hangs_up_does_not_cancel_the_present_request(tmp_path: Path) -> None:
    """An attacker cannot cancel the owner's request by hanging up a connection that had asked before."""
    async with a_home(tmp_path) as house:
        attacker, owner = house.phone(), house.phone()
        for phone in (attacker, owner):
            await phone.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        attacker.hang_up()
        assert await house.operator().call("Operator.PressButton") == {"success": True}
        assert len(owner.notifications(FINISHED)) == 1


@pytest.mark.parametrize("point", ["minted", "resolved"])
async def test_a_requester_gone_between_press_and_delivery_leaves_no_live_token(tmp_path: Path, point: str) -> None:
    """If the requester hangs up while its token is made or bound, the token is removed again."""
    async with a_home(tmp_path) as house:
        owner = house.phone()
        await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        latch = getattr(house.store, point)
        latch.hold()
        press = asyncio.create_task(house.operator().call("Operator.PressButton"))
        await latch.arrival()
        owner.hang_up()
        latch.release()
        assert await press == {"success": False}
        assert await house.tokens("") == 0
        assert "token" not in str(owner.notifications(FINISHED))


async def test_whoever_presses_and_hangs_up_at_any_moment_leaves_no_stray_token(tmp_path: Path) -> None:
    """Over many interleavings of press and hang-up, a token lives only if it was delivered."""
    async with a_home(tmp_path) as house:
        operator, delivered = house.operator(), 0
        for turns in range(60):
            owner = house.phone()
            await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
            press = asyncio.create_task(operator.call("Operator.PressButton"))
            for _ in range(turns * 5):
                await asyncio.sleep(0)
            owner.hang_up()
            success = (await press)["success"]
            if success:
                assert [told["success"] for told in owner.notifications(FINISHED)] == [True]
            delivered += success
            assert await house.tokens("") == delivered


@pytest.mark.loaded
async def test_the_token_reaches_nobody_else_whatever_they_subscribed_to(button: Server) -> None:
    """The administrator who hears everything, another who waited, and an anonymous peer see nothing of the token."""
    listeners: list[tuple[Raw, str, Dialect]] = []
    for transport in get_args(Transport):
        for dialect in get_args(Dialect):
            login = await (await button.client(transport)).authenticate("admin", PASSWORD, "phone")
            assert login is not None
            raw = await button.raw(transport)
            for method, params in (
                ("JSONRPC.Hello", {}),
                ("JSONRPC.SetNotificationStatus", {"enabled": True}),
                ("JSONRPC.SetNotificationStatus", {"namespaces": ["JSONRPC", "Users", "Operator", "rpc"]}),
            ):
                await raw.ask(request(method, params, token=login.token, dialect=dialect))
            listeners.append((raw, login.token, dialect))
    loser = await greeted(button)
    await loser.ask(request("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"}))
    requester = await greeted(button, "ws")
    await requester.ask(request("JSONRPC.RequestPushButtonAuth", {"deviceName": "owner's phone"}))
    assert await (await button.operator()).call("Operator.PressButton") == {"success": True}
    told = await requester.receive()
    token = told["params"]["token"]
    assert told["notification"] == FINISHED

    for raw, own, dialect in listeners:
        heard = await everything_until_pong(raw, own, dialect)
        assert "PushButtonAuthFinished" not in "".join(heard)
        assert token not in "".join(heard)
        # The user whom the press has made is not secret.
        assert sum("Users.UserAdded" in text for text in heard) == 1
    await loser.send(request("JSONRPC.Hello", number=7))
    rest = [await loser.receive(), await loser.receive()]
    assert [message.get("params", {}).get("success") for message in rest if "notification" in message] == [False]
    assert token not in json.dumps(rest)


async def test_the_press_binds_the_token_to_the_requesters_connection_only(tmp_path: Path) -> None:
    """The requester acts as the button's administrator at once; another connection from its address does not."""
    async with a_house(tmp_path) as house:
        owner, neighbour = house.phone("jsonrpc2"), house.phone("jsonrpc2")
        await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
        assert await house.operator().call("Operator.PressButton") == {"success": True}
        assert (await owner.call("Users.GetUserInfo"))["userInfo"]["username"] == ""
        assert (await neighbour.ask("Users.GetUserInfo"))["error"]["code"] == -32001


async def test_a_press_gives_back_nothing_that_was_taken(tmp_path: Path) -> None:
    """Where an administrator has given the button's user less, a press makes a token for that and no more."""
    async with a_home(tmp_path) as house:

        async def press() -> list[str]:
            """What the button's user may do when somebody has pressed it."""
            phone = house.phone("jsonrpc2")
            await phone.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
            assert await house.operator().call("Operator.PressButton") == {"success": True}
            scopes: list[str] = (await phone.call("Users.GetUserInfo"))["userInfo"]["scopes"]
            return scopes

        assert "PermissionScopeAdmin" in await press()
        admin = await house.login()
        less = ["PermissionScopeControlThings"]
        assert await admin.call("Users.SetUserScopes", {"username": "", "scopes": less}) == NO_ERROR
        assert await press() == less
        assert await admin.call("Users.RemoveUser", {"username": ""}) == NO_ERROR
        assert "PermissionScopeAdmin" in await press()


async def test_network_clients_cannot_press_the_button(button: Server, transport: Transport, dialect: Dialect) -> None:
    """To the network Operator.PressButton answers like a namespace that does not exist, and presses nothing."""
    waiting = await button.client()
    await waiting.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})

    async def refusal(method: str, *, logged_in: bool) -> tuple[type[CallError], str, int | None, str]:
        client = await (
            button.login(transport=transport, dialect=dialect) if logged_in else button.client(transport, dialect)
        )
        with pytest.raises(CallError) as refused:
            await client.call(method)
        return type(refused.value), refused.value.message, refused.value.code, str(refused.value.data)

    for logged_in in (False, True):
        answers = {
            await refusal(method, logged_in=logged_in)
            for method in (
                "Operator.PressButton",
                "Operator.NoSuchThing",
                "Nonesuch.PressButton",
                "operator.pressButton",
            )
        }
        assert len(answers) == 1, answers
    operator = await button.operator()
    assert await operator.call("Operator.PressButton") == {"success": True}


async def test_the_operators_namespace_is_in_no_contract(button: Server, dialect: Dialect) -> None:
    """Neither Introspect nor rpc.discover nor the list of notifications tells of the Operator namespace."""
    client = await button.login(dialect=dialect)
    contract = json.dumps([await client.call("JSONRPC.Introspect"), await client.call("rpc.discover")])
    assert "Operator" not in contract
    assert "PressButton" not in contract
    assert "RequestPushButtonAuth" in contract
    assert await client.subscribe("Operator", "Users") == ["Users"]


async def test_a_server_without_a_button_makes_nobody_wait(home: Server) -> None:
    """Where the operator has not switched it on the button does nothing, pressed or not."""
    client = await home.client()
    assert (await client.hello())["pushButtonAuthAvailable"] is False
    asked = await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    assert asked == {"success": False, "transactionId": -1}
    operator = await home.operator()
    assert await operator.call("Operator.PressButton") == {"success": False}


async def test_asking_with_the_button_makes_nobody_known(button: Server) -> None:
    """The user that the button made cannot be logged in to, nor be given a password."""
    client = await button.client()
    await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    operator = await button.operator()
    await operator.call("Operator.PressButton")
    for password in ("", PASSWORD):
        assert await client.authenticate("", password, "phone") is None
    params = {"username": "", "newPassword": PASSWORD}
    assert await operator.call("Users.ChangeUserPassword", params) == {"error": "UserErrorInvalidUserId"}
    assert await client.authenticate("", PASSWORD, "phone") is None
    assert await operator.call("Users.RemoveUser", {"username": ""}) == NO_ERROR

"""An attacker in the home network wants to be the first user."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from conftest import PASSWORD, Dialect, Server, StartServer, Transport
from house import DENIED, HOME, NO_ERROR, a_home, a_house, ended

from nymead_users.client import CallError, Client, PermissionDenied, Unauthorized
from nymead_users.transport.listener import peer_of

WAYS = list(itertools.product(get_args(Transport), get_args(Dialect)))


async def create(client: Client, username: str, password: str) -> dict[str, Any] | CallError:
    try:
        return await client.call("JSONRPC.CreateUser", {"username": username, "password": password})
    except CallError as refusal:
        return refusal


@pytest.mark.loaded
async def test_of_many_who_race_for_the_first_set_up_one_becomes_administrator(start_server: StartServer) -> None:
    """However many set up the server at once, over whatever: one wins, and nothing of the others remains."""
    server = await start_server(throttling={"free_attempts": 100})
    racers = [(f"racer{i}", f"Passw0rd{i}", *way) for i, way in enumerate(WAYS * 8)]
    clients = [await server.client(transport, dialect) for _, _, transport, dialect in racers]
    outcomes = await asyncio.gather(
        *(create(client, name, password) for client, (name, password, _, _) in zip(clients, racers, strict=True))
    )
    winners = [racer for racer, outcome in zip(racers, outcomes, strict=True) if outcome == NO_ERROR]
    assert len(winners) == 1
    for outcome in outcomes:
        assert outcome in (NO_ERROR, DENIED) or isinstance(outcome, Unauthorized)

    operator = await server.operator()
    users = (await operator.call("Users.GetUsers"))["users"]
    assert [user["username"] for user in users] == [winners[0][0]]
    for name, password, transport, dialect in racers:
        client = await server.client(transport, dialect)
        assert (await client.hello())["initialSetupRequired"] is False
        assert (await client.authenticate(name, password, "phone") is not None) == (name == winners[0][0])
        if name != winners[0][0]:
            assert (await operator.call("Users.GetUserTokens", {"username": name}))["tokenInfoList"] == []


async def test_racers_for_the_same_name_do_not_share_it(server: Server, transport: Transport) -> None:
    """Two who race for the same name with passwords of their own: the loser's password opens nothing."""
    clients = [await server.client(transport, dialect) for dialect in ("nymea", "jsonrpc2")]
    passwords = ["Passw0rdA", "Passw0rdB"]
    outcomes = await asyncio.gather(
        *(
            create(client, name, password)
            for client, name, password in zip(clients, ["Owner", "oWNER"], passwords, strict=True)
        )
    )
    assert outcomes.count(NO_ERROR) == 1
    client = await server.client(transport)
    logins = [await client.authenticate("owner", password, "phone") for password in passwords]
    assert [login is not None for login in logins] == [outcome == NO_ERROR for outcome in outcomes]


async def test_the_button_pressed_while_somebody_sets_up_wins(tmp_path: Path) -> None:
    """Whoever presses the button while another's password is still being hashed is first: the other is refused."""
    async with a_house(tmp_path) as house:
        owner, racer = house.phone(), house.phone("jsonrpc2", address="198.51.100.3")
        house.passwords.hold()
        racing = asyncio.create_task(racer.call("JSONRPC.CreateUser", {"username": "racer", "password": PASSWORD}))
        await house.passwords.queued(1)
        assert (await owner.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"}))["success"]
        assert await house.operator().call("Operator.PressButton") == {"success": True}
        house.passwords.release()
        assert await racing == DENIED
        assert await house.usernames() == [""]


async def test_only_this_machine_may_set_up_where_set_up_is_local(tmp_path: Path) -> None:
    """With initial_setup "local" a peer from elsewhere is refused, and one on this machine is served."""
    async with a_house(tmp_path, initial_setup="local") as house:
        params = {"username": "racer", "password": PASSWORD}
        for dialect in get_args(Dialect):
            reply = await house.phone(dialect).ask("JSONRPC.CreateUser", params)
            assert "Permission denied." in str(reply)
        assert await house.usernames() == []
        here = house.phone(address="127.0.0.1", local=True)
        assert await here.call("JSONRPC.CreateUser", {**params, "username": "owner"}) == NO_ERROR
        assert await house.usernames() == ["owner"]


@pytest.mark.parametrize(
    ("setting", "local", "allowed"),
    [
        ("anyone", False, True),
        ("anyone", True, True),
        ("local", False, False),
        ("local", True, True),
        ("off", False, False),
        ("off", True, False),
    ],
)
async def test_who_may_set_up(
    tmp_path: Path, setting: Literal["anyone", "local", "off"], local: bool, allowed: bool
) -> None:
    """The setting and the peer alone say who may make the first user."""
    async with a_house(tmp_path, initial_setup=setting) as house:
        assert house.users.allowed(local=local) is allowed


async def test_nobody_may_set_up_over_the_network_where_set_up_is_off(
    start_server: StartServer, transport: Transport, dialect: Dialect
) -> None:
    """With initial_setup "off" no network peer becomes administrator, not even on loopback; the operator may."""
    server = await start_server(initial_setup="off")
    client = await server.client(transport, dialect)
    with pytest.raises(PermissionDenied, match=r"^Permission denied\.$"):
        await client.call("JSONRPC.CreateUser", {"username": "racer", "password": PASSWORD})
    operator = await server.operator()
    assert (await operator.call("Users.GetUsers"))["users"] == []
    params = {"username": "owner", "password": PASSWORD}
    assert await operator.call("JSONRPC.CreateUser", params) == NO_ERROR
    assert await client.authenticate("owner", PASSWORD, "phone") is not None


async def test_set_up_is_over_once_the_operator_has_made_a_user(home: Server, transport: Transport) -> None:
    """After set-up CreateUser asks for a token like everything else, and then still makes no second administrator."""
    client = await home.client(transport)
    with pytest.raises(Unauthorized):
        await client.call("JSONRPC.CreateUser", {"username": "racer", "password": PASSWORD})
    await ended(client)
    await home.add_user("guest")
    for username in ("guest", "admin"):
        client = await home.login(username, transport)
        made = await client.call("JSONRPC.CreateUser", {"username": "racer", "password": PASSWORD})
        assert made == DENIED
    users = (await (await home.operator()).call("Users.GetUsers"))["users"]
    assert [user["username"] for user in users] == ["admin", "guest"]


async def test_nothing_but_the_set_up_is_answered_before_it(server: Server, transport: Transport) -> None:
    """Before set-up a method that exists and one that does not are refused alike."""
    replies = set()
    for method in ("Users.GetUsers", "JSONRPC.Introspect", "JSONRPC.Authenticate", "Operator.PressButton", "No.Such"):
        client = await server.client(transport)
        with pytest.raises(Unauthorized) as refusal:
            await client.call(method)
        replies.add(str(refusal.value))
        await ended(client)
    assert replies == {"Initial setup required. Call JSONRPC.CreateUser first."}


async def test_removing_and_making_the_last_user_at_once_leaves_no_locked_house(tmp_path: Path) -> None:
    """Whether the last user goes before or after another is made, set-up is required only if nobody is left."""
    async with a_home(tmp_path) as house:
        for turn in range(30):
            name = f"user{turn}"
            operators = house.operator(), house.operator()
            present = (await house.usernames())[0]
            made = operators[0].call("Users.CreateUser", {"username": name, "password": PASSWORD})
            gone = operators[1].call("Users.RemoveUser", {"username": present})
            both = (made, gone) if turn % 2 else (gone, made)
            assert list(await asyncio.gather(*both)) == [NO_ERROR, NO_ERROR]
            assert await house.usernames() == [name]
            assert house.users.required is False


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 1), True),
        (("127.9.8.7", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("::ffff:192.0.2.1", 1, 0, 0), False),
        (("192.0.2.1", 1), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("0.0.0.0", 1), False),  # noqa: S104 - no address to bind
    ],
)
def test_only_loopback_counts_as_this_machine(address: tuple[Any, ...], local: bool) -> None:
    """An address that is mapped, scoped or wild does not pass for this machine."""
    assert peer_of(address).local is local
    assert peer_of(address).operator is False


def test_one_home_behind_ipv6_is_one_address() -> None:
    """An attacker gets no fresh attempts from the many addresses of one IPv6 network."""
    networks = {peer_of((f"2001:db8:1:2::{i:x}", 1, 0, 0)).network for i in range(1, 200)}
    assert len(networks) == 1
    assert peer_of(("2001:db8:1:3::1", 1, 0, 0)).network not in networks
    assert peer_of((HOME, 1)).network == peer_of((f"::ffff:{HOME}", 1, 0, 0)).network

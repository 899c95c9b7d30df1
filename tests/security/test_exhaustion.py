"""An attacker wants to use the server up, so that nobody else is served."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Dialect, Raw, Server, StartServer, Transport
from house import ELSEWHERE, NO_ERROR, a_home, compact, greeted, request, tally

from nymead_users.client import CallError
from nymead_users.endpoint import Endpoint

#: The largest message, by default.
MESSAGE = 1_048_576

#: Seconds of computing for one message during which nobody else is served: the most that passes for prompt.
#: It is counted as processor time, so that a busy machine does not count.
PROMPT = 0.75


class Turns:
    """How long the event loop, and so the server, was held up by one thing: the longest of its turns."""

    longest = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


@asynccontextmanager
async def turns() -> AsyncIterator[Turns]:
    """Measure the turns of the event loop within the block. Nothing but the server may take long in there."""
    taken = Turns()
    # As a server does when it is up: looking for garbage among all that other tests have left would take its time.
    gc.collect()
    gc.freeze()
    watching = asyncio.create_task(taken.watch())
    await asyncio.sleep(0)
    try:
        yield taken
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        gc.unfreeze()


async def held_up(raw: Raw, message: bytes) -> tuple[str, float]:
    """The reply to a message, unread, and for how long the server served nobody else because of it."""
    async with turns() as taken:
        await raw.send(message)
        reply = await raw.receive_text()
    return reply, taken.longest


def filled(method: str, params: dict[str, Any]) -> bytes:
    message = compact(request(method, params, dialect="jsonrpc2")).encode()
    assert len(message) <= MESSAGE
    return message


async def test_logins_beyond_the_queue_are_told_that_the_server_is_busy(tmp_path: Path) -> None:
    """When the queue of passwords is full, one more login is refused at once, in the words of its dialect."""
    async with a_home(tmp_path, cost={"workers": 1, "queue": 4}) as house:
        house.passwords.hold()
        phones = [house.phone(address=f"192.0.2.{number}") for number in range(5)]
        waiting = [asyncio.create_task(phone.authenticate("admin")) for phone in phones]
        await house.passwords.queued(5)
        old, new = house.phone(), house.phone("jsonrpc2")
        assert (await old.authenticate("admin"))["error"] == "Server busy. Try again later."
        error = (await new.authenticate("admin"))["error"]
        assert (error["code"], error["message"]) == (-32005, "Server busy. Try again later.")
        # What needs no hash is answered meanwhile.
        assert (await new.call("JSONRPC.Hello"))["name"] == "house"
        operator = house.operator()
        assert (await operator.call("Users.GetUsers"))["users"]
        # Who may set passwords, and who is on the machine, has room.
        params = {"username": "bob", "password": PASSWORD}
        adding = asyncio.create_task(operator.call("Users.CreateUser", params))
        here = house.phone(address="127.0.0.1", local=True)
        waiting.append(asyncio.create_task(here.authenticate("admin")))
        await house.passwords.queued(7)
        house.passwords.release()
        assert tally(await asyncio.gather(*waiting)) == {"True": 6}
        assert await adding == NO_ERROR
        assert (await old.authenticate("admin"))["params"]["success"] is True


async def test_a_flood_from_one_address_leaves_room_for_others(tmp_path: Path) -> None:
    """Whoever logs in all the time from one address is told that the server is busy; a login from another is served."""
    async with a_home(tmp_path, cost={"workers": 1, "queue": 15}, throttling={"free_attempts": 10_000}) as house:
        house.passwords.hold()
        flood = [
            asyncio.create_task(house.phone(address=ELSEWHERE).authenticate("admin", "Wr0ngwrong")) for _ in range(100)
        ]
        async with asyncio.timeout(PATIENCE):
            while sum(attempt.done() for attempt in flood) < 96:
                await asyncio.wait([attempt for attempt in flood if not attempt.done()], return_when="FIRST_COMPLETED")
        owner = asyncio.create_task(house.phone().authenticate("admin"))
        await house.passwords.queued(5)
        house.passwords.release()
        assert (await owner)["params"]["success"] is True
        assert tally(await asyncio.gather(*flood)) == {"Server busy. Try again later.": 96, "False": 4}


async def test_a_flood_of_logins_is_bounded_and_passes(start_server: StartServer) -> None:
    """Of a hundred logins at once as many are served as the queue takes; the server recovers, and nobody hangs."""
    argon2 = {"time_cost": 2, "memory_cost": 2048, "parallelism": 1, "workers": 1, "queue": 10}
    server = await start_server(argon2=argon2)
    await server.set_up()
    clients = [await greeted(server) for _ in range(100)]
    login = {"username": "admin", "password": PASSWORD, "deviceName": "phone"}
    kinds = tally(await asyncio.gather(*(client.ask(request("JSONRPC.Authenticate", login)) for client in clients)))
    assert set(kinds) == {"True", "Server busy. Try again later."}
    assert kinds["True"] >= 11
    assert await (await server.client()).authenticate("admin", PASSWORD, "phone") is not None


async def test_whoever_leaves_the_queue_leaves_room(tmp_path: Path) -> None:
    """Connections that end while their logins wait do not block the queue for ever."""
    async with a_home(tmp_path, cost={"workers": 1, "queue": 2}) as house:
        house.passwords.hold()
        phones = [house.phone(address=f"192.0.2.{number}") for number in range(3)]
        waiting = [asyncio.create_task(phone.authenticate("admin")) for phone in phones]
        await house.passwords.queued(3)
        for phone in phones:
            phone.hang_up()
        house.passwords.release()
        await asyncio.wait(waiting)
        for task in waiting:
            assert task.exception() is not None  # there was nobody to be answered
        assert (await house.phone().authenticate("admin"))["params"]["success"] is True


async def test_a_batch_of_a_hundred_thousand_members_is_refused_in_one_word(home: Server, transport: Transport) -> None:
    """A batch beyond all reason gets one error, at once, and not one for each of its members."""
    raw = await home.raw(transport)
    for member in (b"0", b"{}", b"[]"):
        reply, longest = await held_up(raw, b"[" + b",".join([member] * 100_000) + b"]\n")
        assert '"code":-32600' in reply
        assert len(reply) < 1000
        assert longest < PROMPT


async def test_a_batch_is_not_answered_a_hundredfold(start_server: StartServer) -> None:
    """A short request by anybody cannot make the server keep megabytes for a client that never reads."""
    limit = 1 << 20
    server = await start_server(limits={"outbox_size": limit})
    raw = await server.raw()
    batch = compact([request("rpc.discover", dialect="jsonrpc2")] * 900)
    assert len(batch) < 60_000
    reply, longest = await held_up(raw, batch.encode())
    assert longest < PROMPT
    assert len(reply) < 4 * limit


async def test_ninety_thousand_unknown_params_hold_up_nobody(home: Server, transport: Transport) -> None:
    """A message full of params that nobody knows, which anybody may send, is refused without long computing."""
    keys = {f"k{number}": 0 for number in range(85_000)}
    raw = await home.raw(transport)
    for method in ("JSONRPC.Hello", "JSONRPC.Authenticate"):
        reply, longest = await held_up(raw, filled(method, keys))
        assert '"code":-32602' in reply
        assert len(reply) < 1000
        assert longest < PROMPT


async def logged_in(server: Server, username: str) -> Raw:
    login = await (await server.client()).authenticate(username, PASSWORD, "phone")
    assert login is not None
    raw = await server.raw("ws")
    await raw.ask(compact(request("JSONRPC.Hello", {"token": login.token}, dialect="jsonrpc2")))
    return raw


async def test_a_list_of_half_a_million_namespaces_holds_up_nobody(home: Server) -> None:
    """A guest who sends as long a list of namespaces as fits is answered without long computing, right or wrong."""
    await home.add_user("guest")
    raw = await logged_in(home, "guest")
    lists: list[list[Any]] = [["Users"] * 100_000, ["x"] * 250_000, [1] * 500_000, [[]] * 250_000]
    for namespaces in lists:
        reply, longest = await held_up(raw, filled("JSONRPC.SetNotificationStatus", {"namespaces": namespaces}))
        assert len(reply) < 1000
        assert longest < PROMPT, f"{longest:.1f} s for {namespaces[0]!r}"


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("scopes", [1] * 100_000),
        ("scopes", ["PermissionScopeAdmin"] * 40_000),
        ("scopes", ["x"] * 60_000),
        ("allowedThingIds", [1] * 250_000),
        ("allowedThingIds", ["11111111-2222-3333-4444-555555555555"] * 25_000),
    ],
    ids=["numbers", "scopes", "texts", "no things", "things"],
)
async def test_endless_lists_about_a_user_hold_up_nobody(home: Server, name: str, items: list[Any]) -> None:
    """However long the lists that an administrator's client sends, nobody else waits for them."""
    raw = await logged_in(home, "admin")
    params = {"username": "nobody", "scopes": [], name: items}
    reply, longest = await held_up(raw, filled("Users.SetUserScopes", params))
    assert len(reply) < 1000
    assert longest < PROMPT, f"{longest:.1f} s"


@pytest.mark.parametrize("field", ["username", "password", "deviceName"])
async def test_a_megabyte_of_name_or_password_holds_up_nobody(
    start_server: StartServer, transport: Transport, field: str
) -> None:
    """Names and passwords as long as a message are wrong like short ones, and no more work."""
    server = await start_server(throttling={"free_attempts": 1000})
    await server.set_up()
    raw = await server.raw(transport)
    for text in ("x" * 1_048_000, "\u0130" * 520_000, "\U0001f600" * 260_000):
        params = {"username": "admin", "password": "x", "deviceName": "x", field: text}
        message = request("JSONRPC.Authenticate", params, dialect="jsonrpc2")
        del message["params"]["deviceName" if field != "deviceName" else "username"]
        message["params"] |= {"deviceName": "x"} if field != "deviceName" else {"username": "x"}
        encoded = b'{"jsonrpc":"2.0","id":1,"method":"JSONRPC.Authenticate","params":{'
        encoded += ",".join(f'"{name}":"{value}"' for name, value in message["params"].items()).encode() + b"}}\n"
        assert len(encoded) <= MESSAGE
        reply, longest = await held_up(raw, encoded)
        assert ('"deviceName"' if field == "deviceName" else '"success":false') in reply
        assert len(reply) < 1000
        assert longest < PROMPT


async def test_a_megabyte_of_nesting_or_tokens_holds_up_nobody(home: Server, transport: Transport) -> None:
    """A message as large and as intricate as can be is read in small turns."""
    raw = await home.raw(transport)
    for filler in (b"[" * 1_000_000, b'{"":' * 250_000, b'[{},"\\u0000",-0.0e0],' * 45_000, b"[]" * 500_000):
        head = b'{"jsonrpc":"2.0","id":1,"method":"JSONRPC.Hello","params":{"x":['
        reply, longest = await held_up(raw, head + filler + b"]}}\n")
        assert "error" in reply
        assert longest < PROMPT
        raw = await home.raw(transport)


async def test_thousands_of_push_button_requests_on_one_connection_leave_one(start_server: StartServer) -> None:
    """However often one connection asks for the button, every request is answered, and the last one waits."""
    server = await start_server(push_button=True)
    await server.set_up()
    raw = await greeted(server)
    number = 3000
    params = {"deviceName": "phone"}
    flood = "".join(compact(request("JSONRPC.RequestPushButtonAuth", params, number=i)) for i in range(number))
    sending = asyncio.create_task(raw.send(flood))
    bystander = await server.client()
    finished: list[Any] = []
    asked: list[Any] = []
    while len(asked) < number:
        message = await raw.receive()
        (finished if "notification" in message else asked).append(message["params"])
    await sending
    assert all(reply["success"] for reply in asked)
    last = asked[-1]["transactionId"]
    assert [told["transactionId"] for told in finished] == [reply["transactionId"] for reply in asked[:-1]]
    assert not any(told["success"] for told in finished)
    assert (await bystander.hello())["authenticationRequired"] is True
    assert await (await server.operator()).call("Operator.PressButton") == {"success": True}
    granted = await raw.receive()
    assert granted["params"]["success"] is True
    assert granted["params"]["transactionId"] == last


async def test_a_flood_on_one_connection_leaves_the_others_served(home: Server, transport: Transport) -> None:
    """While one connection sends thousands of calls, another is answered in between."""
    flooder = await greeted(home, transport)
    bystander = await greeted(home, transport)
    number = 8000
    order: list[str] = []

    async def flood() -> None:
        for i in range(number):
            await flooder.send(compact(request("JSONRPC.Hello", number=i)))

    async def drain() -> None:
        for _ in range(number):
            await flooder.receive_text()
        order.append("flood")

    flooding = [asyncio.create_task(flood()), asyncio.create_task(drain())]
    for i in range(5):
        assert (await bystander.ask(request("JSONRPC.Hello", number=i)))["id"] == i
    order.append("bystander")
    await asyncio.gather(*flooding)
    assert order == ["bystander", "flood"]


@pytest.mark.alone
async def test_silent_connections_count_before_their_upgrade(start_server: StartServer) -> None:
    """Connections that never finish their opening handshake count as connections, and so are bounded too."""
    server = await start_server(limits={"connections": 5, "handshake_time": 60.0})
    endpoint = Endpoint.parse(server.url("ws"))
    silent = [await asyncio.open_connection(endpoint.host, endpoint.port) for _ in range(12)]
    try:
        # By the time of this answer they have all been accepted.
        assert (await (await server.operator()).call("Users.GetUsers"))["users"] == []
        reads = [asyncio.create_task(reader.read()) for reader, _ in silent]
        ended = 0
        try:
            async with asyncio.timeout(5.0):
                for read in asyncio.as_completed(reads):
                    await read
                    ended += 1
                    if ended == 12 - 5:
                        break
        except TimeoutError:
            pass
        for task in reads:
            task.cancel()
        await asyncio.wait(reads)
        assert ended == 12 - 5
    finally:
        for _, writer in silent:
            writer.close()


@pytest.mark.alone
async def test_the_operator_is_served_when_everybody_else_fills_the_server(start_server: StartServer) -> None:
    """An attacker who takes all connections does not keep the operator out, and is told that it is busy."""
    server = await start_server(limits={"connections": 8})
    raws = [await greeted(server) for _ in range(8)]
    late = await server.raw()
    assert "busy" in (await late.receive_text())
    params = {"username": "admin", "password": PASSWORD}
    assert await (await server.operator()).call("JSONRPC.CreateUser", params) == NO_ERROR
    await raws[0].close()
    assert (await raws[1].ask(request("JSONRPC.Hello")))["status"] == "success"


async def test_when_the_store_fails_no_reply_tells_why(
    tmp_path: Path, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    """If a token cannot be looked up the reply is a reference to the log, where one line, no traceback, tells why."""
    async with a_home(tmp_path) as house:
        token = (await house.login()).token
        phone = house.phone(dialect)
        await house.database.close()
        reply = await phone.ask("Users.GetUserInfo", token=token)
        assert "the store is closed" not in str(reply)
        if dialect == "jsonrpc2":
            assert reply["error"]["code"] == -32603
            assert set(reply["error"]["data"]) == {"reference"}
        else:
            assert reply["status"] == "error"
            assert reply["error"].startswith("Internal error. Reference: ")
        (line,) = (record for record in caplog.records if record.levelname == "ERROR")
        assert line.exc_info is None
        assert vars(line)["reason"] == "the store is closed"
        assert vars(line)["reference"] in str(reply)


async def test_when_the_store_fails_no_token_is_taken_at_an_upgrade(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If the token in a WebSocket's request cannot be looked up, it is not bound, and one line in the log tells why."""
    async with a_home(tmp_path) as house:
        token = (await house.login()).token
        session = house.phone().session
        assert await session.introduce(token) is True
        assert session.principal is not None
        session = house.phone().session
        await house.database.close()
        assert await session.introduce(token) is False
        assert session.principal is None
        (line,) = (record for record in caplog.records if record.levelname == "ERROR")
        assert line.exc_info is None
        assert vars(line)["reason"] == "the store is closed"


@pytest.mark.parametrize(
    ("method", "params", "param"),
    [
        ("Access.Evaluate", {"lockId": "x", "credential": {str(number): 1 for number in range(20_000)}}, "credential"),
        ("Access.ConfirmSync", {"items": [{str(number): 1 for number in range(20_000)}] * 2}, "items"),
        ("Users.SetUserInfo", {str(number): 1 for number in range(50_000)}, ""),
    ],
)
async def test_members_without_end_are_refused_at_once(
    home: Server, dialect: Dialect, method: str, params: dict[str, Any], param: str
) -> None:
    """Objects of more members than any has are refused by their number: no reason is sought for each of them."""
    admin = await home.login("admin", "tcp", dialect)
    with pytest.raises(CallError) as refused:
        await admin.call(method, params)
    data = refused.value.data
    assert "At most 100 members" in (refused.value.message if dialect == "nymea" else data["reason"])
    assert dialect == "nymea" or data["param"] == param

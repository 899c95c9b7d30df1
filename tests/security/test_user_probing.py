"""An attacker wants to know who lives here, without logging in."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Dialect, Server, StartServer, Transport
from house import ELSEWHERE, House, PausedStore, a_home, a_house, compact, greeted, request
from nymead_database import NymeadDatabase
from sqlalchemy import update

from nymead_users.client import CallError
from nymead_users.identity.nymead import read
from nymead_users.identity.store import LoginRecord
from nymead_users.identity.takeover import Report
from nymead_users.storage.tables import users

#: Ways to fail: a wrong password, nobody, the push button's user, and passwords no user can have.
FAILURES = [
    ("admin", "Wr0ngwrong"),
    ("ADMIN", "wrong"),
    ("admin", ""),
    ("admin", "A1" * 500_000),
    ("guest", "Wr0ngwrong"),
    ("nobody", "Wr0ngwrong"),
    ("nobody", ""),
    ("nobody", "A1" * 500_000),
    ("", "Wr0ngwrong"),
    ("", ""),
    ("x" * 500_000, "Wr0ngwrong"),
    ("' OR 1=1 --", "Wr0ngwrong"),
]

LENIENT = {"free_attempts": 10_000}


async def with_button_user(house: House) -> None:
    """Have the button pressed once, so that the user with the empty name exists."""
    await house.phone().call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    assert await house.operator().call("Operator.PressButton") == {"success": True}


async def test_all_failed_logins_are_answered_alike(
    start_server: StartServer, transport: Transport, dialect: Dialect
) -> None:
    """Wrong password, unknown user, over-long password or the button's user: to the byte the same reply."""
    server = await start_server(throttling=LENIENT, push_button=True)
    await server.set_up()
    await server.add_user("guest")
    waiting = await server.client()
    await waiting.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "phone"})
    await (await server.operator()).call("Operator.PressButton")
    raw = await greeted(server, transport)
    replies = set()
    for username, password in FAILURES:
        params = {"username": username, "password": password, "deviceName": "phone"}
        await raw.send(compact(request("JSONRPC.Authenticate", params, dialect=dialect)))
        replies.add(await raw.receive_text())
    assert len(replies) == 1
    assert '"success":false' in replies.pop()


async def test_all_failed_logins_cost_the_same_work(tmp_path: Path) -> None:
    """Each failed login computes exactly one hash, at the present cost and of no more than 1,024 bytes."""
    async with a_home(tmp_path, throttling=LENIENT, cost={"time_cost": 2, "memory_cost": 16}) as house:
        await house.add("guest")
        await with_button_user(house)
        work = {}
        for username, password in FAILURES:
            before = len(house.passwords.work)
            reply = await house.phone(address=ELSEWHERE).authenticate(username, password)
            assert reply["params"] == {"success": False}
            (done,) = house.passwords.work[before:]
            kind, parameters, length = done
            assert length == min(len(password), 1024)
            work[username[:20], password[:20]] = f"{kind} {parameters}"
        assert len(set(work.values())) == 1, work


async def test_failed_logins_cost_the_same_when_the_cost_has_moved_on(tmp_path: Path) -> None:
    """After the operator has changed the cost, users who have not logged in since do not stand out by their old one."""
    async with a_home(tmp_path, throttling=LENIENT) as house:
        await house.add("guest")
        await house.add("broken")
        async with house.database.write() as connection:
            await connection.execute(update(users).where(users.c.username == "broken").values(password_hash="$none"))
    dear = {"time_cost": 3, "memory_cost": 64}
    async with a_house(tmp_path, throttling=LENIENT, cost=dear) as house:
        names = ["admin", "guest", "broken", "nobody"]

        async def work(username: str, password: str = "Wr0ngwrong") -> list[tuple[int, int]]:
            """The costs, time and memory, of what a login computes."""
            before = len(house.passwords.work)
            await house.phone(address=ELSEWHERE).authenticate(username, password)
            done = [parameters for _, parameters, _ in house.passwords.work[before:]]
            return sorted((cost.time_cost, cost.memory_cost) for cost in done if cost is not None)

        # The present cost and that of the users who are still to log in, whoever is asked for.
        assert [await work(name) for name in names] == [[(1, 8), (3, 64)]] * 4
        # One of them has logged in: the other must not stand out.
        assert await work("admin", PASSWORD) == [(1, 8), (3, 64)]
        assert [await work(name) for name in names] == [[(1, 8), (3, 64)]] * 4
        # Nothing is left of the old cost.
        await house.operator().call("Users.RemoveUser", {"username": "guest"})
        assert [await work(name) for name in names] == [[(3, 64)]] * 4
        assert await work("admin", PASSWORD) == [(3, 64)]


async def test_failed_logins_cost_the_same_while_hashes_of_nymead_are_left(tmp_path: Path) -> None:
    """Whoever was taken over from nymead and has not logged in since does not stand out, nor does anybody else."""
    database = NymeadDatabase(tmp_path / "user-db.sqlite")
    database.add_user("carol")
    database.add_user("dave")
    content = read(database.path)
    async with a_home(tmp_path, throttling=LENIENT) as house:
        names = ["admin", "carol", "dave", "nobody"]

        async def work(username: str, password: str = "Wr0ngwrong") -> list[tuple[str, int]]:
            before = len(house.passwords.work)
            await house.phone(address=ELSEWHERE).authenticate(username, password)
            return sorted((kind, length) for kind, _, length in house.passwords.work[before:])

        ours, both = [("verify", 10)], [("nymead's", 10), ("verify", 10)]
        assert [await work(name) for name in names] == [ours] * 4
        await house.users.take_over(content.accounts, content.tokens, dry_run=True)
        assert [await work(name) for name in names] == [ours] * 4
        assert (await house.users.take_over(content.accounts, content.tokens, dry_run=False)).changed
        assert [await work(name) for name in names] == [both] * 4
        for password in ("", "A1" * 500_000):
            assert len({str(await work(name, password)) for name in names}) == 1
        # One of them has logged in, and has a hash like everybody's: the other must not stand out.
        assert await work("carol", PASSWORD) == [("nymead's", 8), ("verify", 8)]
        assert [await work(name) for name in names] == [both] * 4
        assert await work("dave", PASSWORD) == [("nymead's", 8), ("verify", 8)]
        assert [await work(name) for name in names] == [ours] * 4


async def test_a_login_during_a_take_over_costs_what_others_do(tmp_path: Path) -> None:
    """Whoever asks for a user at the moment when they are taken over learns no more than before or after it."""
    database = NymeadDatabase(tmp_path / "user-db.sqlite")
    database.add_user("carol")
    content = read(database.path)
    async with a_home(tmp_path, throttling=LENIENT) as house:
        await house.phone(address=ELSEWHERE).authenticate("nobody", "Wr0ngwrong")
        stored, go_on, asked = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)

        class Held(PausedStore):
            async def take_over(self, *args: Any, **options: Any) -> Report:
                report = await super().take_over(*args, **options)
                stored.set()
                await go_on.wait()
                return report

            async def login_record(self, username: str, address: str) -> LoginRecord | None:
                record = await super().login_record(username, address)
                asked.release()
                return record

        house.users._store = Held(house.database)
        before = len(house.passwords.work)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            tasks.create_task(house.users.take_over(content.accounts, content.tokens, dry_run=False))
            await stored.wait()
            for name in ("carol", "nobody"):
                tasks.create_task(house.phone(address=ELSEWHERE).authenticate(name, "Wr0ngwrong"))
                await asked.acquire()
            go_on.set()
        kinds = sorted(kind for kind, _, _ in house.passwords.work[before:])
        assert kinds == ["nymead's", "nymead's", "verify", "verify"]


async def test_refused_logins_of_known_and_unknown_users_cost_nothing_alike(tmp_path: Path) -> None:
    """When the delay holds, nothing is computed for anybody, and the answers count alike."""
    async with a_home(tmp_path, push_button=False) as house:
        answers = []
        for username in ("admin", "nobody"):
            phone = house.phone(address=f"203.0.113.{len(username)}")
            answers.append([str(await phone.authenticate(username, "Wr0ng")).partition("params")[2] for _ in range(8)])
        assert answers[0] == answers[1]
        assert len(house.passwords.work) == 8


async def test_time_does_not_tell_who_exists(tmp_path: Path) -> None:
    """A login of nobody takes about as long as a wrong password: far from the nothing that a look-up takes."""
    cost = {"time_cost": 2, "memory_cost": 8192, "workers": 1}
    async with a_home(tmp_path, throttling=LENIENT, cost=cost) as house:
        await with_button_user(house)
        taken: dict[str, list[float]] = {"admin": [], "nobody": [], "": []}
        for _ in range(15):
            for username, times in taken.items():
                begin = time.perf_counter()
                await house.users.authenticate(username, "Wr0ngwrong", "phone", address=ELSEWHERE)
                times.append(time.perf_counter() - begin)
        # The shortest of each: what else the machine does only adds to the others.
        wrong, *others = (min(times) for times in taken.values())
        for other in others:
            assert wrong / 2 < other < wrong * 2


ADMIN_ONLY: list[tuple[str, dict[str, Any]]] = [
    ("Users.GetUsers", {}),
    ("Users.GetUserTokens", {"username": "admin"}),
    ("Users.GetUserTokens", {"username": "nobody"}),
    ("Users.GetTokens", {}),
    ("Users.RemoveUser", {"username": "admin"}),
    ("Users.RemoveUser", {"username": "nobody"}),
    ("Users.CreateUser", {"username": "admin", "password": PASSWORD}),
    ("Users.CreateUser", {"username": "another", "password": PASSWORD}),
    ("Users.SetUserInfo", {"username": "admin", "email": "x"}),
    ("Users.SetUserInfo", {"username": "nobody", "email": "x"}),
    ("Users.SetUserScopes", {"username": "admin", "scopes": []}),
    ("Users.SetUserScopes", {"username": "nobody", "scopes": []}),
    ("Users.ChangeUserPassword", {"username": "admin", "newPassword": PASSWORD}),
    ("Users.ChangeUserPassword", {"username": "nobody", "newPassword": PASSWORD}),
    ("Users.RemoveToken", {"tokenId": "00000000-0000-0000-0000-000000000001"}),
]


async def test_methods_that_would_tell_are_for_administrators(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """A user without permissions is refused before anything is looked up, whoever they ask for."""
    await home.add_user("guest")
    client = await home.login("guest", transport, dialect)
    refusals = set()
    for method, params in ADMIN_ONLY:
        with pytest.raises(CallError) as refused:
            await client.call(method, params)
        refusals.add((type(refused.value).__name__, refused.value.message, str(refused.value.data)))
    assert refusals == {("PermissionDenied", "Permission denied.", "None")}


#: What an anonymous peer can ask in the hope of a hint.
HINTS: list[tuple[str, object]] = [
    ("Users.GetUsers", None),
    ("Users.GetUsers", {"surplus": 1}),
    ("Users.CreateUser", {}),
    ("Users.CreateUser", {"username": "admin", "password": PASSWORD}),
    ("Users.NoSuchMethod", None),
    ("Nonesuch.Method", None),
    ("Operator.PressButton", None),
    ("JSONRPC.Introspect", None),
    ("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD}),
    ("JSONRPC.CreateUser", {"nonsense": True}),
    ("JSONRPC.SetNotificationStatus", {"namespaces": 5}),
]


async def test_an_anonymous_peer_cannot_tell_one_method_from_another(
    home: Server, transport: Transport, dialect: Dialect
) -> None:
    """To whoever is not logged in, what exists, what does not and what is called wrongly look the same."""

    async def answer(method: str, params: object) -> str:
        raw = await greeted(home, transport)
        reply = await raw.ask(compact(request(method, params, dialect=dialect)))
        assert await raw.ends() == []
        return compact(reply)

    replies = await asyncio.gather(*(answer(method, params) for method, params in HINTS))
    assert len(set(replies)) == 1, replies


async def test_params_of_the_wrong_form_tell_an_anonymous_peer_nothing(home: Server, transport: Transport) -> None:
    """In nymea's dialect too, authentication is looked at before the params: a list in their place changes nothing."""
    replies = set()
    wrong: list[object] = [{}, [], "text", 7]
    for params in wrong:
        raw = await greeted(home, transport)
        reply = await raw.ask(compact(request("Users.GetUsers", params)))
        replies.add((reply["status"], reply["error"]))
    assert replies == {("unauthorized", "Forbidden: Invalid token.")}


async def test_a_wrong_token_tells_nothing_about_who_exists(home: Server, dialect: Dialect) -> None:
    """Hello with a token that is not valid says so, and names nobody."""
    client = await home.client(dialect=dialect, hello=False)
    answer = await client.hello(token="a" * 43)
    assert answer["authenticated"] is False
    assert "username" not in answer
    assert "permissionScopes" not in answer
    assert "admin" not in str(answer)

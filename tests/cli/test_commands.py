"""The commands for users, tokens and the push button, beside a running server and without one."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest
from command_line import Outcome, invoke, run
from conftest import PASSWORD, Server, SpawnServer

from nymead_users.client import Client, PermissionDenied, Unauthorized

ALL_SCOPES = [
    f"PermissionScope{name}"
    for name in ("ControlThings", "ConfigureThings", "AccessAllThings", "ExecuteRules", "ConfigureRules", "Admin")
]
THING = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
OK = {"error": "UserErrorNoError"}


async def logged_in(url: str, username: str, password: str = PASSWORD, device: str = "phone") -> Client:
    client = await Client.connect(url)
    await client.hello()
    assert await client.authenticate(username, password, device) is not None
    return client


async def test_users_are_managed_on_the_running_server(spawn_server: SpawnServer) -> None:
    """Commands act on the server that runs: subscribers hear of each change, and live sessions follow it."""
    server = await spawn_server()
    data = server.data_dir
    added = await run(data, "user", "add", "Admin", stdin=f"{PASSWORD}\n")
    assert added == Outcome(0, "Added admin.\n", "")
    async with await logged_in(server.url(), "admin") as admin:
        await admin.subscribe("Users")
        heard = admin.notifications()

        scopes = ("--scope", "control-things", "--thing", THING)
        outcome = await run(data, "user", "add", "bob", *scopes, "--email", "b@x.org", stdin=PASSWORD)
        assert outcome == Outcome(0, "Added bob.\n", "")
        bob_info = {
            "username": "bob",
            "email": "b@x.org",
            "displayName": "",
            "scopes": ["PermissionScopeControlThings"],
            "allowedThingIds": [THING],
        }
        notification = await anext(heard)
        assert (notification.name, notification.params) == ("Users.UserAdded", {"userInfo": bob_info})

        async with await logged_in(server.url("ws"), "bob") as bob:
            with pytest.raises(PermissionDenied):
                await bob.call("Users.GetUsers")
            assert await run(data, "user", "scopes", "BOB", "admin") == Outcome(0, "Changed what bob may do.\n", "")
            notification = await anext(heard)
            assert notification.name == "Users.UserChanged"
            assert notification.params == {"userInfo": {**bob_info, "scopes": ALL_SCOPES}}
            assert len((await bob.call("Users.GetUsers"))["users"]) == 2

            outcome = await run(data, "user", "passwd", "bob", stdin="Changed123")
            assert outcome == Outcome(0, "Changed the password of bob and logged all their devices out.\n", "")
            with pytest.raises(Unauthorized):
                await bob.call("Users.GetUserInfo")
            await bob.closed()

        async with await logged_in(server.url(), "bob", "Changed123") as bob:
            assert await run(data, "user", "remove", "bob") == Outcome(0, "Removed bob.\n", "")
            notification = await anext(heard)
            assert (notification.name, notification.params) == ("Users.UserRemoved", {"username": "bob"})
            with pytest.raises(Unauthorized):
                await bob.call("Users.GetUserInfo")
        assert (await admin.call("Users.GetUserInfo"))["userInfo"]["username"] == "admin"


async def test_tokens_are_revoked_on_the_running_server(spawn_server: SpawnServer) -> None:
    """A token is listed with its device; once it is revoked its session is cut off, and no other."""
    server = await spawn_server()
    data = server.data_dir
    await invoke(data, "user", "add", "admin", stdin=PASSWORD)
    before = int(time.time())
    async with (
        await logged_in(server.url(), "admin", device="kitchen tablet") as tablet,
        await logged_in(server.url("ws"), "admin", device="phone") as phone,
    ):
        tokens = (await run(data, "token", "list", "--json")).json
        assert {token["deviceName"] for token in tokens} == {"kitchen tablet", "phone"}
        for token in tokens:
            assert token.keys() == {"id", "username", "creationTime", "deviceName"}
            assert token["username"] == "admin"
            assert before <= token["creationTime"] <= time.time()
        assert (await invoke(data, "token", "list", "ADMIN", "--json")).json == tokens
        table = (await invoke(data, "token", "list")).out.splitlines()
        assert table[0].split() == ["ID", "USER", "CREATED", "DEVICE"]
        assert {line.split(None, 4)[4] for line in table[1:]} == {"kitchen tablet", "phone"}

        (token_id,) = (token["id"] for token in tokens if token["deviceName"] == "kitchen tablet")
        assert await run(data, "token", "revoke", f"{{{token_id}}}") == Outcome(0, f"Revoked {token_id}.\n", "")
        with pytest.raises(Unauthorized):
            await tablet.call("Users.GetUserInfo")
        assert (await phone.call("Users.GetUserInfo"))["error"] == "UserErrorNoError"
        again = await invoke(data, "token", "revoke", token_id, "--json")
        assert (again.code, again.only_json) == (1, {"error": "UserErrorTokenNotFound"})
        assert again.err.startswith(f"Error: there is no token {token_id}.")


async def test_the_button_is_pressed_from_the_command_line(spawn_server: SpawnServer) -> None:
    """Pressing the button logs in who waits, and tells by its exit code when nobody does."""
    server = await spawn_server("--push-button")
    data = server.data_dir
    nobody = Outcome(1, "Nobody waits for the button.\n", "")
    assert await invoke(data, "press-button") == nobody
    async with await Client.connect(server.url()) as client:
        await client.hello()
        asked = await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "wall panel"})
        assert await run(data, "press-button") == Outcome(0, "Somebody waited and is logged in now.\n", "")
        finished = await anext(client.notifications())
        assert finished.name == "JSONRPC.PushButtonAuthFinished"
        assert (finished.params["success"], finished.params["transactionId"]) == (True, asked["transactionId"])
        (user,) = (await client.call("Users.GetUsers"))["users"]
        assert user["username"] == ""
        again = await invoke(data, "press-button", "--json")
        assert (again.code, again.only_json, again.err) == (1, {"success": False}, "")
        assert '"" (push button)' in (await invoke(data, "user", "list")).out
        assert await invoke(data, "user", "remove", "") == Outcome(0, "Removed ''.\n", "")
        with pytest.raises(Unauthorized):
            await client.call("Users.GetUsers")


async def test_without_a_server_the_store_is_worked_on(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """Where no server runs, commands change the store themselves, and a server started afterwards sees it all."""
    data = tmp_path / "data"
    assert (await run(data, "user", "add", "alice", "--display-name", "Alice L.", "--json", stdin=PASSWORD)).json == OK
    twice = await invoke(data, "user", "add", "ALICE", "--json", stdin=PASSWORD)
    assert (twice.code, twice.only_json) == (1, {"error": "UserErrorDuplicateUserId"})
    assert twice.err == "Error: the name ALICE is taken.\n"
    outcome = await invoke(data, "user", "add", "bob", "--scope", "none", "--json", stdin=f"{PASSWORD}\r\nmore\n")
    assert outcome.json == OK
    scopes = ("control-things", "--thing", THING, "--thing", THING.replace("6", "7"), "--json")
    assert (await invoke(data, "user", "scopes", "bob", *scopes)).json == OK
    assert (await invoke(data, "user", "passwd", "alice", "--json", stdin="Changed123")).json == OK
    users = (await run(data, "user", "list", "--json")).json
    alice, bob = users
    assert alice == {
        "username": "alice",
        "email": "",
        "displayName": "Alice L.",
        "scopes": ALL_SCOPES,
        "allowedThingIds": [],
    }
    assert (bob["username"], bob["scopes"], len(bob["allowedThingIds"])) == ("bob", ["PermissionScopeControlThings"], 2)
    table = await invoke(data, "user", "list")
    assert [line.split("  ")[0] for line in table.out.splitlines()] == ["NAME", "alice", "bob"]
    assert "control-things (2 things)" in table.out
    tokens = await invoke(data, "token", "list")
    assert tokens == Outcome(0, "", "No tokens: nobody is logged in.\n")
    assert {path.name for path in data.iterdir()} == {"nymead-users.sqlite", "server.lock"}

    server = await spawn_server(data_dir=data)
    assert server.output[-1] == "Next: connect nymea-app or any client and log in."
    async with await logged_in(server.url(), "alice", "Changed123") as client:
        assert (await client.call("Users.GetUsers"))["users"] == users
    async with await logged_in(server.url(), "bob") as client:
        assert (await client.call("Users.GetUserInfo"))["userInfo"] == bob


async def test_commands_take_turns(tmp_path: Path, spawn_server: SpawnServer) -> None:
    """Commands that run at once, with a server that starts meanwhile, all succeed."""
    data = tmp_path / "data"
    names = [f"user-{number}" for number in range(2)]
    adding = asyncio.gather(*(run(data, "user", "add", name, stdin=PASSWORD) for name in names))
    server = await spawn_server(data_dir=data)
    assert await adding == [Outcome(0, f"Added {name}.\n", "") for name in names]
    async with await logged_in(server.url(), names[0]) as client:
        assert [user["username"] for user in (await client.call("Users.GetUsers"))["users"]] == names
        server.signal(signal.SIGTERM)  # a command may come while the server stops
        assert len((await run(data, "user", "list", "--json")).json) == 2
    assert await server.ended() == 0


async def test_what_cannot_be_done_is_said(server: Server) -> None:
    """A command that fails exits with 1 and says why on stderr; one that is wrongly written exits with 2."""
    data = server.data_dir
    await server.set_up("alice")

    async def refused(code: int, command: str, *words: str, stdin: str | bytes = PASSWORD) -> None:
        outcome = await invoke(data, *command.split(" "), stdin=stdin)
        assert (outcome.code, outcome.out) == (code, ""), outcome
        assert all(word in outcome.err for word in words), (words, outcome.err)

    await refused(1, "user add b/o", "b/o can't be a user's name", "3 to 254 characters")
    await refused(1, "user add bob", "password is too weak", "8 characters", stdin="short")
    await refused(1, "user add bob", "no password", "first line of stdin", stdin="")
    await refused(1, "user add bob", "not UTF-8", stdin=b"\xff\xfe\n")
    await refused(1, "user add b\udcff\udcfe", "not UTF-8")
    await refused(1, "user add bob --scope execute-rules", "contradict", "access-all-things")
    await refused(1, "user add bob --display-name a\x7fb", "displayName", "control characters")
    await refused(2, "user add bob --scope everything", "'everything'", "'access-all-things'")
    await refused(2, "user add bob --thing lamp", "--thing", "lid UUID")
    await refused(2, f"user add bob --password {PASSWORD}", "No such option", "--password")
    await refused(2, f"user add bob {PASSWORD}", "unexpected extra argument")
    await refused(2, "user add", "Missing argument 'NAME'")
    await refused(1, "user scopes alice control-things execute-rules", "contradict")
    await refused(2, "user scopes alice", "Missing argument")
    await refused(1, "user scopes nobody admin", "there is no user nobody", "user list")
    await refused(1, "user passwd nobody", "there is no user nobody")
    await refused(1, "user passwd alice", "password is too weak", stdin="password")
    await refused(1, "user remove nobody\x1b[2J", r"there is no user 'nobody\x1b[2J'")
    await refused(1, "token list nobody", "there is no user nobody")
    await refused(1, f"token revoke {THING}", f"there is no token {THING}", "token list")
    await refused(2, "token revoke the-tablet", "lid UUID")
    await refused(2, "user frobnicate", "No such command 'frobnicate'")
    push_button = await invoke(data, "user", "passwd", "", stdin=PASSWORD)
    assert (push_button.code, push_button.err) == (1, "Error: the push button's user has no password\n")
    assert [user["username"] for user in (await invoke(data, "user", "list", "--json")).json] == ["alice"]


async def test_a_missing_store_is_not_made_by_the_way(tmp_path: Path) -> None:
    """Only adding a user makes a store; other commands say that there is none, and leave nothing behind."""
    nowhere, empty, file = tmp_path / "nowhere", tmp_path / "empty", tmp_path / "file"
    empty.mkdir(mode=0o700)
    file.touch()
    no_store = (
        "holds no store: no server has run on it yet. Name another directory with --data-dir,"
        " or make a user first: nymead-users user add NAME"
    )
    for directory in (nowhere, empty):
        assert await invoke(directory, "user", "list") == Outcome(1, "", f"Error: {directory} {no_store}\n")
        assert (await invoke(directory, "token", "revoke", THING)).err == f"Error: {directory} {no_store}\n"
        assert (await invoke(directory, "user", "passwd", "bob", stdin=PASSWORD)).code == 1
    assert not nowhere.exists()
    assert not list(empty.iterdir())
    assert f"{file} is not a directory" in (await invoke(file, "user", "list")).err
    outcome = await invoke(tmp_path / ("long" * 30), "user", "add", "alice", stdin=PASSWORD)
    assert outcome.code == 1
    assert "too long for a socket" in outcome.err
    assert "a shorter --data-dir" in outcome.err


async def test_wrong_settings_stop_a_command(tmp_path: Path) -> None:
    """A command with a wrong setting is refused as the server would be, naming its origin."""
    file = tmp_path / "nymead.toml"
    file.write_text("[limits]\nconection = 3\n")
    outcome = await run(tmp_path, "user", "list", environ={"NYMEAD_USERS_CONFIG": str(file)})
    reason = f"limits.conection (file {file}): unknown setting; did you mean limits.connections?"
    assert outcome == Outcome(1, "", f"Error: {reason}\n")


async def test_the_program_has_one_name_and_version(tmp_path: Path) -> None:
    """The module and the installed command are the same program."""
    script = Path(sys.executable).with_name("nymead-users")
    module = await run(tmp_path, "--version")
    assert module.code == 0
    assert module.out.startswith("nymead-users 0.")
    if script.exists():
        child = await asyncio.create_subprocess_exec(script, "--version", stdout=asyncio.subprocess.PIPE)
        out, _ = await child.communicate()
        assert (child.returncode, out.decode()) == (0, module.out)
    nothing = await run(tmp_path)
    assert nothing.code == 2
    assert "Usage: nymead-users [OPTIONS] COMMAND" in nothing.out + nothing.err

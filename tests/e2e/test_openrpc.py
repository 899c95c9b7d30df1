"""The OpenRPC document: valid by its own meta-schema, and true of the running server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Raw, Server, StartServer
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from nymead_users import __version__
from nymead_users.client import CallError, Client, Notification

DATA = Path(__file__).parent.parent / "data"

#: Where the document stands, for references into it.
CONTRACT = "urn:contract"

NO_ERROR = {"error": "UserErrorNoError"}

THING = "5f2b1b1e-3f0b-4f7c-9c80-9d1f6a7c9a55"


def resource(contents: Any) -> Resource[Any]:
    """A schema, or something with schemas in it, to which others may refer."""
    return DRAFT7.create_resource(contents)


def meta_schema(name: str) -> Any:
    """A stored schema."""
    return json.loads((DATA / f"{name}.json").read_text())


async def discover(server: Server) -> Any:
    """The document, as anybody gets it."""
    raw = await server.raw()
    reply = await raw.ask({"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"})
    return reply["result"]


class Contract:
    """Holds what is sent and received against the document."""

    def __init__(self, document: Any) -> None:
        self._registry = Registry[Any]().with_resource(CONTRACT, resource(document))
        self._document = document
        self.methods = {method["name"]: index for index, method in enumerate(document["methods"])}
        self.notifications = {item["name"]: index for index, item in enumerate(document["x-notifications"])}
        self.called: set[str] = set()
        self.heard: set[str] = set()

    def errors(self, pointer: str, value: Any) -> list[str]:
        """What is wrong with a value by the schema at that place of the document."""
        schema = {"$ref": f"{CONTRACT}#{pointer}"}
        validator = Draft7Validator(schema, registry=self._registry, format_checker=FormatChecker())
        return [f"{value!r} at {pointer}: {error.message}" for error in validator.iter_errors(value)]

    def wrong_params(self, method: str, params: dict[str, Any]) -> list[str]:
        """What is wrong with named params of a method."""
        return self._wrong(f"/methods/{self.methods[method]}/params", params)

    def wrong_result(self, method: str, result: Any) -> list[str]:
        """What is wrong with a method's result."""
        self.called.add(method)
        return self.errors(f"/methods/{self.methods[method]}/result/schema", result)

    def wrong_notification(self, notification: Notification) -> list[str]:
        """What is wrong with a notification."""
        self.heard.add(notification.name)
        return self._wrong(f"/x-notifications/{self.notifications[notification.name]}/params", notification.params)

    def codes(self, method: str) -> set[int]:
        """The codes of the errors that a method declares."""
        named = self._document["components"]["errors"]
        declared = self._document["methods"][self.methods[method]]["errors"]
        return {named[error["$ref"].removeprefix("#/components/errors/")]["code"] for error in declared}

    def _wrong(self, pointer: str, params: dict[str, Any]) -> list[str]:
        descriptors: Any = self._document
        for part in pointer.split("/")[1:]:
            descriptors = descriptors[int(part) if isinstance(descriptors, list) else part]
        places = {descriptor["name"]: index for index, descriptor in enumerate(descriptors)}
        found = [f"unknown: {name}" for name in params if name not in places]
        found += [f"missing: {d['name']}" for d in descriptors if d.get("required") and d["name"] not in params]
        for name, value in params.items():
            if name in places:
                found += self.errors(f"{pointer}/{places[name]}/schema", value)
        return found


def schemas_in(document: Any) -> Iterator[tuple[str, Any]]:
    """Every JSON schema in the document, with what it is of."""
    for item in [*document["methods"], *document["x-notifications"]]:
        for descriptor in item["params"]:
            yield f"{item['name']} {descriptor['name']}", descriptor["schema"]
        if "result" in item:
            yield f"{item['name']} result", item["result"]["schema"]
    yield from document["components"]["schemas"].items()


def references_in(value: Any) -> Iterator[str]:
    """Every reference, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references_in(inner)


# The document by itself


async def test_the_document_is_valid_by_the_meta_schema(server: Server) -> None:
    """OpenRPC's own schema finds nothing wrong with the document, and does find something in a broken one."""
    schemas = [meta_schema("openrpc-meta-schema"), meta_schema("json-schema-tools-meta-schema")]
    registry = Registry[Any]().with_resources(
        [(uri, resource(schemas[1])) for uri in ("https://meta.json-schema.tools", "https://meta.json-schema.tools/")]
    )
    validator = Draft7Validator(schemas[0], registry=registry)
    document = await discover(server)
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)] == []
    document["methods"][0]["params"][0]["schema"]["type"] = "text"
    assert not validator.is_valid(document)


async def test_every_schema_is_one(server: Server) -> None:
    """Each JSON schema in the document is valid as such."""
    document = await discover(server)
    names = []
    for name, schema in schemas_in(document):
        Draft7Validator.check_schema(schema)
        assert schema, name
        names.append(name)
    assert "Users.GetUsers result" in names


async def test_every_reference_leads_somewhere(server: Server) -> None:
    """What the document refers to is in the document."""
    document = await discover(server)
    resolver = Registry[Any]().with_resource(CONTRACT, resource(document)).resolver(CONTRACT)
    references = set(references_in(document))
    assert "#/components/schemas/UserError" in references
    for reference in references:
        assert resolver.lookup(reference).contents


async def test_nothing_is_declared_in_vain(server: Server) -> None:
    """Each shared schema and error is used by something."""
    document = await discover(server)
    references = set(references_in(document))
    declared = document["components"]
    unused = [f"#/components/{kind}/{name}" for kind, named in declared.items() for name in named]
    assert [reference for reference in unused if reference not in references] == []


async def test_the_document_tells_its_version(server: Server) -> None:
    """The contract's version is the program's."""
    assert (await discover(server))["info"]["version"] == __version__


async def test_names_are_unique_and_described(server: Server) -> None:
    """Every method and notification has a name of its own and a description, and so has every param."""
    document = await discover(server)
    for items in (document["methods"], document["x-notifications"]):
        names = [item["name"] for item in items]
        assert len(names) == len(set(names))
        assert all(item["description"] for item in items)
        for item in items:
            assert all(descriptor.get("description") for descriptor in item["params"]), item["name"]


async def test_required_params_come_first(server: Server) -> None:
    """Positional params can be left out at the end only, so no required one stands behind an optional one."""
    for method in (await discover(server))["methods"]:
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), method["name"]


async def test_the_document_follows_the_settings(start_server: StartServer, tmp_path: Path) -> None:
    """What users may do to their own account needs no permission where the operator allows it."""
    scopes = []
    for self_service in (False, True):
        server = await start_server(self_service=self_service, data_dir=tmp_path / f"data-{self_service}")
        methods = {method["name"]: method for method in (await discover(server))["methods"]}
        scopes.append(methods["Users.ChangePassword"]["x-permissionScope"])
    assert scopes == ["PermissionScopeAdmin", "PermissionScopeNone"]


# The document and the server


async def test_calls_and_notifications_are_as_declared(start_server: StartServer) -> None:
    """Params that the server takes, its results and its notifications are all valid by the document."""
    server = await start_server(push_button=True)
    contract = Contract(await discover(server))

    async def call(client: Client, method: str, **params: Any) -> Any:
        assert contract.wrong_params(method, params) == []
        result = await client.call(method, params)
        assert contract.wrong_result(method, result) == []
        return result

    client = await server.client(dialect="jsonrpc2", hello=False)
    await call(client, "JSONRPC.Hello")
    await call(client, "JSONRPC.CreateUser", username="ab", password=PASSWORD)
    admin = {"username": "admin", "password": PASSWORD}
    assert await call(client, "JSONRPC.CreateUser", **admin, displayName="A", email="a@example.org") == NO_ERROR
    for namespace in ("JSONRPC", "Users"):
        assert not (await call(client, f"{namespace}.Authenticate", **admin | {"password": "x"}, deviceName=""))[
            "success"
        ]
        login = await call(client, f"{namespace}.Authenticate", **admin, deviceName="a device")
        assert login["success"]
    await call(client, "JSONRPC.Hello", locale="de_AT")
    await call(client, "JSONRPC.Hello", locale="de_AT", token=login["token"])
    for method in ("JSONRPC.Version", "JSONRPC.Introspect", "Users.GetUserInfo", "Users.GetTokens", "Users.GetUsers"):
        await call(client, method)
    await call(client, "JSONRPC.KeepAlive", sessionId="x")
    await call(client, "JSONRPC.SetNotificationStatus")
    await call(client, "JSONRPC.SetNotificationStatus", namespaces=["Users", "Tags"], enabled=False)
    await call(client, "JSONRPC.SetNotificationStatus", enabled=True)
    bob = {"username": "bob", "scopes": ["PermissionScopeControlThings"], "allowedThingIds": [THING]}
    created = {**bob, "password": PASSWORD, "displayName": "Bob", "email": "bob@example.org"}
    assert await call(client, "Users.CreateUser", **created) == NO_ERROR
    assert await call(client, "Users.CreateUser", username="carol", password=PASSWORD, scopes=[]) == NO_ERROR
    assert await call(client, "Users.SetUserScopes", **bob) == NO_ERROR
    assert await call(client, "Users.SetUserInfo", displayName="Somebody") == NO_ERROR
    assert await call(client, "Users.SetUserInfo", username="bob", displayName="Robert", email="") == NO_ERROR
    await server.login("bob")
    (token,) = (await call(client, "Users.GetUserTokens", username="bob"))["tokenInfoList"]
    assert await call(client, "Users.RemoveToken", tokenId=token["id"]) == NO_ERROR
    assert (await call(client, "Users.RemoveToken", tokenId=token["id"]))["error"] == "UserErrorTokenNotFound"
    assert await call(client, "Users.ChangeUserPassword", username="bob", newPassword=PASSWORD) == NO_ERROR
    assert await call(client, "Users.ChangePassword", newPassword=PASSWORD) == NO_ERROR
    assert (await call(client, "Users.ChangePassword", newPassword="weak"))["error"] == "UserErrorBadPassword"
    await call(client, "Users.GetUserTokens", username="nobody")
    assert await call(client, "Users.RemoveUser", username="bob") == NO_ERROR
    await open_doors(partial(call, client))
    await call(client, "JSONRPC.RequestPushButtonAuth", deviceName="displaced")
    operator = await server.operator()
    for namespace in ("Users", "JSONRPC"):
        await call(client, f"{namespace}.RequestPushButtonAuth", deviceName="phone")
        assert await operator.call("Operator.PressButton") == {"success": True}
        assert await call(client, "Users.GetUserInfo")
    await client.close()
    async for notification in client.notifications():
        assert contract.wrong_notification(notification) == []
    assert contract.called == set(contract.methods)
    assert contract.heard == set(contract.notifications)


async def open_doors(call: Callable[..., Awaitable[Any]]) -> None:
    """Call every method about doors, with all that it can be given and all that it can return."""

    async def made(method: str, thing: str, **params: Any) -> str:
        return str((await call(method, **params))[thing]["id"])

    await call("Access.AddOwner", title="Works")
    owner = (await call("Access.GetOwners"))["owners"][0]["id"]
    calendar = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260102T090000\nDTEND:20260102T100000\nEND:VEVENT\nEND:VCALENDAR"
    )
    window = {"weekdays": ["mon", "sun"], "from": "08:00", "until": "24:00"}
    bounds = {"validFrom": "2026-01-01T00:00:00+01:00", "validBefore": "2300-01-01T00:00:00Z"}
    door = {"title": "Door", "description": "oak", "timeZone": "Europe/Vienna", "systemId": "S", "protocolVersion": 1}
    lock = await made("Access.AddLock", "lock", **door, ownerId=owner, virtual=False)
    await call("Access.UpdateLock", lockId=lock, title="Front door", virtual=True)
    details = {"firstName": "Ann", "lastName": "B", "email": "a@example.org", "phone": "4781549300", "enabled": True}
    person = await made("Access.AddPerson", "person", ownerId=owner, username="admin", **details)
    await call("Access.UpdatePerson", personId=person, username=None)
    credential = {"type": "proximity", "value": "0x1", "pin": "1234", "enabled": True}
    key = await made("Access.AddCredential", "credential", **credential, personId=person, ownerId=owner)
    group = await made("LockGroups.CreateLockGroup", "lockGroup", ownerAccountId=owner, title="Office", description="x")
    about = {"ownerAccountId": owner, "lockGroupId": group}
    member = await made("LockGroups.AddMembership", "membership", **about, boundLockId=lock)
    grant = await made("Access.AddGrant", "grant", personId=person, lockGroupId=group, schedule={"ical": calendar})
    direct = await made(
        "Access.AddGrant",
        "grant",
        credentialId=key,
        lockId=lock,
        **bounds,
        schedule={"weekly": [window]},
        enabled=True,
        remoteAllowed=False,
    )
    items = (await call("Access.GetPendingSync", lockId=lock))["items"]
    failed = [{"id": items[0]["id"], "error": "full"}, {"id": items[1]["id"]}]
    assert (await call("Access.ConfirmSync", lockId=lock, items=failed))["error"] == "AccessErrorNoError"
    await call("Access.GetPendingSync", lockId=lock)
    await call("Access.SyncLock", lockId=lock)
    await call(
        "Access.UpdateGrant", grantId=direct, validFrom=None, validBefore=None, schedule=None, remoteAllowed=True
    )
    shown = {"type": "proximity", "value": "1"}
    await call("Access.Evaluate", lockId=lock, credential=shown, time=bounds["validFrom"], remote=True, pin="1234")
    await call("Access.Evaluate", lockId=lock, personId=person, time="2026-01-02T08:30:00Z")
    for pin in ("0000", "1234", *["0000"] * 5):
        await call("Access.ReportAccess", lockId=lock, credential=shown, pin=pin)
    await call("Access.ReportAccess", lockId=lock, personId=person, remote=True)
    await call("Access.GetWhoHasAccess", lockId=lock, time=bounds["validFrom"])
    await call("Access.GetAccessOf", personId=person)
    await call("Access.GetCredentials", ownerId=owner, personId=person)
    await call("Access.UpdateCredential", credentialId=key, enabled=True, pin=None)
    await call("Access.GetPersons", ownerId=owner)
    await call("Access.GetGrants", personId=person, lockId=lock, lockGroupId=group, state="active")
    await call("Access.GetEvents", limit=2, fromDate=bounds["validFrom"], lockId=lock, includeAccessDenied=False)
    await call("Access.GetEvents", continuationKey="5", toDate=bounds["validBefore"], personId=person)
    fob = {"identification": "0x499602d2", "type": "proximity"}
    dates = {"validFromDate": bounds["validFrom"], "validToDate": bounds["validBefore"]}
    given = {**dates, "pin": "1234", "accessLevels": [group], "ownerId": owner}
    names = {"firstName": "Ann", "lastName": "B"}
    access_key = await made("AccessKeys.AddAccessKey", "accessKey", key=fob, **given, person=names)
    nothing = dict.fromkeys(("validFromDate", "validToDate", "pin"))
    await call("AccessKeys.AddAccessKey", id=access_key, **nothing, person={"id": person})
    await call("AccessKeys.GetAccessKeyStatus", id=access_key)
    await call("AccessKeys.GetAccessKeys", ownerId=owner)
    await call("AccessKeys.GetAccessLevels", ownerId=owner)
    await call("AccessKeys.AddAccessKey", id=access_key, accessLevels=None)
    await call("AccessKeys.RemoveAccessKey", id=access_key, key=fob, ownerId=owner)
    query = {"filter": "id ne null", "orderBy": "id desc", "top": 5, "skip": 0}
    await call("LockGroups.GetLockGroups", ownerAccountId=owner, expand="supportedFeatures,statistics", **query)
    await call("LockGroups.GetLockGroup", ownerAccountId=owner, id=group, expand="statistics")
    await call("LockGroups.UpdateLockGroup", ownerAccountId=owner, id=group, title="Building", description="")
    await call("LockGroups.GetMemberships", **about, expand="boundLock,lockGroup", includeUnboundLocks=True, **query)
    await call("LockGroups.RemoveMembership", **about, id=member)
    await call("Access.SyncLock", lockId=lock)
    await call("LockGroups.GetMemberships", **about)
    revoked = await call("Access.RevokeGrant", grantId=grant)
    assert revoked["grant"]["state"] == "revoked"
    await call("LockGroups.GetLockGroupGrants", ownerAccountId=owner, id=group, **query)
    await call("Access.GetLocks", ownerId=owner)
    await call("LockGroups.CreateLockGroup", ownerAccountId=owner)
    forced = {"forceRevokeGrants": True, "forceUnjoinLocks": True}
    await call("LockGroups.RemoveLockGroup", ownerAccountId=owner, id=group, **forced)
    await share_keys(call, owner, lock, person)
    await authorize(call, lock)
    await call("Access.RemoveCredential", credentialId=key)
    await call("Access.RemovePerson", personId=person)
    assert (await call("Access.RemovePerson", personId=person))["error"] == "AccessErrorPersonNotFound"
    await call("Access.RemoveLock", lockId=lock)


async def share_keys(call: Callable[..., Awaitable[Any]], owner: str, lock: str, person: str) -> None:
    """The same of the methods about sharing."""
    await call("Access.AddGrant", personId=person, lockId=lock)
    role: dict[str, Any] = {"lockId": lock, "userId": 4781549300}
    await call("LockRoles.SetRole", lockHolderId=owner, **role, canShare=True, userName="Ann")
    day = {"startHour": 22, "startMinute": 0, "endHour": 6, "endMinute": 0}
    window = {"start": "2100-01-01T00:00:00Z", "end": "2100-02-01T00:00:00+01:00", "recurrence": {"mon": day}}
    made = await call("LockRoles.ShareKey", **role, toUserId="+4781549301", **window, name="Cleaning")
    key = made["key"]["id"]
    await call("LockRoles.ShareKey", **role, toUserId="+4781549301", start="2100-01-01T00:00:00Z")
    assert (await call("LockRoles.ShareKey", **role, toUserId="x"))["error"] == "LockRoleErrorInvalidUserId"
    await call("LockRoles.GetSharedKeys", **role)
    (first,) = (await call("LockRoles.GetRoles", lockHolderId=owner, limit=1))["roles"]
    await call("LockRoles.GetLockRoles", lockHolderId=owner, lockId=lock, limit=1, startAfterId=first["id"])
    await call("LockRoles.RevokeSharedKeys", **role, toUserId="4781549301", ids=[key])
    await call("LockRoles.RemoveRole", lockHolderId=owner, **role)


async def authorize(call: Callable[..., Awaitable[Any]], lock: str) -> None:
    """The same of the methods about authorizations; there is a person of number 1."""
    at: dict[str, Any] = {"smartlockId": lock}
    dates = {"allowedFromDate": "2026-01-01T00:00:00Z", "allowedUntilDate": "2027-01-01T00:00:00+01:00"}
    window = {**dates, "allowedWeekDays": 127, "allowedFromTime": 0, "allowedUntilTime": 0}
    given = {"remoteAllowed": True, **window, "smartActionsEnabled": False}
    await call("SmartlockAuths.CreateAuth", **at, name="Code", **given, type=13, code="394857")
    await call("SmartlockAuths.CreateAuths", smartlockIds=[lock], name="App", **given, accountUserId=1, type=0)
    shared = await call("SmartlockAuths.GenerateSharedKey", **at, name="Visit", accountUserId=1, **window)
    visit = {**at, "id": shared["auths"][0]["id"]}
    assert (await call("SmartlockAuths.UpdateAuth", **visit, name="x"))["error"] == "SmartlockAuthErrorLocked"
    await call("Access.SyncLock", lockId=lock)
    await call("SmartlockAuths.GetAuths", accountUserId=-1, types="0,13")
    await call("SmartlockAuths.GetAuthsPaged", accountUserId=1, page=0, size=1)
    await call("SmartlockAuths.GetSmartlockAuths", **at, types="13")
    await call("SmartlockAuths.UpdateAuth", **visit, **dict.fromkeys(window), enabled=False, remoteAllowed=False)
    await call("SmartlockAuths.GetAuth", **visit)
    await call("Access.SyncLock", lockId=lock)
    await call("SmartlockAuths.UpdateAuths", auths=[{"id": visit["id"], **dict.fromkeys(window), "accountUserId": 1}])
    await call("SmartlockAuths.RemoveAuth", **visit)
    await call("Access.SyncLock", lockId=lock)
    await call("SmartlockAuths.RemoveAuths", ids=[visit["id"]])


async def test_null_is_declared_where_it_is_taken_and_given(home: Server) -> None:
    """A null session id, and a null token, are valid by the document as they are for the server."""
    contract = Contract(await discover(home))
    client = await home.login(dialect="jsonrpc2")
    result = await client.call("JSONRPC.KeepAlive", {"sessionId": None})
    assert result == {"success": True, "sessionId": None}
    await client.call("JSONRPC.Hello", {"token": None})
    assert contract.wrong_params("JSONRPC.KeepAlive", {"sessionId": None}) == []
    assert contract.wrong_result("JSONRPC.KeepAlive", result) == []
    assert contract.wrong_params("JSONRPC.Hello", {"token": None}) == []


async def test_where_no_token_is_needed_results_are_as_declared(start_server: StartServer) -> None:
    """What the methods about oneself answer to nobody is valid by the document, too."""
    server = await start_server(listeners=[{"url": "nymea://127.0.0.1:0", "authentication": False}])
    contract = Contract(await discover(server))
    client = await server.client(dialect="jsonrpc2")
    for method, params in (
        ("Users.GetUserInfo", {}),
        ("Users.GetTokens", {}),
        ("Users.ChangePassword", {"newPassword": PASSWORD}),
        ("Users.SetUserInfo", {"displayName": "x"}),
    ):
        result = await client.call(method, params)
        assert result == {"error": "UserErrorPermissionDenied"}
        assert contract.wrong_result(method, result) == []


async def test_what_the_server_refuses_is_invalid_by_the_document(home: Server) -> None:
    """Params of a wrong type, unknown and missing ones are refused by both."""
    contract = Contract(await discover(home))
    client = await home.login(dialect="jsonrpc2")
    stories: list[tuple[str, dict[str, Any]]] = [
        ("Users.RemoveUser", {}),
        ("Users.RemoveUser", {"username": 17}),
        ("Users.RemoveUser", {"username": None}),
        ("Users.RemoveUser", {"username": "bob", "force": True}),
        ("Users.RemoveToken", {"tokenId": 17}),
        ("Users.SetUserScopes", {"username": "bob"}),
        ("Users.SetUserScopes", {"username": "bob", "scopes": "PermissionScopeAdmin"}),
        ("Users.SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeEverything"]}),
        ("Users.SetUserScopes", {"username": "bob", "scopes": [], "allowedThingIds": [1]}),
        ("Users.SetUserInfo", {"displayName": "x" * 256}),
        ("Users.SetUserInfo", {"email": None}),
        ("JSONRPC.SetNotificationStatus", {"namespaces": "Users"}),
        ("JSONRPC.SetNotificationStatus", {"enabled": 1}),
        ("JSONRPC.KeepAlive", {"sessionId": 1}),
        ("JSONRPC.Hello", {"locale": None}),
        ("Access.AddLock", {}),
        ("Access.AddLock", {"title": "x", "protocolVersion": -1}),
        ("Access.AddLock", {"title": "x", "timeZone": None}),
        ("Access.AddCredential", {"type": "face", "value": "1"}),
        ("Access.AddGrant", {"schedule": {"weekly": [{"weekdays": ["day"], "from": "08:00", "until": "09:00"}]}}),
        ("Access.AddGrant", {"schedule": {"daily": []}}),
        ("Access.UpdateGrant", {"grantId": THING, "enabled": None}),
        ("Access.Evaluate", {"lockId": THING, "credential": {"type": "code"}}),
        ("Access.ConfirmSync", {"lockId": THING, "items": [{"id": THING, "ok": True}]}),
        ("Access.GetEvents", {"limit": 1001}),
        ("LockGroups.GetLockGroups", {"ownerAccountId": 1}),
        ("AccessKeys.AddAccessKey", {"key": {"identification": "1", "type": "phone"}}),
        ("LockGroups.RemoveLockGroup", {"ownerAccountId": THING, "id": THING, "forceUnjoinLocks": 1}),
        ("LockRoles.GetRoles", {"lockHolderId": THING, "limit": 0}),
        ("LockRoles.RemoveRole", {"lockHolderId": THING, "lockId": THING, "userId": True}),
        ("LockRoles.RemoveRole", {"lockHolderId": THING, "lockId": THING, "userId": -1}),
        (
            "LockRoles.SetRole",
            {"lockHolderId": THING, "lockId": THING, "userId": "1", "canShare": True, "createdKeys": 3},
        ),
    ]
    for method, params in stories:
        assert contract.wrong_params(method, params) != []
        with pytest.raises(CallError) as refusal:
            await client.call(method, params)
        assert refusal.value.code == -32602


async def error_code(raw: Raw, method: str, params: Any = None) -> int:
    """The code with which a call is refused."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return int((await raw.ask(message))["error"]["code"])


async def test_refusals_are_declared_by_their_methods(start_server: StartServer) -> None:
    """A method declares the errors by which the server refuses it."""
    server = await start_server(throttling={"free_attempts": 0, "first_delay": 60.0})
    contract = Contract(await discover(server))
    undeclared = []

    def check(method: str, code: int, expected: int) -> None:
        assert code == expected
        if code not in contract.codes(method):
            undeclared.append((method, code))

    for method in contract.methods:
        if method not in {"JSONRPC.Hello", "JSONRPC.CreateUser", *BUTTONS}:
            check(method, await error_code(await server.raw(), method), -32002)
    await server.set_up()
    await server.add_user("bob")
    raw, bob = await server.raw(), await server.raw()
    credentials = {"username": "bob", "password": PASSWORD, "deviceName": "x"}
    await bob.ask({"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Authenticate", "params": credentials})
    wrong = {"username": "admin", "password": "wrong", "deviceName": "x"}
    for namespace in ("JSONRPC", "Users"):
        await raw.ask({"jsonrpc": "2.0", "id": 1, "method": f"{namespace}.Authenticate", "params": wrong})
        check(f"{namespace}.Authenticate", await error_code(raw, f"{namespace}.Authenticate", wrong), -32004)
    public = {"JSONRPC.Hello", "JSONRPC.Authenticate", "Users.Authenticate", *BUTTONS}
    for method in contract.methods:
        if method not in public:
            check(method, await error_code(await server.raw(), method), -32001)
        check(method, await error_code(bob, method, {"unknown": 1}), -32602 if method in OPEN else -32003)
    assert undeclared == []


BUTTONS = ("JSONRPC.RequestPushButtonAuth", "Users.RequestPushButtonAuth")

#: What a user without any permission may call.
OPEN = {
    "JSONRPC.Hello",
    "JSONRPC.Authenticate",
    "JSONRPC.CreateUser",
    "JSONRPC.Introspect",
    "JSONRPC.KeepAlive",
    "JSONRPC.SetNotificationStatus",
    "JSONRPC.Version",
    "Users.Authenticate",
    "Users.GetUserInfo",
    *BUTTONS,
}

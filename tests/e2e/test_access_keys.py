"""The AccessKeys namespace: keys and codes with PIN, validity, levels and person, and how far systems have them."""

from __future__ import annotations

import re
import signal
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Server, SpawnServer, Transport
from doors import NOWHERE, Desk, administrator, guest

from nymead_users.client import Client

#: The sample of seed 004, in both spellings.
FOB = {"identification": "0x00499602d2", "type": "proximity"}
SAME_FOB = {"identification": "0001234567890", "type": "proximity"}
CODE = {"identification": "24681357", "type": "code"}

SEPTEMBER = {"validFromDate": "2020-09-01T00:00:00Z", "validToDate": "2020-10-01T14:00:00Z"}
NOVEMBER = {"validFromDate": "2020-11-01T00:00:00Z", "validToDate": "2020-12-01T14:00:00Z"}
NAMES = {"firstName": "firstname", "lastName": "lastname"}

PIN, OTHER_PIN = "1234", "9753"


def sent(dates: dict[str, str]) -> dict[str, str]:
    """Dates as the server sends them."""
    return {name: value.replace("Z", ".000Z") for name, value in dates.items()}


class Keys:
    """Calls about access keys, at a site with two systems and a level that reaches a lock of each."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.heard: list[str] = []

    async def build(self) -> None:
        """Add locks and levels, which have heard of one another."""
        self.owner = await self.desk.owner()
        self.north = await self.desk.add("Access.AddLock", title="North", systemId="system 1")
        self.south = await self.desk.add("Access.AddLock", title="South", systemId="system 2")
        self.level = await self.make_level("Everywhere", self.north, self.south)
        self.narrow = await self.make_level("North only", self.north)
        await self.synchronise()
        await self.desk.client.subscribe("AccessKeys", "Access")

    async def make_level(self, title: str, *locks: str) -> str:
        owner = {"ownerAccountId": self.owner}
        level = await self.desk.add("LockGroups.CreateLockGroup", **owner, title=title)
        for lock_id in locks:
            await self.desk.add("LockGroups.AddMembership", **owner, lockGroupId=level, boundLockId=lock_id)
        return level

    async def synchronise(self) -> None:
        for lock_id in (self.north, self.south):
            await self.desk.done("Access.SyncLock", lockId=lock_id)

    async def put(self, **params: Any) -> Any:
        """Add or change a key."""
        return await self.desk.get("AccessKeys.AddAccessKey", **params)

    async def refused(self, **params: Any) -> tuple[str, str | None]:
        """Add or change a key, which must not succeed."""
        return await self.desk.refused("AccessKeys.AddAccessKey", **params)

    async def listed(self, **params: Any) -> Any:
        return await self.desk.get("AccessKeys.GetAccessKeys", **params)

    async def status(self, key: str) -> tuple[str, dict[str, str]]:
        """How far a key is altogether, and by system with the error where there is one."""
        found = await self.desk.done("AccessKeys.GetAccessKeyStatus", id=key)
        systems = {each["systemId"]: f"{each['status']} {each.get('error', '')}".strip() for each in found["systems"]}
        return found["status"], systems

    async def told(self) -> list[tuple[str, Any]]:
        """What was told of keys since the last look."""
        heard = await self.desk.heard()
        return [
            (item.name.removeprefix("AccessKeys.AccessKey"), next(iter(item.params.values())))
            for item in heard
            if item.name.startswith("AccessKeys.")
        ]


@pytest.fixture
async def keys(home: Server, transport: Transport, dialect: Dialect) -> Keys:
    """The keys of an administrator, over each transport and in each dialect."""
    made = Keys(await administrator(home, transport, dialect))
    await made.build()
    return made


# The seed's operations


async def test_accesskeys_add(keys: Keys) -> None:
    """Keys are added and changed as the seed's samples do it, found by either spelling, and told as it shows them."""
    made = await keys.put(key=FOB, pin=PIN, **SEPTEMBER, accessLevels=[keys.level], person=NAMES)
    assert made == {
        "id": made["id"],
        "key": SAME_FOB,
        **sent(SEPTEMBER),
        "accessLevels": [keys.level],
        "person": {"id": made["person"]["id"], **NAMES},
    }
    assert await keys.told() == [("Added", made)]
    assert await keys.listed() == [made]
    # By its id: the PIN is cleared, dates and levels are others.
    changed = await keys.put(id=made["id"], pin=None, **NOVEMBER, accessLevels=[keys.narrow])
    assert changed == {**made, **sent(NOVEMBER), "accessLevels": [keys.narrow]}
    assert await keys.told() == [("Changed", changed)]
    # By its identification, in another spelling; the person is not looked at, and what is left out stays.
    assert await keys.put(key=SAME_FOB, person={"id": NOWHERE}) == changed
    assert await keys.told() == []
    # The id goes before the identification.
    other = await keys.put(key={"identification": "1", "type": "proximity"})
    assert await keys.put(id=made["id"], key=other["key"]) == changed
    # Null clears.
    bare = await keys.put(id=made["id"], validFromDate=None, validToDate=None, accessLevels=None)
    assert bare == {"id": made["id"], "key": SAME_FOB, "accessLevels": [], "person": made["person"]}
    assert sorted(key["id"] for key in await keys.listed(ownerId=keys.owner)) == sorted([made["id"], other["id"]])


async def test_accesskeys_remove(keys: Keys) -> None:
    """A key is removed by its id or its identification and told once; its person stays and its locks hear of it."""
    for by_id, named in ((True, {}), (False, {"key": FOB}), (True, {"key": CODE})):
        key = await keys.put(key=FOB, accessLevels=[keys.level])
        await keys.synchronise()
        await keys.told()
        assert await keys.desk.done("AccessKeys.RemoveAccessKey", **named, **({"id": key["id"]} if by_id else {})) == {}
        assert await keys.told() == [("Removed", key["id"])]
        assert await keys.listed() == []
        items = await keys.desk.get("Access.GetPendingSync", lockId=keys.south)
        assert [(item["entity"], item["op"]) for item in items] == [("grant", "remove")]
        persons = await keys.desk.get("Access.GetPersons")
        assert key["person"]["id"] in {person["id"] for person in persons}
    refused = keys.desk.refused
    not_found = ("AccessKeyNotFound", "access key not found")
    assert await refused("AccessKeys.RemoveAccessKey", id=key["id"]) == not_found
    assert await refused("AccessKeys.RemoveAccessKey", key=FOB) == not_found
    assert await refused("AccessKeys.RemoveAccessKey") == ("KeyMissing", "id, key: one of them is wanted")
    wrong = {"identification": "x", "type": "code"}
    assert (await refused("AccessKeys.RemoveAccessKey", key=wrong))[0] == "InvalidKey"


async def test_accesskeys_status(keys: Keys) -> None:
    """A key is not applied, pending, failed, partly and wholly applied, as a whole and in each system."""
    desk = keys.desk
    key = (await keys.put(key=FOB))["id"]
    assert await keys.status(key) == ("NotApplied", {})
    await keys.put(id=key, accessLevels=[keys.level])
    assert await keys.status(key) == ("Pending", {"system 1": "Pending", "system 2": "Pending"})
    (item,) = await desk.get("Access.GetPendingSync", lockId=keys.south)
    await desk.done("Access.ConfirmSync", lockId=keys.south, items=[{"id": item["id"], "error": "memory full"}])
    assert await keys.status(key) == ("Failed", {"system 1": "Pending", "system 2": "Failed memory full"})
    await desk.done("Access.SyncLock", lockId=keys.north)
    assert await keys.status(key) == ("PartiallyApplied", {"system 1": "Applied", "system 2": "Failed memory full"})
    await desk.done("Access.SyncLock", lockId=keys.south)
    assert await keys.status(key) == ("Applied", {"system 1": "Applied", "system 2": "Applied"})
    await keys.put(id=key, accessLevels=[])
    assert await keys.status(key) == ("Pending", {"system 1": "Pending", "system 2": "Pending"})
    await keys.synchronise()
    assert await keys.status(key) == ("NotApplied", {})
    refusal = await desk.refused("AccessKeys.GetAccessKeyStatus", id=NOWHERE)
    assert refusal == ("AccessKeyNotFound", "access key not found")


async def test_accesslevels_get_levels(keys: Keys) -> None:
    """An access level is a lock group: it is listed by that id and title while there is the group."""
    levels = {level["id"]: level["title"] for level in await keys.desk.get("AccessKeys.GetAccessLevels")}
    assert levels == {keys.level: "Everywhere", keys.narrow: "North only"}
    forced = {"forceRevokeGrants": True, "forceUnjoinLocks": True}
    await keys.desk.done("LockGroups.RemoveLockGroup", ownerAccountId=keys.owner, id=keys.level, **forced)
    (level,) = await keys.desk.get("AccessKeys.GetAccessLevels", ownerId=keys.owner)
    assert level == {"id": keys.narrow, "title": "North only"}
    other = await keys.desk.add("Access.AddOwner", title="Elsewhere")
    assert await keys.desk.get("AccessKeys.GetAccessLevels", ownerId=other) == []


# What is refused


async def test_what_cannot_be_is_refused_with_its_reason(keys: Keys) -> None:
    """Each outcome has its own cause and says what it is about; nothing is stored or told."""
    desk = keys.desk
    key = await keys.put(key=FOB, **SEPTEMBER)
    phone = await desk.add("Access.AddCredential", type="phone", value="+4781549300")
    other = await desk.add("Access.AddOwner", title="Elsewhere")
    theirs = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=other, title="Theirs")
    stranger = await desk.add("Access.AddPerson", ownerId=other)
    await desk.heard()
    before = await keys.listed()
    here = {"ownerId": keys.owner}
    new = {**here, "key": {"identification": "7", "type": "proximity"}}
    not_found = ("AccessKeyNotFound", "access key not found")
    no_level = "accessLevels: there is no access level"
    backwards = {"validFromDate": SEPTEMBER["validToDate"], "validToDate": SEPTEMBER["validFromDate"]}
    cases: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({}, ("KeyMissing", "id, key: one of them is wanted")),
        ({"person": NAMES, "pin": PIN}, ("KeyMissing", "id, key: one of them is wanted")),
        ({"id": NOWHERE, "key": FOB}, not_found),
        ({"id": phone}, not_found),
        ({"id": key["id"], "ownerId": other}, not_found),
        (
            {**here, "key": {"identification": "12ab", "type": "code"}},
            ("InvalidKey", "key: a code has 4 to 16 decimal digits"),
        ),
        (
            {**here, "key": {"identification": "0x10000000000", "type": "proximity"}},
            ("InvalidKey", "key: a proximity key is up to 13 decimal digits, or 0x and up to 10 hexadecimal ones"),
        ),
        (
            {**here, "key": {"identification": "1099511627776", "type": "proximity"}},
            ("InvalidKey", "key: a proximity key has at most 40 bits"),
        ),
        ({**new, "pin": "12345"}, ("InvalidPin", "pin: a PIN has 4 decimal digits")),
        ({"id": key["id"], "pin": "123"}, ("InvalidPin", "pin: a PIN has 4 decimal digits")),
        ({**new, **backwards}, ("InvalidDate", "validToDate: must be later than validFromDate")),
        (
            {"id": key["id"], "validFromDate": SEPTEMBER["validToDate"]},
            ("InvalidDate", "validToDate: must be later than validFromDate"),
        ),
        ({**new, "accessLevels": [keys.level, NOWHERE]}, ("AccessLevelNotFound", f"{no_level} {NOWHERE}")),
        ({"id": key["id"], "accessLevels": [theirs]}, ("AccessLevelNotFound", f"{no_level} {theirs}")),
        ({**new, "person": {"id": NOWHERE}}, ("PersonNotFound", "person not found")),
        ({**new, "person": {"id": stranger}}, ("PersonNotFound", "the person is another owner's")),
        (
            {**new, "person": {"firstName": "x" * 33}},
            ("NameTooLong", "firstName: a name has at most 32 characters"),
        ),
        ({**new, "person": {"lastName": "x" * 33}}, ("NameTooLong", "lastName: a name has at most 32 characters")),
        ({"key": FOB}, ("InvalidParameter", "owner account not found: there are several, so one must be named")),
        ({"key": FOB, "ownerId": NOWHERE}, ("InvalidParameter", "owner account not found")),
    ]
    for params, refusal in cases:
        assert await keys.refused(**params) == refusal, params
    for method in ("GetAccessKeys", "GetAccessLevels"):
        assert await desk.refused(f"AccessKeys.{method}", ownerId=NOWHERE) == (
            "InvalidParameter",
            "owner account not found",
        )
    assert await keys.listed() == before
    assert await desk.heard() == []


async def test_params_of_other_forms(keys: Keys) -> None:
    """Params of another type, form or length are refused by the name of the param."""
    for param, value in (
        ("id", "x"),
        ("id", None),
        ("key", None),
        ("key.type", {"identification": "1"}),
        ("key.type", {"identification": "1", "type": "phone"}),
        ("key.identification", {"identification": 1, "type": "code"}),
        ("key.identification", {"identification": "1" * 256, "type": "code"}),
        ("key.pin", {**FOB, "pin": PIN}),
        ("pin", 1234),
        ("validFromDate", "2020-09-01"),
        ("validToDate", 5),
        ("accessLevels", "x"),
        ("accessLevels.0", [None]),
        ("accessLevels", [NOWHERE] * 101),
        ("person", None),
        ("person.first_name", {"first_name": "x"}),
        ("person.firstName", {"firstName": "\x00"}),
        ("ownerId", None),
    ):
        given = {"key": FOB, param.partition(".")[0]: value}
        await keys.desk.invalid("AccessKeys.AddAccessKey", param, **given)
    await keys.desk.invalid("AccessKeys.GetAccessKeyStatus", "id")
    for method in ("AddAccessKey", "RemoveAccessKey", "GetAccessKeys", "GetAccessLevels"):
        await keys.desk.invalid(f"AccessKeys.{method}", "surplus", surplus=1)
    assert await keys.listed() == []


# Persons and PINs


async def test_a_person_is_given_found_or_made_up(keys: Keys) -> None:
    """A new key is a known person's, a new person's of given names, or one's whose names are made up."""
    ann = await keys.desk.add("Access.AddPerson", firstName="Ann", lastName="Aal")
    await keys.desk.heard()
    number = iter(range(1, 10))

    async def holder(**params: Any) -> Any:
        key = {"identification": str(next(number)), "type": "proximity"}
        return (await keys.put(key=key, **params))["person"]

    assert await holder(person={"id": ann, "firstName": "x" * 40}) == {"id": ann, "firstName": "Ann", "lastName": "Aal"}
    assert [item.name for item in await keys.desk.heard()] == ["Access.CredentialAdded", "AccessKeys.AccessKeyAdded"]
    named = await holder(person=NAMES)
    assert {name: named[name] for name in NAMES} == NAMES
    names = sorted(item.name for item in await keys.desk.heard())
    assert names == ["Access.CredentialAdded", "Access.PersonAdded", "AccessKeys.AccessKeyAdded"]
    half = await holder(person={"lastName": "Only"})
    assert (half["lastName"], bool(re.fullmatch(r"[a-z0-9]{7}", half["firstName"]))) == ("Only", True)
    for unnamed in (await holder(person={}), await holder()):
        assert re.fullmatch(r"[a-z0-9]{7} [a-z0-9]{7}", f"{unnamed['firstName']} {unnamed['lastName']}")
    persons = await keys.desk.get("Access.GetPersons")
    assert len(persons) == 5
    assert [person["number"] for person in persons] == [1, 2, 3, 4, 5]


async def test_a_pin_is_wanted_and_never_told(keys: Keys) -> None:
    """Whoever shows the key needs its PIN until that is cleared, and no answer and no notification ever has it."""
    desk = keys.desk
    said: list[Any] = [await keys.put(key=FOB, pin=PIN, accessLevels=[keys.level], person=NAMES)]
    key = said[0]["id"]
    await keys.synchronise()
    shown = {"type": "proximity", "value": "1234567890"}

    async def reason(**attempt: Any) -> str:
        said.append(await desk.done("Access.ReportAccess", lockId=keys.north, credential=shown, **attempt))
        return str(said[-1]["decision"]["reason"])

    assert await reason() == "pinNotSet"
    assert await reason(pin=OTHER_PIN) == "wrongPin"
    assert await reason(pin=PIN) == "granted"
    said.append(await keys.put(id=key, pin=OTHER_PIN))
    assert await reason(pin=OTHER_PIN) == "granted"
    said.append(await keys.put(id=key, pin=None))
    assert await reason() == "granted"
    said.append(await desk.ask("AccessKeys.AddAccessKey", id=key, pin=f"{PIN}x"))
    said += [await keys.listed(), await desk.get("Access.GetCredentials"), await desk.get("Access.GetEvents")]
    said += [(item.name, item.params) for item in await desk.heard()]
    # Ids, times and the sample key's own number may have these digits, too.
    text = re.sub(r"[0-9a-f-]{36}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|(000)?1234567890", "", str(said))
    assert PIN not in text
    assert OTHER_PIN not in text
    assert "argon2" not in text


# Across the namespaces


async def test_a_key_is_what_the_other_namespaces_make_of_it(keys: Keys) -> None:
    """A credential, its grants for groups and its person are the key, its levels and its holder, and told as such."""
    desk = keys.desk
    card = await desk.add("Access.AddCredential", type="proximity", value="0x499602d2")
    bare = {"id": card, "key": SAME_FOB, "accessLevels": []}
    assert await keys.told() == [("Added", bare)]
    assert await keys.put(key=FOB) == bare
    grant = await desk.add("Access.AddGrant", credentialId=card, lockGroupId=keys.level)
    assert await keys.told() == [("Changed", {**bare, "accessLevels": [keys.level]})]
    await desk.done("Access.UpdateGrant", grantId=grant, validBefore="2300-01-01T00:00:00Z")
    assert await keys.told() == []
    assert (await keys.put(id=card, **NOVEMBER))["accessLevels"] == [keys.level]
    (shown,) = await desk.get("Access.GetGrants")
    assert (shown["validFrom"], shown["validBefore"]) == tuple(sent(NOVEMBER).values())
    listed = await desk.get("LockGroups.GetLockGroupGrants", ownerAccountId=keys.owner, id=keys.level)
    assert [(each["boundCardId"], each["state"]) for each in listed] == [(card, "Ok")]
    await keys.told()
    await desk.done("Access.RevokeGrant", grantId=grant)
    assert await keys.told() == [("Changed", {**bare, **sent(NOVEMBER)})]
    # A person known here and there is one person.
    key = await keys.put(key=CODE, person=NAMES, accessLevels=[keys.narrow])
    person = key["person"]["id"]
    assert person in {each["id"] for each in await desk.get("Access.GetPersons")}
    await keys.told()
    await desk.done("Access.UpdatePerson", personId=person, firstName="Other")
    assert await keys.told() == [("Changed", {**key, "person": {**key["person"], "firstName": "Other"}})]
    await keys.synchronise()
    reached = await desk.get("Access.GetAccessOf", personId=person)
    assert [(lock["lockId"], lock["allowed"], lock["onLock"]) for lock in reached] == [(keys.north, True, True)]
    await desk.done("Access.RemovePerson", personId=person)
    assert await keys.told() == [("Removed", key["id"])]
    await desk.done("Access.RemoveCredential", credentialId=card)
    assert await keys.told() == [("Removed", card)]


async def test_one_call_is_told_once_for_each_thing(keys: Keys) -> None:
    """Whatever one call does to a key, each thing that it changes is told once, after it is stored."""
    await keys.desk.client.subscribe("AccessKeys", "Access", "LockGroups")
    await keys.put(key=FOB, pin=PIN, **SEPTEMBER, accessLevels=[keys.level, keys.level, keys.narrow], person=NAMES)
    assert await keys.desk.names() == {
        "Access.PersonAdded": 1,
        "Access.CredentialAdded": 1,
        "Access.GrantAdded": 2,
        "Access.SyncPending": 2,
        "AccessKeys.AccessKeyAdded": 1,
    }
    await keys.put(key=FOB, pin=PIN, **NOVEMBER, accessLevels=[keys.level], person=NAMES)
    assert await keys.desk.names() == {
        "Access.CredentialChanged": 1,
        "Access.GrantChanged": 2,
        "Access.SyncPending": 2,
        "LockGroups.LockGroupChanged": 1,
        "AccessKeys.AccessKeyChanged": 1,
    }
    await keys.put(key=FOB, **NOVEMBER, accessLevels=[keys.level])
    assert await keys.desk.heard() == []


async def test_who_sees_a_lock_sees_its_keys(home: Server, keys: Keys, transport: Transport, dialect: Dialect) -> None:
    """A guest of one lock sees and hears of the keys that open it and how far it has them, but of no code."""
    visitor = await guest(home, "guest", keys.south, transport=transport, dialect=dialect)
    await visitor.client.subscribe("AccessKeys")
    wide = await keys.put(key=FOB, accessLevels=[keys.level])
    narrow = await keys.put(key={"identification": "1", "type": "proximity"}, accessLevels=[keys.narrow])
    code = await keys.put(key=CODE, accessLevels=[keys.level])
    await keys.desk.done("Access.SyncLock", lockId=keys.south)
    assert await visitor.get("AccessKeys.GetAccessKeys") == [wide]
    assert await visitor.get("AccessKeys.GetAccessLevels") == [{"id": keys.level, "title": "Everywhere"}]
    status = await visitor.done("AccessKeys.GetAccessKeyStatus", id=wide["id"])
    assert status == {"status": "Applied", "systems": [{"systemId": "system 2", "status": "Applied"}]}
    not_found = ("AccessKeyNotFound", "access key not found")
    for unknown in (narrow["id"], NOWHERE):
        assert await visitor.refused("AccessKeys.GetAccessKeyStatus", id=unknown) == not_found
    refusal = await visitor.refused("AccessKeys.GetAccessKeyStatus", id=code["id"])
    assert refusal == ("PermissionDenied", "id: only administrators may ask about a code")
    changed = await keys.put(id=wide["id"], accessLevels=None)
    assert [(item.name, item.params) for item in await visitor.heard()] == [
        ("AccessKeys.AccessKeyAdded", {"accessKey": wide}),
        ("AccessKeys.AccessKeyChanged", {"accessKey": changed}),
    ]
    assert (await keys.status(wide["id"]))[0] == "Pending"


async def test_a_restart_keeps_access_keys(spawn_server: SpawnServer) -> None:
    """Keys, their levels, PINs and how far locks have them are after a restart as they were."""
    process = await spawn_server()

    async def signed_in(url: str) -> Keys:
        client = await Client.connect(url)
        if (await client.hello())["initialSetupRequired"]:
            await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
        assert await client.authenticate("admin", PASSWORD, "phone") is not None
        return Keys(Desk(client))

    keys = await signed_in(process.url())
    await keys.build()
    key = await keys.put(key=FOB, pin=PIN, **SEPTEMBER, accessLevels=[keys.level], person=NAMES)
    await keys.desk.done("Access.SyncLock", lockId=keys.north)
    before = await keys.listed(), await keys.status(key["id"])
    assert before[1] == ("PartiallyApplied", {"system 1": "Applied", "system 2": "Pending"})
    await keys.desk.client.close()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    again = await signed_in((await spawn_server(data_dir=process.data_dir)).url())
    assert (await again.listed(), await again.status(key["id"])) == before
    attempt = {"credential": {"type": "proximity", "value": "1234567890"}, "time": "2020-09-15T00:00:00Z"}
    for pin, reason in ((OTHER_PIN, "wrongPin"), (PIN, "granted")):
        decision = await again.desk.get("Access.Evaluate", lockId=keys.north, **attempt, pin=pin)
        assert decision["reason"] == reason
    await again.desk.client.close()

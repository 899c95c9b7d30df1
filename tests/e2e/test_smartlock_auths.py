"""The SmartlockAuths namespace: authorizations at single locks, by the rules of seed 000."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from conftest import Dialect, Server, Transport
from doors import NOWHERE, Desk, administrator, guest

CODE = "394857"


class Auths:
    """Calls about authorizations; two doors, and Ann, who is person 1."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """Add the doors and Ann."""
        self.front = await self.desk.add("Access.AddLock", title="Front door", timeZone="Europe/Vienna")
        self.back = await self.desk.add("Access.AddLock", title="Back door")
        self.ann = await self.desk.add("Access.AddPerson", firstName="Ann")

    async def done(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method that must succeed."""
        return await self.desk.done(f"SmartlockAuths.{method}", **params)

    async def get(self, method: str, /, **params: Any) -> Any:
        """Call a method that must succeed and returns one thing."""
        return await self.desk.get(f"SmartlockAuths.{method}", **params)

    async def error(self, method: str, /, **params: Any) -> str:
        """Call a method that must not succeed; its outcome."""
        return await self.desk.error(f"SmartlockAuths.{method}", **params)

    async def bad(self, method: str, /, **params: Any) -> str:
        """Call a method that must refuse a value; the one that its text names first."""
        outcome, text = await self.desk.refused(f"SmartlockAuths.{method}", **params)
        assert outcome == "InvalidParameter"
        assert text is not None
        return text.partition(":")[0]

    async def app(self, lock: str | None = None, **params: Any) -> dict[str, Any]:
        """Make an authorization for Ann's app; as it is then."""
        lock = lock or self.front
        made = {"name": "Ann's phone", "accountUserId": 1, "remoteAllowed": True, **params}
        return await self.made(lock, await self.get("CreateAuth", smartlockId=lock, **made))

    async def code(self, lock: str | None = None, **params: Any) -> dict[str, Any]:
        """Make a code at a keypad; as it is then."""
        lock = lock or self.front
        made = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": CODE, **params}
        return await self.made(lock, await self.get("CreateAuth", smartlockId=lock, **made))

    async def made(self, lock: str, request: str) -> dict[str, Any]:
        """The authorization that a request has made."""
        (auth,) = [
            auth for auth in await self.get("GetSmartlockAuths", smartlockId=lock) if auth.get("operationId") == request
        ]
        return dict(auth)

    async def now(self, auth: dict[str, Any]) -> dict[str, Any]:
        """An authorization as it is now."""
        return dict(await self.get("GetAuth", smartlockId=auth["smartlockId"], id=auth["id"]))

    async def sync(self, *locks: str) -> None:
        """Have locks hear of all that is due."""
        for lock in locks or (self.front, self.back):
            await self.desk.done("Access.SyncLock", lockId=lock)

    async def reason(self, lock: str, value: str = CODE, **params: Any) -> str:
        """What is decided about whoever shows a code."""
        shown = {"type": "code", "value": value}
        return str((await self.desk.get("Access.Evaluate", lockId=lock, credential=shown, **params))["reason"])


@pytest.fixture
async def auths(home: Server, transport: Transport, dialect: Dialect) -> Auths:
    """An administrator's calls, over each transport and in each dialect."""
    made = Auths(await administrator(home, transport, dialect))
    await made.build()
    return made


@pytest.fixture
async def plain(home: Server) -> Auths:
    """The same over one transport in one dialect."""
    made = Auths(await administrator(home))
    await made.build()
    return made


# The life of an authorization


async def test_the_life_of_an_authorization(auths: Auths) -> None:
    """An authorization is made, heard of by its lock, used, changed and removed, and each step shows in it."""
    made = await auths.app(allowedWeekDays=124, allowedFromTime=480, allowedUntilTime=1020)
    assert made == {
        "id": made["id"],
        "smartlockId": auths.front,
        "accountUserId": 1,
        "type": 0,
        "name": "Ann's phone",
        "enabled": True,
        "remoteAllowed": True,
        "lockCount": 0,
        "allowedWeekDays": 124,
        "allowedFromTime": 480,
        "allowedUntilTime": 1020,
        "creationDate": made["creationDate"],
        "updateDate": made["creationDate"],
        "operationId": made["operationId"],
    }
    await auths.sync(auths.front)
    heard = await auths.now(made)
    assert heard == {key: value for key, value in made.items() if key != "operationId"}
    monday = "2026-03-30T06:30:00.000Z"  # half past eight in Vienna
    await auths.desk.done("Access.ReportAccess", lockId=auths.front, personId=auths.ann, time=monday)
    used = await auths.now(made)
    assert used == {**heard, "lockCount": 1, "lastActiveDate": monday}
    request = await auths.get("UpdateAuth", smartlockId=auths.front, id=made["id"], enabled=False, allowedFromTime=None)
    changed = await auths.now(made)
    assert changed == {
        **used,
        "enabled": False,
        "allowedFromTime": 0,
        "operationId": request,
        "updateDate": changed["updateDate"],
    }
    await auths.sync(auths.front)
    request = await auths.get("RemoveAuth", smartlockId=auths.front, id=made["id"])
    assert (await auths.now(made))["operationId"] == request
    await auths.sync(auths.front)
    assert await auths.get("GetSmartlockAuths", smartlockId=auths.front) == []
    assert await auths.error("GetAuth", smartlockId=auths.front, id=made["id"]) == "AuthNotFound"


async def test_the_life_of_a_code(auths: Auths) -> None:
    """A code opens its own lock and no other; disabled it opens nothing; removed it is free once the lock has heard."""
    made = await auths.code(accountUserId=1)
    assert (made["type"], made["code"], made["accountUserId"]) == (13, CODE, 1)
    assert await auths.reason(auths.front) == "granted"
    assert await auths.reason(auths.back) == "unknownCredential"
    holders = await auths.desk.get("Access.GetWhoHasAccess", lockId=auths.front)
    assert [(each["personId"], each["grantIds"]) for each in holders] == [(auths.ann, [made["id"]])]
    await auths.sync()
    await auths.done("UpdateAuth", smartlockId=auths.front, id=made["id"], enabled=False)
    assert await auths.reason(auths.front) == "disabled"
    (holder,) = await auths.desk.get("Access.GetWhoHasAccess", lockId=auths.front)
    assert holder["reason"] == "disabled"
    await auths.sync()
    await auths.done("UpdateAuth", smartlockId=auths.front, id=made["id"], enabled=True, code="394858")
    assert await auths.reason(auths.front) == "unknownCredential"
    assert await auths.reason(auths.front, "394858") == "granted"
    await auths.sync()
    await auths.done("RemoveAuth", smartlockId=auths.front, id=made["id"])
    assert await auths.reason(auths.front, "394858") == "revoked"
    # The lock still knows it.
    again = {"smartlockId": auths.front, "name": "Next", "remoteAllowed": False, "type": 13, "code": "394858"}
    assert await auths.error("CreateAuth", **again) == "Conflict"
    await auths.sync()
    assert await auths.reason(auths.front, "394858") == "unknownCredential"
    assert await auths.desk.get("Access.GetCredentials") == []
    await auths.done("CreateAuth", **again)
    assert await auths.reason(auths.front, "394858") == "granted"


async def test_a_persons_other_grants_do_not_widen_a_code(plain: Auths) -> None:
    """A code opens by its own authorization alone, whatever its person may do besides."""
    await plain.app()
    await plain.code(accountUserId=1, allowedUntilDate="2026-01-01T00:00:00Z")
    assert await plain.reason(plain.front) == "expired"
    decision = await plain.desk.get("Access.Evaluate", lockId=plain.front, personId=plain.ann)
    assert decision["allowed"]


async def test_a_lock_opens_by_a_new_code_once_it_has_heard(plain: Auths) -> None:
    """Until a lock has heard of a code that is changed it does not open by the new one, and is said not to."""
    made = await plain.code()
    await plain.sync()
    await plain.done("UpdateAuth", smartlockId=plain.front, id=made["id"], code="394858")
    new = {"lockId": plain.front, "credential": {"type": "code", "value": "394858"}}
    decision = await plain.desk.get("Access.Evaluate", **new)
    assert (decision["desired"], decision["onLock"]) == (True, False)
    await plain.sync()
    decision = await plain.desk.get("Access.Evaluate", **new)
    assert (decision["desired"], decision["onLock"]) == (True, True)


async def test_a_lock_hears_of_a_changed_code_for_all_its_grants(plain: Auths) -> None:
    """Where a code has another grant at its lock, that one does not keep the old code there; both are told."""
    made = await plain.code()
    (credential,) = await plain.desk.get("Access.GetCredentials")
    other = await plain.desk.add("Access.AddGrant", credentialId=credential["id"], lockId=plain.front)
    await plain.sync()
    await plain.desk.listen()
    await plain.done("UpdateAuth", smartlockId=plain.front, id=made["id"], code="394858")
    items = await plain.desk.get("Access.GetPendingSync", lockId=plain.front)
    assert {item["entityId"]: [shown["value"] for shown in item["content"]["credentials"]] for item in items} == {
        made["id"]: ["394858"],
        other: ["394858"],
    }
    told = [item.params["auth"]["id"] for item in await plain.desk.heard() if item.name == "SmartlockAuths.AuthChanged"]
    assert sorted(told) == sorted([made["id"], other])


# Lists


async def test_lists_by_person_type_and_lock(auths: Auths) -> None:
    """Lists are of all locks or one, of a person's or of nobody's, of some types or all."""
    app = await auths.app()
    fob = await auths.app(type=2, name="Ann's fob")
    code = await auths.code()
    mine = await auths.code(auths.back, accountUserId=1)
    everything = [app, fob, code, mine]

    async def ids(method: str, **params: Any) -> list[str]:
        return [auth["id"] for auth in await auths.get(method, **params)]

    assert await auths.get("GetAuths") == everything
    assert await ids("GetAuths", accountUserId=-1) == [code["id"]]
    assert await ids("GetAuths", accountUserId=1) == [app["id"], fob["id"], mine["id"]]
    assert await ids("GetAuths", accountUserId=2) == []
    assert await ids("GetAuths", types="0, 2,3") == [app["id"], fob["id"]]
    assert await ids("GetAuths", accountUserId=1, types="13") == [mine["id"]]
    assert await ids("GetAuths", types="77") == []
    assert await ids("GetSmartlockAuths", smartlockId=auths.back) == [mine["id"]]
    assert await ids("GetSmartlockAuths", smartlockId=auths.front, types="13") == [code["id"]]
    for types in ("", "a", "0,", "-1", "0;2"):
        assert await auths.bad("GetAuths", types=types) == "types"
        assert await auths.bad("GetAuthsPaged", types=types) == "types"
        assert await auths.bad("GetSmartlockAuths", smartlockId=auths.front, types=types) == "types"
    assert await auths.error("GetSmartlockAuths", smartlockId=NOWHERE) == "SmartlockNotFound"
    assert await auths.error("GetAuth", smartlockId=NOWHERE, id=app["id"]) == "SmartlockNotFound"
    assert await auths.error("GetAuth", smartlockId=auths.back, id=app["id"]) == "AuthNotFound"
    assert await auths.error("GetAuth", smartlockId=auths.front, id=NOWHERE) == "AuthNotFound"


async def test_pages_with_totals(auths: Auths) -> None:
    """All pages together are the list; each says how many there are and which come before and behind it."""
    for number in range(5):
        await auths.code(code=f"39485{number + 1}")
    await auths.app()
    everything = await auths.get("GetAuths")
    found: list[Any] = []
    for number in range(3):
        page = await auths.done("GetAuthsPaged", page=number, size=2)
        neighbours = {0: {"nextPage": 1}, 1: {"nextPage": 2, "prevPage": 0}, 2: {"prevPage": 1}}[number]
        totals = {"totalItems": 6, "totalPages": 3, "currentPage": number, "pageSize": 2}
        assert page["pagination"] == {**totals, **neighbours}
        found += page["results"]
    assert found == everything
    beyond = await auths.done("GetAuthsPaged", page=7, size=2)
    assert beyond["results"] == []
    assert beyond["pagination"]["prevPage"] == 2
    whole = await auths.done("GetAuthsPaged", types="13")
    assert whole["pagination"] == {"totalItems": 5, "totalPages": 1, "currentPage": 0, "pageSize": 100}
    nothing = await auths.done("GetAuthsPaged", accountUserId=99)
    assert nothing == {
        "results": [],
        "pagination": {"totalItems": 0, "totalPages": 0, "currentPage": 0, "pageSize": 100},
    }
    await auths.desk.invalid("SmartlockAuths.GetAuthsPaged", "size", size=0)
    await auths.desk.invalid("SmartlockAuths.GetAuthsPaged", "size", size=1001)
    await auths.desk.invalid("SmartlockAuths.GetAuthsPaged", "page", page=-1)


async def test_grants_and_authorizations_are_one(plain: Auths) -> None:
    """What is granted at a lock is an authorization at once, and the other way round; a group's grant is none."""
    desk = plain.desk
    card = await desk.add("Access.AddCredential", type="proximity", value="17", personId=plain.ann)
    everywhere = await desk.add("Access.AddCredential", type="code", value="24681357")
    by_card = await desk.add("Access.AddGrant", credentialId=card, lockId=plain.front)
    by_code = await desk.add("Access.AddGrant", credentialId=everywhere, lockId=plain.front, name="Caretaker")
    calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
    calendar += (
        "DTSTART:20260101T080000\r\nDTEND:20260101T090000\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    by_person = await desk.get("Access.AddGrant", personId=plain.ann, lockId=plain.front, schedule={"ical": calendar})
    group = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=await desk.owner(), title="All")
    await desk.done("Access.AddGrant", personId=plain.ann, lockGroupId=group)
    await plain.sync()
    found = {auth["id"]: auth for auth in await plain.get("GetAuths")}
    assert set(found) == {by_card, by_code, by_person["id"]}
    assert (found[by_card]["type"], found[by_card]["accountUserId"]) == (2, 1)
    assert (found[by_code]["type"], found[by_code]["code"], found[by_code]["name"]) == (13, "24681357", "Caretaker")
    # A calendar does not fit into weekdays and minutes, and is told as it is.
    assert found[by_person["id"]]["schedule"] == by_person["schedule"]
    assert "allowedWeekDays" not in found[by_person["id"]]
    # What is known at other locks, too, is not changed here.
    at = {"smartlockId": plain.front, "id": by_code}
    assert await plain.bad("UpdateAuth", **at, code="394858") == "code"
    assert await plain.bad("UpdateAuth", **at, accountUserId=1) == "accountUserId"
    at = {"smartlockId": plain.front, "id": by_person["id"]}
    assert (
        await plain.bad("UpdateAuth", **at, allowedFromTime=60) == "allowedWeekDays, allowedFromTime, allowedUntilTime"
    )
    await plain.done("UpdateAuth", **at, allowedWeekDays=None, allowedFromTime=None, allowedUntilTime=None)
    grants = {grant["id"]: grant for grant in await desk.get("Access.GetGrants")}
    assert "schedule" not in grants[by_person["id"]]
    made = await plain.code(accountUserId=1)
    grants = {grant["id"]: grant for grant in await desk.get("Access.GetGrants")}
    assert grants[made["id"]]["name"] == "Cleaner"
    (code,) = [each for each in await desk.get("Access.GetCredentials") if each.get("lockId") == plain.front]
    assert (code["value"], code["personId"], code["id"]) == (CODE, plain.ann, grants[made["id"]]["credentialId"])
    assert await desk.error("Access.AddGrant", credentialId=code["id"], lockId=plain.back) == "InvalidParameter"
    assert await desk.error("Access.AddCredential", type="code", value=CODE) == "Duplicate"
    # Revoked there, it is gone here once the lock has heard.
    await desk.done("Access.RevokeGrant", grantId=made["id"])
    assert "operationId" in await plain.now(made)
    await plain.sync()
    assert await plain.error("GetAuth", smartlockId=plain.front, id=made["id"]) == "AuthNotFound"


# Rules


async def test_codes_have_six_digits_of_a_keypad(plain: Auths) -> None:
    """A code is six digits from 1 to 9 that do not begin with 12; it comes with type 13 and only with it."""
    new = {"smartlockId": plain.front, "name": "Cleaner", "remoteAllowed": False}
    for code in ("", "39485", "3948571", "394850", "123456", "12 456", "39485a", "٣٩٤٨٥٧"):
        assert await plain.bad("CreateAuth", **new, type=13, code=code) == "code"
    made = await plain.code(code="219999")
    await plain.sync()
    for code in ("39485", "394850", "123456"):
        assert await plain.bad("UpdateAuth", smartlockId=plain.front, id=made["id"], code=code) == "code"
    assert await plain.bad("CreateAuth", **new, type=13) == "code"
    for kind in (0, 1, 2, 3):
        assert await plain.bad("CreateAuth", **new, type=kind, code=CODE, accountUserId=1) == "code"
    assert await plain.bad("CreateAuth", **new, code=CODE, accountUserId=1) == "code"
    app = await plain.app()
    await plain.sync()
    assert await plain.bad("UpdateAuth", smartlockId=plain.front, id=app["id"], code=CODE) == "code"


async def test_a_code_is_unique_on_its_lock(plain: Auths) -> None:
    """Two locks may know one code, one lock may not know it twice, whoever made it first."""
    first = await plain.code()
    new = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": CODE}
    taken = ("Conflict", "code: the lock knows it already")
    assert await plain.desk.refused("SmartlockAuths.CreateAuth", smartlockId=plain.front, **new) == taken
    second = await plain.code(plain.back, code="394858")
    await plain.sync()
    await plain.done("UpdateAuth", smartlockId=plain.back, id=second["id"], code=CODE)
    other = await plain.code(code="394858")
    await plain.sync()
    at = {"smartlockId": plain.front, "id": other["id"]}
    assert await plain.error("UpdateAuth", **at, code=CODE) == "Conflict"
    assert (await plain.now(other))["code"] == "394858"
    await plain.done("UpdateAuth", **at, code="394858")
    assert (await plain.now(first))["code"] == CODE
    await plain.desk.done("Access.AddCredential", type="code", value="777777")
    assert await plain.error("CreateAuth", smartlockId=plain.front, **{**new, "code": "777777"}) == "Conflict"


async def test_types_and_whose_they_are(plain: Auths) -> None:
    """All types but a code are somebody's; there is no other type; nobody's code may become somebody's and back."""
    new = {"smartlockId": plain.front, "name": "x", "remoteAllowed": False}
    for kind in (0, 1, 2, 3):
        assert await plain.bad("CreateAuth", **new, type=kind) == "accountUserId"
        assert await plain.error("CreateAuth", **new, type=kind, accountUserId=7) == "AccountUserNotFound"
        assert (await plain.app(type=kind))["type"] == kind
    for kind in (-1, 4, 12, 14):
        assert await plain.bad("CreateAuth", **new, type=kind, accountUserId=1) == "type"
    assert await plain.bad("CreateAuth", **new, accountUserId=1, smartActionsEnabled=True) == "smartActionsEnabled"
    await plain.done("CreateAuth", **new, accountUserId=1, smartActionsEnabled=False)
    code = await plain.code()
    await plain.sync()
    at = {"smartlockId": plain.front, "id": code["id"]}
    assert await plain.error("UpdateAuth", **at, accountUserId=7) == "AccountUserNotFound"
    await plain.done("UpdateAuth", **at, accountUserId=1)
    assert (await plain.now(code))["accountUserId"] == 1
    await plain.sync()
    await plain.done("UpdateAuth", **at, accountUserId=None)
    assert "accountUserId" not in await plain.now(code)
    bob = await plain.desk.add("Access.AddPerson", firstName="Bob")
    app = await plain.app()
    await plain.sync()
    at = {"smartlockId": plain.front, "id": app["id"]}
    assert await plain.bad("UpdateAuth", **at, accountUserId=None) == "accountUserId"
    await plain.done("UpdateAuth", **at, accountUserId=2)
    decision = await plain.desk.get("Access.Evaluate", lockId=plain.front, personId=bob)
    assert decision["grantIds"] == [app["id"]]


@pytest.mark.parametrize("number", [2**31, 2**63, 2**64 - 1])
async def test_numbers_of_persons_are_what_the_store_takes(plain: Auths, number: int) -> None:
    """A number that no person can have is refused by its name, wherever it is given."""
    app, code = await plain.app(), await plain.code()
    new = {"smartlockId": plain.front, "name": "x", "accountUserId": number}
    for method, param, params in (
        ("CreateAuth", "accountUserId", {**new, "remoteAllowed": False}),
        ("GenerateSharedKey", "accountUserId", new),
        ("UpdateAuth", "accountUserId", {"smartlockId": plain.front, "id": app["id"], "accountUserId": number}),
        ("UpdateAuths", "auths.0.accountUserId", {"auths": [{"id": code["id"], "accountUserId": number}]}),
    ):
        assert "less than or equal to" in await plain.desk.invalid(f"SmartlockAuths.{method}", param, **params)


async def test_names_have_a_length(plain: Auths) -> None:
    """A name has at most 32 characters, a code's at most 20, and at least one."""
    new = {"smartlockId": plain.front, "remoteAllowed": False}
    assert await plain.error("CreateAuth", **new, name="x" * 33, accountUserId=1) == "NameTooLong"
    assert await plain.error("CreateAuth", **new, name="x" * 21, type=13, code=CODE) == "NameTooLong"
    assert (
        await plain.error("GenerateSharedKey", smartlockId=plain.front, name="x" * 33, accountUserId=1) == "NameTooLong"
    )
    assert await plain.bad("CreateAuth", **new, name=" ", accountUserId=1) == "name"
    app, code = await plain.app(name="x" * 32), await plain.code(name="x" * 20)
    await plain.sync()
    assert await plain.error("UpdateAuth", smartlockId=plain.front, id=app["id"], name="x" * 33) == "NameTooLong"
    assert await plain.error("UpdateAuth", smartlockId=plain.front, id=code["id"], name="x" * 21) == "NameTooLong"
    assert await plain.bad("UpdateAuth", smartlockId=plain.front, id=code["id"], name="") == "name"


@pytest.mark.parametrize(
    ("given", "at", "allowed"),
    [
        # Sunday is 1 and Monday 64; the door's clock is Vienna's.
        ({"allowedWeekDays": 64}, "2026-03-30T06:00:00Z", True),
        ({"allowedWeekDays": 64}, "2026-03-29T12:00:00Z", False),
        ({"allowedWeekDays": 1}, "2026-03-29T12:00:00Z", True),
        ({"allowedWeekDays": 0}, "2026-03-29T12:00:00Z", True),
        ({"allowedFromTime": 480, "allowedUntilTime": 1020}, "2026-03-30T06:00:00Z", True),
        ({"allowedFromTime": 480, "allowedUntilTime": 1020}, "2026-03-30T05:59:59Z", False),
        ({"allowedFromTime": 480, "allowedUntilTime": 1020}, "2026-03-30T15:00:00Z", False),
        # From late in the evening until the next morning, which belongs to the day it begins.
        ({"allowedWeekDays": 64, "allowedFromTime": 1320, "allowedUntilTime": 360}, "2026-03-31T03:59:59Z", True),
        ({"allowedWeekDays": 64, "allowedFromTime": 1320, "allowedUntilTime": 360}, "2026-03-30T03:59:59Z", False),
        ({"allowedFromDate": "2026-03-30T06:00:00Z"}, "2026-03-30T06:00:00Z", True),
        ({"allowedFromDate": "2026-03-30T06:00:00Z"}, "2026-03-30T05:59:59Z", False),
        ({"allowedUntilDate": "2026-03-30T06:00:00Z"}, "2026-03-30T06:00:00Z", False),
    ],
)
async def test_weekdays_times_and_dates(plain: Auths, given: dict[str, Any], at: str, allowed: bool) -> None:
    """An authorization opens on its days, between its times, within its dates; all by the lock's own clock."""
    await plain.code(**given)
    assert (await plain.reason(plain.front, time=at) == "granted") is allowed


async def test_windows_that_cannot_be(plain: Auths) -> None:
    """A mask beyond seven days, minutes beyond a day and an end before the beginning are refused by name."""
    new = {"smartlockId": plain.front, "name": "x", "remoteAllowed": False, "accountUserId": 1}
    assert await plain.bad("CreateAuth", **new, allowedWeekDays=128) == "allowedWeekDays"
    assert await plain.bad("CreateAuth", **new, allowedWeekDays=-1) == "allowedWeekDays"
    assert await plain.bad("CreateAuth", **new, allowedFromTime=1441) == "allowedFromTime"
    assert await plain.bad("CreateAuth", **new, allowedUntilTime=-5) == "allowedUntilTime"
    both = {"allowedFromDate": "2027-01-01T00:00:00Z", "allowedUntilDate": "2027-01-01T00:00:00Z"}
    assert await plain.bad("CreateAuth", **new, **both) == "allowedUntilDate"
    await plain.desk.invalid("SmartlockAuths.CreateAuth", "allowedFromDate", **new, allowedFromDate="tomorrow")
    await plain.desk.invalid("SmartlockAuths.CreateAuth", "allowedFromDate", **new, allowedFromDate=None)
    app = await plain.app(**{**both, "allowedUntilDate": "2027-02-01T00:00:00Z"}, allowedWeekDays=96)
    await plain.sync()
    at = {"smartlockId": plain.front, "id": app["id"]}
    assert await plain.bad("UpdateAuth", **at, allowedUntilDate="2026-01-01T00:00:00Z") == "allowedUntilDate"
    await plain.done("UpdateAuth", **at, allowedUntilDate=None, allowedFromDate=None)
    changed = await plain.now(app)
    assert "allowedFromDate" not in changed
    assert "allowedUntilDate" not in changed
    assert (changed["allowedWeekDays"], changed["allowedFromTime"], changed["allowedUntilTime"]) == (96, 0, 0)
    await plain.sync()
    await plain.done("UpdateAuth", **at, allowedFromTime=60)
    changed = await plain.now(app)
    assert (changed["allowedWeekDays"], changed["allowedFromTime"], changed["allowedUntilTime"]) == (96, 60, 0)


# One operation at a time


async def test_a_second_change_waits_for_the_first(auths: Auths) -> None:
    """While a lock has not heard of a change, another one is refused; a change that it could not take is over."""
    made = await auths.app()
    at = {"smartlockId": auths.front, "id": made["id"]}
    for method, params in (
        ("UpdateAuth", {**at, "name": "x"}),
        ("RemoveAuth", at),
        ("RemoveAuths", {"ids": [made["id"]]}),
        ("UpdateAuths", {"auths": [{"id": made["id"], "name": "x"}]}),
    ):
        assert await auths.error(method, **params) == "Locked", method
    items = await auths.desk.get("Access.GetPendingSync", lockId=auths.front)
    failed = [{"id": item["id"], "error": "no room"} for item in items]
    await auths.desk.done("Access.ConfirmSync", lockId=auths.front, items=failed)
    refused = await auths.now(made)
    assert refused["error"] == "no room"
    assert "operationId" not in refused
    await auths.done("UpdateAuth", **at, name="Another")
    assert (await auths.now(made))["name"] == "Another"
    await auths.sync()
    assert "error" not in await auths.now(made)
    await auths.done("RemoveAuth", **at)
    assert await auths.error("RemoveAuth", **at) == "Locked"


# Many at once


async def test_many_are_changed_together_or_not_at_all(auths: Auths) -> None:
    """One authorization at each lock is made, changed and removed by one call and one operation; one refusal, none."""
    new = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": CODE}
    request = await auths.get("CreateAuths", **new, smartlockIds=[auths.front, auths.back])
    made = await auths.get("GetAuths")
    assert [auth["operationId"] for auth in made] == [request, request]
    assert {auth["smartlockId"] for auth in made} == {auths.front, auths.back}
    # The code is taken at one of the locks.
    third = await auths.desk.add("Access.AddLock", title="Third")
    assert await auths.error("CreateAuths", **new, smartlockIds=[third, auths.back]) == "Conflict"
    assert await auths.error("CreateAuths", **new, smartlockIds=[third, NOWHERE]) == "SmartlockNotFound"
    assert await auths.get("GetSmartlockAuths", smartlockId=third) == []
    await auths.sync(auths.front)
    front, back = sorted(made, key=lambda auth: auth["smartlockId"] != auths.front)
    both = [{"id": front["id"], "name": "Changed"}, {"id": back["id"], "name": "Changed"}]
    assert await auths.error("UpdateAuths", auths=both) == "Locked"
    assert await auths.error("RemoveAuths", ids=[front["id"], back["id"]]) == "Locked"
    assert (await auths.now(front))["name"] == "Cleaner"
    await auths.sync()
    # It says which of them it is.
    unknown = await auths.desk.refused("SmartlockAuths.UpdateAuths", auths=[*both, {"id": NOWHERE}])
    assert unknown == ("AuthNotFound", "auths[2]: authorization not found")
    long = [both[0], {"id": back["id"], "name": "x" * 21}]
    outcome, text = await auths.desk.refused("SmartlockAuths.UpdateAuths", auths=long)
    assert outcome == "NameTooLong"
    assert str(text).startswith("auths[1]: name: ")
    assert await auths.error("RemoveAuths", ids=[front["id"], NOWHERE]) == "AuthNotFound"
    assert {auth["name"] for auth in await auths.get("GetAuths")} == {"Cleaner"}
    request = await auths.get("UpdateAuths", auths=both)
    changed = await auths.get("GetAuths")
    assert [(auth["name"], auth["operationId"]) for auth in changed] == [("Changed", request)] * 2
    await auths.sync()
    request = await auths.get("RemoveAuths", ids=[back["id"], front["id"]])
    going = await auths.get("GetAuths")
    assert [(auth["operationId"], auth["enabled"]) for auth in going] == [(request, False)] * 2
    await auths.sync()
    assert await auths.get("GetAuths") == []


async def test_lists_name_each_once(plain: Auths) -> None:
    """An empty list, one that names something twice and one that is too long are refused."""
    new = {"name": "x", "remoteAllowed": False, "accountUserId": 1}
    made = await plain.app()
    await plain.sync()
    for locks in ([], [plain.front, plain.front.upper()]):
        assert await plain.bad("CreateAuths", **new, smartlockIds=locks) == "smartlockIds"
    for ids in ([], [made["id"], made["id"]]):
        assert await plain.bad("RemoveAuths", ids=ids) == "ids"
        assert await plain.bad("UpdateAuths", auths=[{"id": each} for each in ids]) == "auths"
    await plain.desk.invalid("SmartlockAuths.RemoveAuths", "ids", ids=[NOWHERE] * 101)
    await plain.desk.invalid("SmartlockAuths.CreateAuths", "smartlockIds", **new, smartlockIds=[NOWHERE] * 101)
    await plain.desk.invalid("SmartlockAuths.UpdateAuths", "auths", auths=[{"id": NOWHERE}] * 101)
    await plain.desk.invalid("SmartlockAuths.UpdateAuths", "auths.0.type", auths=[{"id": made["id"], "type": 2}])


async def test_what_changes_nothing_is_no_operation(plain: Auths) -> None:
    """A change to what is so already is done at once, and no lock hears of it."""
    made = await plain.app()
    await plain.sync()
    heard = await plain.now(made)
    at = {"smartlockId": plain.front, "id": made["id"]}
    assert await plain.done("UpdateAuth", **at, name=made["name"], enabled=True) == {}
    assert await plain.now(made) == heard


async def test_a_failed_change_is_no_way_around_the_next(plain: Auths) -> None:
    """After a change that the lock could not take, the next one is under way like any other; removing always goes."""
    made = await plain.app()
    at = {"smartlockId": plain.front, "id": made["id"]}
    (item,) = await plain.desk.get("Access.GetPendingSync", lockId=plain.front)
    failed = [{"id": item["id"], "error": "no room"}]
    await plain.desk.done("Access.ConfirmSync", lockId=plain.front, items=failed)
    request = await plain.get("UpdateAuth", **at, name="Second")
    changed = await plain.now(made)
    assert (changed["operationId"], changed["error"]) == (request, "no room")
    assert await plain.error("UpdateAuth", **at, name="Third") == "Locked"
    await plain.done("RemoveAuth", **at)
    assert await plain.error("RemoveAuth", **at) == "Locked"
    await plain.sync()
    assert await plain.get("GetAuths") == []


async def test_a_code_is_free_once_its_lock_has_forgotten_it(plain: Auths) -> None:
    """A code that was changed, or whose credential was removed, is taken until its lock does not open to it."""
    made = await plain.code()
    await plain.sync()
    new = {"smartlockId": plain.front, "name": "Next", "remoteAllowed": False, "type": 13, "code": CODE}
    await plain.done("UpdateAuth", smartlockId=plain.front, id=made["id"], code="394858")
    assert await plain.error("CreateAuth", **new) == "Conflict"
    await plain.sync()
    again = await plain.code()
    await plain.sync()
    credentials = await plain.desk.get("Access.GetCredentials")
    (credential,) = [each["id"] for each in credentials if each["value"] == CODE]
    await plain.desk.done("Access.RemoveCredential", credentialId=credential)
    assert await plain.error("GetAuth", smartlockId=plain.front, id=again["id"]) == "AuthNotFound"
    assert await plain.error("CreateAuth", **new) == "Conflict"
    await plain.sync()
    await plain.done("CreateAuth", **new)


async def test_one_code_is_changed_once_in_a_call(plain: Auths) -> None:
    """A call that gives one code twice, by two authorizations, changes neither, and names the second one."""
    first = await plain.code()
    (credential,) = await plain.desk.get("Access.GetCredentials")
    second = await plain.desk.add("Access.AddGrant", credentialId=credential["id"], lockId=plain.front)
    await plain.sync()
    both = [{"id": first["id"], "code": "555555"}, {"id": second, "code": "666666"}]
    outcome, text = await plain.desk.refused("SmartlockAuths.UpdateAuths", auths=both)
    assert outcome == "Locked"
    assert str(text).startswith("auths[1]: ")
    assert {auth["code"] for auth in await plain.get("GetAuths")} == {CODE}
    # What is not of the code is each one's own.
    await plain.done("UpdateAuths", auths=[{"id": first["id"], "name": "A"}, {"id": second, "name": "B"}])
    assert [auth["name"] for auth in await plain.get("GetAuths")] == ["A", "B"]


async def test_a_shared_key(auths: Auths) -> None:
    """A shared key is for a person's app, with its window, and opens at the door alone."""
    (made,) = await auths.get(
        "GenerateSharedKey", smartlockId=auths.front, name="Visit", accountUserId=1, allowedWeekDays=3
    )
    assert made == await auths.now(made)
    assert (made["type"], made["remoteAllowed"], made["allowedWeekDays"]) == (0, False, 3)
    assert await auths.error("GenerateSharedKey", smartlockId=NOWHERE, name="x", accountUserId=1) == "SmartlockNotFound"
    assert (
        await auths.error("GenerateSharedKey", smartlockId=auths.front, name="x", accountUserId=9)
        == "AccountUserNotFound"
    )


# What is told


async def test_each_change_is_told_once(auths: Auths) -> None:
    """Whatever changes an authorization, wherever it is done, is told once, and without its code."""
    desk = auths.desk
    await desk.listen()
    code = await auths.code(accountUserId=1)

    async def told() -> Counter[str]:
        heard = [each for each in await desk.heard() if each.name.startswith("SmartlockAuths.")]
        for each in heard:
            assert CODE not in str(each.params), each
            shown = each.params.get("auth", each.params)
            assert shown["id"] == code["id"]
            if each.name.endswith("Changed"):
                expected = await auths.now(code)
                expected.pop("code")
                assert shown == expected
        return Counter(each.name.removeprefix("SmartlockAuths.Auth") for each in heard)

    assert await told() == {"Added": 1}
    await auths.sync(auths.front)
    assert await told() == {"Changed": 1}
    await desk.done("Access.UpdateGrant", grantId=code["id"], enabled=False)
    assert await told() == {"Changed": 1}
    # The same lock must hear of it once more.
    await desk.done("Access.UpdatePerson", personId=auths.ann, enabled=False)
    assert await told() == {"Changed": 1}
    await auths.sync(auths.front)
    assert await told() == {"Changed": 1}
    await auths.done("UpdateAuth", smartlockId=auths.front, id=code["id"], enabled=True, accountUserId=None)
    assert await told() == {"Changed": 1}
    shown = {"type": "code", "value": CODE}
    await desk.done("Access.ReportAccess", lockId=auths.front, credential=shown)
    assert await told() == {"Changed": 1}
    await desk.done("Access.ReportAccess", lockId=auths.front, credential=shown, time="2001-01-01T00:00:00Z")
    assert await told() == {"Changed": 1}
    await auths.sync(auths.front)
    assert await told() == {"Changed": 1}
    await auths.done("RemoveAuth", smartlockId=auths.front, id=code["id"])
    assert await told() == {"Changed": 1}
    await auths.sync(auths.front)
    assert await told() == {"Removed": 1}


@pytest.mark.parametrize("removed", ["lock", "person", "credential"])
async def test_what_an_authorization_hangs_on_takes_it_along(plain: Auths, removed: str) -> None:
    """A lock, a person or a credential that is removed takes its authorizations along, which is told once each."""
    desk = plain.desk
    app, code = await plain.app(), await plain.code(accountUserId=1)
    gone = await plain.app()
    await plain.sync()
    await desk.done("Access.RevokeGrant", grantId=gone["id"])
    await plain.sync()
    await desk.listen()
    expected = {app["id"], code["id"]}
    if removed == "lock":
        await desk.done("Access.RemoveLock", lockId=plain.front)
    elif removed == "person":
        await desk.done("Access.RemovePerson", personId=plain.ann)
    else:
        expected = {code["id"]}
        (credential,) = await desk.get("Access.GetCredentials")
        await desk.done("Access.RemoveCredential", credentialId=credential["id"])
    told = [each for each in await desk.heard() if each.name.startswith("SmartlockAuths.")]
    assert {each.name for each in told} == {"SmartlockAuths.AuthRemoved"}
    assert sorted(each.params["id"] for each in told) == sorted(expected)
    assert {auth["id"] for auth in await plain.get("GetAuths")} == {app["id"], code["id"]} - expected
    assert await desk.get("Access.GetCredentials") == []
    if removed != "lock":
        assert await plain.reason(plain.front) == "unknownCredential"


# Who sees what


async def test_a_guest_sees_their_own_locks_and_no_code(home: Server, plain: Auths) -> None:
    """Who may control some locks sees the authorizations there, changes none, and reads no code anywhere."""
    mine, other = await plain.code(), await plain.code(plain.back)
    visitor = await guest(home, "visitor", plain.front)
    shown = {key: value for key, value in mine.items() if key != "code"}
    assert await visitor.get("SmartlockAuths.GetAuths") == [shown]
    assert await visitor.get("SmartlockAuths.GetSmartlockAuths", smartlockId=plain.front) == [shown]
    assert await visitor.get("SmartlockAuths.GetAuth", smartlockId=plain.front, id=mine["id"]) == shown
    page = await visitor.done("SmartlockAuths.GetAuthsPaged")
    assert page["results"] == [shown]
    assert page["pagination"]["totalItems"] == 1
    for lock in (plain.back, NOWHERE):
        assert await visitor.error("SmartlockAuths.GetSmartlockAuths", smartlockId=lock) == "PermissionDenied"
        assert await visitor.error("SmartlockAuths.GetAuth", smartlockId=lock, id=other["id"]) == "PermissionDenied"
    assert await visitor.error("SmartlockAuths.GetAuth", smartlockId=plain.front, id=other["id"]) == "AuthNotFound"
    await visitor.listen()
    await plain.sync()
    told = [each for each in await visitor.heard() if each.name.startswith("SmartlockAuths.")]
    assert [each.params["auth"]["id"] for each in told] == [mine["id"]]
    assert CODE not in str(told)

"""What the console's tests about doors share: somebody who makes locks, persons, groups and grants elsewhere."""

from __future__ import annotations

from typing import Any

from browser import Visit, Visitor
from conftest import Server
from doors import OFFICE_HOURS, WEEKDAYS, Desk
from playwright.async_api import Locator, expect

#: A time of day for everybody, whatever zone the machine is in.
ZONE = "Europe/Vienna"

#: A code that no example has.
KEYPAD_CODE = "572914"

ANN_PHONE, BOB_PHONE = "+4781549300", "+436601234567"

EVERY_DAY = [*WEEKDAYS, "sat", "sun"]


class Caretaker(Desk):
    """Another client, who makes things of the doors and plays bridges."""

    @classmethod
    async def of(cls, server: Server) -> Caretaker:
        return cls(await server.operator())

    async def lock(self, title: str, **params: Any) -> str:
        return await self.add("Access.AddLock", **{"title": title, "timeZone": ZONE, **params})

    async def person(self, first: str, last: str = "", **params: Any) -> str:
        return await self.add("Access.AddPerson", firstName=first, lastName=last, **params)

    async def credential(self, person: str, **params: Any) -> str:
        return await self.add("Access.AddCredential", personId=person, **params)

    async def grant(self, **params: Any) -> str:
        return await self.add("Access.AddGrant", **params)

    async def group(self, title: str) -> str:
        return await self.add("LockGroups.CreateLockGroup", ownerAccountId=await self.owner(), title=title)

    async def join(self, group: str, lock: str) -> str:
        owner = await self.owner()
        return await self.add("LockGroups.AddMembership", ownerAccountId=owner, lockGroupId=group, boundLockId=lock)

    async def auth(self, lock: str, **params: Any) -> None:
        """Make an authorization at a lock: a keypad code, unless said otherwise."""
        made = {"name": "Cleaner", "remoteAllowed": False, "type": 13, "code": KEYPAD_CODE, **params}
        given = {name: value for name, value in made.items() if value is not None}
        await self.done("SmartlockAuths.CreateAuth", smartlockId=lock, **given)

    async def role(self, lock: str, phone: str, **params: Any) -> None:
        role = {"lockHolderId": await self.owner(), "lockId": lock, "userId": phone}
        await self.done("LockRoles.SetRole", **{**role, "canShare": True, **params})

    async def key(self, identification: str, kind: str = "code", **params: Any) -> str:
        return await self.add("AccessKeys.AddAccessKey", key={"identification": identification, "type": kind}, **params)

    async def drain(self, lock: str, error: str | None = None) -> None:
        """A bridge hands on what its lock must hear of; with an error, the lock can take none of it."""
        items = await self.get("Access.GetPendingSync", lockId=lock)
        said = {} if error is None else {"error": error}
        await self.done("Access.ConfirmSync", lockId=lock, items=[{"id": item["id"], **said} for item in items])


async def goes(visitor: Visitor, address: str, heading: str) -> None:
    """Follow an address of the console."""
    await visitor.page.evaluate("address => { location.hash = address; }", address)
    await visitor.sees(heading)


async def opened(visit: Visit, server: Server, address: str, heading: str, **options: Any) -> Visitor:
    """A browser of the administrator at an address."""
    visitor = await visit(server, **options)
    await visitor.sign_in()
    await goes(visitor, address, heading)
    return visitor


def row(visitor: Visitor, key: str) -> Locator:
    return visitor.page.locator(f'.people li[data-key="{key}"]')


async def exported(visitor: Visitor) -> str:
    """What the log of the developer's view saves."""
    await visitor.opens("Developer")
    async with visitor.page.expect_download() as download:
        await visitor.button("Export").click()
    return (await (await download.value).path()).read_text()


async def furnished(server: Server) -> dict[str, str]:
    """Doors with something in every state, some with more in their names than is good for a narrow page."""
    caretaker = await Caretaker.of(server)
    front = await caretaker.lock("Front door", description="Street side " * 8)
    back = await caretaker.lock("Back door", virtual=False)
    ann = await caretaker.person("Ann", "Lee", phone=ANN_PHONE)
    bob = await caretaker.person("Bob" * 20, email=f"{'b' * 60}@example.org", phone=BOB_PHONE, enabled=False)
    group = await caretaker.group("Office")
    for lock in (front, back):
        await caretaker.join(group, lock)
    grant = await caretaker.grant(personId=ann, lockGroupId=group, schedule=OFFICE_HOURS)
    await caretaker.grant(personId=bob, lockId=front)
    code = await caretaker.credential(ann, type="code", value="481516", pin="2342")
    await caretaker.credential(ann, type="proximity", value="1234567890")
    await caretaker.grant(credentialId=code, lockId=back)
    hours = {"allowedWeekDays": 124, "allowedFromTime": 480, "allowedUntilTime": 0}
    await caretaker.auth(front, **hours, accountUserId=1)
    await caretaker.auth(front, name="M" * 32, type=0, code=None, remoteAllowed=True, accountUserId=2)
    key = await caretaker.key("4711", person={"firstName": "Cleo", "lastName": "C" * 32}, accessLevels=[group])
    await caretaker.key("1234567890", "proximity", validToDate="2020-01-01T00:00:00Z")
    await caretaker.role(front, ANN_PHONE, userName="Ann from upstairs")
    await caretaker.role(front, BOB_PHONE, canShare=False)
    await caretaker.grant(personId=ann, lockId=front)
    share = {"lockId": front, "userId": ANN_PHONE, "toUserId": BOB_PHONE}
    await caretaker.done("LockRoles.ShareKey", **share, name="For the cleaning", end="2099-01-01T00:00:00Z")
    await caretaker.done("Access.SyncLock", lockId=front)
    await caretaker.drain(back, "memory full")
    await caretaker.auth(front, name="Gardener", code=KEYPAD_CODE[::-1])
    await caretaker.drain(front, "memory full")
    await caretaker.auth(front, name="Visitor", code="333333", allowedFromDate="2099-01-01T00:00:00Z")
    await caretaker.done("Access.ReportAccess", personId=ann, lockId=front)
    await caretaker.done("Access.ReportAccess", lockId=front, credential={"type": "code", "value": "999999"})
    return {"front": front, "back": back, "ann": ann, "group": group, "grant": grant, "key": key}


async def chooses(label: str, name: str, inside: Locator) -> None:
    """Choose one of very many by its name."""
    await inside.get_by_label(label, exact=True).fill(name)


class DoorsTour:
    """Every view of the doors, one after the other."""

    def __init__(self, visitor: Visitor, things: dict[str, str]) -> None:
        self.visitor = visitor
        self.things = things

    async def discard(self) -> None:
        """Leave a dialog in which something was typed."""
        await self.visitor.page.keyboard.press("Escape")
        await self.visitor.button("Discard").click()

    async def views(self) -> Any:
        visitor, page, things = self.visitor, self.visitor.page, self.things
        await visitor.sign_in()
        await goes(visitor, "#/doors", "Locks")
        await expect(page.locator(".people li")).to_have_count(2)
        await expect(visitor.text("Could not take 6 changes")).to_be_visible()
        yield "doors-locks"
        await visitor.button("Add lock").click()
        await visitor.button("Add lock", inside=visitor.dialog).click()
        yield "doors-add-lock"
        await page.keyboard.press("Escape")
        await goes(visitor, f"#/doors/locks/{things['front']}", "Front door")
        week = visitor.card("The coming week")
        await week.get_by_text("As a table").click()
        await expect(week.get_by_role("row")).not_to_have_count(0)
        ask = visitor.card("Who may open it?")
        await chooses("Person", "Ann Lee", ask)
        await visitor.button("Ask", inside=ask).click()
        await expect(ask.locator(".note")).to_be_visible()
        await expect(visitor.card("Authorizations").get_by_role("listitem")).to_have_count(7)
        await expect(visitor.card("Who may share it").get_by_role("listitem")).to_have_count(2)
        await expect(visitor.card("Shared keys").get_by_role("listitem")).to_have_count(1)
        yield "doors-lock"
        await visitor.button("Add code").click()
        await visitor.button("Suggest", inside=visitor.dialog).click()
        await visitor.dialog.get_by_label("Weekly hours").check()
        await visitor.button("Add code", inside=visitor.dialog).click()
        yield "doors-add-code"
        await self.discard()
        await visitor.card("Who may share it").get_by_role("button", name="Share key").click()
        await visitor.button("Share key", inside=visitor.dialog).click()
        yield "doors-share-key"
        await page.keyboard.press("Escape")
        await visitor.button("Add role").click()
        yield "doors-add-role"
        await page.keyboard.press("Escape")
        await goes(visitor, "#/doors/persons", "Persons")
        yield "doors-persons"
        await goes(visitor, f"#/doors/persons/{things['ann']}", "Ann Lee")
        await expect(visitor.card("Credentials").get_by_role("listitem")).to_have_count(3)
        await expect(visitor.card("The coming week").locator(".week")).to_be_attached()
        yield "doors-person"
        await visitor.button("Add credential").click()
        yield "doors-credential"
        await page.keyboard.press("Escape")
        await goes(visitor, "#/doors/grants", "Grants")
        yield "doors-grants"
        await goes(visitor, f"#/doors/grants/{things['grant']}", "Ann Lee \u2013 Office")
        yield "doors-grant"
        await visitor.button("Revoke grant").click()
        yield "doors-revoke"
        await page.keyboard.press("Escape")
        await goes(visitor, "#/doors/grants", "Grants")
        await visitor.button("New grant").click()
        await visitor.dialog.get_by_label("Weekly hours").check()
        yield "doors-new-grant"
        await self.discard()
        await goes(visitor, f"#/doors/groups/{things['group']}", "Office")
        await expect(visitor.card("Locks").locator(".life")).to_have_count(2)
        yield "doors-group"
        await goes(visitor, "#/doors/keys", "Keys")
        await visitor.button("Add key").click()
        await visitor.button("Add key", inside=visitor.dialog).click()
        yield "doors-add-key"
        await page.keyboard.press("Escape")
        yield "doors-keys"
        await goes(visitor, f"#/doors/keys/{things['key']}", "Cleo")
        await expect(visitor.card("On its way to the locks").get_by_role("listitem")).to_have_count(1)
        yield "doors-key"
        await goes(visitor, "#/doors/log", "Log")
        await expect(page.locator(".events > li").first).to_be_visible()
        yield "doors-log"

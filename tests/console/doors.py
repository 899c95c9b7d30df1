"""What tests about doors share: another client, who makes locks, persons, groups and grants."""

from __future__ import annotations

from typing import Any

from browser import Visitor
from conftest import Server
from playwright.async_api import Locator, expect

from nymead_users.client import Client

#: A time of day for everybody, whatever zone the machine is in.
ZONE = "Europe/Vienna"

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Doors:
    """Makes things of the doors by calls, and plays bridges."""

    def __init__(self, client: Client, owner: str) -> None:
        self.client = client
        self.owner = owner

    @classmethod
    async def of(cls, server: Server) -> Doors:
        client = await server.operator()
        owners = (await client.call("Access.GetOwners"))["owners"]
        return cls(client, owners[0]["id"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method that must succeed."""
        reply = await self.client.call(method, params)
        assert reply["error"].endswith("NoError"), reply
        return reply

    async def lock(self, title: str, **params: Any) -> str:
        reply = await self.call("Access.AddLock", **{"title": title, "timeZone": ZONE, **params})
        return str(reply["lock"]["id"])

    async def person(self, first: str, last: str = "", **params: Any) -> str:
        reply = await self.call("Access.AddPerson", firstName=first, lastName=last, **params)
        return str(reply["person"]["id"])

    async def credential(self, person: str, **params: Any) -> str:
        reply = await self.call("Access.AddCredential", personId=person, **params)
        return str(reply["credential"]["id"])

    async def grant(self, **params: Any) -> str:
        return str((await self.call("Access.AddGrant", **params))["grant"]["id"])

    async def group(self, title: str) -> str:
        reply = await self.call("LockGroups.CreateLockGroup", ownerAccountId=self.owner, title=title)
        return str(reply["lockGroup"]["id"])

    async def join(self, group: str, lock: str) -> str:
        reply = await self.call(
            "LockGroups.AddMembership", ownerAccountId=self.owner, lockGroupId=group, boundLockId=lock
        )
        return str(reply["membership"]["id"])

    async def drain(self, lock: str, error: str | None = None) -> None:
        """A bridge hands on what its lock must hear of; with an error, the lock can take none of it."""
        items = (await self.call("Access.GetPendingSync", lockId=lock))["items"]
        said = {} if error is None else {"error": error}
        await self.call("Access.ConfirmSync", lockId=lock, items=[{"id": item["id"], **said} for item in items])


async def goes(visitor: Visitor, address: str, heading: str) -> None:
    """Follow an address of the console."""
    await visitor.page.evaluate("address => { location.hash = address; }", address)
    await visitor.sees(heading)


async def furnished(server: Server) -> dict[str, str]:
    """Doors with something in every state, some with more in their names than is good for a narrow page."""
    doors = await Doors.of(server)
    front = await doors.lock("Front door", description="Street side " * 8)
    back = await doors.lock("Back door", virtual=False)
    ann = await doors.person("Ann", "Lee", phone="+4781549300")
    bob = await doors.person("Bob" * 20, email=f"{'b' * 60}@example.org", enabled=False)
    group = await doors.group("Office")
    for lock in (front, back):
        await doors.join(group, lock)
    weekly = {"weekly": [{"weekdays": EVERY_DAY[:5], "from": "08:00", "until": "17:00"}]}
    grant = await doors.grant(personId=ann, lockGroupId=group, schedule=weekly)
    await doors.grant(personId=bob, lockId=front)
    code = await doors.credential(ann, type="code", value="481516", pin="2342")
    await doors.credential(ann, type="proximity", value="1234567890")
    await doors.grant(credentialId=code, lockId=back)
    await doors.call("Access.SyncLock", lockId=front)
    await doors.drain(back, "memory full")
    await doors.call("Access.ReportAccess", personId=ann, lockId=front)
    await doors.call("Access.ReportAccess", lockId=front, credential={"type": "code", "value": "999999"})
    return {"front": front, "back": back, "ann": ann, "group": group, "grant": grant}


async def chooses(label: str, name: str, inside: Locator) -> None:
    """Choose one of very many by its name."""
    await inside.get_by_label(label, exact=True).fill(name)


class DoorsTour:
    """Every view of the doors, one after the other."""

    def __init__(self, visitor: Visitor, things: dict[str, str]) -> None:
        self.visitor = visitor
        self.things = things

    async def views(self) -> Any:
        visitor, page, things = self.visitor, self.visitor.page, self.things
        await visitor.sign_in()
        await goes(visitor, "#/doors", "Locks")
        await expect(page.locator(".people li")).to_have_count(2)
        await expect(visitor.text("Could not take 5 changes")).to_be_visible()
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
        yield "doors-lock"
        await goes(visitor, "#/doors/persons", "Persons")
        yield "doors-persons"
        await goes(visitor, f"#/doors/persons/{things['ann']}", "Ann Lee")
        await expect(visitor.card("Credentials").get_by_role("listitem")).to_have_count(2)
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
        await page.keyboard.press("Escape")
        await visitor.button("Discard").click()
        await goes(visitor, f"#/doors/groups/{things['group']}", "Office")
        await expect(visitor.card("Locks").locator(".life")).to_have_count(2)
        yield "doors-group"
        await goes(visitor, "#/doors/log", "Log")
        await expect(page.locator(".events > li").first).to_be_visible()
        yield "doors-log"

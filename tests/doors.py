"""What the tests about doors share: somebody at the API, who knows what must succeed and collects what is heard."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from conftest import PATIENCE, Dialect, Server, Transport

from nymead_users.client import CallError, Client, Notification

#: An id that nothing has.
NOWHERE = "11111111-2222-4333-8444-555555555555"

#: What the enumeration of a namespace's outcomes is called, but for its last word.
ERRORS = {
    "Access": "Access",
    "AccessKeys": "AccessKey",
    "LockGroups": "LockGroup",
    "LockRoles": "LockRole",
    "SmartlockAuths": "SmartlockAuth",
}

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]

#: The outcomes of each namespace's methods.
ENUMERATIONS = {"Access": "AccessError", "LockGroups": "LockGroupError", "AccessKeys": "AccessKeyError"}

#: Monday to Friday, 08:00 to 17:00.
OFFICE_HOURS = {"weekly": [{"weekdays": WEEKDAYS, "from": "08:00", "until": "17:00"}]}


class Desk:
    """Somebody at the API. ``told`` is everything heard so far, oldest first."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told: list[Notification] = []

    async def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method; its whole result."""
        return await self.client.call(method, params)

    async def done(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method that must succeed; what it returns beside that."""
        result = await self.ask(method, **params)
        error = result.pop("error")
        assert error.endswith("ErrorNoError"), (method, params, error, result)
        return result

    async def get(self, method: str, /, **params: Any) -> Any:
        """Call a method that must succeed and returns one thing."""
        (value,) = (await self.done(method, **params)).values()
        return value

    async def add(self, method: str, /, **params: Any) -> str:
        """Call a method that makes something; its id."""
        return str((await self.get(method, **params))["id"])

    async def refused(self, method: str, /, **params: Any) -> tuple[str, str | None]:
        """Call a method that must not succeed; its outcome, without the enumeration's name, and its text."""
        result = await self.ask(method, **params)
        assert set(result) <= {"error", "errorMessage"}, (method, params, result)
        prefix = f"{ERRORS[method.partition('.')[0]]}Error"
        outcome = str(result["error"])
        assert outcome.startswith(prefix)
        return outcome.removeprefix(prefix), result.get("errorMessage")

    async def error(self, method: str, /, **params: Any) -> str:
        """The same, the outcome alone."""
        return (await self.refused(method, **params))[0]

    async def invalid(self, method: str, param: str, /, **params: Any) -> str:
        """Call a method with params that are refused because of one of them; why."""
        with pytest.raises(CallError) as refusal:
            await self.client.call(method, params)
        if self.client.dialect == "jsonrpc2":
            assert refusal.value.code == -32602, refusal.value
            assert refusal.value.data["param"] == param, refusal.value.data
            return str(refusal.value.data["reason"])
        start, end = "Invalid params: ", f" in {method}, param {param}"
        assert refusal.value.message.startswith(start)
        assert refusal.value.message.endswith(end), refusal.value.message
        return refusal.value.message.removeprefix(start).removesuffix(end)

    async def owner(self) -> str:
        """The one owner that there is from the start."""
        (owner,) = await self.get("Access.GetOwners")
        return str(owner["id"])

    async def listen(self, *namespaces: str) -> None:
        """Ask for the notifications of these namespaces, of all about doors without."""
        await self.client.subscribe(*(namespaces or ERRORS))

    def news(self) -> list[Notification]:
        """What has come unasked since the last look and before the last reply."""
        fresh: list[Notification] = []
        while not self.client._notifications.empty():
            notification = self.client._notifications.get_nowait()
            assert notification is not None
            fresh.append(notification)
        self.told += fresh
        return fresh

    async def heard(self) -> list[Notification]:
        """What has come unasked since the last look: the reply to a call comes behind it."""
        await self.client.call("JSONRPC.KeepAlive", {"sessionId": None})
        return self.news()

    async def names(self) -> Counter[str]:
        """The same by name."""
        return Counter(notification.name for notification in await self.heard())

    async def next(self) -> Notification:
        """The next notification, waited for."""
        async with asyncio.timeout(PATIENCE):
            notification = await anext(self.client.notifications())
        self.told.append(notification)
        return notification


async def administrator(server: Server, transport: Transport = "tcp", dialect: Dialect = "nymea") -> Desk:
    """The administrator of a server that is set up."""
    return Desk(await server.login("admin", transport, dialect))


async def guest(
    server: Server, name: str, *locks: str, transport: Transport = "tcp", dialect: Dialect = "nymea"
) -> Desk:
    """A new user who may control these locks alone."""
    await server.add_user(name, "ControlThings", allowedThingIds=list(locks))
    return Desk(await server.login(name, transport, dialect))


class Premises:
    """Two doors, of which one is in a group with a grant, and what belongs to each; all made by one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.owner = ""
        self.front, self.back = str(uuid4()), str(uuid4())

    async def build(self) -> None:
        """Add it all."""
        desk = self.desk
        self.owner = await desk.owner()
        for lock_id, title in ((self.front, "Front door"), (self.back, "Back door")):
            await desk.done("Access.AddLock", title=title, lockId=lock_id)
        self.ann = await desk.add("Access.AddPerson", firstName="Ann")
        self.bob = await desk.add("Access.AddPerson", firstName="Bob")
        self.key = await desk.add("Access.AddCredential", type="proximity", value="1", personId=self.ann)
        self.code = await desk.add("Access.AddCredential", type="code", value="24681357", personId=self.bob)
        self.group = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=self.owner, title="Outside")
        self.other_group = await desk.add("LockGroups.CreateLockGroup", ownerAccountId=self.owner, title="Inside")
        self.member = await desk.add(
            "LockGroups.AddMembership", ownerAccountId=self.owner, lockGroupId=self.group, boundLockId=self.front
        )
        self.other_member = await desk.add(
            "LockGroups.AddMembership", ownerAccountId=self.owner, lockGroupId=self.other_group, boundLockId=self.back
        )
        self.grant = await desk.add("Access.AddGrant", personId=self.ann, lockGroupId=self.group)
        self.other_grant = await desk.add("Access.AddGrant", personId=self.bob, lockId=self.back)

    async def synchronise(self) -> None:
        """Have both locks hear of all that is due."""
        for lock_id in (self.front, self.back):
            await self.desk.done("Access.SyncLock", lockId=lock_id)


async def premises(desk: Desk, *, synchronised: bool = True) -> Premises:
    """New premises."""
    made = Premises(desk)
    await made.build()
    if synchronised:
        await made.synchronise()
    return made

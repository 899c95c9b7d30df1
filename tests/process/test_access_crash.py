"""The server killed while grants are made and bridges drain: nothing is lost, nothing confirmed comes back."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from conftest import PATIENCE, Process, SpawnServer

from nymead_users.client import Client, ConnectionLost

ROUNDS = 4
WRITERS = 3

#: Grants that a writer has standing at once.
GRANTS = 4

OK = "AccessErrorNoError"
EPOCH = datetime(2050, 1, 1, tzinfo=UTC)

chance = random.SystemRandom()


@dataclass
class Known:
    """What a writer knows of a grant; each change gives it another end, so that one can be told from the next."""

    target: str
    end: str | None = None
    revoked: bool = False
    #: What has been done to it, in order.
    ops: list[str] = field(default_factory=lambda: ["add"])


@dataclass
class Bridge:
    """What a lock has heard, in this order, and what the server may or may not know of that."""

    lock_id: str
    #: Every item that was ever due, by its id, in the order in which they came.
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def see(self, items: list[dict[str, Any]]) -> None:
        """What is due: in order, all that was due before and was not confirmed, and nothing that was."""
        ids = [item["id"] for item in items]
        assert not self.confirmed & set(ids), "a confirmed item is due again"
        owed = [known for known in self.items if known not in self.confirmed and known not in self.doubtful]
        assert [each for each in ids if each in set(owed)] == owed, "an unconfirmed item is lost or out of order"
        known = [each for each in ids if each in self.items]
        assert known == [each for each in self.items if each in set(ids)]
        assert ids[: len(known)] == known, "a later item came before an earlier one"
        for item in items:
            before = self.items.setdefault(item["id"], item)
            assert (before["op"], before["entityId"], before["content"]) == (
                item["op"],
                item["entityId"],
                item["content"],
            )

    def resolve(self, items: list[dict[str, Any]]) -> None:
        """What was being confirmed when the server died was confirmed as a whole, or not at all."""
        due = {item["id"] for item in items}
        assert self.doubtful <= due or not self.doubtful & due, "half of a confirmation was kept"
        if not self.doubtful & due:
            self.confirmed |= self.doubtful
        self.doubtful.clear()
        self.see(items)


class House:
    """What was acknowledged, and what was under way when the server was killed."""

    def __init__(self) -> None:
        self.person = ""
        self.group = ""
        self.bridges: list[Bridge] = []
        self.grants: dict[str, Known] = {}
        #: By writer: what was asked for and not answered; the grant's id is None where one was to be made.
        self.doubtful: dict[int, tuple[str | None, Known]] = {}
        self.done = 0
        self.ends = 0
        self.moved = asyncio.Event()

    def moves(self) -> None:
        self.done += 1
        self.moved.set()

    def end(self) -> str:
        """An end that nothing has had."""
        self.ends += 1
        return (EPOCH + timedelta(seconds=self.ends)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def ask(client: Client, method: str, **params: Any) -> dict[str, Any]:
    """Call a method of Access that must succeed."""
    result = await client.call(f"Access.{method}", params)
    assert result["error"] == OK, result
    return result


async def furnish(house: House, client: Client) -> None:
    """A person, two locks with bridges, and a group of both."""
    owner = (await ask(client, "GetOwners"))["owners"][0]["id"]
    house.person = (await ask(client, "AddPerson", firstName="Ada"))["person"]["id"]
    group = await client.call("LockGroups.CreateLockGroup", {"ownerAccountId": owner, "title": "Doors"})
    house.group = group["lockGroup"]["id"]
    for title in ("Front", "Back"):
        lock = (await ask(client, "AddLock", title=title, virtual=False))["lock"]["id"]
        params = {"ownerAccountId": owner, "lockGroupId": house.group, "boundLockId": lock}
        assert (await client.call("LockGroups.AddMembership", params))["error"] == "LockGroupErrorNoError"
        house.bridges.append(Bridge(lock))


async def write(house: House, writer: int, client: Client) -> None:
    """Make, change and revoke grants until the connection is gone."""
    mine: list[str] = []
    while True:
        standing = [grant_id for grant_id in mine if not house.grants[grant_id].revoked]
        if len(standing) < GRANTS:
            target = chance.choice(["lockId", "lockGroupId"])
            value = house.group if target == "lockGroupId" else chance.choice(house.bridges).lock_id
            known = Known(value, house.end())
            house.doubtful[writer] = None, known
            params = {"personId": house.person, target: value, "validBefore": known.end}
            grant_id = (await ask(client, "AddGrant", **params))["grant"]["id"]
            mine.append(grant_id)
        else:
            grant_id = chance.choice(standing)
            before = house.grants[grant_id]
            if chance.random() < 0.5:
                known = Known(before.target, house.end(), ops=[*before.ops, "update"])
                house.doubtful[writer] = grant_id, known
                await ask(client, "UpdateGrant", grantId=grant_id, validBefore=known.end)
            else:
                known = Known(before.target, before.end, revoked=True, ops=[*before.ops, "remove"])
                house.doubtful[writer] = grant_id, known
                await ask(client, "RevokeGrant", grantId=grant_id)
        house.grants[grant_id] = known
        del house.doubtful[writer]
        house.moves()


async def drain(house: House, bridge: Bridge, client: Client) -> None:
    """Take what is due and confirm some of it, from the beginning, until the connection is gone."""
    while True:
        items = (await ask(client, "GetPendingSync", lockId=bridge.lock_id))["items"]
        bridge.see(items)
        heard = items[: chance.randint(0, 5)]
        bridge.doubtful = {item["id"] for item in heard}
        failing = [{"id": item["id"], "error": "jammed"} for item in items[len(heard) : len(heard) + 1]]
        confirmations = [{"id": item["id"]} for item in heard] + failing
        if chance.random() < 0.3:
            chance.shuffle(confirmations)
        await ask(client, "ConfirmSync", lockId=bridge.lock_id, items=confirmations)
        bridge.confirmed |= bridge.doubtful
        bridge.doubtful = set()
        if heard:
            house.moves()


async def check(house: House, client: Client) -> None:
    """Compare the server with what is known; what was under way is either done or not, as a whole."""
    there = {grant["id"]: grant for grant in (await ask(client, "GetGrants"))["grants"]}
    strangers = [grant_id for grant_id in there if grant_id not in house.grants]
    made = {known.end: known for grant_id, known in house.doubtful.values() if grant_id is None}
    for grant_id in strangers:
        house.grants[grant_id] = made.pop(there[grant_id]["validBefore"])
    for changed, known in house.doubtful.values():
        if changed is not None and shown(there[changed]) == (known.end, known.revoked):
            house.grants[changed] = known
    house.doubtful.clear()
    assert there.keys() == house.grants.keys()
    for grant_id, known in house.grants.items():
        assert shown(there[grant_id]) == (known.end, known.revoked), f"{grant_id} should be {known}"
    for bridge in house.bridges:
        items = (await ask(client, "GetPendingSync", lockId=bridge.lock_id))["items"]
        bridge.resolve(items)
        concerned = {
            grant_id for grant_id, known in house.grants.items() if known.target in (bridge.lock_id, house.group)
        }
        heard: dict[str, list[str]] = {grant_id: [] for grant_id in concerned}
        for item in bridge.items.values():
            if item["entity"] == "grant":
                heard[item["entityId"]].append(item["op"])
        assert heard == {grant_id: house.grants[grant_id].ops for grant_id in concerned}


def shown(grant: dict[str, Any]) -> tuple[str | None, bool]:
    return grant.get("validBefore"), "revoked" in grant


async def settle(house: House, client: Client) -> None:
    """Once everything is heard of, nothing is on its way, and each lock holds what stands."""
    for bridge in house.bridges:
        while items := (await ask(client, "GetPendingSync", lockId=bridge.lock_id))["items"]:
            bridge.see(items)
            await ask(client, "ConfirmSync", lockId=bridge.lock_id, items=[{"id": item["id"]} for item in items])
            bridge.confirmed |= {item["id"] for item in items}
    for grant in (await ask(client, "GetGrants"))["grants"]:
        assert grant["state"] == ("revoked" if house.grants[grant["id"]].revoked else "active")
    for bridge in house.bridges:
        standing = {
            grant_id
            for grant_id, known in house.grants.items()
            if known.target in (bridge.lock_id, house.group) and not known.revoked
        }
        decision = (await ask(client, "Evaluate", personId=house.person, lockId=bridge.lock_id))["decision"]
        assert set(decision["grantIds"] if decision["allowed"] else ()) == standing
        assert decision["onLock"] is bool(standing)


async def test_what_a_bridge_confirmed_survives_kill_9_and_what_it_did_not_is_due_again(
    spawn_server: SpawnServer,
) -> None:
    """Killed while grants are made and bridges drain, the server owes each lock exactly what it has not heard of."""
    house = House()

    async def clients(stack: AsyncExitStack, process: Process, count: int) -> list[Client]:
        url = f"unix://{process.data_dir}/control.sock"
        opened = [await stack.enter_async_context(await Client.connect(url)) for _ in range(count)]
        for client in opened:
            await client.hello()
        return opened

    for number in range(ROUNDS + 1):
        process = await spawn_server("--log-level", "error")
        async with AsyncExitStack() as stack:
            first, *others = await clients(stack, process, 1 + WRITERS + 2)
            if number == 0:
                await furnish(house, first)
            await check(house, first)
            if number == ROUNDS:
                await settle(house, first)
                break
            tasks = [
                *(asyncio.create_task(write(house, writer, others[writer])) for writer in range(WRITERS)),
                *(
                    asyncio.create_task(drain(house, bridge, client))
                    for bridge, client in zip(house.bridges, others[WRITERS:], strict=True)
                ),
            ]
            enough = house.done + chance.randint(20, 120)
            async with asyncio.timeout(PATIENCE):
                while house.done < enough and not any(task.done() for task in tasks):
                    await house.moved.wait()
                    house.moved.clear()
                await asyncio.sleep(chance.uniform(0, 0.02))  # so that the blow falls at any moment of a write
            process.signal(signal.SIGKILL)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * len(tasks), outcomes
            assert await process.log() == ""

"""Lock synchronisation: what each lock must still hear of, and that it has heard.

A bridge takes what is due and says what came of it. It may die at any moment and do both again: what was confirmed
stays confirmed, what was not is due again, and each lock hears of one thing's changes in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from nymead_users.access.errors import InvalidValue, LockNotFound, NotVisible, SyncItemNotFound
from nymead_users.access.grants import forget_codes
from nymead_users.access.model import AccessEventKind, Confirmation, Lock, SyncEntity, SyncItem, SyncOperation
from nymead_users.access.store import places, syncing
from nymead_users.access.unit import Confirm, Model, Work
from nymead_users.storage.database import Connection

#: Tells who speaks at this moment: None for whoever may for all locks, or the name of a user, "" for nobody.
Speaker = Callable[[], str | None]

#: The longest reason that a lock may give.
MAX_ERROR = 255


class Synchronisation:
    """Verbs of bridges. They raise NotVisible, LockNotFound, SyncItemNotFound and InvalidValue; and StoreError."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def pending(self, lock_id: str, speaker: Speaker) -> list[SyncItem]:
        """What a lock must still hear of, in order; some at a time."""
        async with self._model.read() as connection:
            await spoken_for(connection, lock_id, speaker)
            return await syncing.pending(connection, lock_id)

    async def confirm(
        self, lock_id: str, confirmations: Sequence[Confirmation], speaker: Speaker, *, by: str, confirm: Confirm
    ) -> None:
        """A lock has heard of these items, or could not take them: those with an error stay due.

        The order in which they are given is of no meaning. An item cannot be confirmed before an earlier one about
        the same thing; confirming one again changes nothing.
        """
        results = {confirmation.item_id: confirmation for confirmation in confirmations}
        if len(results) != len(confirmations):
            raise InvalidValue("items: an item is named twice")
        async with self._model.change(by, confirm) as work:
            lock = await spoken_for(work.connection, lock_id, speaker)
            waiting, heard = await syncing.find_items(work.connection, lock_id, list(results))
            for item_id in results:
                if item_id not in heard and not any(item.id == item_id for item in waiting):
                    raise SyncItemNotFound(f"items: {item_id} is not an item of this lock")
            if waiting:
                await _heard(work, lock, waiting, results)

    async def synchronise(self, lock_id: str, speaker: Speaker, *, by: str, confirm: Confirm) -> None:
        """A virtual lock hears of all that is due."""
        async with self._model.change(by, confirm) as work:
            lock = await spoken_for(work.connection, lock_id, speaker)
            if not lock.virtual:
                raise InvalidValue("lockId: the lock is not virtual; its bridge speaks for it")
            while waiting := await syncing.pending(work.connection, lock_id):
                results = {item.id: Confirmation(item.id, None) for item in waiting}
                await _heard(work, lock, waiting, results)


async def spoken_for(connection: Connection, lock_id: str, speaker: Speaker) -> Lock:
    """The lock that somebody speaks for. Raises NotVisible for who may not, even if there is no such lock.

    Who could say for a lock what it has heard could keep it from hearing that they may not open it any more.
    Raises LockNotFound for who may speak for all.
    """
    refusal = NotVisible("lockId: only administrators and the lock's bridge may speak for it")
    name = speaker()
    try:
        lock = await places.find_lock(connection, lock_id)
    except LockNotFound:
        if name is None:
            raise
        raise refusal from None
    if name is not None and (not name or lock.bridge != name):
        raise refusal
    return lock


async def _heard(work: Work, lock: Lock, items: Sequence[SyncItem], results: dict[str, Confirmation]) -> None:
    """Take down what a lock says of items, which are in order."""
    await work.watch(item.entity_id for item in items if item.entity is SyncEntity.GRANT)
    for item in items:
        error = results[item.id].error
        about = {"lock_id": lock.id, "person_id": item.payload.get("personId")}
        details: dict[str, Any] = {"entity": item.entity.value, "id": item.entity_id, "op": item.op.value}
        if error is not None:
            await syncing.fail(work.connection, item, error[:MAX_ERROR])
            if error[:MAX_ERROR] != item.error:
                work.log(AccessEventKind.SYNC, "syncFailed", {**details, "error": error[:MAX_ERROR]}, **about)
            continue
        if await syncing.must_wait(work.connection, item):
            raise InvalidValue(f"items: {item.id} comes after another item about the same {item.entity.value}")
        await syncing.confirm(work.connection, item, work.at)
        await _take(work, item)
        work.log(AccessEventKind.SYNC, "synced", details, **about)
    await forget_codes(work, [item.entity_id for item in items if item.op is SyncOperation.REMOVE])
    if any(results[item.id].error is None for item in items):
        work.lock_changed(lock.id)
        if not await syncing.revocations_due(work.connection, lock.id):
            await _see_revocations(work, lock)
    await syncing.forget(work.connection, lock.id, work.at)


async def _take(work: Work, item: SyncItem) -> None:
    """What it means that a lock has heard of an item."""
    connection = work.connection
    if item.entity is SyncEntity.GRANT:
        held = item.op is not SyncOperation.REMOVE and await _concerns(work, item)
        values = _held(item.payload) if held else None
        await syncing.hold(connection, item.lock_id, item.entity_id, values)
        return
    membership = await places.find_membership(connection, item.entity_id)
    if item.op is SyncOperation.ADD:
        await places.change_membership(connection, membership.id, {"join_completed": work.at})
    else:
        await places.change_membership(connection, membership.id, {"leave_completed": work.at})
        # The group is no business of the lock any more: neither what it holds of it, nor what it has not heard of.
        await work.watch(await syncing.waiting_grants(connection, item.lock_id, membership.group_id))
        await syncing.settle_group(connection, item.lock_id, membership.group_id, work.at)
        await syncing.drop_group(connection, item.lock_id, membership.group_id)
    work.membership_changed(membership.id)


async def _concerns(work: Work, item: SyncItem) -> bool:
    """Whether a grant is still for the lock: those of a group are while it is in there."""
    group_id = item.payload.get("lockGroupId")
    if group_id is None:
        return True
    memberships = await places.open_memberships(work.connection, lock_id=item.lock_id, group_id=group_id)
    return bool(memberships)


async def _see_revocations(work: Work, lock: Lock) -> None:
    """A lock that has heard of all revocations has seen its own list, and those of its groups, to the end."""
    await places.change_lock(work.connection, lock.id, {"last_seen_rcl_serial_no": lock.rcl_serial_no})
    for membership in await places.open_memberships(work.connection, lock_id=lock.id):
        group = await places.find_group(work.connection, membership.group_id, removed=True)
        if membership.last_seen_rcl_serial_no != group.rcl_serial_no and membership.join_completed is not None:
            seen = {"last_seen_rcl_serial_no": group.rcl_serial_no, "last_seen_rcl_update_date": work.at}
            await places.change_membership(work.connection, membership.id, seen)
            work.membership_changed(membership.id)


def _held(payload: dict[str, Any]) -> dict[str, Any]:
    """The columns of a held grant in an item's payload."""
    return {
        "person_id": payload.get("personId"),
        "credential_id": payload.get("credentialId"),
        "group_id": payload.get("lockGroupId"),
        "valid_from": _moment(payload.get("validFrom")),
        "valid_before": _moment(payload.get("validBefore")),
        "schedule": payload.get("schedule"),
        "enabled": payload["enabled"],
        "remote_allowed": payload["remoteAllowed"],
        "credentials": payload["credentials"],
    }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

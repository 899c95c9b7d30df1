"""What locks hear, in which order, and what bridges may do wrong."""

from __future__ import annotations

import asyncio

import pytest
from building import BY, MILLISECOND, Building, anybody, nobody

from nymead_users.access import errors
from nymead_users.access.changes import Changed, SyncDue
from nymead_users.access.decision import AccessReason
from nymead_users.access.model import Confirmation, Grant, GrantState, SyncEntity, SyncItem, SyncOperation
from nymead_users.access.store.syncing import BATCH
from nymead_users.access.sync import MAX_ERROR
from nymead_users.access.unit import now

ADD, UPDATE, REMOVE = SyncOperation.ADD, SyncOperation.UPDATE, SyncOperation.REMOVE


def told_of(items: list[SyncItem]) -> list[tuple[SyncEntity, str, SyncOperation]]:
    return [(item.entity, item.entity_id, item.op) for item in items]


def changed_grants(building: Building) -> list[Grant]:
    changes = [change.thing for change in building.hear() if isinstance(change, Changed)]
    return [thing for thing in changes if isinstance(thing, Grant)]


async def test_a_lock_hears_of_everything_in_the_order_in_which_it_happened(building: Building) -> None:
    """What a lock must hear is due in order, numbered on, with the thing as it was then."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    membership = await building.join(group, lock)
    grant = await building.grant(person, group)
    await building.grants.update(grant.id, {"enabled": False}, **BY)
    await building.people.update(person.id, {"enabled": False}, **BY)
    await building.grants.revoke(grant.id, **BY)
    await building.leave(membership)
    items = await building.pending(lock)
    assert told_of(items) == [
        (SyncEntity.MEMBERSHIP, membership.id, ADD),
        (SyncEntity.GRANT, grant.id, ADD),
        (SyncEntity.GRANT, grant.id, UPDATE),
        (SyncEntity.GRANT, grant.id, UPDATE),
        (SyncEntity.GRANT, grant.id, REMOVE),
        (SyncEntity.MEMBERSHIP, membership.id, REMOVE),
    ]
    assert [item.number for item in items] == sorted({item.number for item in items})
    assert [item.payload.get("enabled") for item in items] == [None, True, False, False, None, None]
    assert (await building.lock_now(lock)).pending == 6


async def test_only_the_locks_that_a_change_concerns_hear_of_it(building: Building) -> None:
    """A grant for a group is due at each of its locks, whether these have joined yet or not, and at no other."""
    locks = [await building.lock(f"Lock {number}") for number in range(3)]
    group = await building.group()
    for lock in locks[:2]:
        await building.join(group, lock)
    await building.synchronise(locks[0])
    building.hear()
    grant = await building.grant(await building.person(), group)
    due = {change.lock_id for change in building.hear() if isinstance(change, SyncDue)}
    assert due == {lock.id for lock in locks[:2]}
    hears = [(SyncEntity.GRANT, grant.id, ADD) in told_of(await building.pending(lock)) for lock in locks]
    assert hears == [True, True, False]


async def test_a_lock_that_joins_hears_of_the_groups_grants(building: Building) -> None:
    """With its membership, a lock hears of all grants of the group that are not revoked, which are pending again."""
    first, second = await building.lock(), await building.lock("Second")
    group, person = await building.group(), await building.person()
    await building.join(group, first)
    standing, revoked = await building.grant(person, group), await building.grant(person, group)
    await building.grants.revoke(revoked.id, **BY)
    await building.synchronise(first)
    assert (await building.grant_now(standing)).state is GrantState.ACTIVE
    building.hear()
    membership = await building.join(group, second)
    due = told_of(await building.pending(second))
    assert due == [(SyncEntity.MEMBERSHIP, membership.id, ADD), (SyncEntity.GRANT, standing.id, ADD)]
    assert [(grant.id, grant.state) for grant in changed_grants(building)] == [(standing.id, GrantState.PENDING)]


async def test_what_was_not_confirmed_is_due_again(building: Building) -> None:
    """A bridge that dies gets the same items again, in order, but for those that it has confirmed."""
    lock = await building.lock(virtual=False)
    person = await building.person()
    grants = [await building.grant(person, lock) for _ in range(4)]
    items = await building.pending(lock)
    assert await building.pending(lock) == items
    await building.hears(lock, items[0], items[2])
    assert await building.pending(lock) == [items[1], items[3]]
    states = [(await building.grant_now(grant)).state for grant in grants]
    assert states == [GrantState.ACTIVE, GrantState.PENDING, GrantState.ACTIVE, GrantState.PENDING]


async def test_confirming_again_changes_nothing(building: Building) -> None:
    """An item that was confirmed may be confirmed again, or failed, without anything happening."""
    lock = await building.lock(virtual=False)
    grant = await building.grant(await building.person(), lock)
    (item,) = await building.pending(lock)
    await building.hears(lock, item)
    entries = await building.count("events")
    building.hear()
    await building.hears(lock, item)
    await building.hears(lock, item, error="too late")
    assert building.hear() == []
    assert await building.count("events") == entries
    assert (await building.grant_now(grant)).state is GrantState.ACTIVE


async def test_an_item_cannot_overtake_an_earlier_one_about_the_same_thing(building: Building) -> None:
    """Of one thing's changes the later is refused before the earlier, alone or where the earlier fails."""
    lock = await building.lock(virtual=False)
    grant = await building.grant(await building.person(), lock)
    await building.grants.revoke(grant.id, **BY)
    first, second = await building.pending(lock)
    building.hear()
    for confirmations in (
        [Confirmation(second.id, None)],
        [Confirmation(first.id, "jammed"), Confirmation(second.id, None)],
        [Confirmation(second.id, None), Confirmation(first.id, "jammed")],
    ):
        with pytest.raises(errors.InvalidValue):
            await building.sync.confirm(lock.id, confirmations, anybody, **BY)
    assert building.hear() == []
    assert await building.pending(lock) == [first, second]
    await building.hears(lock, second, first)
    assert await building.pending(lock) == []
    assert await building.count("held_grants") == 0


async def test_all_of_a_confirmation_counts_or_nothing(building: Building) -> None:
    """One unknown item, or one named twice, and none of the others was heard of."""
    lock, other = await building.lock(virtual=False), await building.lock("Other", virtual=False)
    person = await building.person()
    await building.grant(person, lock)
    await building.grant(person, other)
    (item,), (stranger,) = await building.pending(lock), await building.pending(other)
    building.hear()
    with pytest.raises(errors.SyncItemNotFound):
        await building.hears(lock, item, stranger)
    with pytest.raises(errors.InvalidValue):
        await building.hears(lock, item, item)
    assert building.hear() == []
    assert await building.pending(lock) == [item]


async def test_what_a_lock_could_not_take_stays_due_with_the_reason(building: Building) -> None:
    """A failed item is due with its error and the number of attempts, its grant failed, until it is heard."""
    lock = await building.lock(virtual=False)
    person = await building.person()
    grant = await building.grant(person, lock)
    (item,) = await building.pending(lock)
    for attempt in (1, 2):
        building.hear()
        await building.hears(lock, item, error="x" * (MAX_ERROR + 1))
        (item,) = await building.pending(lock)
        assert (item.attempts, item.error) == (attempt, "x" * MAX_ERROR)
        failed = await building.grant_now(grant)
        assert failed.state is GrantState.FAILED
        # The second time nothing looks different.
        assert building.hear() == ([Changed(failed, frozenset({lock.id}))] if attempt == 1 else [])
    decision = await building.asks(person, lock)
    assert (decision.desired, decision.on_lock) == (True, False)
    await building.hears(lock, item)
    assert (await building.grant_now(grant)).state is GrantState.ACTIVE
    assert await building.pending(lock) == []
    reasons = await building.rows("SELECT reason FROM events WHERE kind = 'sync' ORDER BY number")
    # The same failure again is no news.
    assert reasons == [("syncFailed",), ("synced",)]


async def test_a_revocation_that_failed_is_still_revoking(building: Building) -> None:
    """A revoked grant stays on its way while a lock cannot take the revocation."""
    lock = await building.lock(virtual=False)
    grant = await building.grant(await building.person(), lock)
    await building.hears(lock, *await building.pending(lock))
    await building.grants.revoke(grant.id, **BY)
    (item,) = await building.pending(lock)
    await building.hears(lock, item, error="jammed")
    assert (await building.grant_now(grant)).state is GrantState.REVOKING
    await building.hears(lock, item)
    assert (await building.grant_now(grant)).state is GrantState.REVOKED


async def test_a_lock_removed_with_items_pending_is_owed_nothing(building: Building) -> None:
    """What a removed lock had not heard is neither due nor in the way of its groups' grants, also when it is back."""
    lock, other, group = await building.lock(virtual=False), await building.lock(), await building.group()
    person = await building.person()
    for member in (lock, other):
        await building.join(group, member)
    grant = await building.grant(person, group)
    await building.synchronise(other)
    items = await building.pending(lock)
    assert (await building.grant_now(grant)).state is GrantState.PENDING
    await building.locks.remove(lock.id, **BY)
    assert (await building.grant_now(grant)).state is GrantState.ACTIVE
    again = await building.lock("Again", lock.id, virtual=False)
    assert await building.pending(again) == []
    with pytest.raises(errors.SyncItemNotFound):
        await building.hears(again, *items)


@pytest.mark.parametrize("late", ["grant", "update"])
async def test_a_lock_that_has_left_holds_nothing_of_the_group(building: Building, late: str) -> None:
    """A grant of a group that a lock hears of only after it has left is not held by it."""
    lock, group, person = await building.lock(virtual=False), await building.group(), await building.person()
    membership = await building.join(group, lock)
    grant = await building.grant(person, group)
    if late == "update":
        await building.hears(lock, *await building.pending(lock))
        await building.leave(membership)
        await building.grants.update(grant.id, {"remote_allowed": False}, **BY)
    else:
        await building.hears(lock, (await building.pending(lock))[0])
        await building.leave(membership)
    items = await building.pending(lock)
    for item in sorted(items, key=lambda each: each.entity is SyncEntity.GRANT):
        await building.hears(lock, item)
    decision = await building.asks(person, lock)
    assert (decision.reason, decision.on_lock) == (AccessReason.NOT_AUTHORIZED, False)
    assert await building.count("held_grants") == 0


async def test_a_virtual_lock_hears_of_more_than_fits_into_one_answer(building: Building) -> None:
    """Synchronising a virtual lock leaves nothing, however much is due."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    for _ in range(60):
        await building.grant(person, group)
    # Each change of the person makes one item for each grant.
    membership = await building.join(group, lock)
    enabled = True
    while (await building.lock_now(lock)).pending <= BATCH:
        enabled = not enabled
        await building.people.update(person.id, {"enabled": enabled}, **BY)
    assert len(await building.pending(lock)) == BATCH
    await building.leave(membership)
    await building.synchronise(lock)
    assert (await building.lock_now(lock)).pending == 0
    assert await building.count("held_grants") == 0


async def test_a_lock_with_a_bridge_is_not_synchronised_without_it(building: Building) -> None:
    """Only a virtual lock hears of everything at once."""
    lock = await building.lock(virtual=False)
    await building.grant(await building.person(), lock)
    with pytest.raises(errors.InvalidValue):
        await building.synchronise(lock)
    assert len(await building.pending(lock)) == 1


async def test_two_bridges_of_one_lock_do_no_harm(building: Building) -> None:
    """Whatever two bridges confirm at once, each item is heard of once."""
    lock = await building.lock(virtual=False)
    person = await building.person()
    for _ in range(10):
        await building.grant(person, lock)
    items = await building.pending(lock)
    building.hear()
    await asyncio.gather(*(building.hears(lock, *items[begin:]) for begin in (0, 3, 0, 5)))
    assert await building.pending(lock) == []
    assert sorted(grant.id for grant in changed_grants(building)) == sorted(item.entity_id for item in items)
    assert await building.rows("SELECT count(*) FROM events WHERE kind = 'sync'") == [(10,)]


async def test_a_lock_knows_how_many_revocations_it_has_heard_of(building: Building) -> None:
    """A lock's and a group's serial numbers count revocations, and are seen once the lock has heard of them all."""
    lock, group, person = await building.lock(virtual=False), await building.group(), await building.person()
    membership = await building.join(group, lock)
    direct, shared = await building.grant(person, lock), await building.grant(person, group)
    await building.hears(lock, *await building.pending(lock))
    at = now()
    for grant in (direct, shared):
        await building.grants.revoke(grant.id, **BY)
    present = await building.lock_now(lock)
    assert (present.rcl_serial_no, present.last_seen_rcl_serial_no) == (2, 1)
    assert present.rcl_date is not None
    assert present.rcl_date >= at - MILLISECOND
    (row,) = await building.rows("SELECT rcl_serial_no FROM lock_groups")
    assert row == (2,)
    await building.hears(lock, *await building.pending(lock))
    assert (await building.lock_now(lock)).last_seen_rcl_serial_no == 2
    assert await building.rows("SELECT id, last_seen_rcl_serial_no FROM memberships") == [(membership.id, 2)]


async def test_a_lock_has_not_seen_a_revocation_that_is_still_due(building: Building) -> None:
    """Hearing of something else, a lock has seen no revocation that it must still hear of."""
    lock, group, person = await building.lock(virtual=False), await building.group(), await building.person()
    await building.join(group, lock)
    grants = [await building.grant(person, target) for target in (group, group, lock)]
    await building.hears(lock, *await building.pending(lock))
    for grant in grants:
        await building.grants.revoke(grant.id, **BY)
    first, second, third = await building.pending(lock)
    seen = "SELECT l.last_seen_rcl_serial_no, m.last_seen_rcl_serial_no FROM locks l, memberships m"
    assert await building.rows(seen) == [(1, 1)]
    await building.hears(lock, first)
    assert await building.rows(seen) == [(1, 1)]
    await building.hears(lock, second)
    await building.hears(lock, third)
    assert await building.rows(seen) == [(2, 3)]


async def test_only_a_locks_bridge_speaks_for_it(building: Building) -> None:
    """Whoever is not a lock's bridge learns nothing of what is due and cannot say that it was heard; the bridge can."""
    await building.user("ada")
    lock, other = await building.lock(bridge="Ada"), await building.lock()
    assert (lock.bridge, other.bridge) == ("ada", None)
    await building.grant(await building.person(), lock)
    (item,) = await building.sync.pending(lock.id, lambda: "ada")
    for speaker in (nobody, str):
        with pytest.raises(errors.NotVisible):
            await building.sync.pending(lock.id, speaker)
        with pytest.raises(errors.NotVisible):
            await building.sync.confirm(lock.id, [Confirmation(item.id, None)], speaker, **BY)
        with pytest.raises(errors.NotVisible):
            await building.sync.synchronise(lock.id, speaker, **BY)
    with pytest.raises(errors.NotVisible):
        await building.sync.pending(other.id, lambda: "ada")
    assert await building.pending(lock) == [item]
    await building.sync.confirm(lock.id, [Confirmation(item.id, None)], lambda: "ada", **BY)
    assert await building.pending(lock) == []


async def test_a_bridge_is_a_user_and_goes_with_them(building: Building) -> None:
    """A lock's bridge is a user, can be taken away, and is nobody any more once the user is removed, which is told."""
    with pytest.raises(errors.InvalidValue, match="bridge"):
        await building.lock(bridge="nobody")
    await building.user("ada")
    lock = await building.lock(bridge="ada")
    taken = await building.locks.update(lock.id, {"bridge": None}, **BY)
    assert taken.bridge is None
    await building.locks.update(lock.id, {"bridge": "ada"}, **BY)
    building.hear()
    await building.users.remove("ada")
    assert (await building.lock_now(lock)).bridge is None
    assert [change.thing.id for change in building.hear() if isinstance(change, Changed)] == [lock.id]

"""Sharing roles and keys: who may share what, for how long, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from building import ADMINISTRATOR, BY, MILLISECOND, Building, anybody

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed
from nymead_users.access.decision import AccessReason
from nymead_users.access.model import Grant, GrantState, Lock, Person, Role
from nymead_users.access.roles import MAX_STANDING, NewKey, Party
from nymead_users.access.unit import now
from nymead_users.storage.datadir import STORE

ANN, BOB, CAROL, NOBODY = "+4781549300", "+4781549301", "+4781549302", "+4781549399"
NOWHERE = "00000000-0000-0000-0000-000000000000"
HOUR = timedelta(hours=1)
MONDAYS = {"mon": {"startHour": 8, "startMinute": 0, "endHour": 12, "endMinute": 30}}
WEEK = {"weekly": [{"weekdays": ["mon"], "from": "08:00", "until": "12:30"}]}


async def sharer(building: Building) -> tuple[Person, Lock]:
    """Ann, who may open a door for good and share it."""
    lock, ann = await building.lock(), await building.person("Ann", phone=ANN)
    await building.grant(ann, lock)
    await building.role(ANN, lock)
    building.hear()
    return ann, lock


async def roles_at(building: Building, lock: Lock) -> list[Role]:
    return await building.roles.at_lock(building.owner, lock.id, None, limit=1000, after_id=None)


async def keys(building: Building, lock: Lock, user_id: str = ANN) -> list[Grant]:
    return await building.roles.shared(lock.id, user_id, ADMINISTRATOR)


async def revoke(
    building: Building,
    lock: Lock,
    user_id: str = ANN,
    *,
    to: str | None = None,
    ids: list[str] | None = None,
    party: Party = ADMINISTRATOR,
) -> list[Grant]:
    return await building.roles.revoke(lock.id, user_id, party, to_user_id=to, key_ids=ids, **BY)


def told(building: Building) -> Counter[tuple[str, str]]:
    """What was told since it was last asked, counted: what has become of which kind of thing."""
    changes = [change for change in building.hear() if isinstance(change, Added | Changed | Removed)]
    return Counter((type(change).__name__, type(change.thing).__name__) for change in changes)


# Roles


@pytest.mark.parametrize("spelling", ["4781549300", ANN, "+47 81 54 93 00", " +47-815-49-300 "])
async def test_one_role_whatever_the_spelling(building: Building, spelling: str) -> None:
    """However the number is written, it is the same person's one role at a lock, and the person is made once."""
    lock = await building.lock()
    first = await building.role(spelling, lock, name="Ann from upstairs")
    assert told(building)["Added", "Person"] == 1
    assert first.user_id == ANN
    assert (first.can_share, first.created_keys, first.user_name) == (True, 0, "Ann from upstairs")
    for again in (ANN, "4781549300", "+47 815 49 300"):
        assert await building.role(again, lock) == first
    assert told(building) == {}
    assert await roles_at(building, lock) == [first]
    (person,) = [person async for page in building.people.pages(None, None) for person in page]
    assert (person.id, person.phone, person.number) == (first.person_id, ANN, 1)
    assert (person.first_name, person.last_name) == ("Ann from upstairs", "")


async def test_a_role_is_a_known_persons(building: Building) -> None:
    """A person who is there already is the one who gets the role, and it has their name unless another is given."""
    ann = await building.person("Ann", last_name="Jones", phone=ANN)
    lock, other = await building.lock(), await building.lock("Other")
    building.hear()
    assert (await building.role(ANN, lock)).user_name == "Ann Jones"
    role = await building.role(ANN, other, name="")
    assert (role.user_name, role.person_id) == ("", ann.id)
    assert told(building) == {("Added", "Role"): 2}


async def test_a_role_has_no_longer_name_than_one_can_be_given(building: Building) -> None:
    """The name that a role has from its person is as long as any text can be, and no longer."""
    await building.person("A" * 255, last_name="B" * 255, phone=ANN)
    assert (await building.role(ANN, await building.lock())).user_name == "A" * 255


async def test_an_update_changes_what_is_given(building: Building) -> None:
    """When it was made, what it has issued and a name that is left out stay; what is so already is told to nobody."""
    _, lock = await sharer(building)
    await building.share(ANN, lock, BOB)
    (before,) = await roles_at(building, lock)
    building.hear()
    taken = await building.role(ANN, lock, can_share=False)
    named = await building.role(ANN, lock, can_share=False, name="A.")
    assert told(building) == {("Changed", "Role"): 2}
    assert (before.created_keys, taken.created_keys, named.created_keys) == (1, 1, 1)
    assert before.created == taken.created == named.created
    assert (taken.user_name, taken.can_share) == (before.user_name, False)
    assert (named.user_name, named.id) == ("A.", before.id)
    assert await building.role(ANN, lock, can_share=False, name="A.") == named
    assert told(building) == {}


@pytest.mark.parametrize("number", ["", " ", "12", "+47 815 49 300 x", "Ann", "+999999999999999999", "0x47"])
async def test_what_is_no_number_names_nobody(building: Building, number: str) -> None:
    """A user that is no phone number is refused wherever one is wanted, with the name of the param."""
    _, lock = await sharer(building)
    verbs = [
        building.role(number, lock),
        building.roles.remove(building.owner, lock.id, number, **BY),
        building.share(number, lock, BOB),
        building.share(ANN, lock, number),
        keys(building, lock, number),
        revoke(building, lock, number),
        revoke(building, lock, to=number),
    ]
    names = ["userId", "userId", "userId", "toUserId", "userId", "userId", "toUserId"]
    for verb, name in zip(verbs, names, strict=True):
        with pytest.raises(errors.InvalidUserId, match=f"^{name}: "):
            await verb
    assert told(building) == {}


async def test_a_number_of_several_persons_names_none(building: Building) -> None:
    """Where two persons have the number, neither is meant."""
    _, lock = await sharer(building)
    await building.share(ANN, lock, BOB)
    await building.person("Bert", phone=BOB)
    for verb in (building.role(BOB, lock), building.share(ANN, lock, BOB), building.share(BOB, lock, ANN)):
        with pytest.raises(errors.InvalidUserId, match="several persons"):
            await verb
    await building.person("Anna", phone=ANN)
    for other in (
        building.roles.remove(building.owner, lock.id, ANN, **BY),
        keys(building, lock),
        revoke(building, lock),
    ):
        with pytest.raises(errors.InvalidUserId, match="several persons"):
            await other


async def test_the_lock_is_the_holders(building: Building) -> None:
    """An owner who is not there, and a lock that is not there or another owner's, have no roles."""
    other = await building.people.add_owner("Elsewhere", **BY)
    here, there = await building.lock(owner_id=building.owner), await building.lock("There", owner_id=other.id)
    page: dict[str, Any] = {"limit": 10, "after_id": None}
    building.hear()
    for owner, lock_id, refusal in (
        (NOWHERE, here.id, errors.OwnerNotFound),
        (building.owner, there.id, errors.LockNotFound),
        (building.owner, NOWHERE, errors.LockNotFound),
    ):
        with pytest.raises(refusal):
            await building.roles.set(owner, lock_id, ANN, can_share=True, user_name=None, **BY)
        with pytest.raises(refusal):
            await building.roles.remove(owner, lock_id, ANN, **BY)
        with pytest.raises(refusal):
            await building.roles.at_lock(owner, lock_id, None, **page)
    with pytest.raises(errors.OwnerNotFound):
        await building.roles.listed(NOWHERE, None, **page)
    assert told(building) == {}
    assert await building.count("persons") == 0


async def test_each_owner_has_persons_of_their_own(building: Building) -> None:
    """A number is somebody else's at another owner: their role and their keys are, too."""
    other = await building.people.add_owner("Elsewhere", **BY)
    ann = await building.people.add(building.owner, {"phone": ANN}, **BY)
    here, there = await building.lock(owner_id=building.owner), await building.lock("There", owner_id=other.id)
    mine = await building.role(ANN, here)
    theirs = await building.roles.set(other.id, there.id, ANN, can_share=True, user_name=None, **BY)
    assert mine.person_id == ann.id != theirs.person_id
    for owner, role in ((building.owner, mine), (other.id, theirs)):
        assert await building.roles.listed(owner, None, limit=10, after_id=None) == [role]


async def test_pages_go_on_after_the_last_one(building: Building) -> None:
    """Lists are in the order in which roles were made, a page at a time, after the one that is named."""
    lock, other = await building.lock(), await building.lock("Other")
    made = [await building.role(f"+478154930{digit}", lock, can_share=digit % 3 > 0) for digit in range(8)]
    elsewhere = await building.role(ANN, other)
    sharing = [*(role for role in made if role.can_share), elsewhere]

    async def all_pages(limit: int, *, at: Lock | None = None) -> list[Role]:
        found: list[Role] = []
        while True:
            page: dict[str, Any] = {"limit": limit, "after_id": found[-1].id if found else None}
            if at is None:
                more = await building.roles.listed(building.owner, None, **page)
            else:
                more = await building.roles.at_lock(building.owner, at.id, None, **page)
            assert len(more) <= limit
            if not more:
                return found
            found += more

    for limit in (1, 2, 3, 100):
        assert sorted(await all_pages(limit), key=lambda role: role.id) == sorted(sharing, key=lambda role: role.id)
        assert [role.created for role in await all_pages(limit)] == sorted(role.created for role in sharing)
        assert {role.id for role in await all_pages(limit, at=lock)} == {role.id for role in made}
    # One that cannot share any more is still a place to go on from; one that is gone, or of another list, is not.
    (first, second, *_) = await all_pages(100)
    await building.role(first.user_id, lock, can_share=False)
    assert (await building.roles.listed(building.owner, None, limit=1, after_id=first.id)) == [second]
    await building.roles.remove(building.owner, lock.id, first.user_id, **BY)
    for after in (first.id, NOWHERE, lock.id):
        with pytest.raises(errors.InvalidValue, match=r"^startAfterId: "):
            await building.roles.listed(building.owner, None, limit=1, after_id=after)
    with pytest.raises(errors.InvalidValue, match=r"^startAfterId: "):
        await building.roles.at_lock(building.owner, lock.id, None, limit=1, after_id=elsewhere.id)


async def test_who_sees_some_locks_sees_their_roles(building: Building) -> None:
    """Roles at other locks are in no list, are no place to go on from, and other locks cannot be asked about."""
    lock, other = await building.lock(), await building.lock("Other")
    seen, unseen = await building.role(ANN, lock), await building.role(ANN, other)
    sight = frozenset({lock.id, NOWHERE})
    assert await building.roles.listed(building.owner, sight, limit=10, after_id=None) == [seen]
    assert await building.roles.listed(building.owner, frozenset(), limit=10, after_id=None) == []
    assert await building.roles.at_lock(building.owner, lock.id, sight, limit=10, after_id=None) == [seen]
    with pytest.raises(errors.NotVisible):
        await building.roles.at_lock(building.owner, other.id, sight, limit=10, after_id=None)
    with pytest.raises(errors.InvalidValue):
        await building.roles.listed(building.owner, sight, limit=10, after_id=unseen.id)


# Sharing


async def test_sharing_makes_a_grant_that_opens(building: Building) -> None:
    """A key is a grant of the receiver's, within what is asked for, of which the lock hears; the role counts it."""
    ann, lock = await sharer(building)
    end = now() + HOUR
    key = await building.share(ANN, lock, "47 815 49 301", end=end, recurrence=MONDAYS, name="For Mondays")
    assert told(building) == {("Added", "Person"): 1, ("Added", "Grant"): 1, ("Changed", "Role"): 1}
    assert (key.lock_id, key.holder_phone, key.shared_by) == (lock.id, BOB, ann.id)
    assert (key.valid_from, key.valid_before, key.schedule) == (key.created, end, WEEK)
    assert (key.name, key.issuer, key.state) == ("For Mondays", "admin", GrantState.PENDING)
    plain = await building.share(ANN, lock, CAROL)
    assert (plain.valid_from, plain.valid_before, plain.schedule, plain.name) == (plain.created, None, None, "")
    assert [role.created_keys for role in await roles_at(building, lock)] == [2]
    assert await keys(building, lock) == [key, plain]
    (carol,) = [each async for page in building.people.pages(None, None) for each in page if each.phone == CAROL]
    assert (await building.asks(carol, lock)).reason is AccessReason.GRANTED
    assert len([item for item in await building.pending(lock) if item.entity_id == plain.id]) == 1


async def test_a_known_person_is_not_made_again(building: Building) -> None:
    """A key for somebody's number is theirs."""
    _, lock = await sharer(building)
    bob = await building.person("Bob", phone=BOB)
    building.hear()
    assert (await building.share(ANN, lock, BOB)).holder_id == bob.id
    assert told(building) == {("Added", "Grant"): 1, ("Changed", "Role"): 1}


NOT_OPENING: list[dict[str, Any]] = [
    {"enabled": False},
    {"valid_before": -MILLISECOND},
    {"valid_from": HOUR},
    {"valid_from": HOUR, "schedule": WEEK},
]
NOT_FOR_GOOD: list[dict[str, Any]] = [
    {"valid_before": HOUR},
    {"schedule": WEEK},
    {"valid_from": -HOUR, "valid_before": HOUR, "schedule": WEEK},
]


def about_now(given: dict[str, Any]) -> dict[str, Any]:
    """Spans of time as moments around now."""
    return {name: now() + value if isinstance(value, timedelta) else value for name, value in given.items()}


@pytest.mark.parametrize("given", NOT_OPENING)
async def test_who_may_not_open_cannot_share(building: Building, given: dict[str, Any]) -> None:
    """A role without a grant that holds at present shares nothing."""
    lock, ann = await building.lock(), await building.person("Ann", phone=ANN)
    await building.role(ANN, lock)
    with pytest.raises(errors.SharingNotAllowed, match="may not open"):
        await building.share(ANN, lock, BOB)
    await building.grant(ann, lock, **about_now(given))
    with pytest.raises(errors.SharingNotAllowed, match="may not open"):
        await building.share(ANN, lock, BOB)
    await building.grant(ann, lock)
    await building.share(ANN, lock, BOB)


@pytest.mark.parametrize("given", NOT_FOR_GOOD)
async def test_who_may_open_for_a_time_cannot_share(building: Building, given: dict[str, Any]) -> None:
    """A grant with an end or a schedule is not enough; beside one without, it does no harm."""
    lock, ann = await building.lock(), await building.person("Ann", phone=ANN)
    await building.role(ANN, lock)
    await building.grant(ann, lock, **about_now(given))
    with pytest.raises(errors.KeyNotPermanent):
        await building.share(ANN, lock, BOB)
    await building.grant(ann, lock, valid_from=now() - HOUR)
    await building.share(ANN, lock, BOB)


async def test_a_revoked_grant_a_cards_and_a_disabled_person_share_nothing(building: Building) -> None:
    """What counts is a grant of the person's own that is not revoked, while the person is enabled."""
    lock, ann = await building.lock(), await building.person("Ann", phone=ANN)
    await building.role(ANN, lock)
    card = await building.credential(person=ann)
    await building.grant(card, lock)
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(ANN, lock, BOB)
    grant = await building.grant(ann, lock)
    await building.people.update(ann.id, {"enabled": False}, **BY)
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(ANN, lock, BOB)
    await building.people.update(ann.id, {"enabled": True}, **BY)
    await building.share(ANN, lock, BOB)
    await building.grants.revoke(grant.id, **BY)
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(ANN, lock, CAROL)


async def test_a_groups_grant_shares_while_the_lock_is_in_the_group(building: Building) -> None:
    """A grant for a group counts at a lock from when that has heard of it until it has heard that it is out."""
    lock, ann, group = await building.lock(), await building.person("Ann", phone=ANN), await building.group()
    await building.role(ANN, lock)
    await building.grant(ann, group)
    member = await building.join(group, lock)
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(ANN, lock, BOB)
    await building.synchronise(lock)
    key = await building.share(ANN, lock, BOB)
    assert (key.lock_id, key.group_id) == (lock.id, None)
    await building.leave(member)
    await building.share(ANN, lock, BOB)
    await building.synchronise(lock)
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(ANN, lock, BOB)


async def test_a_role_must_be_there_and_able_to_share(building: Building) -> None:
    """Nobody shares without a role, at another lock than its own, or while it cannot share."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    await building.grant(ann, other)
    await building.person("Bob", phone=BOB)
    building.hear()
    for user_id, where in ((ANN, other), (BOB, lock), (NOBODY, lock)):
        with pytest.raises(errors.RoleNotFound):
            await building.share(user_id, where, CAROL)
    await building.role(ANN, lock, can_share=False)
    with pytest.raises(errors.SharingNotAllowed, match="the role cannot share"):
        await building.share(ANN, lock, CAROL)
    await building.role(ANN, lock)
    with pytest.raises(errors.LockNotFound):
        await building.roles.share(NOWHERE, ANN, CAROL, NewKey(), ADMINISTRATOR, **BY)
    with pytest.raises(errors.InvalidUserId, match=r"^toUserId: is the number of who shares"):
        await building.share(ANN, lock, "4781549300")
    assert told(building) == {("Changed", "Role"): 2}
    assert [role.created_keys for role in await roles_at(building, lock)] == [0]


async def test_a_key_lies_within_the_sharers_grant(building: Building) -> None:
    """A key begins no earlier than its sharer's grant, ends after it begins, and is not over when it is shared."""
    lock, ann, began = await building.lock(), await building.person("Ann", phone=ANN), now() - HOUR
    await building.role(ANN, lock)
    await building.grant(ann, lock, valid_from=began)
    building.hear()
    for given, reason in (
        ({"start": began - MILLISECOND}, "^start: "),
        ({"start": began - MILLISECOND, "end": now() + HOUR}, "^start: "),
        ({"end": began}, "^end: "),
        ({"start": began, "end": began + MILLISECOND}, "^end: "),
        ({"start": now() + HOUR, "end": now() + HOUR - MILLISECOND}, "^end: "),
        ({"start": now() + HOUR, "end": now() + MILLISECOND}, "^end: "),
    ):
        with pytest.raises(errors.InvalidValue, match=reason):
            await building.share(ANN, lock, BOB, **given)
    at = now() + HOUR
    with pytest.raises(errors.InvalidValue, match=r"^end: "):
        await building.share(ANN, lock, BOB, start=at, end=at)
    with pytest.raises(errors.InvalidScheduleGiven, match=r"^recurrence: at least one day is wanted"):
        await building.share(ANN, lock, BOB, recurrence={})
    # Nobody was made for that, and nothing was counted or told.
    assert told(building) == {}
    assert await building.count("persons") == 1
    key = await building.share(ANN, lock, BOB, start=began, end=at)
    assert (key.valid_from, key.valid_before) == (began, at)
    assert (await building.share(ANN, lock, BOB, start=at, end=at + MILLISECOND)).valid_from == at
    # An earlier grant without an end lets a key begin earlier.
    await building.grant(ann, lock)
    assert (await building.share(ANN, lock, BOB, start=began - HOUR)).valid_from == began - HOUR


@pytest.mark.parametrize(("near", "afar", "shared"), [(False, None, False), (True, None, True), (False, True, True)])
async def test_a_key_opens_from_afar_if_its_sharer_can(
    building: Building, near: bool, afar: bool | None, shared: bool
) -> None:
    """A key is allowed from afar if one of the sharer's grants for good is; what has an end does not count."""
    lock, ann = await building.lock(), await building.person("Ann", phone=ANN)
    await building.role(ANN, lock)
    await building.grant(ann, lock, remote_allowed=near)
    await building.grant(ann, lock, valid_before=now() + HOUR)
    if afar is not None:
        await building.grant(ann, lock, remote_allowed=afar)
    assert (await building.share(ANN, lock, BOB)).remote_allowed is shared


async def test_keys_that_are_shared_at_once_are_all_counted(building: Building) -> None:
    """However many keys are shared at the same time, each is counted, and a new receiver is made once."""
    _, lock = await sharer(building)
    await asyncio.gather(*(building.share(ANN, lock, BOB) for _ in range(8)))
    assert [role.created_keys for role in await roles_at(building, lock)] == [8]
    assert len(await keys(building, lock)) == 8
    assert await building.count("persons") == 2


async def test_nobody_fills_the_store_with_keys(building: Building) -> None:
    """So many keys that are not revoked can be shared under a role; one that is revoked makes room for another."""
    _, lock = await sharer(building)
    for _ in range(MAX_STANDING):
        key = await building.share(ANN, lock, BOB)
    with pytest.raises(errors.SharingNotAllowed, match="at most 100 keys"):
        await building.share(ANN, lock, CAROL)
    assert await building.count("persons") == 2
    await building.grants.revoke(key.id, **BY)
    await building.share(ANN, lock, CAROL)
    assert [role.created_keys for role in await roles_at(building, lock)] == [MAX_STANDING + 1]


# Keys after that


async def test_a_right_that_is_taken_away_leaves_its_keys(building: Building) -> None:
    """Without the right, or the role, nothing new is shared; what was shared opens, is listed and can be revoked."""
    _, lock = await sharer(building)
    first, second = await building.share(ANN, lock, BOB), await building.share(ANN, lock, CAROL)
    await building.role(ANN, lock, can_share=False)
    assert [key.id for key in await keys(building, lock)] == [first.id, second.id]
    assert [key.revoked for key in await keys(building, lock)] == [None, None]
    assert [key.id for key in await revoke(building, lock, ids=[first.id])] == [first.id]
    await building.roles.remove(building.owner, lock.id, ANN, **BY)
    with pytest.raises(errors.RoleNotFound):
        await building.share(ANN, lock, BOB)
    with pytest.raises(errors.RoleNotFound):
        await building.roles.remove(building.owner, lock.id, ANN, **BY)
    assert [key.revoked is None for key in await keys(building, lock)] == [False, True]
    # A role anew goes on counting.
    anew = await building.role(ANN, lock)
    assert (anew.created_keys, anew.can_share) == (2, True)
    assert [key.id for key in await revoke(building, lock)] == [second.id]
    assert (await building.share(ANN, lock, BOB)).revoked is None
    assert [role.created_keys for role in await roles_at(building, lock)] == [3]


async def test_who_never_shared_has_no_keys(building: Building) -> None:
    """Without a role and anything shared there is nothing to list; with a role alone the list is empty."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    await building.share(ANN, lock, BOB)
    for user_id, where in ((BOB, lock), (NOBODY, lock), (ANN, other)):
        with pytest.raises(errors.RoleNotFound):
            await keys(building, where, user_id)
        with pytest.raises(errors.RoleNotFound):
            await revoke(building, where, user_id)
    await building.role(BOB, lock)
    assert await keys(building, lock, BOB) == []
    assert await revoke(building, lock, BOB) == []
    await building.grant(ann, lock)  # no key: nobody shared it
    assert len(await keys(building, lock)) == 1


async def test_revoking_takes_what_is_meant(building: Building) -> None:
    """Keys are revoked by whom they are for, by name, both or all; what was revoked stays so, and is told once."""
    _, lock = await sharer(building)
    bobs = [await building.share(ANN, lock, BOB) for _ in range(3)]
    carols = [await building.share(ANN, lock, CAROL) for _ in range(2)]
    building.hear()
    assert [key.id for key in await revoke(building, lock, to="4781549301", ids=[bobs[0].id])] == [bobs[0].id]
    assert told(building) == {("Changed", "Grant"): 1, ("Changed", "Lock"): 1}
    assert {key.id for key in await revoke(building, lock, to=BOB)} == {bobs[1].id, bobs[2].id}
    assert told(building) == {("Changed", "Grant"): 2, ("Changed", "Lock"): 1}
    # Once more, by name and as a whole.
    again = await revoke(building, lock, ids=[bobs[0].id])
    assert [(key.id, key.state) for key in again] == [(bobs[0].id, GrantState.REVOKING)]
    assert await revoke(building, lock, to=BOB) == []
    assert await revoke(building, lock, to=NOBODY) == []
    assert await revoke(building, lock, ids=[]) == []
    assert told(building) == {}
    assert {key.id for key in await revoke(building, lock)} == {key.id for key in carols}
    assert all(key.revoked is not None for key in await keys(building, lock))
    assert [role.created_keys for role in await roles_at(building, lock)] == [5]


async def test_a_key_that_is_not_meant_keeps_all(building: Building) -> None:
    """Where one that is named is another's, at another lock or for somebody else, nothing is revoked."""
    ann, lock = await sharer(building)
    other, bob = await building.lock("Other"), await building.person("Bob", phone=BOB)
    await building.grant(ann, other)
    await building.role(ANN, other)
    own, there = await building.share(ANN, lock, BOB), await building.share(ANN, other, BOB)
    await building.grant(bob, lock)
    await building.role(BOB, lock)
    bobs = await building.share(BOB, lock, CAROL)
    (anns,) = [each async for page in building.grants.pages(person_id=ann.id, lock_id=lock.id) for each in page]
    building.hear()
    for wrong in (bobs.id, there.id, anns.id, NOWHERE, lock.id):
        with pytest.raises(errors.KeyNotFound, match=wrong):
            await revoke(building, lock, ids=[own.id, wrong])
    with pytest.raises(errors.KeyNotFound):
        await revoke(building, lock, to=CAROL, ids=[own.id])
    assert told(building) == {}
    assert (await building.grant_now(own)).revoked is None


async def test_keys_can_be_shared_on(building: Building) -> None:
    """Who got a key without an end, and a role, shares it on; who got one with an end does not."""
    _, lock = await sharer(building)
    await building.role(BOB, lock)
    first = await building.share(ANN, lock, BOB, end=now() + HOUR)
    with pytest.raises(errors.KeyNotPermanent):
        await building.share(BOB, lock, CAROL)
    second = await building.share(ANN, lock, BOB, start=now())
    key = await building.share(BOB, lock, CAROL)
    assert key.shared_by == second.holder_id == first.holder_id
    # What was shared on is the receiver's: it does not hang on the key that it came from.
    await revoke(building, lock)
    assert [key.revoked for key in await keys(building, lock, BOB)] == [None]
    with pytest.raises(errors.SharingNotAllowed):
        await building.share(BOB, lock, CAROL)


# Who acts


async def test_others_act_for_who_they_are_where_they_see(building: Building) -> None:
    """A user acts for the person who they are, at locks that they see, at the moment of the change."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    await building.user("ann")
    await building.people.update(ann.id, {"username": "ann"}, **BY)
    building.hear()
    here = frozenset({lock.id, NOWHERE})
    herself = Party(lambda: "ann", lambda: here)

    async def acts(party: Party, lock_id: str = lock.id, user_id: str = ANN) -> None:
        for verb in (
            building.roles.share(lock_id, user_id, BOB, NewKey(), party, **BY),
            building.roles.shared(lock_id, user_id, party),
            building.roles.revoke(lock_id, user_id, party, to_user_id=None, key_ids=None, **BY),
        ):
            with pytest.raises(errors.NotVisible):
                await verb

    for party in (
        Party(lambda: "bob", lambda: here),
        Party(lambda: "", lambda: here),
        Party(lambda: "ann", frozenset),
        Party(lambda: "", lambda: None),
    ):
        await acts(party)
    await acts(herself, other.id)
    await acts(herself, user_id=BOB)
    await acts(herself, user_id=NOBODY)
    with pytest.raises(errors.LockNotFound):
        await building.roles.shared(NOWHERE, ANN, herself)
    assert told(building) == {}
    key = await building.roles.share(lock.id, ANN, BOB, NewKey(), herself, **BY)
    assert await building.roles.shared(lock.id, ANN, Party(lambda: "ann", lambda: None)) == [key]
    assert len(await revoke(building, lock, party=herself)) == 1
    await building.people.update(ann.id, {"username": None}, **BY)
    await acts(herself)
    assert await building.roles.shared(lock.id, ANN, Party(anybody, lambda: here))


# What goes with what


async def test_another_number_shows_in_roles_and_keys(building: Building) -> None:
    """With a person's number their roles, and the keys for them, look different, which is told once each."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    await building.role(ANN, other)
    key = await building.share(ANN, lock, BOB)
    await building.share(ANN, lock, CAROL)
    building.hear()
    await building.people.update(ann.id, {"phone": NOBODY}, **BY)
    assert told(building) == {("Changed", "Person"): 1, ("Changed", "Role"): 2}
    assert [role.user_id for role in await roles_at(building, lock)] == [NOBODY]
    with pytest.raises(errors.RoleNotFound):
        await building.share(ANN, lock, BOB)
    assert len(await keys(building, lock, NOBODY)) == 2
    await building.people.update(str(key.holder_id), {"phone": ANN, "enabled": False}, **BY)
    assert told(building) == {("Changed", "Person"): 1, ("Changed", "Grant"): 1}
    assert (await building.grant_now(key)).holder_phone == ANN
    # Who has a role is known by a number; who has a key need not be.
    with pytest.raises(errors.InvalidValue, match=r"^phone: "):
        await building.people.update(ann.id, {"phone": ""}, **BY)
    assert told(building) == {}
    await building.people.update(str(key.holder_id), {"phone": ""}, **BY)
    assert told(building) == {("Changed", "Person"): 1, ("Changed", "Grant"): 1}
    assert (await building.grant_now(key)).holder_phone == ""
    for where in (lock, other):
        await building.roles.remove(building.owner, where.id, NOBODY, **BY)
    assert (await building.people.update(ann.id, {"phone": ""}, **BY)).phone == ""


async def test_a_person_takes_their_roles_along(building: Building) -> None:
    """With a person their roles and the keys for them go, told once each; what they shared with others stays."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    await building.role(ANN, other)
    await building.role(BOB, lock)
    key = await building.share(ANN, lock, BOB)
    building.hear()
    await building.people.remove(ann.id, **BY)
    gone = {("Removed", "Person"): 1, ("Removed", "Grant"): 1, ("Changed", "Lock"): 1}
    assert told(building) == {**gone, ("Removed", "Role"): 2}
    assert (await building.grant_now(key)).shared_by == ann.id
    with pytest.raises(errors.RoleNotFound):
        await keys(building, lock)
    # Somebody else with that number has shared nothing.
    assert (await building.role(ANN, lock)).created_keys == 0
    assert await keys(building, lock) == []
    building.hear()
    await building.people.remove(str(key.holder_id), **BY)
    assert told(building) == {**gone, ("Removed", "Role"): 1}
    assert [role.user_id for role in await roles_at(building, lock)] == [ANN]


async def test_a_lock_takes_its_roles_along(building: Building) -> None:
    """With a lock its roles and keys go, told once each, and are not there again when it comes back."""
    ann, lock = await sharer(building)
    other = await building.lock("Other")
    kept = await building.role(ANN, other)
    await building.role(BOB, lock, can_share=False)
    await building.share(ANN, lock, BOB)
    building.hear()
    await building.locks.remove(lock.id, **BY)
    assert told(building) == {("Removed", "Lock"): 1, ("Removed", "Grant"): 2, ("Removed", "Role"): 2}
    assert await building.roles.listed(building.owner, None, limit=10, after_id=None) == [kept]
    await building.lock("Again", lock.id)
    assert await roles_at(building, lock) == []
    assert (await building.role(ANN, lock)).created_keys == 0
    assert ann.id == kept.person_id


async def test_changes_of_roles_are_logged(building: Building) -> None:
    """The log tells of each role that was made, changed and removed, with its person and lock."""
    ann, lock = await sharer(building)
    await building.share(ANN, lock, BOB)
    await building.roles.remove(building.owner, lock.id, ANN, **BY)
    rows = await building.rows(
        "SELECT reason, lock_id, person_id FROM events WHERE reason LIKE 'role%' ORDER BY number"
    )
    assert rows == [(reason, lock.id, ann.id) for reason in ("roleAdded", "roleChanged", "roleRemoved")]


async def test_a_restart_keeps_roles_and_keys(tmp_path: Path) -> None:
    """After a restart roles, their counts and what they shared are as they were."""
    async with Building.open(tmp_path / STORE) as building:
        _, lock = await sharer(building)
        await building.share(ANN, lock, BOB, end=now() + HOUR, recurrence=MONDAYS, name="For Mondays")
        before = await roles_at(building, lock), await keys(building, lock)
    async with Building.open(tmp_path / STORE) as building:
        assert (await roles_at(building, lock), await keys(building, lock)) == before
        await building.share(ANN, lock, BOB)
        assert [role.created_keys for role in await roles_at(building, lock)] == [2]

"""Lock groups, memberships, grants and locks: what they may be, and what ends with what."""

from __future__ import annotations

from typing import Any

import pytest
from building import BY, GROUPS_PER_LOCK, MILLISECOND, Building, nobody
from sqlalchemy import insert, select

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed, SyncDue
from nymead_users.access.decision import AccessReason
from nymead_users.access.groups import Query, States
from nymead_users.access.model import AccessKey, Credential, GrantState, Lock, LockGroup, Membership, Person
from nymead_users.access.unit import now
from nymead_users.identity.events import UserChanged
from nymead_users.storage.errors import IntegrityViolation
from nymead_users.storage.tables import credentials, grants, memberships

NOBODY = "00000000-0000-0000-0000-000000000000"


# Grants: one subject, one target, and a time that ends after it begins


@pytest.mark.parametrize("subjects", [(), ("person_id", "credential_id")])
async def test_a_grant_has_one_subject(building: Building, subjects: tuple[str, ...]) -> None:
    """A grant to nobody, or to a person and a credential at once, is refused."""
    lock, person = await building.lock(), await building.person()
    card = await building.credential()
    ids = {"person_id": person.id, "credential_id": card.id}
    given = {name: ids[name] if name in subjects else None for name in ids}
    with pytest.raises(errors.InvalidValue):
        await building.grant(person, lock, **given)
    assert await building.count("grants") == 0


@pytest.mark.parametrize("targets", [(), ("lock_id", "group_id")])
async def test_a_grant_has_one_target(building: Building, targets: tuple[str, ...]) -> None:
    """A grant for nothing, or for a lock and a group at once, is refused."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    ids = {"lock_id": lock.id, "group_id": group.id}
    given = {name: ids[name] if name in targets else None for name in ids}
    with pytest.raises(errors.InvalidValue):
        await building.grant(person, lock, **given)
    assert await building.count("grants") == 0


async def test_a_grant_ends_after_it_begins(building: Building) -> None:
    """A validity that is empty is refused, made or changed; one of a millisecond is not."""
    lock, person, at = await building.lock(), await building.person(), now()
    for end in (at, at - MILLISECOND):
        with pytest.raises(errors.InvalidValue):
            await building.grant(person, lock, valid_from=at, valid_before=end)
    grant = await building.grant(person, lock, valid_from=at, valid_before=at + MILLISECOND)
    for given in ({"valid_from": at + MILLISECOND}, {"valid_before": at}):
        with pytest.raises(errors.InvalidValue):
            await building.grants.update(grant.id, given, **BY)
    later = {"valid_from": at + MILLISECOND, "valid_before": None}
    assert (await building.grants.update(grant.id, later, **BY)).valid_before is None


BROKEN_ROWS: list[dict[str, Any]] = [
    {"person_id": None},
    {"credential_id": "card"},
    {"lock_id": None},
    {"group_id": "group"},
    {"valid_from": 2, "valid_before": 2},
    {"person_id": NOBODY},
]


@pytest.mark.parametrize("broken", BROKEN_ROWS)
async def test_the_store_itself_refuses_a_broken_grant(building: Building, broken: dict[str, Any]) -> None:
    """What no grant can be is refused by the database, whoever writes it."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    names = {"card": (await building.credential()).id, "group": group.id}
    at = now()
    row = {
        "id": NOBODY,
        "owner_id": building.owner,
        "person_id": person.id,
        "lock_id": lock.id,
        "enabled": True,
        "remote_allowed": True,
        "issuer": "",
        "created": at,
    }
    row |= {key: names.get(str(value), value) for key, value in broken.items()}
    row |= {key: at for key in ("valid_from", "valid_before") if key in broken}
    with pytest.raises(IntegrityViolation):
        async with building.database.write() as connection:
            await connection.execute(insert(grants).values(**row))


async def test_the_store_itself_refuses_a_second_of_what_is_unique(building: Building) -> None:
    """A second open membership, and a second credential of a value, are refused by the database."""
    lock, group = await building.lock(), await building.group()
    membership = await building.join(group, lock)
    card = await building.credential()
    for table, one in ((memberships, membership.id), (credentials, card.id)):
        async with building.database.read() as reading:
            row = (await reading.execute(select(table).where(table.c.id == one))).mappings().one()
        with pytest.raises(IntegrityViolation):
            async with building.database.write() as connection:
                await connection.execute(insert(table).values(**{**row, "id": NOBODY}))


async def test_subject_and_target_are_of_one_owner(building: Building) -> None:
    """What belongs to another owner cannot be granted."""
    elsewhere = await building.people.add_owner("Elsewhere", **BY)
    stranger = await building.people.add(elsewhere.id, {}, **BY)
    lock = await building.lock(owner_id=building.owner)
    with pytest.raises(errors.LockNotFound):
        await building.grant(stranger, lock)
    with pytest.raises(errors.LockGroupNotFound):
        await building.grant(stranger, await building.group())
    theirs = await building.groups.create(elsewhere.id, "Theirs", "", **BY)
    with pytest.raises(errors.LockNotFound):
        await building.groups.join(elsewhere.id, theirs.id, lock.id, **BY)


async def test_what_is_not_there_cannot_be_granted(building: Building) -> None:
    """A grant to or for what is unknown, or was removed, is refused by its name."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    for given, refusal in (
        ({"person_id": NOBODY}, errors.PersonNotFound),
        ({"person_id": None, "credential_id": NOBODY}, errors.CredentialNotFound),
        ({"lock_id": NOBODY}, errors.LockNotFound),
        ({"lock_id": None, "group_id": NOBODY}, errors.LockGroupNotFound),
        ({"schedule": {"weekly": []}}, errors.InvalidScheduleGiven),
        ({"schedule": {"ical": "BEGIN"}}, errors.InvalidScheduleGiven),
    ):
        with pytest.raises(refusal):
            await building.grant(person, lock, **given)
    await building.locks.remove(lock.id, **BY)
    await building.remove_group(group)
    with pytest.raises(errors.LockNotFound):
        await building.grant(person, lock)
    with pytest.raises(errors.LockGroupNotFound):
        await building.grant(person, group)
    with pytest.raises(errors.GrantNotFound):
        await building.grants.revoke(NOBODY, **BY)


async def test_nobody_may_open_what_nobody_has_granted(building: Building) -> None:
    """Without a grant everybody is refused, and with one nobody else is let in."""
    lock, other = await building.lock(), await building.lock("Other")
    ada, bob = await building.person(), await building.person("Bob")
    card = await building.credential()
    for who in (ada, bob, card):
        assert (await building.asks(who, lock)).reason is AccessReason.NOT_AUTHORIZED
    await building.grant(ada, lock)
    assert (await building.asks(ada, lock)).allowed
    for who, where in ((bob, lock), (card, lock), (ada, other)):
        assert (await building.asks(who, where)).reason is AccessReason.NOT_AUTHORIZED


async def test_a_revoked_grant_stays_revoked(building: Building) -> None:
    """A revoked grant can neither be changed nor revoked again, and what is revoked twice is told once."""
    lock, person = await building.lock(), await building.person()
    grant = await building.grant(person, lock)
    revoked = await building.grants.revoke(grant.id, **BY)
    assert (revoked.state, revoked.revoked is None) == (GrantState.REVOKING, False)
    assert (await building.asks(person, lock)).reason is AccessReason.REVOKED
    building.hear()
    assert await building.grants.revoke(grant.id, **BY) == revoked
    with pytest.raises(errors.InvalidValue):
        await building.grants.update(grant.id, {"enabled": True}, **BY)
    assert building.hear() == []
    await building.synchronise(lock)
    assert (await building.grant_now(grant)).state is GrantState.REVOKED


# Groups and memberships


async def test_the_life_of_a_membership(building: Building) -> None:
    """A lock is a member from when it has heard of it until it has heard that it is not any more."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    await building.grant(person, group)

    async def state() -> tuple[bool, States]:
        return (await building.asks(person, lock)).allowed, (await building.groups.statistics([group.id], None))[
            group.id
        ]

    assert await state() == (False, States(0, 0, 0, 0))
    membership = await building.join(group, lock)
    assert await state() == (False, States(1, 0, 0, 0))
    await building.synchronise(lock)
    assert await state() == (True, States(0, 1, 0, 0))
    await building.leave(membership)
    assert await state() == (True, States(0, 0, 1, 0))
    await building.leave(membership)
    with pytest.raises(errors.AlreadyMember):
        await building.join(group, lock)
    await building.synchronise(lock)
    assert await state() == (False, States(0, 0, 0, 1))
    with pytest.raises(errors.MembershipNotFound):
        await building.leave(membership)
    await building.join(group, lock)
    await building.synchronise(lock)
    assert await state() == (True, States(0, 1, 0, 1))
    past, present = await building.groups.memberships(building.owner, group.id, None, Query(), unbound=False)
    assert {past.leave_completed is None, present.leave_completed is None} == {True, False}


async def test_a_lock_joins_a_group_once_and_no_more_than_so_many(building: Building) -> None:
    """A second membership in a group, one in too many groups, and one of an old lock are refused with their texts."""
    lock, old = await building.lock(), await building.lock(protocol_version=0)
    groups = [await building.group(f"Group {number}") for number in range(GROUPS_PER_LOCK + 1)]
    for group in groups[:-1]:
        await building.join(group, lock)
    building.hear()
    for group, joining, text in (
        (groups[0], lock, "lock is already member of this group"),
        (groups[-1], lock, "this lock is already member of 2 groups and therefore cannot join another group"),
        (groups[0], old, "the lock's protocol version is too old"),
    ):
        with pytest.raises(errors.AccessRefused) as refusal:
            await building.join(group, joining)
        assert str(refusal.value) == text
    assert building.hear() == []
    assert await building.count("memberships") == GROUPS_PER_LOCK


async def test_a_place_in_a_group_is_free_once_the_lock_has_left(building: Building) -> None:
    """A lock that is leaving still counts as a member, and one that has left does not."""
    lock = await building.lock()
    groups = [await building.group(f"Group {number}") for number in range(GROUPS_PER_LOCK + 1)]
    first, *_ = [await building.join(group, lock) for group in groups[:-1]]
    await building.leave(first)
    with pytest.raises(errors.TooManyGroups):
        await building.join(groups[-1], lock)
    await building.synchronise(lock)
    await building.join(groups[-1], lock)


async def test_a_group_with_locks_or_grants_is_removed_only_by_force(building: Building) -> None:
    """Checks come before any effect: whatever is missing of force, nothing is revoked, left or removed."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    await building.join(group, lock)
    grant = await building.grant(person, group)
    await building.synchronise(lock)
    building.hear()
    for force, refusal in (
        ({}, errors.LocksAssigned),
        ({"revoke": True}, errors.LocksAssigned),
        ({"unjoin": True}, errors.ActiveGrants),
    ):
        with pytest.raises(refusal):
            await building.remove_group(group, **force)
    assert building.hear() == []
    assert await building.pending(lock) == []
    assert (await building.grant_now(grant)).state is GrantState.ACTIVE
    assert (await building.groups.statistics([group.id], None))[group.id] == States(0, 1, 0, 0)


async def test_a_group_removed_by_force_lets_go_of_all(building: Building) -> None:
    """A removed group is in no list, its grants are revoked and its locks leave; each change is told once."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    membership = await building.join(group, lock)
    grant = await building.grant(person, group)
    await building.synchronise(lock)
    building.hear()
    await building.remove_group(group, revoke=True, unjoin=True)
    told = building.hear()
    changes = [(type(change).__name__, change.thing.id) for change in told if not isinstance(change, SyncDue)]
    assert sorted(changes) == sorted([("Changed", grant.id), ("Changed", membership.id), ("Removed", group.id)])
    assert [change for change in told if isinstance(change, SyncDue)] == [SyncDue(lock.id)]
    assert await building.groups.listed(building.owner, None, Query()) == []
    assert not (await building.groups.find(building.owner, group.id, None)).active
    for verb in (building.join(group, lock), building.grant(person, group), building.remove_group(group, unjoin=True)):
        with pytest.raises(errors.LockGroupNotFound):
            await verb
    decision = await building.asks(person, lock)
    assert (decision.reason, decision.on_lock) == (AccessReason.REVOKED, True)
    await building.synchronise(lock)
    decision = await building.asks(person, lock)
    assert (decision.reason, decision.on_lock) == (AccessReason.NOT_AUTHORIZED, False)
    assert (await building.grant_now(grant)).state is GrantState.REVOKED


async def test_a_group_is_removed_as_a_whole_or_not_at_all(building: Building) -> None:
    """Where the last part of a removal fails, the parts before it have not happened either."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    await building.join(group, lock)
    grant = await building.grant(person, group)
    await building.synchronise(lock)
    before = [await building.rows(f"SELECT * FROM {table}") for table in TABLES]  # noqa: S608
    async with building.database.write() as connection:
        await connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE OF active ON lock_groups BEGIN SELECT raise(ABORT, 'full'); END"
        )
    building.hear()
    with pytest.raises(Exception, match="full"):
        await building.remove_group(group, revoke=True, unjoin=True)
    assert building.hear() == []
    assert [await building.rows(f"SELECT * FROM {table}") for table in TABLES] == before  # noqa: S608
    assert (await building.asks(person, lock)).grant_ids == (grant.id,)


TABLES = ("grants", "memberships", "lock_groups", "locks", "sync_items", "held_grants", "events")


async def test_a_group_needs_a_title(building: Building) -> None:
    """A group without title is refused, made or changed."""
    group = await building.group()
    for title in (None, "", "  "):
        with pytest.raises(errors.TitleMissing):
            await building.groups.create(building.owner, title, "", **BY)
    with pytest.raises(errors.TitleMissing):
        await building.groups.update(building.owner, group.id, " ", None, **BY)
    with pytest.raises(errors.OwnerNotFound):
        await building.groups.create(NOBODY, "Doors", "", **BY)


# Locks


async def test_removing_a_lock_ends_what_hangs_on_it(building: Building) -> None:
    """A removed lock's memberships end, its grants and what it should hear are gone, and each is told once."""
    lock, other, group = await building.lock(), await building.lock("Other"), await building.group()
    person = await building.person()
    direct, elsewhere = await building.grant(person, lock), await building.grant(person, other)
    shared = await building.grant(person, group)
    membership = await building.join(group, lock)
    building.hear()
    await building.locks.remove(lock.id, **BY)
    told = [(type(change).__name__, change.thing.id) for change in building.hear()]
    assert sorted(told) == sorted(
        [("Removed", lock.id), ("Removed", direct.id), ("Changed", membership.id), ("Changed", shared.id)]
    )
    assert (await building.grant_now(shared)).state is GrantState.ACTIVE
    for table in ("sync_items", "held_grants"):
        assert await building.rows(f"SELECT * FROM {table} WHERE lock_id = :lock", lock=lock.id) == []  # noqa: S608
    for verb in (building.asks(person, lock), building.pending(lock), building.synchronise(lock)):
        with pytest.raises(errors.LockNotFound):
            await verb
    assert [found for found, _ in await building.decisions.whereto(person.id, None, at=None)] == [other.id]
    assert (await building.grant_now(elsewhere)).lock_id == other.id
    assert await building.groups.memberships(building.owner, group.id, None, Query(), unbound=False) == []
    (past,) = await building.groups.memberships(building.owner, group.id, None, Query(), unbound=True)
    assert past.leave_completed is not None


async def test_a_revocation_that_a_removed_lock_has_not_heard_is_over(building: Building) -> None:
    """What waits for a lock is settled when that lock is removed, and told, for a revoked grant of its group, too."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    await building.join(group, lock)
    grant = await building.grant(person, group)
    await building.grants.revoke(grant.id, **BY)
    building.hear()
    await building.locks.remove(lock.id, **BY)
    assert [change.thing.state for change in building.hear() if change.thing.id == grant.id] == [GrantState.REVOKED]


async def test_a_removed_lock_may_come_back_without_what_it_had(building: Building) -> None:
    """A lock that is added again has its id and its past, and nobody may open it."""
    lock, person, group = await building.lock(), await building.person(), await building.group()
    await building.join(group, lock)
    await building.grant(person, lock)
    await building.grant(person, group)
    await building.synchronise(lock)
    with pytest.raises(errors.Duplicate):
        await building.lock("Twice", lock.id)
    await building.locks.remove(lock.id, **BY)
    building.hear()
    again = await building.lock("Again", lock.id)
    assert building.hear() == [Added(again, frozenset({lock.id}))]
    assert (again.id, again.title, again.pending, again.last_seen_rcl_serial_no) == (lock.id, "Again", 0, None)
    assert (await building.asks(person, again)).reason is AccessReason.NOT_AUTHORIZED
    assert not (await building.asks(person, again)).on_lock


async def test_a_removed_lock_is_in_no_users_list(building: Building) -> None:
    """A removed lock's id goes out of each list of things, told once for each user who had it."""
    lock, other = await building.lock(), await building.lock("Other")
    await building.user("both", lock.id, other.id)
    await building.user("one", lock.id)
    await building.user("none", other.id)
    building.hear()
    await building.locks.remove(lock.id, **BY)
    told = {change.user.username: change.user for change in building.hear() if isinstance(change, UserChanged)}
    assert {name: [str(thing) for thing in user.allowed_thing_ids] for name, user in told.items()} == {
        "both": [other.id],
        "one": [],
    }
    users = {user.username: user async for page in building.users.pages() for user in page}
    assert users["both"] == told["both"]
    assert [str(thing) for thing in users["none"].allowed_thing_ids] == [other.id]


@pytest.mark.parametrize(
    "given", [{"title": " "}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../etc/passwd"}, {"time_zone": ""}]
)
async def test_what_no_lock_can_be_is_refused(building: Building, given: dict[str, str]) -> None:
    """A lock needs a title and a time zone that exists."""
    with pytest.raises(errors.InvalidValue):
        await building.lock(**given)
    lock = await building.lock()
    with pytest.raises(errors.InvalidValue):
        await building.locks.update(lock.id, given, **BY)
    assert await building.locks.listed(None, None) == [lock]


async def test_a_locks_zone_decides_its_hours(building: Building) -> None:
    """The same schedule holds at other moments when the lock's time zone is another."""
    lock, person = await building.lock(time_zone="UTC"), await building.person()
    noon = now().replace(hour=12, minute=30, second=0, microsecond=0)
    hour = {
        "weekly": [{"weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "12:00", "until": "13:00"}]
    }
    await building.grant(person, lock, schedule=hour)
    assert (await building.asks(person, lock, at=noon)).allowed
    await building.locks.update(lock.id, {"time_zone": "Asia/Tokyo"}, **BY)
    assert (await building.asks(person, lock, at=noon)).reason is AccessReason.OUTSIDE_SCHEDULE


async def test_who_sees_some_locks_only_sees_what_is_there(building: Building) -> None:
    """Of those who see one lock only, lists show what reaches it, and questions about another are refused."""
    lock, hidden = await building.lock(), await building.lock("Hidden")
    ada, bob = await building.person(), await building.person("Bob")
    card = await building.credential(person=ada)
    await building.grant(card, lock)
    secret = await building.grant(bob, hidden)
    group = await building.group()
    await building.join(group, hidden)
    sight = frozenset({lock.id})

    async def all_of(pages: Any) -> list[Any]:
        return [each async for page in pages for each in page]

    assert await building.locks.listed(None, sight) == [await building.lock_now(lock)]
    assert await all_of(building.people.pages(None, sight)) == [ada]
    assert await all_of(building.people.credential_pages(None, None, sight, codes=False)) == [card]
    assert secret.id not in {grant.id for grant in await all_of(building.grants.pages(sight=sight))}
    assert await building.groups.listed(building.owner, sight, Query()) == []
    with pytest.raises(errors.LockGroupNotFound):
        await building.groups.find(building.owner, group.id, sight)
    for verb in (
        building.decisions.who(hidden.id, sight, at=None),
        building.sync.pending(hidden.id, nobody),
        building.sync.synchronise(hidden.id, nobody, **BY),
    ):
        with pytest.raises(errors.NotVisible):
            await verb
    for person_id in (bob.id, lock.id):
        with pytest.raises(errors.PersonNotFound):
            await building.decisions.whereto(person_id, sight, at=None)


async def test_every_change_is_in_the_log_once(building: Building) -> None:
    """Each change that is told is an entry of the log with its name, but for access keys', and nothing else is."""
    lock, group, person = await building.lock(), await building.group(), await building.person()
    membership = await building.join(group, lock)
    card = await building.credential(person=person)
    await building.grant(card, group)
    await building.synchronise(lock)
    await building.leave(membership)
    await building.people.remove(person.id, **BY)
    await building.locks.remove(lock.id, **BY)
    names = {Person: "person", Lock: "lock", LockGroup: "lockGroup", Membership: "membership", Credential: "credential"}
    told = [
        (f"{names.get(type(change.thing), 'grant')}{type(change).__name__}", change.thing.id)
        for change in building.hear()
        if isinstance(change, Added | Changed | Removed) and not isinstance(change.thing, AccessKey)
    ]
    logged = await building.rows(
        "SELECT reason, json_extract(details, '$.id') FROM events WHERE kind = 'change' ORDER BY number"
    )
    assert logged == told

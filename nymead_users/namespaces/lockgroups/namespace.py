"""The methods and notifications of the LockGroups namespace."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed
from nymead_users.access.groups import Groups, Query
from nymead_users.access.model import LockGroup, Membership, Sight
from nymead_users.events import EventBus
from nymead_users.identity.errors import StoreError
from nymead_users.namespaces.answers import answer, may_hear, on_behalf, sight_of
from nymead_users.namespaces.lockgroups.types import (
    AddMembershipParams,
    CreateLockGroupParams,
    GetLockGroupGrantsParams,
    GetLockGroupParams,
    GetLockGroupsParams,
    GetMembershipsParams,
    LockGroupError,
    LockGroupErrorReturns,
    LockGroupGrantsReturns,
    LockGroupIdNotification,
    LockGroupNotification,
    LockGroupReturns,
    LockGroupsReturns,
    MembershipNotification,
    MembershipReturns,
    MembershipsReturns,
    RemoveLockGroupParams,
    RemoveMembershipParams,
    UpdateLockGroupParams,
    group_grant_info,
    group_info,
    membership_info,
    statistics_info,
)
from nymead_users.permissions import Scope
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Namespace, Notification, Notify, method

#: From what the domain refuses to the API's words.
OUTCOMES: dict[type[Exception], LockGroupError] = {
    StoreError: LockGroupError.BACKEND_ERROR,
    errors.NotVisible: LockGroupError.PERMISSION_DENIED,
    errors.InvalidValue: LockGroupError.INVALID_PARAMETER,
    errors.Duplicate: LockGroupError.ALREADY_MEMBER,
    errors.TitleMissing: LockGroupError.TITLE_MISSING,
    errors.OwnerNotFound: LockGroupError.OWNER_NOT_FOUND,
    errors.LockGroupNotFound: LockGroupError.LOCK_GROUP_NOT_FOUND,
    errors.LocksAssigned: LockGroupError.LOCKS_ASSIGNED,
    errors.ActiveGrants: LockGroupError.ACTIVE_GRANTS,
    errors.AlreadyMember: LockGroupError.ALREADY_MEMBER,
    errors.ProtocolVersionTooOld: LockGroupError.PROTOCOL_VERSION_TOO_OLD,
    errors.TooManyGroups: LockGroupError.TOO_MANY_GROUPS,
    errors.LockNotFound: LockGroupError.LOCK_NOT_FOUND,
    errors.MembershipNotFound: LockGroupError.MEMBERSHIP_NOT_FOUND,
    errors.BadQuery: LockGroupError.BAD_FILTER,
}

# What causes an outcome, in the words of the contract.
STORE_FAILED = {LockGroupError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
NO_OWNER = {LockGroupError.OWNER_NOT_FOUND: "There is no such owner: owner account not found."}
NO_GROUP = {LockGroupError.LOCK_GROUP_NOT_FOUND: "There is no such group: lock group not found."}
NO_TITLE = {LockGroupError.TITLE_MISSING: "The title is empty: lock group must have a title."}
BAD_FILTER = {LockGroupError.BAD_FILTER: "The query cannot be read; the message names the place and the reason."}
BAD_EXPAND = {LockGroupError.INVALID_PARAMETER: "There is something to expand that there is not; the message names it."}

READ = Scope.CONTROL_THINGS

_GROUP_EXPANSIONS = ("supportedFeatures", "statistics")
_MEMBERSHIP_EXPANSIONS = ("boundLock", "lockGroup")


class LockGroupsNamespace(Namespace):
    """Locks that are granted together: groups, who is in them, and their grants."""

    name = "LockGroups"
    notifications = (
        Notification("LockGroups.LockGroupAdded", "A group was made.", LockGroupNotification),
        Notification(
            "LockGroups.LockGroupChanged", "A group changed, or one of its grants was revoked.", LockGroupNotification
        ),
        Notification("LockGroups.LockGroupRemoved", "A group was removed.", LockGroupIdNotification),
        Notification("LockGroups.MembershipAdded", "A lock was added to a group.", MembershipNotification),
        Notification("LockGroups.MembershipChanged", "A membership got further.", MembershipNotification),
    )

    def __init__(self, groups: Groups, events: EventBus, notify: Notify) -> None:
        self._groups = groups
        self._notify = notify
        events.subscribe(Added, partial(self._told, "Added"))
        events.subscribe(Changed, partial(self._told, "Changed"))
        events.subscribe(Removed, self._gone)

    # Groups

    @method("GetLockGroups", scope=READ, outcomes={**NO_OWNER, **BAD_FILTER, **BAD_EXPAND, **STORE_FAILED})
    async def get_lock_groups(self, caller: Caller, params: GetLockGroupsParams) -> LockGroupsReturns:
        """List an owner's groups. expand: supportedFeatures, statistics. Who may not access all things sees the groups
        with one of their locks.
        """

        async def groups() -> list[dict[str, Any]]:
            wanted = _expansions(params.expand, _GROUP_EXPANSIONS)
            found = await self._groups.listed(params.ownerAccountId, sight_of(caller), _query(params))
            return await self._shown(found, wanted, sight_of(caller))

        return await _answer(groups(), lambda found: {"lockGroups": found})

    @method("GetLockGroup", scope=READ, outcomes={**NO_OWNER, **NO_GROUP, **BAD_EXPAND, **STORE_FAILED})
    async def get_lock_group(self, caller: Caller, params: GetLockGroupParams) -> LockGroupReturns:
        """Tell about one group. One that was removed is told as inactive: locks may still have to leave it."""

        async def group() -> dict[str, Any]:
            wanted = _expansions(params.expand, _GROUP_EXPANSIONS)
            found = await self._groups.find(params.ownerAccountId, params.id, sight_of(caller))
            return (await self._shown([found], wanted, sight_of(caller)))[0]

        return await _answer(group(), lambda found: {"lockGroup": found})

    @method("CreateLockGroup", outcomes={**NO_TITLE, **NO_OWNER, **STORE_FAILED})
    async def create_lock_group(self, caller: Caller, params: CreateLockGroupParams) -> LockGroupReturns:
        """Make a group."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._groups.create(params.ownerAccountId, params.title, params.description or "", by=by, confirm=confirm),
            _one_group,
        )

    @method("UpdateLockGroup", outcomes={**NO_OWNER, **NO_GROUP, **NO_TITLE, **STORE_FAILED})
    async def update_lock_group(self, caller: Caller, params: UpdateLockGroupParams) -> LockGroupReturns:
        """Change a group's title and description, each where it is given."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._groups.update(
                params.ownerAccountId,
                params.id,
                params.title,
                params.description,
                by=by,
                confirm=confirm,
            ),
            _one_group,
        )

    @method(
        "RemoveLockGroup",
        outcomes={
            **NO_OWNER,
            **NO_GROUP,
            LockGroupError.LOCKS_ASSIGNED: "It has locks that are not unjoined, and they were not forced to leave.",
            LockGroupError.ACTIVE_GRANTS: "It has grants that are not revoked, and they were not forced to be.",
            **STORE_FAILED,
        },
    )
    async def remove_lock_group(self, caller: Caller, params: RemoveLockGroupParams) -> LockGroupErrorReturns:
        """Remove a group from all lists; it is kept, since locks may still hold its grants. Locks that are forced to
        leave are members until they have heard of it.
        """
        by, confirm = on_behalf(caller)
        return await _answer(
            self._groups.remove(
                params.ownerAccountId,
                params.id,
                force_revoke_grants=params.forceRevokeGrants is True,
                force_unjoin_locks=params.forceUnjoinLocks is True,
                by=by,
                confirm=confirm,
            )
        )

    @method("GetLockGroupGrants", scope=READ, outcomes={**NO_OWNER, **NO_GROUP, **BAD_FILTER, **STORE_FAILED})
    async def get_lock_group_grants(self, caller: Caller, params: GetLockGroupGrantsParams) -> LockGroupGrantsReturns:
        """List a group's grants, with those that were revoked."""

        async def grants() -> list[dict[str, Any]]:
            owner_id, group_id, sight = params.ownerAccountId, params.id, sight_of(caller)
            group = await self._groups.find(owner_id, group_id, sight)
            found = await self._groups.grants(owner_id, group_id, sight, _query(params))
            persons = await self._groups.persons(found)
            return [group_grant_info(grant, group, persons.get(grant.person_id or "")) for grant in found]

        return await _answer(grants(), lambda found: {"grants": found})

    # Memberships

    @method(
        "GetMemberships",
        scope=READ,
        outcomes={**NO_OWNER, **NO_GROUP, **BAD_FILTER, **BAD_EXPAND, **STORE_FAILED},
    )
    async def get_memberships(self, caller: Caller, params: GetMembershipsParams) -> MembershipsReturns:
        """List the locks that are in a group, or have been. Who may not access all things sees their own locks."""

        async def memberships() -> list[dict[str, Any]]:
            wanted = _expansions(params.expand, _MEMBERSHIP_EXPANSIONS)
            owner_id, group_id, sight = params.ownerAccountId, params.lockGroupId, sight_of(caller)
            unbound = params.includeUnboundLocks is True
            found = await self._groups.memberships(owner_id, group_id, sight, _query(params), unbound=unbound)
            return await self._members(owner_id, group_id, sight, found, wanted)

        return await _answer(memberships(), lambda found: {"memberships": found})

    @method(
        "AddMembership",
        outcomes={
            **NO_OWNER,
            **NO_GROUP,
            LockGroupError.LOCK_NOT_FOUND: "There is no such lock, or it is another owner's: bound lock not found.",
            LockGroupError.ALREADY_MEMBER: "The lock is in the group, if only until it has heard that it is not.",
            LockGroupError.PROTOCOL_VERSION_TOO_OLD: "The lock's protocol knows no groups.",
            LockGroupError.TOO_MANY_GROUPS: "The lock is in as many groups as it may be.",
            **STORE_FAILED,
        },
    )
    async def add_membership(self, caller: Caller, params: AddMembershipParams) -> MembershipReturns:
        """Add a lock to a group. It is an active member once it has heard of it."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._groups.join(
                params.ownerAccountId,
                params.lockGroupId,
                params.boundLockId,
                by=by,
                confirm=confirm,
            ),
            lambda membership: {"membership": membership_info(membership)},
        )

    @method(
        "RemoveMembership",
        outcomes={
            **NO_OWNER,
            **NO_GROUP,
            LockGroupError.MEMBERSHIP_NOT_FOUND: "There is no such membership in the group, or it has ended.",
            **STORE_FAILED,
        },
    )
    async def remove_membership(self, caller: Caller, params: RemoveMembershipParams) -> LockGroupErrorReturns:
        """Remove a lock from a group. It is an active member until it has heard of it."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._groups.leave(params.ownerAccountId, params.lockGroupId, params.id, by=by, confirm=confirm)
        )

    # Inside

    async def _shown(self, groups: list[LockGroup], wanted: Collection[str], sight: Sight) -> list[dict[str, Any]]:
        shown = [group_info(group) for group in groups]
        if "supportedFeatures" in wanted:
            for info in shown:
                info["supportedFeatures"] = {"timeRestrictionIcalSupport": "Supported"}
        if "statistics" in wanted:
            states = await self._groups.statistics([group.id for group in groups], sight)
            for info in shown:
                info["statistics"] = statistics_info(states[info["id"]])
        return shown

    async def _members(
        self, owner_id: str, group_id: str, sight: Sight, found: list[Membership], wanted: Collection[str]
    ) -> list[dict[str, Any]]:
        locks = await self._groups.locks(found) if "boundLock" in wanted else {}
        group = await self._groups.find(owner_id, group_id, sight) if "lockGroup" in wanted else None
        return [membership_info(membership, lock=locks.get(membership.lock_id), group=group) for membership in found]

    # Who may see a lock hears of the groups it is in

    def _told(self, verb: str, event: Added | Changed) -> None:
        thing = event.thing
        audience = partial(may_hear, event.locks)
        if isinstance(thing, LockGroup):
            self._notify(f"LockGroups.LockGroup{verb}", {"lockGroup": group_info(thing)}, audience=audience)
        elif isinstance(thing, Membership):
            self._notify(f"LockGroups.Membership{verb}", {"membership": membership_info(thing)}, audience=audience)

    def _gone(self, event: Removed) -> None:
        if isinstance(event.thing, LockGroup):
            self._notify(
                "LockGroups.LockGroupRemoved", {"lockGroupId": event.thing.id}, audience=partial(may_hear, event.locks)
            )


_answer = partial(answer, OUTCOMES, LockGroupError.NO_ERROR)


def _one_group(group: LockGroup) -> dict[str, Any]:
    return {"lockGroup": group_info(group)}


def _query(params: GetLockGroupsParams | GetLockGroupGrantsParams | GetMembershipsParams) -> Query:
    return Query(params.filter, params.orderBy, params.top, params.skip)


def _expansions(text: str | None, known: tuple[str, ...]) -> frozenset[str]:
    """What is to be told beside. Raises InvalidValue."""
    wanted = [word.strip() for word in text.split(",")] if text else []
    for word in wanted:
        if word not in known:
            raise errors.InvalidValue(f'expand: there is no "{word}"; it can be {", ".join(known)}')
    return frozenset(wanted)

"""Params, returns and types of the LockGroups namespace; names and texts are those of seed 003."""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Annotated, Any, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.groups import States
from nymead_users.access.model import Grant, GrantState, Lock, LockGroup, Membership, Person
from nymead_users.namespaces.types import Text, Uint
from nymead_users.namespaces.values import Id, Time, shown_time
from nymead_users.rpc.namespace import Omissible, Params, wire_type


class LockGroupError(StrEnum):
    """The outcome of a method of the LockGroups namespace."""

    NO_ERROR = "LockGroupErrorNoError"
    BACKEND_ERROR = "LockGroupErrorBackendError"
    PERMISSION_DENIED = "LockGroupErrorPermissionDenied"
    INVALID_PARAMETER = "LockGroupErrorInvalidParameter"
    TITLE_MISSING = "LockGroupErrorTitleMissing"
    OWNER_NOT_FOUND = "LockGroupErrorOwnerNotFound"
    LOCK_GROUP_NOT_FOUND = "LockGroupErrorLockGroupNotFound"
    LOCKS_ASSIGNED = "LockGroupErrorLocksAssigned"
    ACTIVE_GRANTS = "LockGroupErrorActiveGrants"
    ALREADY_MEMBER = "LockGroupErrorAlreadyMember"
    PROTOCOL_VERSION_TOO_OLD = "LockGroupErrorProtocolVersionTooOld"
    TOO_MANY_GROUPS = "LockGroupErrorTooManyGroups"
    LOCK_NOT_FOUND = "LockGroupErrorLockNotFound"
    MEMBERSHIP_NOT_FOUND = "LockGroupErrorMembershipNotFound"
    BAD_FILTER = "LockGroupErrorBadFilter"


class MembershipState(StrEnum):
    """Where a lock is on its way into a group and out of it."""

    JOIN_PENDING = "JoinPending"
    JOINED = "Joined"
    UNJOIN_PENDING = "UnjoinPending"
    UNJOINED = "Unjoined"


@wire_type
class StateCount(TypedDict):
    """How many locks are in a state."""

    State: Annotated[MembershipState, Field(description="The state.")]
    Count: Annotated[Uint, Field(description="How many.")]


@wire_type
class LockGroupStatistics(TypedDict):
    """Where a group's locks are."""

    ByState: Annotated[list[StateCount], Field(description="The states that any lock is in.")]


@wire_type
class SupportedFeatures(TypedDict):
    """What grants for a target can have."""

    timeRestrictionIcalSupport: Annotated[str, Field(description="Whether they can have a calendar: Supported.")]


@wire_type
class LockTarget(TypedDict):
    """What a grant can be for: a lock or a group."""

    active: Annotated[bool, Field(description="Whether it was not removed.")]
    rclSerialNo: Annotated[Uint | None, Field(description="Counts up with each grant for it that is revoked.")]
    rclDate: Annotated[Time | None, Field(description="When the last one was.")]
    targetType: Annotated[str, Field(description="Group or Lock.")]
    id: Annotated[Id, Field(description="Its id.")]
    physicalLockId: Annotated[str, Field(description="What locks call it, in base64.")]
    title: Annotated[str, Field(description="What people call it.")]
    description: Annotated[str, Field(description="More about it.")]
    supportedFeatures: NotRequired[Annotated[SupportedFeatures, Field(description="Expanded: what grants can have.")]]
    statistics: NotRequired[Annotated[LockGroupStatistics, Field(description="Expanded: where its locks are.")]]


@wire_type
class LockGroupMembership(TypedDict):
    """A lock's time in a group. What has not happened yet is null."""

    boundLock: Annotated[LockTarget | None, Field(description="Expanded: the lock.")]
    lockGroup: Annotated[LockTarget | None, Field(description="Expanded: the group.")]
    lastSeenRclSerialNo: Annotated[
        Uint | None, Field(description="Up to where the lock has heard of the group's revoked grants.")
    ]
    lastSeenRclUpdateDate: Annotated[Time | None, Field(description="When it last did.")]
    id: Annotated[Id, Field(description="The membership's id.")]
    lockGroupId: Annotated[Id, Field(description="The group.")]
    boundLockId: Annotated[Id, Field(description="The lock.")]
    joinStartDate: Annotated[Time | None, Field(description="When the lock was added.")]
    joinCompletedDate: Annotated[Time | None, Field(description="When it heard: an active member from then on.")]
    leaveStartDate: Annotated[Time | None, Field(description="When it was removed; it still is an active member.")]
    leaveCompletedDate: Annotated[Time | None, Field(description="When it heard of that: no member any more.")]


@wire_type
class GrantContact(TypedDict):
    """The person a grant is for."""

    id: Annotated[Id, Field(description="The person's id.")]
    ownerId: Annotated[Id, Field(description="Whose person it is.")]
    comment: Annotated[str | None, Field(description="Not used: null.")]
    ipId: Annotated[str | None, Field(description="Not used: null.")]
    ipUserId: Annotated[str | None, Field(description="Not used: null.")]
    email: Annotated[str, Field(description="The e-mail address, as it was given.")]
    ipUserName: Annotated[str | None, Field(description="The user who is this person.")]
    isActive: Annotated[bool, Field(description="Whether the person's grants count.")]
    title: Annotated[str, Field(description="First and last name.")]


@wire_type
class LockGroupGrant(TypedDict):
    """A grant for a group."""

    contact: Annotated[GrantContact | None, Field(description="Who may: a person.")]
    boundCard: Annotated[str | None, Field(description="Not used: null.")]
    boundLock: Annotated[LockTarget, Field(description="What: the group.")]
    owner: Annotated[str | None, Field(description="Not used: null.")]
    id: Annotated[Id, Field(description="The grant's id.")]
    boundLockId: Annotated[Id, Field(description="The group's id.")]
    contactId: Annotated[Id | None, Field(description="The person's id.")]
    validFrom: Annotated[Time | None, Field(description="From when on.")]
    validBefore: Annotated[Time | None, Field(description="Until before when.")]
    timeRestrictionIcal: Annotated[str | None, Field(description="The calendar, where it has one.")]
    state: Annotated[str, Field(description="Ok, or Revoked.")]
    active: Annotated[bool, Field(description="Whether it was not revoked.")]
    boundCardId: Annotated[Id | None, Field(description="Who may: whoever has this credential.")]
    customPayload: Annotated[str | None, Field(description="Not used: null.")]


# Params

_OWNER = "Whose group it is."


class GetLockGroupsParams(Params):
    """Params of GetLockGroups."""

    ownerAccountId: Id = Field(description=_OWNER)
    expand: Omissible[Text] = Field(
        None, description="What else to tell, separated by commas: supportedFeatures, statistics."
    )
    filter: Omissible[str] = Field(None, description="An OData filter, such as: title eq 'Office' and active")
    orderBy: Omissible[str] = Field(None, description="An OData order, such as: title desc, id")
    top: Omissible[int] = Field(None, description="How many at the most; left out: all.")
    skip: Omissible[int] = Field(None, description="How many to leave out first.")


class GetLockGroupParams(Params):
    """Params of GetLockGroup."""

    ownerAccountId: Id = Field(description=_OWNER)
    id: Id = Field(description="Which group.")
    expand: Omissible[Text] = Field(
        None, description="What else to tell, separated by commas: supportedFeatures, statistics."
    )


class CreateLockGroupParams(Params):
    """Params of CreateLockGroup."""

    ownerAccountId: Id = Field(description=_OWNER)
    title: Omissible[Text] = Field(None, description="What people call it; it must have one.")
    description: Omissible[Text] = Field(None, description="More about it.")


class UpdateLockGroupParams(Params):
    """Params of UpdateLockGroup."""

    ownerAccountId: Id = Field(description=_OWNER)
    id: Id = Field(description="Which group.")
    title: Omissible[Text] = Field(None, description="What people call it.")
    description: Omissible[Text] = Field(None, description="More about it.")


class RemoveLockGroupParams(Params):
    """Params of RemoveLockGroup."""

    ownerAccountId: Id = Field(description=_OWNER)
    id: Id = Field(description="Which group.")
    forceRevokeGrants: Omissible[bool] = Field(
        None, description="Revoke the grants that stand in the way; left out: no."
    )
    forceUnjoinLocks: Omissible[bool] = Field(
        None, description="Have the locks leave that stand in the way; left out: no."
    )


class GetLockGroupGrantsParams(Params):
    """Params of GetLockGroupGrants."""

    ownerAccountId: Id = Field(description=_OWNER)
    id: Id = Field(description="Which group.")
    filter: Omissible[str] = Field(None, description="An OData filter, such as: active and validBefore eq null")
    orderBy: Omissible[str] = Field(None, description="An OData order, such as: validFrom desc, id")
    top: Omissible[int] = Field(None, description="How many at the most; left out: all.")
    skip: Omissible[int] = Field(None, description="How many to leave out first.")


class GetMembershipsParams(Params):
    """Params of GetMemberships."""

    ownerAccountId: Id = Field(description=_OWNER)
    lockGroupId: Id = Field(description="Which group.")
    expand: Omissible[Text] = Field(None, description="What else to tell, separated by commas: boundLock, lockGroup.")
    includeUnboundLocks: Omissible[bool] = Field(
        None, description="With those of locks that were removed; left out: no."
    )
    filter: Omissible[str] = Field(None, description="An OData filter, such as: leaveStartDate eq null")
    orderBy: Omissible[str] = Field(None, description="An OData order, such as: joinStartDate desc, id")
    top: Omissible[int] = Field(None, description="How many at the most; left out: all.")
    skip: Omissible[int] = Field(None, description="How many to leave out first.")


class AddMembershipParams(Params):
    """Params of AddMembership."""

    ownerAccountId: Id = Field(description=_OWNER)
    lockGroupId: Id = Field(description="Which group.")
    boundLockId: Id = Field(description="Which lock.")


class RemoveMembershipParams(Params):
    """Params of RemoveMembership."""

    ownerAccountId: Id = Field(description=_OWNER)
    lockGroupId: Id = Field(description="Which group.")
    id: Id = Field(description="Which membership.")


# Returns


@wire_type
class LockGroupErrorReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[LockGroupError, Field(description="The outcome.")]
    errorMessage: NotRequired[
        Annotated[str, Field(description="What is wrong, in the vendor's words where it has any.")]
    ]


@wire_type
class LockGroupsReturns(LockGroupErrorReturns):
    """Returns of GetLockGroups."""

    lockGroups: NotRequired[Annotated[list[LockTarget], Field(description="The groups.")]]


@wire_type
class LockGroupReturns(LockGroupErrorReturns):
    """Returns of methods about one group."""

    lockGroup: NotRequired[Annotated[LockTarget, Field(description="The group as it is now.")]]


@wire_type
class LockGroupGrantsReturns(LockGroupErrorReturns):
    """Returns of GetLockGroupGrants."""

    grants: NotRequired[Annotated[list[LockGroupGrant], Field(description="The group's grants.")]]


@wire_type
class MembershipsReturns(LockGroupErrorReturns):
    """Returns of GetMemberships."""

    memberships: NotRequired[Annotated[list[LockGroupMembership], Field(description="Present and past members.")]]


@wire_type
class MembershipReturns(LockGroupErrorReturns):
    """Returns of AddMembership."""

    membership: NotRequired[Annotated[LockGroupMembership, Field(description="The membership as it is now.")]]


# Notifications


@wire_type
class LockGroupNotification(TypedDict):
    """Params of LockGroupAdded and LockGroupChanged."""

    lockGroup: Annotated[LockTarget, Field(description="The group as it is now.")]


@wire_type
class LockGroupIdNotification(TypedDict):
    """Params of LockGroupRemoved."""

    lockGroupId: Annotated[Id, Field(description="Which group.")]


@wire_type
class MembershipNotification(TypedDict):
    """Params of MembershipAdded and MembershipChanged."""

    membership: Annotated[LockGroupMembership, Field(description="The membership as it is now.")]


# How the domain's things are shown


def group_info(group: LockGroup) -> dict[str, Any]:
    """A group as the API shows it."""
    return {
        "active": group.active,
        "rclSerialNo": group.rcl_serial_no,
        "rclDate": shown_time(group.rcl_date),
        "targetType": "Group",
        "id": group.id,
        "physicalLockId": _physical_id(b"\x0c\x00", group.id),
        "title": group.title,
        "description": group.description,
    }


def bound_lock_info(lock: Lock) -> dict[str, Any]:
    """A lock as a target of grants."""
    return {
        "active": lock.active,
        "rclSerialNo": lock.rcl_serial_no,
        "rclDate": shown_time(lock.rcl_date),
        "targetType": "Lock",
        "id": lock.id,
        "physicalLockId": _physical_id(b"\x04\x00", lock.id),
        "title": lock.title,
        "description": lock.description,
    }


def statistics_info(states: States) -> dict[str, Any]:
    """How many locks are in each state that any is in."""
    counted = zip(
        (
            MembershipState.JOIN_PENDING,
            MembershipState.JOINED,
            MembershipState.UNJOIN_PENDING,
            MembershipState.UNJOINED,
        ),
        states,
        strict=True,
    )
    return {"ByState": [{"State": state, "Count": count} for state, count in counted if count]}


def membership_info(
    membership: Membership, *, lock: Lock | None = None, group: LockGroup | None = None
) -> dict[str, Any]:
    """A membership as the API shows it."""
    return {
        "boundLock": None if lock is None else bound_lock_info(lock),
        "lockGroup": None if group is None else group_info(group),
        "lastSeenRclSerialNo": membership.last_seen_rcl_serial_no,
        "lastSeenRclUpdateDate": shown_time(membership.last_seen_rcl_update_date),
        "id": membership.id,
        "lockGroupId": membership.group_id,
        "boundLockId": membership.lock_id,
        "joinStartDate": shown_time(membership.join_start),
        "joinCompletedDate": shown_time(membership.join_completed),
        "leaveStartDate": shown_time(membership.leave_start),
        "leaveCompletedDate": shown_time(membership.leave_completed),
    }


def group_grant_info(grant: Grant, group: LockGroup, person: Person | None) -> dict[str, Any]:
    """A group's grant as the API shows it."""
    schedule = grant.schedule or {}
    return {
        "contact": None if person is None else _contact(person),
        "boundCard": None,
        "boundLock": group_info(group),
        "owner": None,
        "id": grant.id,
        "boundLockId": group.id,
        "contactId": grant.person_id,
        "validFrom": shown_time(grant.valid_from),
        "validBefore": shown_time(grant.valid_before),
        "timeRestrictionIcal": schedule.get("ical"),
        "state": "Revoked" if grant.state in (GrantState.REVOKED, GrantState.REVOKING) else "Ok",
        "active": grant.revoked is None,
        "boundCardId": grant.credential_id,
        "customPayload": None,
    }


def _contact(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "ownerId": person.owner_id,
        "comment": None,
        "ipId": None,
        "ipUserId": None,
        "email": person.email,
        "ipUserName": person.username,
        "isActive": person.enabled,
        "title": f"{person.first_name} {person.last_name}".strip(),
    }


def _physical_id(kind: bytes, thing_id: str) -> str:
    """What locks call a target: made of its id, so that it needs no place of its own."""
    return base64.b64encode(kind + UUID(thing_id).bytes[:12]).decode()

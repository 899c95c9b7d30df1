"""Params, returns and types of the Access namespace."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.access.decision import AccessReason, Decision
from nymead_users.access.model import (
    AccessEventKind,
    Credential,
    CredentialType,
    Grant,
    GrantState,
    Lock,
    LogEntry,
    Owner,
    Person,
    SyncEntity,
    SyncItem,
    SyncOperation,
)
from nymead_users.instants import moment
from nymead_users.namespaces.answers import without_none
from nymead_users.namespaces.types import Text, Uint
from nymead_users.namespaces.values import MAX_INT, Id, Schedule, Time, shown_time, word_of
from nymead_users.rpc.namespace import Omissible, Params, wire_type

#: So many entries of the log at a time, at the most.
MAX_EVENTS = 1000

#: So many items are confirmed at a time, at the most.
MAX_ITEMS = 1000


class AccessError(StrEnum):
    """The outcome of a method of the Access namespace."""

    NO_ERROR = "AccessErrorNoError"
    BACKEND_ERROR = "AccessErrorBackendError"
    PERMISSION_DENIED = "AccessErrorPermissionDenied"
    INVALID_PARAMETER = "AccessErrorInvalidParameter"
    OWNER_NOT_FOUND = "AccessErrorOwnerNotFound"
    LOCK_NOT_FOUND = "AccessErrorLockNotFound"
    LOCK_GROUP_NOT_FOUND = "AccessErrorLockGroupNotFound"
    PERSON_NOT_FOUND = "AccessErrorPersonNotFound"
    CREDENTIAL_NOT_FOUND = "AccessErrorCredentialNotFound"
    GRANT_NOT_FOUND = "AccessErrorGrantNotFound"
    SYNC_ITEM_NOT_FOUND = "AccessErrorSyncItemNotFound"
    INVALID_SCHEDULE = "AccessErrorInvalidSchedule"
    DUPLICATE = "AccessErrorDuplicate"


#: Why, as a value of what is returned.
_Why = Annotated[AccessReason, word_of(AccessReason)]


@wire_type
class OwnerInfo(TypedDict):
    """A site: what belongs together."""

    id: Annotated[Id, Field(description="The owner's id.")]
    title: Annotated[str, Field(description="What people call it.")]


@wire_type
class PersonInfo(TypedDict):
    """Who walks in."""

    id: Annotated[Id, Field(description="The person's id.")]
    ownerId: Annotated[Id, Field(description="Whose person it is.")]
    number: Annotated[Uint, Field(description="Counts up within the owner.")]
    firstName: Annotated[str, Field(description="The first name.")]
    lastName: Annotated[str, Field(description="The last name.")]
    email: Annotated[str, Field(description="The e-mail address, as it was given.")]
    phone: Annotated[str, Field(description="The phone number in E.164, or nothing.")]
    username: NotRequired[Annotated[str, Field(description="The user who is this person.")]]
    enabled: Annotated[bool, Field(description="Whether the person's grants count.")]


@wire_type
class LockInfo(TypedDict):
    """A door's lock."""

    id: Annotated[Id, Field(description="The lock's id, which is its thing's.")]
    ownerId: Annotated[Id, Field(description="Whose lock it is.")]
    title: Annotated[str, Field(description="What people call it.")]
    description: Annotated[str, Field(description="More about it.")]
    timeZone: Annotated[str, Field(description="Its time zone, by its IANA name.")]
    protocolVersion: Annotated[Uint, Field(description="What it speaks with its bridge; 0 knows no lock groups.")]
    systemId: Annotated[str, Field(description="The system that it is a part of.")]
    virtual: Annotated[bool, Field(description="Whether it is no real one, and is synchronised by SyncLock.")]
    bridge: NotRequired[Annotated[str, Field(description="The user who speaks for it, who is at its bridge.")]]
    rclSerialNo: Annotated[Uint, Field(description="Counts up with each grant at it that is revoked.")]
    rclDate: NotRequired[Annotated[Time, Field(description="When the last one was.")]]
    lastSeenRclSerialNo: NotRequired[Annotated[Uint, Field(description="Up to where it has heard of that.")]]
    pendingSyncCount: Annotated[Uint, Field(description="How much it must still hear of.")]


@wire_type
class CredentialInfo(TypedDict):
    """What somebody shows at a door. Its PIN is never told."""

    id: Annotated[Id, Field(description="The credential's id.")]
    ownerId: Annotated[Id, Field(description="Whose it is in the end.")]
    personId: NotRequired[Annotated[Id, Field(description="Who has it.")]]
    lockId: NotRequired[
        Annotated[Id, Field(description="The only lock that knows it: it opens that one by its own grants alone.")]
    ]
    type: Annotated[CredentialType, word_of(CredentialType), Field(description="What it is.")]
    value: Annotated[str, Field(description="Its code or number; a proximity key's in 13 decimal digits.")]
    hasPin: Annotated[bool, Field(description="Whether a PIN is wanted with it.")]
    enabled: Annotated[bool, Field(description="Whether it opens anything.")]
    lockedUntil: NotRequired[Annotated[Time, Field(description="Until when wrong PINs lock it out.")]]


@wire_type
class GrantInfo(TypedDict):
    """One person or credential may open one lock or lock group."""

    id: Annotated[Id, Field(description="The grant's id.")]
    ownerId: Annotated[Id, Field(description="Whose grant it is.")]
    personId: NotRequired[Annotated[Id, Field(description="Who may: a person, with any of their credentials.")]]
    credentialId: NotRequired[Annotated[Id, Field(description="Who may: whoever has this credential.")]]
    lockId: NotRequired[Annotated[Id, Field(description="What: a lock.")]]
    lockGroupId: NotRequired[Annotated[Id, Field(description="What: the locks of a group.")]]
    validFrom: NotRequired[Annotated[Time, Field(description="From when on.")]]
    validBefore: NotRequired[Annotated[Time, Field(description="Until before when.")]]
    schedule: NotRequired[Annotated[Schedule, Field(description="When within that.")]]
    enabled: Annotated[bool, Field(description="Whether it counts.")]
    remoteAllowed: Annotated[bool, Field(description="Whether it opens from afar, too.")]
    name: NotRequired[Annotated[str, Field(description="What people call it.")]]
    state: Annotated[
        GrantState, word_of(GrantState), Field(description="How far it is on its way to the locks it concerns.")
    ]
    issuer: Annotated[str, Field(description="The user who made it; nobody: the machine's operator.")]
    created: Annotated[Time, Field(description="When it was made.")]
    revoked: NotRequired[Annotated[Time, Field(description="When it was revoked.")]]


@wire_type
class AccessDecision(TypedDict):
    """What was decided, and why."""

    allowed: Annotated[bool, Field(description="Whether the lock may be opened. It is what is desired.")]
    reason: Annotated[_Why, Field(description="Why: the first step at which it fails, or granted.")]
    grantIds: Annotated[list[Id], Field(description="The grants that allow it, or that got as far as the reason.")]
    until: NotRequired[
        Annotated[
            Time, Field(description="Until then this stays as it is, if nothing is changed; without it for good.")
        ]
    ]
    desired: Annotated[bool, Field(description="What the server has decided.")]
    onLock: Annotated[bool, Field(description="What the lock would do by what has reached it so far.")]


@wire_type
class HolderInfo(TypedDict):
    """Somebody with a grant at a lock, and what is decided about them."""

    personId: NotRequired[Annotated[Id, Field(description="The person.")]]
    credentialId: NotRequired[Annotated[Id, Field(description="The credential, where it is nobody's.")]]
    allowed: Annotated[bool, Field(description="Whether they may open it.")]
    reason: Annotated[_Why, Field(description="Why.")]
    grantIds: Annotated[list[Id], Field(description="The grants that got as far as the reason.")]
    until: NotRequired[Annotated[Time, Field(description="Until then this stays as it is, if nothing is changed.")]]
    onLock: Annotated[bool, Field(description="What the lock would do by what has reached it so far.")]


@wire_type
class ReachInfo(TypedDict):
    """A lock that somebody's grants reach, and what is decided there."""

    lockId: Annotated[Id, Field(description="The lock.")]
    allowed: Annotated[bool, Field(description="Whether they may open it.")]
    reason: Annotated[_Why, Field(description="Why.")]
    grantIds: Annotated[list[Id], Field(description="The grants that got as far as the reason.")]
    until: NotRequired[Annotated[Time, Field(description="Until then this stays as it is, if nothing is changed.")]]
    onLock: Annotated[bool, Field(description="What the lock would do by what has reached it so far.")]


@wire_type
class SyncItemInfo(TypedDict):
    """Something that a lock must hear of."""

    id: Annotated[Id, Field(description="What ConfirmSync takes.")]
    entity: Annotated[SyncEntity, word_of(SyncEntity), Field(description="What it is about.")]
    entityId: Annotated[Id, Field(description="Which one.")]
    op: Annotated[SyncOperation, word_of(SyncOperation), Field(description="What has happened to it.")]
    content: Annotated[
        dict[str, Any],
        Field(
            description="As the lock must know it. Of a grant: personId, credentialId, lockGroupId, validFrom,"
            " validBefore, schedule, enabled, remoteAllowed, and the credentials that may be shown; of a membership:"
            " lockGroupId."
        ),
    ]
    created: Annotated[Time, Field(description="Since when it is due.")]
    attempts: Annotated[Uint, Field(description="How often the lock could not take it.")]
    error: NotRequired[Annotated[str, Field(description="Why, when it last tried.")]]


@wire_type
class AccessEvent(TypedDict):
    """An entry of the log: a decision, a change, or that a lock heard of something."""

    id: Annotated[Id, Field(description="The entry's id.")]
    time: Annotated[Time, Field(description="When it happened.")]
    kind: Annotated[AccessEventKind, word_of(AccessEventKind), Field(description="What it tells of.")]
    lockId: NotRequired[Annotated[Id, Field(description="The lock it is about.")]]
    personId: NotRequired[Annotated[Id, Field(description="The person it is about.")]]
    credentialId: NotRequired[Annotated[Id, Field(description="The credential it is about.")]]
    allowed: NotRequired[Annotated[bool, Field(description="Of a decision: whether the lock may be opened.")]]
    reason: Annotated[str, Field(description="Of a decision its reason, otherwise what happened.")]
    code: NotRequired[Annotated[Uint, Field(description="Of a decision: the number of the event.")]]
    details: Annotated[dict[str, Any], Field(description="More, by the kind; by: the user on whose behalf.")]


# Params


class OwnerIdParams(Params):
    """Params of lists of an owner."""

    ownerId: Omissible[Id] = Field(None, description="Only this owner's.")


class AddOwnerParams(Params):
    """Params of AddOwner."""

    title: Text = Field(description="What people call it.")


class AddLockParams(Params):
    """Params of AddLock."""

    title: Text = Field(description="What people call it.")
    lockId: Omissible[Id] = Field(None, description="Its thing's id; left out: a new one.")
    ownerId: Omissible[Id] = Field(None, description="Whose it is; needed where there are several owners.")
    description: Omissible[Text] = Field(None, description="More about it.")
    timeZone: Omissible[Text] = Field(None, description="Its time zone, by its IANA name; left out: UTC.")
    systemId: Omissible[Text] = Field(None, description="The system that it is a part of.")
    protocolVersion: Omissible[Annotated[Uint, Field(le=MAX_INT)]] = Field(
        None, description="What it speaks with its bridge; 0 knows no lock groups. Left out: 1."
    )
    virtual: Omissible[bool] = Field(
        None, description="Whether it is no real one, and is synchronised by SyncLock. Left out: true."
    )
    bridge: Omissible[Text] = Field(None, description="The user who speaks for it, who is at its bridge.")


class UpdateLockParams(Params):
    """Params of UpdateLock."""

    lockId: Id = Field(description="Which lock.")
    title: Omissible[Text] = Field(None, description="What people call it.")
    description: Omissible[Text] = Field(None, description="More about it.")
    timeZone: Omissible[Text] = Field(None, description="Its time zone, by its IANA name.")
    systemId: Omissible[Text] = Field(None, description="The system that it is a part of.")
    protocolVersion: Omissible[Annotated[Uint, Field(le=MAX_INT)]] = Field(
        None, description="What it speaks with its bridge."
    )
    virtual: Omissible[bool] = Field(None, description="Whether it is no real one.")
    bridge: Text | None = Field(None, description="The user who speaks for it; null: nobody.")


class LockIdParams(Params):
    """Params of methods about one lock."""

    lockId: Id = Field(description="Which lock.")


class AddPersonParams(Params):
    """Params of AddPerson."""

    ownerId: Omissible[Id] = Field(None, description="Whose person; needed where there are several owners.")
    firstName: Omissible[Text] = Field(None, description="The first name.")
    lastName: Omissible[Text] = Field(None, description="The last name.")
    email: Omissible[Text] = Field(None, description="The e-mail address.")
    phone: Omissible[Text] = Field(None, description="The phone number, with its country code.")
    username: Omissible[Text] = Field(None, description="The user who is this person.")
    enabled: Omissible[bool] = Field(None, description="Whether the person's grants count; left out: yes.")


class UpdatePersonParams(Params):
    """Params of UpdatePerson."""

    personId: Id = Field(description="Which person.")
    firstName: Omissible[Text] = Field(None, description="The first name.")
    lastName: Omissible[Text] = Field(None, description="The last name.")
    email: Omissible[Text] = Field(None, description="The e-mail address.")
    phone: Omissible[Text] = Field(None, description="The phone number, with its country code; empty: none.")
    username: Text | None = Field(None, description="The user who is this person; null: nobody.")
    enabled: Omissible[bool] = Field(None, description="Whether the person's grants count.")


class PersonIdParams(Params):
    """Params of methods about one person."""

    personId: Id = Field(description="Which person.")


class GetCredentialsParams(Params):
    """Params of GetCredentials."""

    ownerId: Omissible[Id] = Field(None, description="Only this owner's.")
    personId: Omissible[Id] = Field(None, description="Only this person's.")


class AddCredentialParams(Params):
    """Params of AddCredential."""

    type: Annotated[CredentialType, word_of(CredentialType)] = Field(description="What it is.")
    value: Text = Field(
        description="A code of 4 to 16 digits, a proximity key's number (decimal, or hexadecimal after 0x), or a phone"
        " number."
    )
    personId: Omissible[Id] = Field(None, description="Who has it; left out: nobody.")
    ownerId: Omissible[Id] = Field(None, description="Whose it is; needed without a person where there are several.")
    pin: Omissible[str] = Field(None, description="A PIN of 4 to 8 digits that is wanted with it. It is never told.")
    enabled: Omissible[bool] = Field(None, description="Whether it opens anything; left out: yes.")


class UpdateCredentialParams(Params):
    """Params of UpdateCredential."""

    credentialId: Id = Field(description="Which credential.")
    enabled: Omissible[bool] = Field(None, description="Whether it opens anything.")
    pin: str | None = Field(None, description="Another PIN; null: none is wanted any more.")


class CredentialIdParams(Params):
    """Params of RemoveCredential."""

    credentialId: Id = Field(description="Which credential.")


class GetGrantsParams(Params):
    """Params of GetGrants."""

    personId: Omissible[Id] = Field(None, description="Only this person's, by any of their credentials.")
    lockId: Omissible[Id] = Field(None, description="Only those that reach this lock, by its groups too.")
    lockGroupId: Omissible[Id] = Field(None, description="Only those for this group.")
    state: Omissible[Annotated[GrantState, word_of(GrantState)]] = Field(None, description="Only those in this state.")


class AddGrantParams(Params):
    """Params of AddGrant."""

    personId: Omissible[Id] = Field(None, description="Who may: a person. Either this or a credential.")
    credentialId: Omissible[Id] = Field(None, description="Who may: whoever has this credential.")
    lockId: Omissible[Id] = Field(None, description="What: a lock. Either this or a group.")
    lockGroupId: Omissible[Id] = Field(None, description="What: the locks of a group.")
    validFrom: Omissible[Time] = Field(None, description="From when on; left out: from now on.")
    validBefore: Omissible[Time] = Field(None, description="Until before when; left out: for good.")
    schedule: Omissible[Schedule] = Field(None, description="When within that; left out: always.")
    enabled: Omissible[bool] = Field(None, description="Whether it counts; left out: yes.")
    remoteAllowed: Omissible[bool] = Field(None, description="Whether it opens from afar, too; left out: yes.")
    name: Omissible[Text] = Field(None, description="What people call it.")


class UpdateGrantParams(Params):
    """Params of UpdateGrant."""

    grantId: Id = Field(description="Which grant.")
    validFrom: Time | None = Field(None, description="From when on; null: no bound.")
    validBefore: Time | None = Field(None, description="Until before when; null: no bound.")
    schedule: Schedule | None = Field(None, description="When within that; null: always.")
    enabled: Omissible[bool] = Field(None, description="Whether it counts.")
    remoteAllowed: Omissible[bool] = Field(None, description="Whether it opens from afar, too.")
    name: Omissible[Text] = Field(None, description="What people call it.")


class GrantIdParams(Params):
    """Params of RevokeGrant."""

    grantId: Id = Field(description="Which grant.")


@wire_type
class ShownCredential(TypedDict):
    """A credential that somebody shows."""

    type: Annotated[CredentialType, word_of(CredentialType), Field(description="What it is.")]
    value: Annotated[str, Field(max_length=255, description="What it shows, in any spelling.")]


class AttemptParams(Params):
    """Params of Evaluate and ReportAccess."""

    lockId: Id = Field(description="Which lock.")
    personId: Omissible[Id] = Field(None, description="Who: a person. Either this or a credential.")
    credential: Omissible[ShownCredential] = Field(None, description="Who: whoever shows this credential.")
    time: Omissible[Time] = Field(None, description="When; left out: now.")
    remote: Omissible[bool] = Field(None, description="Whether from afar; left out: at the door.")
    pin: Omissible[Annotated[str, Field(max_length=64)]] = Field(None, description="The PIN that came with it.")


class WhoHasAccessParams(Params):
    """Params of GetWhoHasAccess."""

    lockId: Id = Field(description="Which lock.")
    time: Omissible[Time] = Field(None, description="When; left out: now.")


class AccessOfParams(Params):
    """Params of GetAccessOf."""

    personId: Id = Field(description="Which person.")
    time: Omissible[Time] = Field(None, description="When; left out: now.")


@wire_type
class SyncConfirmation(TypedDict):
    """What a lock says of an item."""

    id: Annotated[Id, Field(description="Which item.")]
    error: NotRequired[Annotated[Text, Field(description="Why it could not be taken; left out: it was.")]]


class ConfirmSyncParams(Params):
    """Params of ConfirmSync."""

    lockId: Id = Field(description="Which lock.")
    items: Annotated[list[SyncConfirmation], Field(max_length=MAX_ITEMS, fail_fast=True)] = Field(
        description="What it says of items, in any order."
    )


class GetEventsParams(Params):
    """Params of GetEvents."""

    fromDate: Omissible[Time] = Field(None, description="Not before.")
    toDate: Omissible[Time] = Field(None, description="Before.")
    lockId: Omissible[Id] = Field(None, description="Only about this lock.")
    personId: Omissible[Id] = Field(None, description="Only about this person.")
    includeAccessGranted: Omissible[bool] = Field(None, description="With decisions that allowed; left out: yes.")
    includeAccessDenied: Omissible[bool] = Field(None, description="With decisions that denied; left out: yes.")
    limit: Omissible[Annotated[int, Field(ge=1, le=MAX_EVENTS)]] = Field(
        None, description="How many at the most; left out: 1,000."
    )
    continuationKey: Omissible[Text] = Field(None, description="What the page before has told.")


# Returns


@wire_type
class AccessReturns(TypedDict):
    """The outcome alone."""

    error: Annotated[AccessError, Field(description="The outcome.")]
    errorMessage: NotRequired[Annotated[str, Field(description="What is wrong, for people.")]]


@wire_type
class OwnersReturns(AccessReturns):
    """Returns of GetOwners."""

    owners: NotRequired[Annotated[list[OwnerInfo], Field(description="All owners, by title.")]]


@wire_type
class OwnerReturns(AccessReturns):
    """Returns of AddOwner."""

    owner: NotRequired[Annotated[OwnerInfo, Field(description="The owner as it is now.")]]


@wire_type
class LocksReturns(AccessReturns):
    """Returns of GetLocks."""

    locks: NotRequired[Annotated[list[LockInfo], Field(description="The locks that the caller may know of, by title.")]]


@wire_type
class LockReturns(AccessReturns):
    """Returns of AddLock and UpdateLock."""

    lock: NotRequired[Annotated[LockInfo, Field(description="The lock as it is now.")]]


@wire_type
class PersonsReturns(AccessReturns):
    """Returns of GetPersons."""

    persons: NotRequired[Annotated[list[PersonInfo], Field(description="The persons, by number.")]]


@wire_type
class PersonReturns(AccessReturns):
    """Returns of AddPerson and UpdatePerson."""

    person: NotRequired[Annotated[PersonInfo, Field(description="The person as they are now.")]]


@wire_type
class CredentialsReturns(AccessReturns):
    """Returns of GetCredentials."""

    credentials: NotRequired[Annotated[list[CredentialInfo], Field(description="The credentials.")]]


@wire_type
class CredentialReturns(AccessReturns):
    """Returns of AddCredential and UpdateCredential."""

    credential: NotRequired[Annotated[CredentialInfo, Field(description="The credential as it is now.")]]


@wire_type
class GrantsReturns(AccessReturns):
    """Returns of GetGrants."""

    grants: NotRequired[Annotated[list[GrantInfo], Field(description="The grants.")]]


@wire_type
class GrantReturns(AccessReturns):
    """Returns of AddGrant, UpdateGrant and RevokeGrant."""

    grant: NotRequired[Annotated[GrantInfo, Field(description="The grant as it is now.")]]


@wire_type
class DecisionReturns(AccessReturns):
    """Returns of Evaluate."""

    decision: NotRequired[Annotated[AccessDecision, Field(description="What is decided.")]]


@wire_type
class ReportReturns(AccessReturns):
    """Returns of ReportAccess."""

    decision: NotRequired[Annotated[AccessDecision, Field(description="What was decided.")]]
    event: NotRequired[Annotated[AccessEvent, Field(description="The entry of the log.")]]


@wire_type
class HoldersReturns(AccessReturns):
    """Returns of GetWhoHasAccess."""

    persons: NotRequired[
        Annotated[list[HolderInfo], Field(description="Everybody with a grant that reaches the lock; persons first.")]
    ]


@wire_type
class ReachReturns(AccessReturns):
    """Returns of GetAccessOf."""

    locks: NotRequired[Annotated[list[ReachInfo], Field(description="The locks that the person's grants reach.")]]


@wire_type
class SyncItemsReturns(AccessReturns):
    """Returns of GetPendingSync."""

    items: NotRequired[
        Annotated[list[SyncItemInfo], Field(description="What is due, in order; at most 1,000 at a time.")]
    ]


@wire_type
class EventsReturns(AccessReturns):
    """Returns of GetEvents."""

    events: NotRequired[Annotated[list[AccessEvent], Field(description="The entries, the newest first.")]]
    continuationKey: NotRequired[Annotated[str, Field(description="Where there are more: what asks for them.")]]


# Notifications


@wire_type
class OwnerNotification(TypedDict):
    """Params of OwnerAdded."""

    owner: Annotated[OwnerInfo, Field(description="The owner as it is now.")]


@wire_type
class LockNotification(TypedDict):
    """Params of LockAdded and LockChanged."""

    lock: Annotated[LockInfo, Field(description="The lock as it is now.")]


@wire_type
class LockIdNotification(TypedDict):
    """Params of LockRemoved and SyncPending."""

    lockId: Annotated[Id, Field(description="Which lock.")]


@wire_type
class PersonNotification(TypedDict):
    """Params of PersonAdded and PersonChanged."""

    person: Annotated[PersonInfo, Field(description="The person as they are now.")]


@wire_type
class PersonIdNotification(TypedDict):
    """Params of PersonRemoved."""

    personId: Annotated[Id, Field(description="Which person.")]


@wire_type
class CredentialNotification(TypedDict):
    """Params of CredentialAdded and CredentialChanged."""

    credential: Annotated[CredentialInfo, Field(description="The credential as it is now.")]


@wire_type
class CredentialIdNotification(TypedDict):
    """Params of CredentialRemoved."""

    credentialId: Annotated[Id, Field(description="Which credential.")]


@wire_type
class GrantNotification(TypedDict):
    """Params of GrantAdded and GrantChanged."""

    grant: Annotated[GrantInfo, Field(description="The grant as it is now.")]


@wire_type
class GrantIdNotification(TypedDict):
    """Params of GrantRemoved."""

    grantId: Annotated[Id, Field(description="Which grant.")]


@wire_type
class AccessDecidedNotification(TypedDict):
    """Params of AccessDecided."""

    event: Annotated[AccessEvent, Field(description="The entry of the log.")]


# How the domain's things are shown


def owner_info(owner: Owner) -> dict[str, Any]:
    """An owner as the API shows it."""
    return {"id": owner.id, "title": owner.title}


def person_info(person: Person) -> dict[str, Any]:
    """A person as the API shows them."""
    return without_none(
        {
            "id": person.id,
            "ownerId": person.owner_id,
            "number": person.number,
            "firstName": person.first_name,
            "lastName": person.last_name,
            "email": person.email,
            "phone": person.phone,
            "username": person.username,
            "enabled": person.enabled,
        }
    )


def lock_info(lock: Lock) -> dict[str, Any]:
    """A lock as the API shows it."""
    return without_none(
        {
            "id": lock.id,
            "ownerId": lock.owner_id,
            "title": lock.title,
            "description": lock.description,
            "timeZone": lock.time_zone,
            "protocolVersion": lock.protocol_version,
            "systemId": lock.system_id,
            "virtual": lock.virtual,
            "bridge": lock.bridge,
            "rclSerialNo": lock.rcl_serial_no,
            "rclDate": shown_time(lock.rcl_date),
            "lastSeenRclSerialNo": lock.last_seen_rcl_serial_no,
            "pendingSyncCount": lock.pending,
        }
    )


def credential_info(credential: Credential) -> dict[str, Any]:
    """A credential as the API shows it."""
    return without_none(
        {
            "id": credential.id,
            "ownerId": credential.owner_id,
            "personId": credential.person_id,
            "lockId": credential.lock_id,
            "type": credential.type,
            "value": credential.value,
            "hasPin": credential.has_pin,
            "enabled": credential.enabled,
            "lockedUntil": shown_time(credential.locked_until),
        }
    )


def grant_info(grant: Grant) -> dict[str, Any]:
    """A grant as the API shows it."""
    return without_none(
        {
            "id": grant.id,
            "ownerId": grant.owner_id,
            "personId": grant.person_id,
            "credentialId": grant.credential_id,
            "lockId": grant.lock_id,
            "lockGroupId": grant.group_id,
            "validFrom": shown_time(grant.valid_from),
            "validBefore": shown_time(grant.valid_before),
            "schedule": grant.schedule,
            "enabled": grant.enabled,
            "remoteAllowed": grant.remote_allowed,
            "name": grant.name or None,
            "state": grant.state,
            "issuer": grant.issuer,
            "created": shown_time(grant.created),
            "revoked": shown_time(grant.revoked),
        }
    )


def decision_info(decision: Decision) -> dict[str, Any]:
    """A decision as the API shows it."""
    shown = {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "grantIds": list(decision.grant_ids),
        "desired": decision.desired,
        "onLock": decision.on_lock,
    }
    if decision.until is not None:
        shown["until"] = shown_time(moment(decision.until))
    return shown


def holding(decision: Decision) -> dict[str, Any]:
    """A decision in a list."""
    shown = decision_info(decision)
    del shown["desired"]
    return shown


def item_info(item: SyncItem) -> dict[str, Any]:
    """Something that a lock must hear of, as the API shows it."""
    return without_none(
        {
            "id": item.id,
            "entity": item.entity,
            "entityId": item.entity_id,
            "op": item.op,
            "content": item.payload,
            "created": shown_time(item.created),
            "attempts": item.attempts,
            "error": item.error,
        }
    )


def event_info(entry: LogEntry) -> dict[str, Any]:
    """An entry of the log as the API shows it."""
    return without_none(
        {
            "id": entry.id,
            "time": shown_time(entry.time),
            "kind": entry.kind,
            "lockId": entry.lock_id,
            "personId": entry.person_id,
            "credentialId": entry.credential_id,
            "allowed": entry.allowed,
            "reason": entry.reason,
            "code": entry.code,
            "details": entry.details,
        }
    )

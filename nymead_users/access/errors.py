"""What the domain of access refuses.

::

    AccessRefused
    ├── InvalidValue           a value that cannot be; its text says which and why
    ├── InvalidScheduleGiven
    ├── BadQuery
    ├── NotVisible             the lock is not the caller's to see or change
    ├── Duplicate
    ├── NameTooLong
    ├── UnderWay               a change that its lock has not heard of yet is in the way
    ├── OwnerNotFound, LockNotFound, LockGroupNotFound, PersonNotFound,
    │   CredentialNotFound, GrantNotFound, SyncItemNotFound, MembershipNotFound
    ├── of lock groups: TitleMissing, LocksAssigned, ActiveGrants, AlreadyMember, ProtocolVersionTooOld, TooManyGroups
    ├── of sharing: InvalidUserId, RoleNotFound, SharingNotAllowed, KeyNotPermanent, KeyNotFound
    └── of access keys: AccessKeyNotFound, KeyMissing, InvalidKey, InvalidPin, InvalidDate, AccessLevelNotFound

The texts are for the API's clients; those of lock groups are the vendor's, to the letter (seed 003). Where the
database fails, its StoreError comes through.
"""

from __future__ import annotations


class AccessRefused(Exception):
    """The domain refuses a request; the text, where there is one, says why."""

    text = ""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.text)


class InvalidValue(AccessRefused):
    """A value that cannot be."""


class InvalidScheduleGiven(AccessRefused):
    """A schedule that cannot be read."""


class BadQuery(AccessRefused):
    """A query of a list that cannot be read."""


class NotVisible(AccessRefused):
    """The lock is not the caller's to see or change."""


class Duplicate(AccessRefused):
    """There is one already."""


class NameTooLong(AccessRefused):
    """A name has more characters than it can be given."""


class UnderWay(AccessRefused):
    """A change that its lock has not heard of yet is in the way of another one."""

    text = "an operation is under way, of which the lock has not heard yet"


class OwnerNotFound(AccessRefused):
    """There is no such owner."""

    text = "owner account not found"


class LockNotFound(AccessRefused):
    """There is no such lock."""

    text = "bound lock not found"


class LockGroupNotFound(AccessRefused):
    """There is no such lock group."""

    text = "lock group not found"


class PersonNotFound(AccessRefused):
    """There is no such person."""

    text = "person not found"


class CredentialNotFound(AccessRefused):
    """There is no such credential."""

    text = "credential not found"


class GrantNotFound(AccessRefused):
    """There is no such grant."""

    text = "grant not found"


class SyncItemNotFound(AccessRefused):
    """There is no such sync item."""


class MembershipNotFound(AccessRefused):
    """There is no such membership, or it has ended."""

    text = "lock group membership not found"


class TitleMissing(AccessRefused):
    """A lock group needs a title."""

    text = "lock group must have a title"


class LocksAssigned(AccessRefused):
    """The group has locks."""

    text = "lock group has locks assigned"


class ActiveGrants(AccessRefused):
    """The group has grants that are not revoked."""

    text = "lock group has active grants"


class AlreadyMember(AccessRefused):
    """The lock is in the group."""

    text = "lock is already member of this group"


class ProtocolVersionTooOld(AccessRefused):
    """The lock cannot be in groups."""

    text = "the lock's protocol version is too old"


class TooManyGroups(AccessRefused):
    """The lock is in as many groups as it can be."""

    def __init__(self, count: int) -> None:
        super().__init__(f"this lock is already member of {count} groups and therefore cannot join another group")


class InvalidUserId(AccessRefused):
    """What should name somebody is no phone number, or names several persons, or one who cannot be meant."""


class RoleNotFound(AccessRefused):
    """Nobody of that number has a role at the lock."""

    text = "role not found"


class SharingNotAllowed(AccessRefused):
    """The role cannot share, or its person may not open the lock."""


class KeyNotPermanent(AccessRefused):
    """Who shares may open the lock for a time only."""

    text = "only who may open the lock at all times, without an end, can share it"


class KeyNotFound(AccessRefused):
    """There is no such shared key."""


class AccessKeyNotFound(AccessRefused):
    """There is no such access key."""

    text = "access key not found"


class KeyMissing(AccessRefused):
    """Nothing says which access key is meant."""

    text = "id, key: one of them is wanted"


class InvalidKey(AccessRefused):
    """An identification that no access key can have."""


class InvalidPin(AccessRefused):
    """What is no PIN of an access key."""


class InvalidDate(AccessRefused):
    """A window that ends before it begins."""


class AccessLevelNotFound(AccessRefused):
    """There is no such access level."""

    text = "access level not found"

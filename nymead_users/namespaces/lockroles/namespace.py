"""The methods and notifications of the LockRoles namespace."""

from __future__ import annotations

from functools import partial
from typing import Any

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed
from nymead_users.access.model import Grant, Role
from nymead_users.access.roles import NewKey, Party, Roles
from nymead_users.events import EventBus
from nymead_users.identity.errors import StoreError
from nymead_users.namespaces.answers import answer, may_hear, on_behalf, sight_of, speaker
from nymead_users.namespaces.lockroles.types import (
    USUAL_ROLES,
    GetLockRolesParams,
    GetRolesParams,
    GetSharedKeysParams,
    GoneNotification,
    KeyNotification,
    KeyReturns,
    KeysReturns,
    LockRoleError,
    LockRoleErrorReturns,
    RemoveRoleParams,
    RevokeSharedKeysParams,
    RoleNotification,
    RoleReturns,
    RolesReturns,
    SetRoleParams,
    ShareKeyParams,
    key_info,
    role_info,
)
from nymead_users.permissions import Scope
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Namespace, Notification, Notify, method

#: From what the domain refuses to the API's words.
OUTCOMES: dict[type[Exception], LockRoleError] = {
    StoreError: LockRoleError.BACKEND_ERROR,
    errors.Duplicate: LockRoleError.BACKEND_ERROR,
    errors.NotVisible: LockRoleError.PERMISSION_DENIED,
    errors.InvalidValue: LockRoleError.INVALID_PARAMETER,
    errors.InvalidScheduleGiven: LockRoleError.INVALID_PARAMETER,
    errors.OwnerNotFound: LockRoleError.LOCK_HOLDER_NOT_FOUND,
    errors.LockNotFound: LockRoleError.LOCK_NOT_FOUND,
    errors.InvalidUserId: LockRoleError.INVALID_USER_ID,
    errors.RoleNotFound: LockRoleError.ROLE_NOT_FOUND,
    errors.SharingNotAllowed: LockRoleError.SHARING_NOT_ALLOWED,
    errors.KeyNotPermanent: LockRoleError.KEY_NOT_PERMANENT,
    errors.KeyNotFound: LockRoleError.KEY_NOT_FOUND,
}

# What causes an outcome, in the words of the contract.
STORE_FAILED = {LockRoleError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
NOT_VISIBLE = {LockRoleError.PERMISSION_DENIED: "The lock is not among the caller's things."}
NOT_THE_SHARER = {
    LockRoleError.PERMISSION_DENIED: "The caller is neither an administrator nor the user who is the sharer, or the"
    " lock is not among the caller's things."
}
NO_HOLDER = {LockRoleError.LOCK_HOLDER_NOT_FOUND: "There is no such owner."}
NO_LOCK = {LockRoleError.LOCK_NOT_FOUND: "There is no such lock."}
NOT_THEIRS = {LockRoleError.LOCK_NOT_FOUND: "There is no such lock, or it is another owner's."}
BAD_NUMBER = {LockRoleError.INVALID_USER_ID: "What should be a phone number is none, or several persons have it."}
BAD_RECEIVER = {
    LockRoleError.INVALID_USER_ID: "What should be a phone number is none, or several persons have it, or the key would"
    " be for who shares it."
}
NO_ROLE = {LockRoleError.ROLE_NOT_FOUND: "Nobody of that number has a role at the lock."}
NO_SHARER = {LockRoleError.ROLE_NOT_FOUND: "Nobody of that number has a role at the lock, or has ever shared it."}
BAD_CURSOR = {LockRoleError.INVALID_PARAMETER: "There is no role to begin after in this list."}

READ = Scope.CONTROL_THINGS


class LockRolesNamespace(Namespace):
    """Who may share a lock with others, and the keys that they shared."""

    name = "LockRoles"
    notifications = (
        Notification("LockRoles.RoleAdded", "A role was made.", RoleNotification),
        Notification(
            "LockRoles.RoleChanged", "A role changed, a key was shared by it, or its person's number.", RoleNotification
        ),
        Notification("LockRoles.RoleRemoved", "A role was removed, or went with its person or lock.", GoneNotification),
        Notification("LockRoles.KeyAdded", "A key was shared.", KeyNotification),
        Notification(
            "LockRoles.KeyChanged", "A shared key changed, was revoked, or is in another state.", KeyNotification
        ),
        Notification("LockRoles.KeyRemoved", "A shared key is gone, with its person or lock.", GoneNotification),
    )

    def __init__(self, roles: Roles, events: EventBus, notify: Notify) -> None:
        self._roles = roles
        self._notify = notify
        events.subscribe(Added, partial(self._told, "Added"))
        events.subscribe(Changed, partial(self._told, "Changed"))
        events.subscribe(Removed, self._gone)

    # Roles

    @method("GetRoles", scope=READ, outcomes={**NO_HOLDER, **BAD_CURSOR, **STORE_FAILED})
    async def get_roles(self, caller: Caller, params: GetRolesParams) -> RolesReturns:
        """List the roles of a lock holder that can share, page by page: a page goes on after the last id of the one
        before. Who may not access all things sees those at their locks.
        """
        limit = USUAL_ROLES if params.limit is None else params.limit
        return await _answer(
            self._roles.listed(params.lockHolderId, sight_of(caller), limit=limit, after_id=params.startAfterId),
            _all_roles,
        )

    @method(
        "GetLockRoles",
        scope=READ,
        outcomes={**NO_HOLDER, **NOT_THEIRS, **NOT_VISIBLE, **BAD_CURSOR, **STORE_FAILED},
    )
    async def get_lock_roles(self, caller: Caller, params: GetLockRolesParams) -> RolesReturns:
        """List all roles at a lock, those that cannot share, too; page by page as GetRoles does."""
        limit = USUAL_ROLES if params.limit is None else params.limit
        return await _answer(
            self._roles.at_lock(
                params.lockHolderId, params.lockId, sight_of(caller), limit=limit, after_id=params.startAfterId
            ),
            _all_roles,
        )

    @method("SetRole", outcomes={**NO_HOLDER, **NOT_THEIRS, **BAD_NUMBER, **STORE_FAILED})
    async def set_role(self, caller: Caller, params: SetRoleParams) -> RoleReturns:
        """Make somebody's role at a lock, or change it: created and createdKeys stay, and userName where it is left
        out. Where the owner has no person of that number, one is made.
        """
        by, confirm = on_behalf(caller)
        return await _answer(
            self._roles.set(
                params.lockHolderId,
                params.lockId,
                params.userId,
                can_share=params.canShare,
                user_name=params.userName,
                by=by,
                confirm=confirm,
            ),
            lambda role: {"role": role_info(role)},
        )

    @method("RemoveRole", outcomes={**NO_HOLDER, **NOT_THEIRS, **BAD_NUMBER, **NO_ROLE, **STORE_FAILED})
    async def remove_role(self, caller: Caller, params: RemoveRoleParams) -> LockRoleErrorReturns:
        """Remove somebody's role at a lock. The keys that were shared by it stay."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._roles.remove(params.lockHolderId, params.lockId, params.userId, by=by, confirm=confirm)
        )

    # Keys

    @method(
        "ShareKey",
        scope=READ,
        outcomes={
            **NOT_THE_SHARER,
            **NO_LOCK,
            **BAD_RECEIVER,
            **NO_ROLE,
            LockRoleError.SHARING_NOT_ALLOWED: "The role cannot share, its person may not open the lock at present, or"
            " has shared 100 keys that are not revoked.",
            LockRoleError.KEY_NOT_PERMANENT: "Its person may open the lock for a time only, or at some times.",
            LockRoleError.INVALID_PARAMETER: "The key would begin before its sharer's, end before it begins, or be over"
            " already, or its recurrence cannot be; the message names it.",
            **STORE_FAILED,
        },
    )
    async def share_key(self, caller: Caller, params: ShareKeyParams) -> KeyReturns:
        """Let somebody in at a lock, under the role of who shares: administrators for everybody, users for the person
        who they are. It needs a role that can share, and a grant of its person without an end and a schedule. Where
        the owner has no person of the receiver's number, one is made.
        """
        by, confirm = on_behalf(caller, READ)
        key = NewKey(start=params.start, end=params.end, recurrence=params.recurrence, name=params.name or "")
        return await _answer(
            self._roles.share(
                params.lockId, params.userId, params.toUserId, key, _party(caller), by=by, confirm=confirm
            ),
            lambda grant: {"key": key_info(grant)},
        )

    @method(
        "GetSharedKeys", scope=READ, outcomes={**NOT_THE_SHARER, **NO_LOCK, **BAD_NUMBER, **NO_SHARER, **STORE_FAILED}
    )
    async def get_shared_keys(self, caller: Caller, params: GetSharedKeysParams) -> KeysReturns:
        """List what somebody has shared at a lock, with what was revoked, whatever has become of their role.
        Administrators may ask about everybody, users about the person who they are.
        """
        return await _answer(self._roles.shared(params.lockId, params.userId, _party(caller)), _all_keys)

    @method(
        "RevokeSharedKeys",
        scope=READ,
        outcomes={
            **NOT_THE_SHARER,
            **NO_LOCK,
            **BAD_NUMBER,
            **NO_SHARER,
            LockRoleError.KEY_NOT_FOUND: "One of the ids is none of these keys; nothing was revoked.",
            **STORE_FAILED,
        },
    )
    async def revoke_shared_keys(self, caller: Caller, params: RevokeSharedKeysParams) -> KeysReturns:
        """Revoke what somebody has shared at a lock: all of it, or what lets one person in, or some keys; also where
        the role cannot share any more. Administrators may for everybody, users for the person who they are.
        """
        by, confirm = on_behalf(caller, READ)
        return await _answer(
            self._roles.revoke(
                params.lockId,
                params.userId,
                _party(caller),
                to_user_id=params.toUserId,
                key_ids=None if params.ids is None else frozenset(params.ids),
                by=by,
                confirm=confirm,
            ),
            _all_keys,
        )

    # Who may see a lock hears of who may share it, and what was shared

    def _told(self, verb: str, event: Added | Changed) -> None:
        thing = event.thing
        audience = partial(may_hear, event.locks)
        if isinstance(thing, Role):
            self._notify(f"LockRoles.Role{verb}", {"role": role_info(thing)}, audience=audience)
        elif isinstance(thing, Grant) and thing.shared_by is not None:
            self._notify(f"LockRoles.Key{verb}", {"key": key_info(thing)}, audience=audience)

    def _gone(self, event: Removed) -> None:
        thing = event.thing
        audience = partial(may_hear, event.locks)
        if isinstance(thing, Role):
            params = {"id": thing.id, "lockId": thing.lock_id, "userId": thing.user_id}
            self._notify("LockRoles.RoleRemoved", params, audience=audience)
        elif isinstance(thing, Grant) and thing.shared_by is not None:
            gone = {"id": thing.id, "lockId": thing.lock_id, "userId": thing.holder_phone or ""}
            self._notify("LockRoles.KeyRemoved", gone, audience=audience)


#: What refusals are called here.
_WORDS: dict[type[Exception], str] = {
    errors.LockNotFound: "lock not found",
    errors.OwnerNotFound: "lock holder not found",
}
_answer = partial(answer, OUTCOMES, LockRoleError.NO_ERROR, words=_WORDS)


def _party(caller: Caller) -> Party:
    return Party(speaker(caller), partial(sight_of, caller))


def _all_roles(roles: list[Role]) -> dict[str, Any]:
    return {"roles": [role_info(role) for role in roles]}


def _all_keys(keys: list[Grant]) -> dict[str, Any]:
    return {"keys": [key_info(key) for key in keys]}

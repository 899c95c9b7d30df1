"""The methods and notifications of the AccessKeys namespace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Removed
from nymead_users.access.keys import AccessKeys, Holder, Which
from nymead_users.access.model import AccessKey, Credential, CredentialType
from nymead_users.events import EventBus
from nymead_users.identity.errors import StoreError
from nymead_users.namespaces.accesskeys.types import (
    AccessKeyError,
    AccessKeyErrorReturns,
    AccessKeyIdNotification,
    AccessKeyIdParams,
    AccessKeyNotification,
    AccessKeyReturns,
    AccessKeysReturns,
    AccessKeyStatusReturns,
    AccessLevelsReturns,
    AddAccessKeyParams,
    OfOwnerParams,
    RemoveAccessKeyParams,
    key_info,
    level_info,
    system_info,
)
from nymead_users.namespaces.answers import answer, given, listed, may_hear, may_hear_codes, on_behalf, sight_of
from nymead_users.permissions import Scope, User
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.namespace import Namespace, Notification, Notify, method

#: From what the domain refuses to the API's words.
OUTCOMES: dict[type[Exception], AccessKeyError] = {
    StoreError: AccessKeyError.BACKEND_ERROR,
    errors.NotVisible: AccessKeyError.PERMISSION_DENIED,
    errors.InvalidValue: AccessKeyError.INVALID_PARAMETER,
    errors.OwnerNotFound: AccessKeyError.INVALID_PARAMETER,
    errors.AccessKeyNotFound: AccessKeyError.ACCESS_KEY_NOT_FOUND,
    errors.KeyMissing: AccessKeyError.KEY_MISSING,
    errors.InvalidKey: AccessKeyError.INVALID_KEY,
    errors.Duplicate: AccessKeyError.INVALID_KEY,
    errors.InvalidPin: AccessKeyError.INVALID_PIN,
    errors.InvalidDate: AccessKeyError.INVALID_DATE,
    errors.AccessLevelNotFound: AccessKeyError.ACCESS_LEVEL_NOT_FOUND,
    errors.PersonNotFound: AccessKeyError.PERSON_NOT_FOUND,
    errors.NameTooLong: AccessKeyError.NAME_TOO_LONG,
}

# What causes an outcome, in the words of the contract.
STORE_FAILED = {AccessKeyError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
NO_OWNER = {AccessKeyError.INVALID_PARAMETER: "There is no such owner."}
NO_KEY = {AccessKeyError.ACCESS_KEY_NOT_FOUND: "There is no such access key."}
WHICH = {
    **NO_KEY,
    AccessKeyError.KEY_MISSING: "Neither an id nor a key says which one is meant.",
    AccessKeyError.INVALID_KEY: "The identification is none of its type, or a code that one lock has for itself.",
}

READ = Scope.CONTROL_THINGS

_NAMES = {"pin": "pin", "validFromDate": "valid_from", "validToDate": "valid_before", "accessLevels": "levels"}


class AccessKeysNamespace(Namespace):
    """Keys and codes: what they open, when and with which PIN, whose they are, and how far locks have them."""

    name = "AccessKeys"
    notifications = (
        Notification("AccessKeys.AccessKeyAdded", "An access key was added.", AccessKeyNotification),
        Notification(
            "AccessKeys.AccessKeyChanged",
            "An access key, its levels or its person's names changed, or wrong PINs locked it out.",
            AccessKeyNotification,
        ),
        Notification("AccessKeys.AccessKeyRemoved", "An access key was removed.", AccessKeyIdNotification),
    )

    def __init__(self, keys: AccessKeys, events: EventBus, notify: Notify) -> None:
        self._keys = keys
        self._notify = notify
        events.subscribe(Added, partial(self._told, "Added"))
        events.subscribe(Changed, partial(self._told, "Changed"))
        events.subscribe(Removed, self._gone)

    @method(
        "AddAccessKey",
        errors=(ServerBusy,),
        outcomes={
            **WHICH,
            AccessKeyError.INVALID_PIN: "The PIN is not 4 decimal digits.",
            AccessKeyError.INVALID_DATE: "It would end before it begins, be it by a bound that was given before.",
            AccessKeyError.ACCESS_LEVEL_NOT_FOUND: "The owner has no such lock group; the message names it.",
            AccessKeyError.PERSON_NOT_FOUND: "The owner has no such person, to whom a new key is to be given.",
            AccessKeyError.NAME_TOO_LONG: "A name of a new person has more than 32 characters.",
            AccessKeyError.INVALID_PARAMETER: "There is no such owner, or none was named and there are several; or the"
            " person has as many keys as can be.",
            **STORE_FAILED,
        },
    )
    async def add_access_key(self, caller: Caller, params: AddAccessKeyParams) -> AccessKeyReturns:
        """Change the access key of an id, or the one that key names, or add it if there is none. What is left out
        stays as it is, and null clears. Where a date is given, all the key's levels get its dates.
        """
        by, confirm = on_behalf(caller)
        holder = params.person or {}
        return await _answer(
            self._keys.put(
                _which(params),
                given(params, _NAMES),
                Holder(id=holder.get("id"), first_name=holder.get("firstName"), last_name=holder.get("lastName")),
                by=by,
                confirm=confirm,
            ),
            lambda key: {"accessKey": key_info(key)},
        )

    @method(
        "RemoveAccessKey",
        outcomes={
            **WHICH,
            AccessKeyError.INVALID_PARAMETER: "There is no such owner, or none was named and there are several.",
            **STORE_FAILED,
        },
    )
    async def remove_access_key(self, caller: Caller, params: RemoveAccessKeyParams) -> AccessKeyErrorReturns:
        """Remove the access key of an id, or the one that key names, of which the locks hear. Its person stays."""
        by, confirm = on_behalf(caller)
        return await _answer(self._keys.remove(_which(params), by=by, confirm=confirm))

    @method(
        "GetAccessKeyStatus",
        scope=READ,
        outcomes={
            **NO_KEY,
            AccessKeyError.PERMISSION_DENIED: "It is a code, and the caller is no administrator.",
            **STORE_FAILED,
        },
    )
    async def get_access_key_status(self, caller: Caller, params: AccessKeyIdParams) -> AccessKeyStatusReturns:
        """Tell how far an access key is on its way to the locks of its levels, and to those of each system. Who may
        not access all things is told of their own locks, and of codes administrators alone.
        """
        return await _answer(
            self._keys.status(params.id, sight_of(caller), codes=caller.permits(Scope.ADMIN)),
            lambda found: {"status": found[0], "systems": [system_info(system) for system in found[1]]},
        )

    @method("GetAccessKeys", scope=READ, outcomes={**NO_OWNER, **STORE_FAILED})
    async def get_access_keys(self, caller: Caller, params: OfOwnerParams) -> AccessKeysReturns:
        """List the access keys, without their PINs. Codes are shown to administrators only: whoever reads one may use
        it. Who may not access all things sees those that open their locks.
        """
        pages = self._keys.pages(params.ownerId, sight_of(caller), codes=caller.permits(Scope.ADMIN))
        return await _answer(listed(pages, key_info), lambda text: {"accessKeys": text})

    @method("GetAccessLevels", scope=READ, outcomes={**NO_OWNER, **STORE_FAILED})
    async def get_access_levels(self, caller: Caller, params: OfOwnerParams) -> AccessLevelsReturns:
        """List the access levels: the lock groups. Who may not access all things sees those with one of their locks."""
        return await _answer(
            self._keys.levels(params.ownerId, sight_of(caller)),
            lambda groups: {"accessLevels": [level_info(group) for group in groups]},
        )

    # Who may see a lock hears of the keys that open it

    def _told(self, verb: str, event: Added | Changed) -> None:
        key = event.thing
        if isinstance(key, AccessKey):
            audience = _audience(key.type, event.locks)
            self._notify(f"AccessKeys.AccessKey{verb}", {"accessKey": key_info(key)}, audience=audience)

    def _gone(self, event: Removed) -> None:
        key = event.thing
        if isinstance(key, Credential) and key.is_access_key:
            audience = _audience(key.type, event.locks)
            self._notify("AccessKeys.AccessKeyRemoved", {"accessKeyId": key.id}, audience=audience)


_answer = partial(answer, OUTCOMES, AccessKeyError.NO_ERROR)


def _audience(kind: CredentialType, locks: frozenset[str]) -> Callable[[User], bool]:
    return may_hear_codes if kind is CredentialType.CODE else partial(may_hear, locks)


def _which(params: AddAccessKeyParams | RemoveAccessKeyParams) -> Which:
    """The access key that is meant."""
    key = params.key
    if key is None:
        return Which(id=params.id, owner_id=params.ownerId)
    return Which(
        id=params.id,
        type=CredentialType(key["type"]),
        identification=key["identification"],
        owner_id=params.ownerId,
    )

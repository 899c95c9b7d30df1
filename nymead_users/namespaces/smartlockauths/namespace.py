"""The methods and notifications of the SmartlockAuths namespace."""

from __future__ import annotations

from functools import partial
from typing import Any

from nymead_users.access import errors
from nymead_users.access.authorizations import Authorizations, Done, NewAuthorization, Sought, Update
from nymead_users.access.changes import Added, Changed, Removed, Touched
from nymead_users.access.model import Grant, GrantKind, GrantState
from nymead_users.events import EventBus
from nymead_users.identity.errors import StoreError
from nymead_users.namespaces.answers import answer, given, listed, may_hear, on_behalf, refused, sight_of
from nymead_users.namespaces.smartlockauths.types import (
    PAGE,
    UPDATED,
    AuthIdNotification,
    AuthIdParams,
    AuthNotification,
    AuthReturns,
    AuthsPagedReturns,
    AuthsReturns,
    CreateAuthParams,
    CreateAuthsParams,
    GenerateSharedKeyParams,
    GetAuthsPagedParams,
    GetAuthsParams,
    GetSmartlockAuthsParams,
    RemoveAuthsParams,
    RequestReturns,
    SmartlockAuthError,
    UpdateAuthParams,
    UpdateAuthsParams,
    auth_info,
)
from nymead_users.permissions import Scope
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Namespace, Notification, Notify, method

#: From what the domain refuses to the API's words.
OUTCOMES: dict[type[Exception], SmartlockAuthError] = {
    StoreError: SmartlockAuthError.BACKEND_ERROR,
    errors.NotVisible: SmartlockAuthError.PERMISSION_DENIED,
    errors.InvalidValue: SmartlockAuthError.INVALID_PARAMETER,
    errors.LockNotFound: SmartlockAuthError.SMARTLOCK_NOT_FOUND,
    errors.GrantNotFound: SmartlockAuthError.AUTH_NOT_FOUND,
    errors.PersonNotFound: SmartlockAuthError.ACCOUNT_USER_NOT_FOUND,
    errors.Duplicate: SmartlockAuthError.CONFLICT,
    errors.NameTooLong: SmartlockAuthError.NAME_TOO_LONG,
    errors.UnderWay: SmartlockAuthError.LOCKED,
}

# What causes an outcome, in the words of the contract.
STORE_FAILED = {SmartlockAuthError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
NOT_VISIBLE = {SmartlockAuthError.PERMISSION_DENIED: "The lock is not among the caller's things."}
NO_LOCK = {SmartlockAuthError.SMARTLOCK_NOT_FOUND: "There is no such lock."}
NO_AUTH = {SmartlockAuthError.AUTH_NOT_FOUND: "There is no such authorization, or not at the lock that is named."}
NO_USER = {SmartlockAuthError.ACCOUNT_USER_NOT_FOUND: "The lock's owner has no person of that number."}
BAD_VALUE = {SmartlockAuthError.INVALID_PARAMETER: "A value cannot be; the message names it and the reason."}
BAD_TYPES = {SmartlockAuthError.INVALID_PARAMETER: "The types are no whole numbers separated by commas."}
TAKEN = {SmartlockAuthError.CONFLICT: "The lock knows that code already."}
LONG_NAME = {SmartlockAuthError.NAME_TOO_LONG: "The name has more than 32 characters, a code's more than 20."}
LOCKED = {SmartlockAuthError.LOCKED: "A change is under way, of which the lock has not heard yet."}

READ = Scope.CONTROL_THINGS

#: What is given of a new authorization, by the domain's names for it.
_NEW = {
    "name": "name",
    "remoteAllowed": "remote_allowed",
    "type": "kind",
    "accountUserId": "account_user",
    "code": "code",
    "allowedFromDate": "valid_from",
    "allowedUntilDate": "valid_before",
    "allowedWeekDays": "weekdays",
    "allowedFromTime": "from_minute",
    "allowedUntilTime": "until_minute",
}


class SmartlockAuthsNamespace(Namespace):
    """Who may open a smart lock, with what, when: the grants at single locks, with Nuki's rules."""

    name = "SmartlockAuths"
    notifications = (
        Notification("SmartlockAuths.AuthAdded", "An authorization was made.", AuthNotification),
        Notification(
            "SmartlockAuths.AuthChanged",
            "An authorization changed, was used, or its lock heard of a change.",
            AuthNotification,
        ),
        Notification("SmartlockAuths.AuthRemoved", "An authorization is gone.", AuthIdNotification),
    )

    def __init__(self, authorizations: Authorizations, events: EventBus, notify: Notify) -> None:
        self._authorizations = authorizations
        self._notify = notify
        events.subscribe(Added, partial(self._told, "Added"))
        events.subscribe(Changed, partial(self._told, "Changed"))
        events.subscribe(Touched, partial(self._told, "Changed"))
        events.subscribe(Removed, self._gone)

    # Lists

    @method("GetAuths", scope=READ, outcomes={**BAD_TYPES, **STORE_FAILED})
    async def get_auths(self, caller: Caller, params: GetAuthsParams) -> AuthsReturns:
        """List the authorizations at all locks that the caller may know of. Codes are shown to administrators only."""
        try:
            pages = self._authorizations.pages(_sought(params), sight_of(caller))
        except errors.InvalidValue as refusal:
            return refused(OUTCOMES, refusal)
        return await _answer(listed(pages, _shown_to(caller)), lambda text: {"auths": text})

    @method("GetAuthsPaged", scope=READ, outcomes={**BAD_TYPES, **STORE_FAILED})
    async def get_auths_paged(self, caller: Caller, params: GetAuthsPagedParams) -> AuthsPagedReturns:
        """List the same a page at a time. A page beyond the last is empty."""
        number, size = params.page or 0, PAGE if params.size is None else params.size

        async def page() -> tuple[list[Grant], int]:
            return await self._authorizations.page(_sought(params), sight_of(caller), number=number, size=size)

        return await _answer(
            page(),
            lambda found: {
                "results": list(map(_shown_to(caller), found[0])),
                "pagination": _pagination(number, size, found[1]),
            },
        )

    @method("GetSmartlockAuths", scope=READ, outcomes={**NOT_VISIBLE, **NO_LOCK, **BAD_TYPES, **STORE_FAILED})
    async def get_smartlock_auths(self, caller: Caller, params: GetSmartlockAuthsParams) -> AuthsReturns:
        """List the authorizations at one lock."""
        try:
            sought = Sought(kinds=_kinds(params.types), lock_id=params.smartlockId)
        except errors.InvalidValue as refusal:
            return refused(OUTCOMES, refusal)
        pages = self._authorizations.pages(sought, sight_of(caller))
        return await _answer(listed(pages, _shown_to(caller)), lambda text: {"auths": text})

    @method("GetAuth", scope=READ, outcomes={**NOT_VISIBLE, **NO_LOCK, **NO_AUTH, **STORE_FAILED})
    async def get_auth(self, caller: Caller, params: AuthIdParams) -> AuthReturns:
        """Tell about one authorization."""
        found = self._authorizations.find(params.smartlockId, params.id, sight_of(caller))
        return await _answer(found, lambda grant: {"auth": _shown_to(caller)(grant)})

    # Changes

    @method("CreateAuths", outcomes={**NO_LOCK, **NO_USER, **TAKEN, **LONG_NAME, **BAD_VALUE, **STORE_FAILED})
    async def create_auths(self, caller: Caller, params: CreateAuthsParams) -> RequestReturns:
        """Make an authorization at each of several locks: at all of them or at none."""
        return await _answer(self._create(caller, params.smartlockIds, params), _request)

    @method("CreateAuth", outcomes={**NO_LOCK, **NO_USER, **TAKEN, **LONG_NAME, **BAD_VALUE, **STORE_FAILED})
    async def create_auth(self, caller: Caller, params: CreateAuthParams) -> RequestReturns:
        """Make an authorization at a lock. AuthAdded tells it; its operationId is the answer's requestId."""
        return await _answer(self._create(caller, [params.smartlockId], params), _request)

    @method("GenerateSharedKey", outcomes={**NO_LOCK, **NO_USER, **LONG_NAME, **BAD_VALUE, **STORE_FAILED})
    async def generate_shared_key(self, caller: Caller, params: GenerateSharedKeyParams) -> AuthsReturns:
        """Make an authorization for a person's app, which opens at the door only until remoteAllowed is changed."""
        by, confirm = on_behalf(caller)
        new = NewAuthorization(remote_allowed=False, **given(params, _NEW))
        created = self._authorizations.create([params.smartlockId], new, by=by, confirm=confirm)
        return await _answer(created, lambda done: {"auths": list(map(_shown_to(caller), done.grants))})

    @method("UpdateAuths", outcomes={**NO_AUTH, **NO_USER, **TAKEN, **LONG_NAME, **LOCKED, **BAD_VALUE, **STORE_FAILED})
    async def update_auths(self, caller: Caller, params: UpdateAuthsParams) -> RequestReturns:
        """Change what is given of several authorizations: of all of them or of none."""
        by, confirm = on_behalf(caller)
        updates = [
            Update(auth["id"], {UPDATED[name]: value for name, value in auth.items() if name in UPDATED})
            for auth in params.auths
        ]
        return await _answer(self._authorizations.update(updates, by=by, confirm=confirm), _request)

    @method(
        "UpdateAuth",
        outcomes={**NO_LOCK, **NO_AUTH, **NO_USER, **TAKEN, **LONG_NAME, **LOCKED, **BAD_VALUE, **STORE_FAILED},
    )
    async def update_auth(self, caller: Caller, params: UpdateAuthParams) -> RequestReturns:
        """Change what is given of an authorization; null takes a bound away."""
        by, confirm = on_behalf(caller)
        update = Update(params.id, given(params, UPDATED))
        done = self._authorizations.update([update], lock_id=params.smartlockId, by=by, confirm=confirm)
        return await _answer(done, _request)

    @method("RemoveAuths", outcomes={**NO_AUTH, **LOCKED, **BAD_VALUE, **STORE_FAILED})
    async def remove_auths(self, caller: Caller, params: RemoveAuthsParams) -> RequestReturns:
        """Take several authorizations back: all of them or none. Nobody is allowed in by them from now on; each is in
        the lists, with its operationId, until its lock has heard of it.
        """
        by, confirm = on_behalf(caller)
        return await _answer(self._authorizations.remove(params.ids, by=by, confirm=confirm), _request)

    @method("RemoveAuth", outcomes={**NO_LOCK, **NO_AUTH, **LOCKED, **STORE_FAILED})
    async def remove_auth(self, caller: Caller, params: AuthIdParams) -> RequestReturns:
        """Take an authorization back, as RemoveAuths does."""
        by, confirm = on_behalf(caller)
        done = self._authorizations.remove([params.id], lock_id=params.smartlockId, by=by, confirm=confirm)
        return await _answer(done, _request)

    async def _create(self, caller: Caller, lock_ids: list[str], params: CreateAuthsParams | CreateAuthParams) -> Done:
        if params.smartActionsEnabled:
            raise errors.InvalidValue("smartActionsEnabled: there are no smart actions here")
        by, confirm = on_behalf(caller)
        new = NewAuthorization(**given(params, _NEW))
        return await self._authorizations.create(lock_ids, new, by=by, confirm=confirm)

    # Who may see a lock hears of its authorizations, without their codes

    def _told(self, verb: str, event: Added | Changed | Touched) -> None:
        grant = event.thing
        if not isinstance(grant, Grant) or grant.lock_id is None:
            return
        if grant.state is not GrantState.REVOKED:
            params = {"auth": auth_info(grant, code=False)}
            self._notify(f"SmartlockAuths.Auth{verb}", params, audience=partial(may_hear, event.locks))
        elif isinstance(event, Changed):
            self._tell_gone(grant, event.locks)

    def _gone(self, event: Removed) -> None:
        grant = event.thing
        # Of one that was revoked and heard of, nothing was left.
        if isinstance(grant, Grant) and grant.lock_id is not None and grant.state is not GrantState.REVOKED:
            self._tell_gone(grant, event.locks)

    def _tell_gone(self, grant: Grant, locks: frozenset[str]) -> None:
        params = {"smartlockId": grant.lock_id, "id": grant.id}
        self._notify("SmartlockAuths.AuthRemoved", params, audience=partial(may_hear, locks))


#: What refusals are called here.
_WORDS: dict[type[Exception], str] = {
    errors.LockNotFound: "smart lock not found",
    errors.GrantNotFound: "authorization not found",
    errors.PersonNotFound: "the lock's owner has no person of that number",
}
_answer = partial(answer, OUTCOMES, SmartlockAuthError.NO_ERROR, words=_WORDS)


def _request(done: Done) -> dict[str, Any]:
    return {} if done.operation_id is None else {"requestId": done.operation_id}


def _shown_to(caller: Caller) -> Any:
    """How a caller is shown an authorization: codes open doors to whoever has read them."""
    return partial(auth_info, code=caller.permits(Scope.ADMIN))


def _sought(params: GetAuthsParams | GetAuthsPagedParams) -> Sought:
    """Which authorizations are wanted. Raises InvalidValue."""
    number = params.accountUserId
    nobody = number is not None and number < 0
    return Sought(number=None if nobody else number, nobody=nobody, kinds=_kinds(params.types))


def _kinds(types: str | None) -> frozenset[GrantKind] | None:
    """The types that are wanted; those that there are not are nobody's. Raises InvalidValue."""
    if types is None:
        return None
    words = [word.strip() for word in types.split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in words):
        raise errors.InvalidValue("types: whole numbers separated by commas are wanted, such as 0,2,3")
    wanted = {int(word) for word in words}
    return frozenset(kind for kind in GrantKind if kind.value in wanted)


def _pagination(number: int, size: int, total: int) -> dict[str, int]:
    pages = -(-total // size)
    found = {"totalItems": total, "totalPages": pages, "currentPage": number, "pageSize": size}
    if number + 1 < pages:
        found["nextPage"] = number + 1
    if number > 0 and pages > 0:
        found["prevPage"] = min(number, pages) - 1
    return found

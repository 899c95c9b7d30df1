"""The methods and notifications of the Access namespace."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from nymead_users.access import errors
from nymead_users.access.changes import Added, Changed, Decided, Removed, SyncDue
from nymead_users.access.decision import Decision, Subject
from nymead_users.access.decisions import Asked, Decisions
from nymead_users.access.grants import Grants, NewGrant
from nymead_users.access.locks import Locks
from nymead_users.access.model import Confirmation, Credential, CredentialType, Grant, Lock, LogEntry, Owner, Person
from nymead_users.access.people import KEEP, People
from nymead_users.access.sync import Synchronisation
from nymead_users.events import EventBus
from nymead_users.identity.errors import StoreError
from nymead_users.namespaces.access.types import (
    MAX_EVENTS,
    AccessDecidedNotification,
    AccessError,
    AccessOfParams,
    AccessReturns,
    AddCredentialParams,
    AddGrantParams,
    AddLockParams,
    AddOwnerParams,
    AddPersonParams,
    AttemptParams,
    ConfirmSyncParams,
    CredentialIdNotification,
    CredentialIdParams,
    CredentialNotification,
    CredentialReturns,
    CredentialsReturns,
    DecisionReturns,
    EventsReturns,
    GetCredentialsParams,
    GetEventsParams,
    GetGrantsParams,
    GrantIdNotification,
    GrantIdParams,
    GrantNotification,
    GrantReturns,
    GrantsReturns,
    HoldersReturns,
    LockIdNotification,
    LockIdParams,
    LockNotification,
    LockReturns,
    LocksReturns,
    OwnerIdParams,
    OwnerNotification,
    OwnerReturns,
    OwnersReturns,
    PersonIdNotification,
    PersonIdParams,
    PersonNotification,
    PersonReturns,
    PersonsReturns,
    ReachReturns,
    ReportReturns,
    SyncItemsReturns,
    UpdateCredentialParams,
    UpdateGrantParams,
    UpdateLockParams,
    UpdatePersonParams,
    WhoHasAccessParams,
    credential_info,
    decision_info,
    event_info,
    grant_info,
    holding,
    item_info,
    lock_info,
    owner_info,
    person_info,
)
from nymead_users.namespaces.answers import (
    answer,
    given,
    listed,
    may_hear,
    may_hear_codes,
    on_behalf,
    refused,
    sight_of,
    speaker,
)
from nymead_users.permissions import Scope, User, includes
from nymead_users.rpc.caller import Caller
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.namespace import Namespace, NoParams, Notification, Notify, method

#: From what the domain refuses to the API's words.
OUTCOMES: dict[type[Exception], AccessError] = {
    StoreError: AccessError.BACKEND_ERROR,
    errors.NotVisible: AccessError.PERMISSION_DENIED,
    errors.InvalidValue: AccessError.INVALID_PARAMETER,
    errors.OwnerNotFound: AccessError.OWNER_NOT_FOUND,
    errors.LockNotFound: AccessError.LOCK_NOT_FOUND,
    errors.LockGroupNotFound: AccessError.LOCK_GROUP_NOT_FOUND,
    errors.PersonNotFound: AccessError.PERSON_NOT_FOUND,
    errors.CredentialNotFound: AccessError.CREDENTIAL_NOT_FOUND,
    errors.GrantNotFound: AccessError.GRANT_NOT_FOUND,
    errors.SyncItemNotFound: AccessError.SYNC_ITEM_NOT_FOUND,
    errors.InvalidScheduleGiven: AccessError.INVALID_SCHEDULE,
    errors.Duplicate: AccessError.DUPLICATE,
}

# What causes an outcome, in the words of the contract.
STORE_FAILED = {AccessError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
NOT_VISIBLE = {AccessError.PERMISSION_DENIED: "The lock is not among the caller's things."}
NOT_SPEAKING = {AccessError.PERMISSION_DENIED: "The caller is neither an administrator nor the lock's bridge."}
NO_OWNER = {AccessError.OWNER_NOT_FOUND: "There is no such owner, or none was named and there are several."}
NO_LOCK = {AccessError.LOCK_NOT_FOUND: "There is no such lock."}
NO_GROUP = {AccessError.LOCK_GROUP_NOT_FOUND: "There is no such lock group."}
NO_PERSON = {AccessError.PERSON_NOT_FOUND: "There is no such person."}
NO_CREDENTIAL = {AccessError.CREDENTIAL_NOT_FOUND: "There is no such credential."}
NO_GRANT = {AccessError.GRANT_NOT_FOUND: "There is no such grant."}
BAD_SCHEDULE = {
    AccessError.INVALID_SCHEDULE: "The schedule cannot be read; the message names the place and the reason."
}
BAD_VALUE = {AccessError.INVALID_PARAMETER: "A value cannot be; the message names it and the reason."}

READ = Scope.CONTROL_THINGS

_LOCK_NAMES = {
    "title": "title",
    "description": "description",
    "timeZone": "time_zone",
    "systemId": "system_id",
    "protocolVersion": "protocol_version",
    "virtual": "virtual",
    "bridge": "bridge",
}
_LOCK_DEFAULTS = {"description": "", "time_zone": "UTC", "system_id": "", "protocol_version": 1, "virtual": True}
_PERSON_NAMES = {
    "firstName": "first_name",
    "lastName": "last_name",
    "email": "email",
    "phone": "phone",
    "username": "username",
    "enabled": "enabled",
}
_GRANT_NAMES = {
    "validFrom": "valid_from",
    "validBefore": "valid_before",
    "schedule": "schedule",
    "enabled": "enabled",
    "remoteAllowed": "remote_allowed",
    "name": "name",
}


class AccessDomain(NamedTuple):
    """The domain's verbs, by what they are about."""

    people: People
    locks: Locks
    grants: Grants
    synchronisation: Synchronisation
    decisions: Decisions


class AccessNamespace(Namespace):
    """Who may open which lock, when: one model for all namespaces about access."""

    name = "Access"
    notifications = (
        Notification("Access.OwnerAdded", "An owner was added.", OwnerNotification),
        Notification("Access.LockAdded", "A lock was added.", LockNotification),
        Notification("Access.LockChanged", "A lock changed, or heard of something.", LockNotification),
        Notification("Access.LockRemoved", "A lock was removed.", LockIdNotification),
        Notification("Access.PersonAdded", "A person was added.", PersonNotification),
        Notification("Access.PersonChanged", "A person changed.", PersonNotification),
        Notification("Access.PersonRemoved", "A person was removed.", PersonIdNotification),
        Notification("Access.CredentialAdded", "A credential was added.", CredentialNotification),
        Notification(
            "Access.CredentialChanged", "A credential changed, or wrong PINs locked it out.", CredentialNotification
        ),
        Notification("Access.CredentialRemoved", "A credential was removed.", CredentialIdNotification),
        Notification("Access.GrantAdded", "A grant was made.", GrantNotification),
        Notification("Access.GrantChanged", "A grant changed, was revoked, or is in another state.", GrantNotification),
        Notification("Access.GrantRemoved", "A grant is gone, with its subject or its lock.", GrantIdNotification),
        Notification("Access.AccessDecided", "A lock reported an attempt.", AccessDecidedNotification),
        Notification("Access.SyncPending", "There is something that a lock must hear of.", LockIdNotification),
    )

    def __init__(self, domain: AccessDomain, events: EventBus, notify: Notify) -> None:
        self._domain = domain
        self._notify = notify
        events.subscribe(Added, partial(self._told, "Added"))
        events.subscribe(Changed, partial(self._told, "Changed"))
        events.subscribe(Removed, self._gone)
        events.subscribe(Decided, self._decided)
        events.subscribe(SyncDue, self._sync_due)

    # Owners

    @method("GetOwners", scope=READ, outcomes=STORE_FAILED)
    async def get_owners(self, caller: Caller, params: NoParams) -> OwnersReturns:  # noqa: ARG002
        """List the owners: the sites to which persons, locks and groups belong."""
        return await _answer(
            self._domain.people.owners(), lambda owners: {"owners": [owner_info(owner) for owner in owners]}
        )

    @method("AddOwner", outcomes={**BAD_VALUE, **STORE_FAILED})
    async def add_owner(self, caller: Caller, params: AddOwnerParams) -> OwnerReturns:
        """Add an owner beside the one that there is from the start."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.people.add_owner(params.title, by=by, confirm=confirm),
            lambda owner: {"owner": owner_info(owner)},
        )

    # Locks

    @method("GetLocks", scope=READ, outcomes={**NO_OWNER, **STORE_FAILED})
    async def get_locks(self, caller: Caller, params: OwnerIdParams) -> LocksReturns:
        """List the locks that the caller may know of: all, or those among the caller's things."""
        return await _answer(
            self._domain.locks.listed(params.ownerId, sight_of(caller)),
            lambda locks: {"locks": [lock_info(lock) for lock in locks]},
        )

    @method(
        "AddLock",
        outcomes={
            **NO_OWNER,
            **BAD_VALUE,
            AccessError.DUPLICATE: "There is a lock of that id.",
            **STORE_FAILED,
        },
    )
    async def add_lock(self, caller: Caller, params: AddLockParams) -> LockReturns:
        """Add a lock. Its id is its thing's, which users' allowedThingIds name. A lock that was removed may come
        back under its id, without the grants it had.
        """
        by, confirm = on_behalf(caller)
        values = {**_LOCK_DEFAULTS, **given(params, _LOCK_NAMES)}
        return await _answer(
            self._domain.locks.add(params.lockId, params.ownerId, values, by=by, confirm=confirm),
            lambda lock: {"lock": lock_info(lock)},
        )

    @method("UpdateLock", outcomes={**NO_LOCK, **BAD_VALUE, **STORE_FAILED})
    async def update_lock(self, caller: Caller, params: UpdateLockParams) -> LockReturns:
        """Change what is given of a lock."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.locks.update(params.lockId, given(params, _LOCK_NAMES), by=by, confirm=confirm),
            lambda lock: {"lock": lock_info(lock)},
        )

    @method("RemoveLock", outcomes={**NO_LOCK, **STORE_FAILED})
    async def remove_lock(self, caller: Caller, params: LockIdParams) -> AccessReturns:
        """Remove a lock. Its grants and roles go along, its memberships end, and no user's allowedThingIds name it."""
        by, confirm = on_behalf(caller)
        return await _answer(self._domain.locks.remove(params.lockId, by=by, confirm=confirm))

    # Persons

    @method("GetPersons", scope=READ, outcomes={**NO_OWNER, **STORE_FAILED})
    async def get_persons(self, caller: Caller, params: OwnerIdParams) -> PersonsReturns:
        """List the persons. Who may not access all things sees those with a grant at one of their locks."""
        pages = self._domain.people.pages(params.ownerId, sight_of(caller))
        return await _answer(listed(pages, person_info), lambda text: {"persons": text})

    @method(
        "AddPerson",
        outcomes={
            **NO_OWNER,
            **BAD_VALUE,
            AccessError.DUPLICATE: "The user is another person already.",
            **STORE_FAILED,
        },
    )
    async def add_person(self, caller: Caller, params: AddPersonParams) -> PersonReturns:
        """Add a person, who may be a user, too. A person has no permissions in the API, a user no access to doors."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.people.add(params.ownerId, given(params, _PERSON_NAMES), by=by, confirm=confirm),
            lambda person: {"person": person_info(person)},
        )

    @method(
        "UpdatePerson",
        outcomes={
            **NO_PERSON,
            **BAD_VALUE,
            AccessError.DUPLICATE: "The user is another person already.",
            **STORE_FAILED,
        },
    )
    async def update_person(self, caller: Caller, params: UpdatePersonParams) -> PersonReturns:
        """Change what is given of a person. Who is disabled opens nothing. Who has a sharing role keeps a number."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.people.update(params.personId, given(params, _PERSON_NAMES), by=by, confirm=confirm),
            lambda person: {"person": person_info(person)},
        )

    @method("RemovePerson", outcomes={**NO_PERSON, **STORE_FAILED})
    async def remove_person(self, caller: Caller, params: PersonIdParams) -> AccessReturns:
        """Remove a person with their credentials and grants, of which the locks hear, and their sharing roles."""
        by, confirm = on_behalf(caller)
        return await _answer(self._domain.people.remove(params.personId, by=by, confirm=confirm))

    # Credentials

    @method("GetCredentials", scope=READ, outcomes={**NO_OWNER, **NO_PERSON, **STORE_FAILED})
    async def get_credentials(self, caller: Caller, params: GetCredentialsParams) -> CredentialsReturns:
        """List the credentials, without their PINs. Codes are shown to administrators only: whoever reads one may use
        it. Who may not access all things sees those that open their locks.
        """
        pages = self._domain.people.credential_pages(
            params.ownerId, params.personId, sight_of(caller), codes=caller.permits(Scope.ADMIN)
        )
        return await _answer(listed(pages, credential_info), lambda text: {"credentials": text})

    @method(
        "AddCredential",
        errors=(ServerBusy,),
        outcomes={
            **NO_OWNER,
            **NO_PERSON,
            **BAD_VALUE,
            AccessError.DUPLICATE: "The owner has a credential of that type and value.",
            **STORE_FAILED,
        },
    )
    async def add_credential(self, caller: Caller, params: AddCredentialParams) -> CredentialReturns:
        """Add what somebody shows at doors: a code, a key, a phone."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.people.add_credential(
                params.ownerId,
                params.personId,
                params.type,
                params.value,
                pin=params.pin,
                enabled=params.enabled is not False,
                by=by,
                confirm=confirm,
            ),
            lambda credential: {"credential": credential_info(credential)},
        )

    @method("UpdateCredential", errors=(ServerBusy,), outcomes={**NO_CREDENTIAL, **BAD_VALUE, **STORE_FAILED})
    async def update_credential(self, caller: Caller, params: UpdateCredentialParams) -> CredentialReturns:
        """Enable or disable a credential, or set its PIN. A lock-out by wrong PINs is over then."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.people.update_credential(
                params.credentialId,
                enabled=params.enabled,
                pin=params.pin if "pin" in params.model_fields_set else KEEP,
                by=by,
                confirm=confirm,
            ),
            lambda credential: {"credential": credential_info(credential)},
        )

    @method("RemoveCredential", outcomes={**NO_CREDENTIAL, **STORE_FAILED})
    async def remove_credential(self, caller: Caller, params: CredentialIdParams) -> AccessReturns:
        """Remove a credential with its grants, of which the locks hear."""
        by, confirm = on_behalf(caller)
        return await _answer(self._domain.people.remove_credential(params.credentialId, by=by, confirm=confirm))

    # Grants

    @method("GetGrants", scope=READ, outcomes={**NOT_VISIBLE, **NO_PERSON, **NO_LOCK, **NO_GROUP, **STORE_FAILED})
    async def get_grants(self, caller: Caller, params: GetGrantsParams) -> GrantsReturns:
        """List the grants that fulfil all that is given. Who may not access all things sees those that reach one of
        their locks.
        """
        pages = self._domain.grants.pages(
            person_id=params.personId,
            lock_id=params.lockId,
            group_id=params.lockGroupId,
            state=params.state,
            sight=sight_of(caller),
        )
        return await _answer(listed(pages, grant_info), lambda text: {"grants": text})

    @method(
        "AddGrant",
        outcomes={
            **NO_PERSON,
            **NO_CREDENTIAL,
            **NO_LOCK,
            **NO_GROUP,
            **BAD_SCHEDULE,
            **BAD_VALUE,
            **STORE_FAILED,
        },
    )
    async def add_grant(self, caller: Caller, params: AddGrantParams) -> GrantReturns:
        """Let one person or credential open one lock or lock group. It is active once the locks have heard of it."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.grants.add(
                NewGrant(
                    person_id=params.personId,
                    credential_id=params.credentialId,
                    lock_id=params.lockId,
                    group_id=params.lockGroupId,
                    valid_from=params.validFrom,
                    valid_before=params.validBefore,
                    schedule=_form(params.schedule),
                    enabled=params.enabled is not False,
                    remote_allowed=params.remoteAllowed is not False,
                    name=params.name or "",
                ),
                by=by,
                confirm=confirm,
            ),
            lambda grant: {"grant": grant_info(grant)},
        )

    @method("UpdateGrant", outcomes={**NO_GRANT, **BAD_SCHEDULE, **BAD_VALUE, **STORE_FAILED})
    async def update_grant(self, caller: Caller, params: UpdateGrantParams) -> GrantReturns:
        """Change what is given of a grant; null takes a bound away. A grant that was revoked stays as it is."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.grants.update(params.grantId, given(params, _GRANT_NAMES), by=by, confirm=confirm),
            lambda grant: {"grant": grant_info(grant)},
        )

    @method("RevokeGrant", outcomes={**NO_GRANT, **STORE_FAILED})
    async def revoke_grant(self, caller: Caller, params: GrantIdParams) -> GrantReturns:
        """Take a grant back. Nobody is allowed in by it from now on; the locks hear of it as soon as they can."""
        by, confirm = on_behalf(caller)
        return await _answer(
            self._domain.grants.revoke(params.grantId, by=by, confirm=confirm),
            lambda grant: {"grant": grant_info(grant)},
        )

    # Decisions

    @method(
        "Evaluate",
        scope=READ,
        repeated=frozenset({"lockId", "personId", "time"}),
        errors=(ServerBusy,),
        outcomes={
            AccessError.PERMISSION_DENIED: "The lock is not among the caller's things, or somebody who is no"
            " administrator asks about a credential: codes and PINs could be guessed so.",
            **NO_LOCK,
            **NO_PERSON,
            **BAD_VALUE,
            **STORE_FAILED,
        },
    )
    async def evaluate(self, caller: Caller, params: AttemptParams) -> DecisionReturns:
        """Tell whether somebody may open a lock, and why. It is a question, and leaves no trace."""
        if params.credential is not None and not caller.permits(Scope.ADMIN):
            text = "credential: only administrators may ask about one"
            return {"error": AccessError.PERMISSION_DENIED, "errorMessage": text}
        try:
            asked = _asked(params)
        except errors.InvalidValue as refusal:
            return refused(OUTCOMES, refusal)
        sight, remote = sight_of(caller), params.remote is True
        if params.time is None and params.pin is None:
            recalled = self._domain.decisions.recall(asked, sight, remote=remote)
            if recalled is not None:
                return _shown(recalled)
        decided = self._domain.decisions.evaluate(asked, sight, at=params.time, remote=remote, pin=params.pin)
        return await _answer(decided, _shown)

    @method(
        "ReportAccess",
        scope=READ,
        errors=(ServerBusy,),
        outcomes={**NOT_SPEAKING, **NO_LOCK, **NO_PERSON, **BAD_VALUE, **STORE_FAILED},
    )
    async def report_access(self, caller: Caller, params: AttemptParams) -> ReportReturns:
        """A lock reports an attempt: it is decided, logged and told. Wrong PINs lock a credential out for a while."""
        return await _answer(
            self._report(caller, params),
            lambda result: {"decision": decision_info(result[0]), "event": event_info(result[1])},
        )

    async def _report(self, caller: Caller, params: AttemptParams) -> tuple[Decision, LogEntry]:
        by, confirm = on_behalf(caller, READ)
        return await self._domain.decisions.report(
            _asked(params),
            speaker(caller),
            at=params.time,
            remote=params.remote is True,
            pin=params.pin,
            by=by,
            confirm=confirm,
        )

    @method("GetWhoHasAccess", scope=READ, outcomes={**NOT_VISIBLE, **NO_LOCK, **STORE_FAILED})
    async def get_who_has_access(self, caller: Caller, params: WhoHasAccessParams) -> HoldersReturns:
        """List everybody with a grant that reaches a lock, with what Evaluate says of each."""
        return await _answer(
            self._domain.decisions.who(params.lockId, sight_of(caller), at=params.time),
            lambda found: {"persons": [{**_holder(subject), **holding(decision)} for subject, decision in found]},
        )

    @method("GetAccessOf", scope=READ, outcomes={**NO_PERSON, **STORE_FAILED})
    async def get_access_of(self, caller: Caller, params: AccessOfParams) -> ReachReturns:
        """List the locks that a person's grants reach, with what Evaluate says of each."""
        return await _answer(
            self._domain.decisions.whereto(params.personId, sight_of(caller), at=params.time),
            lambda found: {"locks": [{"lockId": lock_id, **holding(decision)} for lock_id, decision in found]},
        )

    @method("GetEvents", scope=READ, outcomes={**NOT_VISIBLE, **BAD_VALUE, **STORE_FAILED})
    async def get_events(self, caller: Caller, params: GetEventsParams) -> EventsReturns:
        """Read the log, the newest entries first, a page at a time. Who may not access all things reads what is about
        their locks.
        """
        limit = MAX_EVENTS if params.limit is None else params.limit
        return await _answer(self._entries(caller, params, limit), partial(_page, limit))

    async def _entries(self, caller: Caller, params: GetEventsParams, limit: int) -> list[LogEntry]:
        return await self._domain.decisions.entries(
            sight_of(caller),
            limit=limit + 1,
            before=_before(params.continuationKey),
            begin=params.fromDate,
            end=params.toDate,
            lock_id=params.lockId,
            person_id=params.personId,
            granted=params.includeAccessGranted is not False,
            denied=params.includeAccessDenied is not False,
        )

    # Synchronisation

    @method("GetPendingSync", scope=READ, outcomes={**NOT_SPEAKING, **NO_LOCK, **STORE_FAILED})
    async def get_pending_sync(self, caller: Caller, params: LockIdParams) -> SyncItemsReturns:
        """List what a lock must still hear of, in order. A bridge asks for it, hands it on and confirms it."""
        return await _answer(
            self._domain.synchronisation.pending(params.lockId, speaker(caller)),
            lambda items: {"items": [item_info(item) for item in items]},
        )

    @method(
        "ConfirmSync",
        scope=READ,
        outcomes={
            **NOT_SPEAKING,
            **NO_LOCK,
            AccessError.SYNC_ITEM_NOT_FOUND: "An item is not this lock's, or was confirmed long ago.",
            AccessError.INVALID_PARAMETER: "An item is named twice, or comes after another about the same thing that"
            " is still due.",
            **STORE_FAILED,
        },
    )
    async def confirm_sync(self, caller: Caller, params: ConfirmSyncParams) -> AccessReturns:
        """A lock has heard of these items; those with an error it could not take, and they stay due. Either all of
        this is stored or nothing. Confirming an item again changes nothing.
        """
        by, confirm = on_behalf(caller, READ)
        items = [Confirmation(item["id"], item.get("error")) for item in params.items]
        return await _answer(
            self._domain.synchronisation.confirm(params.lockId, items, speaker(caller), by=by, confirm=confirm)
        )

    @method(
        "SyncLock",
        scope=READ,
        outcomes={
            **NOT_SPEAKING,
            **NO_LOCK,
            AccessError.INVALID_PARAMETER: "The lock is not virtual: its bridge synchronises it.",
            **STORE_FAILED,
        },
    )
    async def sync_lock(self, caller: Caller, params: LockIdParams) -> AccessReturns:
        """Have a virtual lock hear of all that is due."""
        by, confirm = on_behalf(caller, READ)
        return await _answer(
            self._domain.synchronisation.synchronise(params.lockId, speaker(caller), by=by, confirm=confirm)
        )

    # Who may see a lock hears of what concerns it

    def _told(self, verb: str, event: Added | Changed) -> None:
        thing = event.thing
        shown = _SHOWN.get(type(thing))
        if shown is not None:
            name, show = shown
            self._notify(f"Access.{name.capitalize()}{verb}", {name: show(thing)}, audience=_audience(event))

    def _gone(self, event: Removed) -> None:
        shown = _SHOWN.get(type(event.thing))
        if shown is not None:
            name, _ = shown
            params = {f"{name}Id": event.thing.id}
            self._notify(f"Access.{name.capitalize()}Removed", params, audience=_audience(event))

    def _decided(self, event: Decided) -> None:
        locks = frozenset(filter(None, [event.entry.lock_id]))
        self._notify("Access.AccessDecided", {"event": event_info(event.entry)}, audience=partial(may_hear, locks))

    def _sync_due(self, event: SyncDue) -> None:
        self._notify(
            "Access.SyncPending", {"lockId": event.lock_id}, audience=partial(may_hear, frozenset({event.lock_id}))
        )


_SHOWN: dict[type[Any], tuple[str, Callable[[Any], dict[str, Any]]]] = {
    Owner: ("owner", owner_info),
    Lock: ("lock", lock_info),
    Person: ("person", person_info),
    Credential: ("credential", credential_info),
    Grant: ("grant", grant_info),
}

_answer = partial(answer, OUTCOMES, AccessError.NO_ERROR)


def _audience(event: Added | Changed | Removed) -> Callable[[User], bool]:
    """Who may hear of a change: whoever may read what it is about."""
    if isinstance(event.thing, Credential) and event.thing.type is CredentialType.CODE:
        return may_hear_codes
    if isinstance(event.thing, Owner):
        return lambda user: includes(user.scopes, READ)
    return partial(may_hear, event.locks)


def _form(schedule: Any) -> dict[str, Any] | None:
    return None if schedule is None else dict(schedule)


def _asked(params: AttemptParams) -> Asked:
    """Whose attempt it is. Raises InvalidValue."""
    shown = params.credential
    if (shown is None) == (params.personId is None):
        raise errors.InvalidValue("personId, credential: exactly one of them is wanted")
    if shown is None:
        if params.pin is not None:
            raise errors.InvalidValue("pin: it comes with a credential")
        return Asked(params.personId, None, None, params.lockId)
    return Asked(None, shown["type"], shown["value"], params.lockId)


@lru_cache(maxsize=4096)
def _shown(decision: Decision) -> Any:
    """A decision as Evaluate answers it: the same is answered many times while it holds."""
    return {"error": AccessError.NO_ERROR, "decision": decision_info(decision)}


def _holder(subject: Subject) -> dict[str, str]:
    if subject.person_id is not None:
        return {"personId": subject.person_id}
    return {"credentialId": str(subject.credential_id)}


def _page(limit: int, entries: list[LogEntry]) -> dict[str, Any]:
    page = {"events": [event_info(entry) for entry in entries[:limit]]}
    return page if len(entries) <= limit else {**page, "continuationKey": str(entries[limit - 1].number)}


def _before(key: str | None) -> int | None:
    """The number before which a page begins. Raises InvalidValue."""
    if key is None:
        return None
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise errors.InvalidValue("continuationKey: not one that a page has told")
    return int(key)

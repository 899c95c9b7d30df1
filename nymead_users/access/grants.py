"""Grants: made, changed, revoked, and told to the locks that they concern."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, cast

from nymead_users.access.errors import InvalidValue, LockGroupNotFound, LockNotFound, NotVisible
from nymead_users.access.model import (
    Credential,
    CredentialType,
    Grant,
    GrantKind,
    GrantState,
    Person,
    Sight,
    SyncEntity,
    SyncOperation,
)
from nymead_users.access.store import granted, people, places, reach
from nymead_users.access.store.reading import seen
from nymead_users.access.store.syncing import Due
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import check_validity, read_schedule
from nymead_users.instants import as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A grant to be made: exactly one subject and one target. ``schedule`` is in the form that is kept."""

    person_id: str | None = None
    credential_id: str | None = None
    lock_id: str | None = None
    group_id: str | None = None
    valid_from: datetime | None = None
    valid_before: datetime | None = None
    schedule: dict[str, Any] | None = None
    enabled: bool = True
    remote_allowed: bool = True
    name: str = ""
    kind: GrantKind | None = None
    shared_by: str | None = None


class Grants:
    """Verbs on grants. They raise what is not found, InvalidValue and InvalidScheduleGiven; and StoreError."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def pages(
        self,
        *,
        person_id: str | None = None,
        lock_id: str | None = None,
        group_id: str | None = None,
        state: GrantState | None = None,
        sight: Sight = None,
    ) -> AsyncGenerator[list[Grant]]:
        """Grants, a page at a time, as they are at one moment. Raises NotVisible."""
        if lock_id is not None and sight is not None and lock_id not in sight:
            raise NotVisible
        async with self._model.read() as connection:
            if sight is None:  # who sees some locks only learns nothing of what else there is
                if person_id is not None:
                    await people.find_person(connection, person_id)
                if group_id is not None:
                    await places.find_group(connection, group_id)
            if lock_id is not None:
                await places.find_lock(connection, lock_id)
            sight = await seen(connection, sight)
            found = granted.grant_pages(
                connection, person_id=person_id, lock_id=lock_id, group_id=group_id, state=state, sight=sight
            )
            async with aclosing(found) as pages:
                async for page in pages:
                    yield page

    async def add(self, new: NewGrant, *, by: str, confirm: Confirm) -> Grant:
        """Grant one subject one target, both of one owner. Its schedule may be in any form that can be read."""
        new = replace(new, schedule=read_schedule(new.schedule))
        async with self._model.change(by, confirm) as work:
            grant_id = await issue(work, new)
        return cast("Grant", work.told(grant_id))

    async def update(self, grant_id: str, given: dict[str, Any], *, by: str, confirm: Confirm) -> Grant:
        """Change what is given of valid_from, valid_before, schedule, enabled, remote_allowed and name.

        A grant that was revoked stays as it is: InvalidValue.
        """
        values = dict(given)
        if "schedule" in values:
            values["schedule"] = read_schedule(values["schedule"])
        async with self._model.change(by, confirm) as work:
            before = await granted.find_grant(work.connection, grant_id)
            if before.revoked is not None:
                raise InvalidValue("grantId: the grant was revoked; make another one")
            await alter(work, before, values)
        return work.told(grant_id) or before

    async def revoke(self, grant_id: str, *, by: str, confirm: Confirm) -> Grant:
        """Take a grant back. Once it is revoked nothing happens any more."""
        async with self._model.change(by, confirm) as work:
            before = await granted.find_grant(work.connection, grant_id)
            await revoke(work, [before])
        return work.told(grant_id) or before


async def issue(work: Work, new: NewGrant) -> str:
    """Make a grant, of which its locks hear; its id. Raises InvalidValue and what is not found."""
    check_new(new)
    owner = await _owner(work, new)
    grant_id = new_id()
    await enter(work, [(grant_id, owner, new)])
    return grant_id


async def enter(work: Work, checked: Sequence[tuple[str, str, NewGrant]]) -> None:
    """Make grants that were checked, by id and owner, of which their locks hear."""
    made = {"issuer": work.by, "created": work.at, "updated": work.at}
    rows = [{"id": grant_id, "owner_id": owner, **asdict(new), **made} for grant_id, owner, new in checked]
    await granted.add_grants(work.connection, rows)
    grants = await granted.find_grants(work.connection, [grant_id for grant_id, _, _ in checked])
    await tell_locks(work, grants, SyncOperation.ADD)
    for grant_id, _, _ in checked:
        work.grant_added(grant_id)


def check_new(new: NewGrant) -> None:
    """Raise InvalidValue for a grant that cannot be, whoever and wherever it is for."""
    if (new.person_id is None) == (new.credential_id is None):
        raise InvalidValue("personId, credentialId: exactly one of them is wanted")
    if (new.lock_id is None) == (new.group_id is None):
        raise InvalidValue("lockId, lockGroupId: exactly one of them is wanted")
    if new.shared_by is not None and (new.person_id is None or new.lock_id is None):
        raise InvalidValue("sharedBy: only a person's grant at a lock can be shared")
    check_validity(new.valid_from, new.valid_before)


async def alter(work: Work, grant: Grant, values: dict[str, Any], *, anyway: bool = False) -> None:
    """Change what is given of a grant, of which its locks hear. Nothing happens if it is so already.

    ``values``: valid_from, valid_before, schedule as it is kept, enabled, remote_allowed, name, person_id. ``anyway``:
    its credential is another one, so it is told in any case. Raises InvalidValue.
    """
    check_validity(values.get("valid_from", grant.valid_from), values.get("valid_before", grant.valid_before))
    if not anyway and all(getattr(grant, name) == value for name, value in values.items()):
        return
    await granted.change_grant(work.connection, grant.id, {**values, "updated": work.at})
    await tell_locks(work, [await granted.find_grant(work.connection, grant.id)], SyncOperation.UPDATE)
    work.grant_changed(grant.id)


async def revoke(work: Work, grants: Sequence[Grant]) -> None:
    """Take grants back, as far as they are not yet; locks and groups count revocations."""
    standing = [grant for grant in grants if grant.revoked is None]
    for grant in standing:
        await granted.change_grant(work.connection, grant.id, {"revoked": work.at, "updated": work.at})
        work.grant_changed(grant.id)
    await tell_locks(work, standing, SyncOperation.REMOVE)
    await _count_revocations(work, standing)


async def withdraw(work: Work, grants: Sequence[Grant]) -> None:
    """Remove grants altogether; locks that may hold them hear of it."""
    standing = [grant for grant in grants if grant.revoked is None]
    await tell_locks(work, standing, SyncOperation.REMOVE)
    await _count_revocations(work, standing)
    by_grant = await locks_by_grant(work, grants)
    await granted.remove_grants(work.connection, [grant.id for grant in grants])
    for grant in grants:
        work.removed(work.as_told(grant), by_grant[grant.id])


async def forget_codes(work: Work, grant_ids: Sequence[str]) -> None:
    """What is one lock's alone is gone, with its grants, once the lock has heard that all of these are revoked."""
    for grant in await granted.find_grants(work.connection, grant_ids):
        if grant.credential_id is None or grant.state is not GrantState.REVOKED:
            continue
        credential = (await people.find_credentials(work.connection, [grant.credential_id])).get(grant.credential_id)
        if credential is None or credential.lock_id is None:
            continue
        grants = await granted.every_grant_of_subject(work.connection, credential_id=credential.id)
        if all(other.state is GrantState.REVOKED for other in grants):
            work.removed(credential, {credential.lock_id})
            await withdraw(work, grants)
            await people.remove_credential(work.connection, credential.id)


async def subject_changed(work: Work, grants: Sequence[Grant]) -> None:
    """Locks must hear that somebody with these grants was enabled or disabled, or has other credentials."""
    standing = [grant for grant in grants if grant.revoked is None]
    await work.watch(grant.id for grant in standing)
    await tell_locks(work, standing, SyncOperation.UPDATE)


async def tell_locks(work: Work, grants: Sequence[Grant], op: SyncOperation) -> None:
    """Have all locks that these grants reach hear of them as they are."""
    await work.tell(await dues(work, grants, op, await locks_by_grant(work, grants)))


async def dues(work: Work, grants: Sequence[Grant], op: SyncOperation, locks: dict[str, list[str]]) -> list[Due]:
    """What these locks, by grant, must hear of grants."""
    payloads = await _payloads(work, grants, op)
    return [
        (lock_id, SyncEntity.GRANT, grant.id, op, payloads[grant.id]) for grant in grants for lock_id in locks[grant.id]
    ]


async def locks_by_grant(work: Work, grants: Iterable[Grant]) -> dict[str, list[str]]:
    """The locks that each grant reaches, or will once they have heard that they are in its group."""
    listed = list(grants)
    by_group = await reach.locks_of_groups(work.connection, [grant.group_id for grant in listed if grant.group_id])
    return {
        grant.id: [grant.lock_id] if grant.lock_id else list(by_group.get(grant.group_id or "", [])) for grant in listed
    }


async def _count_revocations(work: Work, grants: Sequence[Grant]) -> None:
    """A lock's and a group's revocation list has a serial number, which counts up with each revocation."""
    for lock_id in dict.fromkeys(grant.lock_id for grant in grants if grant.lock_id):
        lock = await places.find_lock(work.connection, lock_id)
        count = sum(grant.lock_id == lock_id for grant in grants)
        await places.change_lock(
            work.connection, lock_id, {"rcl_serial_no": lock.rcl_serial_no + count, "rcl_date": work.at}
        )
        work.lock_changed(lock_id)
    for group_id in dict.fromkeys(grant.group_id for grant in grants if grant.group_id):
        group = await places.find_group(work.connection, group_id, removed=True)
        count = sum(grant.group_id == group_id for grant in grants)
        await places.change_group(
            work.connection, group_id, {"rcl_serial_no": group.rcl_serial_no + count, "rcl_date": work.at}
        )
        work.group_changed(group_id)


async def _payloads(work: Work, grants: Sequence[Grant], op: SyncOperation) -> dict[str, dict[str, Any]]:
    """Each grant as a lock must know it: enabled only if all that it hangs on is."""
    if op is SyncOperation.REMOVE:
        return {grant.id: {} for grant in grants}
    shown = await people.find_credentials(work.connection, [g.credential_id for g in grants if g.credential_id])
    holders = [credential.person_id for credential in shown.values() if credential.person_id]
    persons = await people.find_persons(work.connection, [*holders, *(g.person_id for g in grants if g.person_id)])
    theirs: dict[str, list[Credential]] = {}
    for found in await people.credentials_of(work.connection, [g.person_id for g in grants if g.person_id]):
        if found.lock_id is None:
            theirs.setdefault(found.person_id or "", []).append(found)
    payloads = {}
    for grant in grants:
        credential = shown.get(grant.credential_id or "")
        person = persons.get(grant.person_id or (credential.person_id if credential else None) or "")
        usable = [credential] if credential else theirs.get(grant.person_id or "", [])
        payloads[grant.id] = _payload(grant, person, credential, usable)
    return payloads


def _payload(
    grant: Grant, person: Person | None, credential: Credential | None, usable: Sequence[Credential]
) -> dict[str, Any]:
    enabled = grant.enabled and (person is None or person.enabled) and (credential is None or credential.enabled)
    known = {
        "personId": grant.person_id,
        "credentialId": grant.credential_id,
        "lockGroupId": grant.group_id,
        "validFrom": None if grant.valid_from is None else as_text(grant.valid_from),
        "validBefore": None if grant.valid_before is None else as_text(grant.valid_before),
        "schedule": grant.schedule,
        "name": grant.name or None,
    }
    return {
        **{key: value for key, value in known.items() if value is not None},
        "enabled": enabled,
        "remoteAllowed": grant.remote_allowed,
        "credentials": [
            {"type": item.type.value, "value": item.value, "hasPin": item.has_pin} for item in usable if item.enabled
        ],
    }


async def _owner(work: Work, new: NewGrant) -> str:
    """The one owner of a grant's subject and target."""
    credential = None
    if new.person_id is not None:
        subject = (await people.find_person(work.connection, new.person_id)).owner_id
    else:
        credential = await people.find_credential(work.connection, str(new.credential_id))
        subject = credential.owner_id
    if new.lock_id is not None:
        target = (await places.find_lock(work.connection, new.lock_id)).owner_id
    else:
        target = (await places.find_group(work.connection, str(new.group_id))).owner_id
    check_fit(new, subject, target, credential)
    return subject


def check_fit(new: NewGrant, subject: str, target: str, credential: Credential | None) -> None:
    """Refuse a subject and a target of two owners, another lock for what is one lock's alone, and a wrong kind.

    Raises LockNotFound, LockGroupNotFound and InvalidValue.
    """
    if subject != target:
        text = "subject and target belong to different owners"
        raise (LockNotFound if new.lock_id else LockGroupNotFound)(text)
    if credential is not None and credential.lock_id not in (None, new.lock_id):
        raise InvalidValue("credentialId: the code is one lock's alone, and can open no other")
    is_code = credential is not None and credential.type is CredentialType.CODE
    if new.kind is not None and (new.kind is GrantKind.KEYPAD_CODE) is not is_code:
        raise InvalidValue(f"kind: {GrantKind.KEYPAD_CODE.value} is for a code, and a code for nothing else")

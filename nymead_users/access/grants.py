"""Grants: made, changed, revoked, and told to the locks that they concern."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, cast

from nymead_users.access.errors import InvalidValue, LockGroupNotFound, LockNotFound, NotVisible
from nymead_users.access.model import Credential, Grant, GrantState, Person, Sight, SyncEntity, SyncOperation
from nymead_users.access.store import granted, people, places, reach
from nymead_users.access.store.reading import seen
from nymead_users.access.store.syncing import Due
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import check_validity, read_schedule
from nymead_users.instants import as_text


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

    async def add(
        self,
        *,
        person_id: str | None,
        credential_id: str | None,
        lock_id: str | None,
        group_id: str | None,
        valid_from: datetime | None,
        valid_before: datetime | None,
        schedule: dict[str, Any] | None,
        enabled: bool,
        remote_allowed: bool,
        by: str,
        confirm: Confirm,
    ) -> Grant:
        """Grant one subject one target, both of one owner."""
        if (person_id is None) == (credential_id is None):
            raise InvalidValue("personId, credentialId: exactly one of them is wanted")
        if (lock_id is None) == (group_id is None):
            raise InvalidValue("lockId, lockGroupId: exactly one of them is wanted")
        check_validity(valid_from, valid_before)
        kept = read_schedule(schedule)
        async with self._model.change(by, confirm) as work:
            owner = await _owner(work, person_id, credential_id, lock_id, group_id)
            grant = Grant(
                id=new_id(),
                owner_id=owner,
                person_id=person_id,
                credential_id=credential_id,
                lock_id=lock_id,
                group_id=group_id,
                valid_from=valid_from,
                valid_before=valid_before,
                schedule=kept,
                enabled=enabled,
                remote_allowed=remote_allowed,
                revoked=None,
                issuer=by,
                created=work.at,
                state=GrantState.PENDING,
            )
            await granted.add_grant(work.connection, grant)
            await tell_locks(work, [grant], SyncOperation.ADD)
            work.grant_added(grant.id)
        return cast("Grant", work.told(grant.id))

    async def update(self, grant_id: str, given: dict[str, Any], *, by: str, confirm: Confirm) -> Grant:
        """Change what is given of valid_from, valid_before, schedule, enabled and remote_allowed.

        A grant that was revoked stays as it is: InvalidValue.
        """
        values = dict(given)
        if "schedule" in values:
            values["schedule"] = read_schedule(values["schedule"])
        async with self._model.change(by, confirm) as work:
            before = await granted.find_grant(work.connection, grant_id)
            if before.revoked is not None:
                raise InvalidValue("grantId: the grant was revoked; make another one")
            check_validity(values.get("valid_from", before.valid_from), values.get("valid_before", before.valid_before))
            if any(getattr(before, name) != value for name, value in values.items()):
                await granted.change_grant(work.connection, grant_id, values)
                await tell_locks(work, [await granted.find_grant(work.connection, grant_id)], SyncOperation.UPDATE)
                work.grant_changed(grant_id)
        return work.told(grant_id) or before

    async def revoke(self, grant_id: str, *, by: str, confirm: Confirm) -> Grant:
        """Take a grant back. Once it is revoked nothing happens any more."""
        async with self._model.change(by, confirm) as work:
            before = await granted.find_grant(work.connection, grant_id)
            await revoke(work, [before])
        return work.told(grant_id) or before


async def revoke(work: Work, grants: Sequence[Grant]) -> None:
    """Take grants back, as far as they are not yet; locks and groups count revocations."""
    standing = [grant for grant in grants if grant.revoked is None]
    for grant in standing:
        await granted.change_grant(work.connection, grant.id, {"revoked": work.at})
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
        work.removed(grant, by_grant[grant.id])


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
    }
    return {
        **{key: value for key, value in known.items() if value is not None},
        "enabled": enabled,
        "remoteAllowed": grant.remote_allowed,
        "credentials": [
            {"type": item.type.value, "value": item.value, "hasPin": item.has_pin} for item in usable if item.enabled
        ],
    }


async def _owner(
    work: Work, person_id: str | None, credential_id: str | None, lock_id: str | None, group_id: str | None
) -> str:
    """The one owner of a grant's subject and target."""
    if person_id is not None:
        subject = (await people.find_person(work.connection, person_id)).owner_id
    elif credential_id is not None:
        subject = (await people.find_credential(work.connection, credential_id)).owner_id
    else:
        raise InvalidValue("personId, credentialId: exactly one of them is wanted")
    if lock_id is not None:
        target = (await places.find_lock(work.connection, lock_id)).owner_id
    elif group_id is not None:
        target = (await places.find_group(work.connection, group_id)).owner_id
    else:
        raise InvalidValue("lockId, lockGroupId: exactly one of them is wanted")
    if subject != target:
        text = "subject and target belong to different owners"
        raise (LockNotFound if lock_id else LockGroupNotFound)(text)
    return subject

"""Grants at single locks as smart-lock authorizations (seed 000): Nuki's rules, over the same grants and credentials.

A keypad's code is a credential that is one lock's alone. An authorization that is removed stays, with its operation
under way, until its lock has heard of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from nymead_users.access.errors import (
    AccessRefused,
    Duplicate,
    GrantNotFound,
    InvalidValue,
    NameTooLong,
    NotVisible,
    UnderWay,
)
from nymead_users.access.grants import NewGrant, alter, issue, revoke, subject_changed
from nymead_users.access.model import Credential, CredentialType, Grant, GrantKind, Sight
from nymead_users.access.people import amend_credential, keep
from nymead_users.access.schedule import InvalidSchedule, Schedule
from nymead_users.access.store import granted, people, places
from nymead_users.access.store.granted import Sought as Sought  # noqa: PLC0414 - what lists take
from nymead_users.access.store.reading import seen
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import check_validity

#: The longest name, and that of a keypad's code.
MAX_NAME, MAX_CODE_NAME = 32, 20

#: A keypad has no zero, and takes 12 for the beginning of a command.
_CODE = re.compile(r"(?!12)[1-9]{6}", re.ASCII)

_KINDS = ", ".join(str(kind.value) for kind in GrantKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAuthorization:
    """An authorization to be made. Minutes are from the lock's midnight, ``weekdays`` is a mask (Monday 64)."""

    name: str
    remote_allowed: bool
    kind: int = GrantKind.APP
    account_user: int | None = None
    code: str | None = field(default=None, repr=False)
    valid_from: datetime | None = None
    valid_before: datetime | None = None
    weekdays: int | None = None
    from_minute: int | None = None
    until_minute: int | None = None


class Update(NamedTuple):
    """What is given of an authorization: by the names of NewAuthorization, but the kind; and ``enabled``."""

    auth_id: str
    given: Mapping[str, Any]

    def __repr__(self) -> str:
        """Without the values: one may be a code."""
        return f"Update({self.auth_id!r}, {sorted(self.given)})"


class Done(NamedTuple):
    """The authorizations as they are after a change, and the operation under which locks hear of it, if they must."""

    operation_id: str | None
    grants: list[Grant]


class Authorizations:
    """Verbs on authorizations. They raise NotVisible, LockNotFound, GrantNotFound and InvalidValue; and StoreError.

    Those that change several do it for all or for none. The person of an ``account_user`` belongs to the lock's owner:
    PersonNotFound.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    async def pages(self, sought: Sought, sight: Sight) -> AsyncGenerator[list[Grant]]:
        """Authorizations, a page at a time, as they are at one moment."""
        if sought.lock_id is not None and sight is not None and sought.lock_id not in sight:
            raise NotVisible
        async with self._model.read() as connection:
            if sought.lock_id is not None:
                await places.find_lock(connection, sought.lock_id)
            sight = await seen(connection, sight)
            async with aclosing(granted.direct_pages(connection, sought, sight)) as pages:
                async for page in pages:
                    yield page

    async def page(self, sought: Sought, sight: Sight, *, number: int, size: int) -> tuple[list[Grant], int]:
        """A page, counted from 0, and how many authorizations there are on all pages."""
        async with self._model.read() as connection:
            sight = await seen(connection, sight)
            return await granted.direct_page(connection, sought, sight, offset=number * size, limit=size)

    async def find(self, lock_id: str, auth_id: str, sight: Sight) -> Grant:
        """One authorization at a lock."""
        if sight is not None and lock_id not in sight:
            raise NotVisible
        async with self._model.read() as connection:
            await places.find_lock(connection, lock_id)
            grant = await granted.find_direct(connection, auth_id)
            if grant.lock_id != lock_id:
                raise GrantNotFound
            return grant

    async def create(self, lock_ids: Sequence[str], new: NewAuthorization, *, by: str, confirm: Confirm) -> Done:
        """Make one authorization at each lock. Raises NameTooLong, and Duplicate for a code that a lock knows."""
        _check_once("smartlockIds", lock_ids)
        kind = _kind(new.kind)
        _check_name(new.name, kind)
        _check_subject(kind, new)
        check_validity(new.valid_from, new.valid_before, names=_DATES)
        schedule = _schedule(new.weekdays, new.from_minute, new.until_minute)
        async with self._model.change(by, confirm) as work:
            ids = []
            for number, lock_id in enumerate(lock_ids):
                with _of_several("smartlockIds", number, len(lock_ids)):
                    ids.append(await _create(work, lock_id, kind, new, schedule))
        return _done(work, [work.told(grant_id) for grant_id in ids])

    async def update(self, updates: Sequence[Update], *, lock_id: str | None = None, by: str, confirm: Confirm) -> Done:
        """Change what is given of each; with ``lock_id`` it must be at that lock.

        Raises UnderWay while a lock has not heard of its last change, NameTooLong, and Duplicate for a code that the
        lock knows.
        """
        _check_once("auths", [update.auth_id for update in updates])
        async with self._model.change(by, confirm) as work:
            before: list[Grant] = []
            for number, update in enumerate(updates):
                with _of_several("auths", number, len(updates)):
                    grant = await _free(work, update.auth_id, lock_id)
                    await _update(work, grant, update.given)
                before.append(grant)
        return _done(work, [work.told(grant.id) or grant for grant in before])

    async def remove(self, auth_ids: Sequence[str], *, lock_id: str | None = None, by: str, confirm: Confirm) -> Done:
        """Take authorizations back; each is gone once its lock has heard of it. Raises UnderWay as ``update``."""
        _check_once("ids", auth_ids)
        async with self._model.change(by, confirm) as work:
            before = []
            for number, auth_id in enumerate(auth_ids):
                with _of_several("ids", number, len(auth_ids)):
                    before.append(await _free(work, auth_id, lock_id, removing=True))
            await revoke(work, before)
        return _done(work, [work.told(grant.id) or grant for grant in before])


@contextmanager
def _of_several(name: str, number: int, count: int) -> Iterator[None]:
    """Have a refusal say which of several things it is about; nothing but a code can be taken."""
    try:
        yield
    except Duplicate as refusal:
        place = "" if count == 1 else f"{name}[{number}]: "
        raise Duplicate(f"{place}code: the lock knows it already") from refusal
    except AccessRefused as refusal:
        if count == 1:
            raise
        raise type(refusal)(f"{name}[{number}]: {refusal}") from refusal


async def _create(
    work: Work, lock_id: str, kind: GrantKind, new: NewAuthorization, schedule: dict[str, Any] | None
) -> str:
    lock = await places.find_lock(work.connection, lock_id)
    person_id = None
    if new.account_user is not None:
        person_id = (await people.find_number(work.connection, lock.owner_id, new.account_user)).id
    credential_id = None
    if new.code is not None:
        code = Credential(
            new_id(), lock.owner_id, person_id, CredentialType.CODE, new.code, False, True, None, lock_id=lock_id
        )
        await keep(work, code, None)
        person_id, credential_id = None, code.id
    grant = NewGrant(
        person_id=person_id,
        credential_id=credential_id,
        lock_id=lock_id,
        valid_from=new.valid_from,
        valid_before=new.valid_before,
        schedule=schedule,
        remote_allowed=new.remote_allowed,
        name=new.name,
        # What the subject says need not be kept.
        kind=None if kind in (GrantKind.APP, GrantKind.KEYPAD_CODE) else kind,
    )
    return await issue(work, grant)


def _done(work: Work, grants: list[Grant]) -> Done:
    under_way = any(grant.operation_id == work.operation_id for grant in grants)
    return Done(work.operation_id if under_way else None, grants)


async def _free(work: Work, auth_id: str, lock_id: str | None, *, removing: bool = False) -> Grant:
    """An authorization that can be changed: nothing is under way. A change that its lock could not take is over.

    One with such a change can be removed, whatever else is under way: its lock may go on failing.
    """
    if lock_id is not None:
        await places.find_lock(work.connection, lock_id)
    grant = await granted.find_direct(work.connection, auth_id)
    if lock_id not in (None, grant.lock_id):
        raise GrantNotFound
    under_way = grant.operation_id is not None and not (removing and grant.sync_error is not None)
    if grant.revoked is not None or under_way:
        raise UnderWay
    return grant


async def _update(work: Work, grant: Grant, given: Mapping[str, Any]) -> None:
    values = {
        name: given[name]
        for name in ("name", "valid_from", "valid_before", "enabled", "remote_allowed")
        if name in given
    }
    if "name" in values:
        _check_name(values["name"], grant.kind)
    check_validity(
        values.get("valid_from", grant.valid_from), values.get("valid_before", grant.valid_before), names=_DATES
    )
    if not given.keys().isdisjoint(_WINDOW):
        values["schedule"] = _merged(grant, given)
    code_changed = False
    if grant.credential_id is not None:
        code_changed = await _update_credential(work, grant, given)
    else:
        if "code" in given:
            raise InvalidValue("code: only an authorization of type 13 has one")
        if "account_user" in given:
            values["person_id"] = await _person(work, grant, given["account_user"])
    await alter(work, grant, values, anyway=code_changed)


async def _person(work: Work, grant: Grant, number: int | None) -> str:
    if number is None:
        raise InvalidValue("accountUserId: only an authorization of type 13 can be without")
    return (await people.find_number(work.connection, grant.owner_id, number)).id


async def _update_credential(work: Work, grant: Grant, given: Mapping[str, Any]) -> bool:
    """Change a code, or whose it is; whether it is another one then."""
    before = await people.find_credential(work.connection, str(grant.credential_id))
    values: dict[str, Any] = {}
    if "code" in given and given["code"] != before.value:
        _check_code(given["code"], grant.kind)
        values["value"] = given["code"]
    if "account_user" in given:
        number = given["account_user"]
        holder = None if number is None else (await people.find_number(work.connection, grant.owner_id, number)).id
        if holder != before.person_id:
            values["person_id"] = holder
    if not values:
        return False
    if before.lock_id is None:
        name = "code" if "value" in values else "accountUserId"
        raise InvalidValue(f"{name}: the credential is known at other locks, too; it is changed as a credential")
    if "value" in values:
        await people.require_free(
            work.connection, before.owner_id, before.type, values["value"], lock_id=before.lock_id, but=before.id
        )
    await amend_credential(work, before, values)
    # The lock must hear the same for other grants that the code has there.
    grants = await granted.grants_of_subject(work.connection, credential_id=before.id)
    await subject_changed(work, [other for other in grants if other.id != grant.id])
    return True


# What is given, held against the rules


def _kind(number: int) -> GrantKind:
    try:
        return GrantKind(number)
    except ValueError:
        raise InvalidValue(f"type: one of {_KINDS} is wanted") from None


def _check_name(name: str, kind: GrantKind) -> None:
    most = MAX_CODE_NAME if kind is GrantKind.KEYPAD_CODE else MAX_NAME
    if not name.strip():
        raise InvalidValue("name: must not be empty")
    if len(name) > most:
        raise NameTooLong(f"name: at most {most} characters are wanted")


def _check_subject(kind: GrantKind, new: NewAuthorization) -> None:
    """A code comes with its type and only with it; all others are somebody's."""
    if kind is GrantKind.KEYPAD_CODE:
        if new.code is None:
            raise InvalidValue("code: an authorization of type 13 needs one")
        _check_code(new.code, kind)
        return
    if new.code is not None:
        raise InvalidValue("code: only an authorization of type 13 has one")
    if new.account_user is None:
        raise InvalidValue("accountUserId: only an authorization of type 13 can be without")


def _check_code(code: str, kind: GrantKind) -> None:
    if kind is not GrantKind.KEYPAD_CODE:
        raise InvalidValue("code: only an authorization of type 13 has one")
    if not _CODE.fullmatch(code):
        raise InvalidValue("code: exactly 6 digits from 1 to 9 are wanted, which do not begin with 12")


def _check_once(name: str, ids: Sequence[str]) -> None:
    if not ids or len(set(ids)) < len(ids):
        raise InvalidValue(f"{name}: one or more are wanted, each of them once")


_DATES = ("allowedFromDate", "allowedUntilDate")
_WINDOW = ("weekdays", "from_minute", "until_minute")


def _schedule(weekdays: int | None, from_minute: int | None, until_minute: int | None) -> dict[str, Any] | None:
    """The schedule as it is kept; none where nothing of it is given."""
    if weekdays is None and from_minute is None and until_minute is None:
        return None
    try:
        return Schedule.from_nuki(weekdays, from_minute, until_minute).as_json()
    except InvalidSchedule as error:
        raise InvalidValue(str(error)) from error


def _merged(grant: Grant, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """A grant's schedule with what is given of it in place of what was there."""
    present: Sequence[int | None] | None = (None, None, None)
    if grant.schedule is not None:
        present = Schedule.parse(grant.schedule).as_nuki()
    if present is None:
        if not given.keys() >= set(_WINDOW):
            raise InvalidValue(
                "allowedWeekDays, allowedFromTime, allowedUntilTime: all three are wanted in place of a schedule"
                " that they cannot express"
            )
        present = (None, None, None)
    weekdays, begin, until = (given.get(name, kept) for name, kept in zip(_WINDOW, present, strict=True))
    return _schedule(weekdays, begin, until)

"""Access keys (seed 004): a key or code with the levels that it opens, whose it is and how far locks have it.

An access key is a credential that is known everywhere, an access level a lock group, and that a key has a level is a
grant of the group to the credential. So whatever else is done to these shows here, and the other way round.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from string import ascii_lowercase, digits
from typing import Any, NamedTuple, cast

from nymead_users.access.errors import (
    AccessKeyNotFound,
    AccessLevelNotFound,
    Duplicate,
    InvalidDate,
    InvalidKey,
    InvalidPin,
    InvalidValue,
    KeyMissing,
    LockGroupNotFound,
    NameTooLong,
    NotVisible,
    PersonNotFound,
)
from nymead_users.access.grants import NewGrant, alter, issue, revoke
from nymead_users.access.model import AccessKey, AccessKeyStatus, Credential, CredentialType, LockGroup, Sight
from nymead_users.access.people import UNLOCKED, amend_credential, discard, introduce, keep
from nymead_users.access.store import granted, keys, people, places
from nymead_users.access.store.filters import Query
from nymead_users.access.store.keys import Delivery
from nymead_users.access.store.reading import seen
from nymead_users.access.unit import Confirm, Model, Work, new_id
from nymead_users.access.values import canonical_credential, check_validity
from nymead_users.identity.passwords import Passwords
from nymead_users.storage.database import Connection

#: The longest name of a new person (seed 004).
MAX_NAME = 32

#: A name that nobody gave has so many letters and digits, as in the sample of seed 004.
GENERATED = 7

_PIN = re.compile(r"[0-9]{4}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which access key is meant: the one of that id or, without one, the one that is identified so.

    ``owner_id``: whose it is, where several owners are.
    """

    id: str | None = None
    type: CredentialType | None = None
    identification: str | None = field(default=None, repr=False)
    owner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """To whom a new key is given: the person of that id, or a new one of these names, made up where not given."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class SystemStatus(NamedTuple):
    """How far an access key is on its way to the locks of one system, and why one of them could not take it."""

    system_id: str
    status: AccessKeyStatus
    error: str | None


class AccessKeys:
    """Verbs on access keys; with the database, they raise StoreError.

    Those that change something raise AccessKeyNotFound, KeyMissing, InvalidKey, and OwnerNotFound where there are
    several owners and none is named.
    """

    def __init__(self, model: Model, passwords: Passwords) -> None:
        self._model = model
        self._passwords = passwords

    async def pages(self, owner_id: str | None, sight: Sight, *, codes: bool) -> AsyncGenerator[list[AccessKey]]:
        """Access keys, with codes or without, a page at a time, as they are at one moment. Raises OwnerNotFound.

        Who sees some locks only sees the keys that concern one of them, by their own grants or their person's.
        """
        async with self._model.read() as connection:
            if owner_id is not None:
                await people.require_owner(connection, owner_id)
            sight = await seen(connection, sight)
            async with aclosing(keys.key_pages(connection, owner_id, sight, codes=codes)) as pages:
                async for page in pages:
                    yield page

    async def levels(self, owner_id: str | None, sight: Sight) -> list[LockGroup]:
        """The access levels that there are: the lock groups. Raises OwnerNotFound."""
        async with self._model.read() as connection:
            if owner_id is not None:
                await people.require_owner(connection, owner_id)
            return await places.list_groups(connection, owner_id, await seen(connection, sight), Query())

    async def status(self, key_id: str, sight: Sight, *, codes: bool) -> tuple[AccessKeyStatus, list[SystemStatus]]:
        """How far a key is on its way to all locks that the caller may know of, and to those of each system.

        A lock is on its way while it has not heard of something about the key's levels. Without any lock the key is
        not applied, whatever levels it has. Raises AccessKeyNotFound, for who sees some locks only also where the key
        concerns none of them, and without ``codes`` NotVisible for a code.
        """
        async with self._model.read() as connection:
            sight = await seen(connection, sight)
            credential = await _find_key(connection, key_id)
            if sight is not None and not await people.is_shown(connection, key_id, sight):
                raise AccessKeyNotFound
            if credential.type is CredentialType.CODE and not codes:
                raise NotVisible("id: only administrators may ask about a code")
            found = await keys.deliveries(connection, key_id)
        shown = [each for each in found if sight is None or each.lock_id in sight]
        systems = [(system_id, list(each)) for system_id, each in groupby(shown, lambda each: each.system_id)]
        return _status(shown), [
            SystemStatus(system_id, _status(each), min((one.error for one in each if one.error), default=None))
            for system_id, each in systems
        ]

    async def put(self, which: Which, given: dict[str, Any], holder: Holder, *, by: str, confirm: Confirm) -> AccessKey:
        """Change the access key that is meant, or add it where it is identified and there is none yet.

        ``given``: pin, valid_from, valid_before and levels, each where it is given; None clears. A key's grants get
        its window whenever a bound of it is given, and new ones always. A PIN that is set, or cleared, ends a lock-out.
        ``holder`` is of a new key alone. Raises InvalidPin, InvalidDate, AccessLevelNotFound, PersonNotFound,
        NameTooLong, InvalidValue for a person with too many keys, and Busy.
        """
        value = _identified(which)
        values: dict[str, Any] = {name: given[name] for name in ("valid_from", "valid_before") if name in given}
        if "pin" in given:
            values |= {**UNLOCKED, "pin_hash": await self._hash(given["pin"])}
        async with self._model.change(by, confirm) as work:
            before = await _find(work, which, value)
            if before is None:
                key = await _make(work, which, value, values, holder)
            else:
                _check_window({"valid_from": before.valid_from, "valid_before": before.valid_before, **values})
                key = await amend_credential(work, before, values)
            await _set_levels(work, key, given)
            return (await keys.find_keys(work.connection, [key.id]))[key.id]

    async def remove(self, which: Which, *, by: str, confirm: Confirm) -> None:
        """Remove the access key that is meant with its grants, of which locks hear. Its person stays."""
        value = _identified(which)
        async with self._model.change(by, confirm) as work:
            credential = await _find(work, which, value)
            if credential is None:
                raise AccessKeyNotFound
            await discard(work, credential)

    async def _hash(self, pin: str | None) -> str | None:
        if pin is None:
            return None
        if not _PIN.fullmatch(pin):
            raise InvalidPin("pin: a PIN has 4 decimal digits")
        return await self._passwords.hash(pin)


def _identified(which: Which) -> str:
    """The canonical identification, "" where an id says which key is meant. Raises KeyMissing and InvalidKey."""
    if which.id is not None:
        return ""
    if which.type is None or which.identification is None:
        raise KeyMissing
    try:
        return canonical_credential(which.type, which.identification)
    except InvalidValue as error:
        raise InvalidKey(f"key: {str(error).removeprefix('value: ')}") from error


async def _find(work: Work, which: Which, value: str) -> Credential | None:
    """The access key that is meant; None where nothing is identified so. Raises AccessKeyNotFound, OwnerNotFound."""
    if which.id is None:
        owner_id = await people.require_owner(work.connection, which.owner_id)
        return await people.credential_of(work.connection, owner_id, cast("CredentialType", which.type), value)
    credential = await _find_key(work.connection, which.id)
    if which.owner_id not in (None, credential.owner_id):
        raise AccessKeyNotFound
    return credential


async def _find_key(connection: Connection, key_id: str) -> Credential:
    """The access key of an id. Raises AccessKeyNotFound."""
    credential = (await people.find_credentials(connection, [key_id])).get(key_id)
    if credential is None or not credential.is_access_key:
        raise AccessKeyNotFound
    return credential


async def _make(work: Work, which: Which, value: str, values: dict[str, Any], holder: Holder) -> Credential:
    """Add a key. Raises InvalidDate, InvalidKey, and what ``_person`` raises."""
    _check_window(values)
    owner_id = await people.require_owner(work.connection, which.owner_id)
    person_id = await _person(work, owner_id, holder)
    key = Credential(
        new_id(),
        owner_id,
        person_id,
        cast("CredentialType", which.type),
        value,
        values.get("pin_hash") is not None,
        enabled=True,
        locked_until=None,
        valid_from=values.get("valid_from"),
        valid_before=values.get("valid_before"),
    )
    try:
        await keep(work, key, values.get("pin_hash"))
    except Duplicate as refusal:
        raise InvalidKey("key: a lock has this code for itself alone") from refusal
    return key


async def _person(work: Work, owner_id: str, holder: Holder) -> str:
    """To whom a new key is given. Raises PersonNotFound and NameTooLong."""
    if holder.id is not None:
        person = await people.find_person(work.connection, holder.id)
        if person.owner_id != owner_id:
            raise PersonNotFound("the person is another owner's")
        return person.id
    names = {"first_name": holder.first_name, "last_name": holder.last_name}
    for name, text in (("firstName", holder.first_name), ("lastName", holder.last_name)):
        if text is not None and len(text) > MAX_NAME:
            raise NameTooLong(f"{name}: a name has at most {MAX_NAME} characters")
    made = {name: _any_name() if text is None else text for name, text in names.items()}
    return (await introduce(work, owner_id, made)).id


def _any_name() -> str:
    return "".join(secrets.choice(ascii_lowercase + digits) for _ in range(GENERATED))


def _check_window(values: dict[str, Any]) -> None:
    """Raise InvalidDate for a window that ends before it begins."""
    try:
        check_validity(values.get("valid_from"), values.get("valid_before"))
    except InvalidValue as error:
        raise InvalidDate("validToDate: must be later than validFromDate") from error


async def _set_levels(work: Work, key: Credential, given: dict[str, Any]) -> None:
    """Have a key have the levels that are given, and its grants its window. Raises AccessLevelNotFound."""
    window: dict[str, Any] = {"valid_from": key.valid_from, "valid_before": key.valid_before}
    grants = await granted.grants_of_subject(work.connection, credential_id=key.id)
    standing = [grant for grant in grants if grant.group_id is not None]
    if "levels" in given:
        wanted = dict.fromkeys(given["levels"] or ())
        await revoke(work, [grant for grant in standing if grant.group_id not in wanted])
        standing = [grant for grant in standing if grant.group_id in wanted]
        had = {grant.group_id for grant in standing}
        for level in wanted:
            if level not in had:
                await _add_level(work, NewGrant(credential_id=key.id, group_id=level, **window))
    if not window.keys().isdisjoint(given):
        for grant in standing:
            await alter(work, grant, window)


async def _add_level(work: Work, level: NewGrant) -> None:
    try:
        await issue(work, level)
    except LockGroupNotFound as refusal:
        raise AccessLevelNotFound(f"accessLevels: there is no access level {level.group_id}") from refusal


def _status(locks: Sequence[Delivery]) -> AccessKeyStatus:
    """What has become of a key at these locks together."""
    applied = sum(not lock.pending for lock in locks)
    if not locks:
        return AccessKeyStatus.NOT_APPLIED
    if applied:
        return AccessKeyStatus.APPLIED if applied == len(locks) else AccessKeyStatus.PARTIALLY_APPLIED
    failed = any(lock.error is not None for lock in locks)
    return AccessKeyStatus.FAILED if failed else AccessKeyStatus.PENDING

"""Rows held against what there is, and written where none of them is at fault.

All checks look at what is kept in memory, where what the rows add is at once, so that one fault hides no other; only
then a list is written, by the same functions as when its things are changed one by one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from nymead_users.access import grants, groups, locks, people
from nymead_users.access.errors import (
    AccessRefused,
    AlreadyMember,
    Duplicate,
    InvalidValue,
    LockNotFound,
    TitleMissing,
)
from nymead_users.access.grants import NewGrant
from nymead_users.access.model import (
    Credential,
    CredentialType,
    Grant,
    Lock,
    LockGroup,
    Owner,
    Person,
    Role,
)
from nymead_users.access.people import KEEP
from nymead_users.access.store import granted, places, roles
from nymead_users.access.store import people as stored_people
from nymead_users.access.transfer.rows import Fault, Kind, Note, Outcome, Row, Turns, Verdict, parts, told
from nymead_users.access.unit import Work, new_id
from nymead_users.access.values import canonical_credential, canonical_phone, check_validity, read_schedule
from nymead_users.identity.errors import IdentityError, InconsistentScopes
from nymead_users.identity.policy import canonical_username
from nymead_users.identity.users import Users, check_scopes
from nymead_users.permissions import Scope, User

_PERSON_DEFAULTS = {"first_name": "", "last_name": "", "email": "", "phone": "", "username": None, "enabled": True}
_LOCK_DEFAULTS = {
    "description": "",
    "time_zone": "UTC",
    "protocol_version": 1,
    "system_id": "",
    "virtual": True,
    "bridge": None,
}

#: What stays as it was when a thing was made, by the API's names.
_FIXED_OF_KEY = {
    "owner_id": "ownerId",
    "person_id": "personId",
    "lock_id": "lockId",
    "type": "type",
    "value": "value",
}
_FIXED_OF_GRANT = {
    "person_id": "personId",
    "credential_id": "credentialId",
    "lock_id": "lockId",
    "group_id": "lockGroupId",
    "kind": "kind",
    "shared_by": "sharedBy",
}


class _Moot(Exception):
    """A row refers to another one that is at fault, and is not judged."""


@dataclass
class _Plan:
    """What is to be written of one list: what is new, and what is different with the values that are."""

    new: list[Any] = field(default_factory=list)
    changed: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)


class Taking:
    """Takes rows in, within one unit of work. ``run`` it; then ``faults`` and ``verdicts`` say what became of them.

    ``faults``: those that there are already. ``broken``: the ids of rows that cannot be read. ``unknown_pin``: the
    hash of a PIN that nobody can type. Where there are faults, what was written must be rolled back.
    """

    def __init__(
        self,
        work: Work,
        users: Users,
        groups_limit: int,
        rows: Mapping[Kind, list[Row]],
        *,
        faults: Iterable[Fault],
        broken: Mapping[Kind, set[str]],
        unknown_pin: str,
    ) -> None:
        self.verdicts: list[Verdict] = []
        self.faults = list(faults)
        self._work = work
        self._users = users
        self._groups_limit = groups_limit
        self._rows = rows
        self._broken = {kind: set(ids) for kind, ids in broken.items()}
        self._unknown_pin = unknown_pin
        #: What there is, with what the rows have added so far, by its id.
        self._there: dict[Kind, dict[str, Any]] = {kind: {} for kind in Kind}
        #: Which of it a row has spoken of already.
        self._seen: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        self._plans = {kind: _Plan() for kind in Kind}
        self._turn = Turns()
        #: The owner that a new store has, which gives way to the first of the rows'.
        self._giving_way: str | None = None
        self._removed_groups: frozenset[str] = frozenset()
        self._linked: dict[tuple[str, str], str] = {}
        self._by_phone: dict[tuple[str, str], list[str]] = {}
        #: By group, the locks in it; those of them that are leaving it; and in how many groups a lock is.
        self._members: dict[str, set[str]] = {}
        self._leaving: set[tuple[str, str]] = set()
        self._groups_of_lock: dict[str, int] = {}
        #: By owner, type and value, and then by the only lock that knows it, the keys.
        self._by_value: dict[tuple[str, CredentialType, str], dict[str | None, str]] = {}
        self._keys_of_person: dict[str, int] = {}
        self._roles: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Take all rows in. Raises StoreError."""
        await self._load()
        steps: dict[Kind, tuple[Callable[[Row], Verdict], Callable[[_Plan], Awaitable[None]]]] = {
            Kind.OWNERS: (self._check_owner, self._write_owners),
            Kind.USERS: (self._check_user, self._write_users),
            Kind.PERSONS: (self._check_person, self._write_persons),
            Kind.LOCKS: (self._check_lock, self._write_locks),
            Kind.GROUPS: (self._check_group, self._write_groups),
            Kind.KEYS: (self._check_key, self._write_keys),
            Kind.ROLES: (self._check_role, self._write_roles),
            Kind.GRANTS: (self._check_grant, self._write_grants),
        }
        for kind, (check, write) in steps.items():
            for row in self._rows[kind]:
                await self._turn()
                try:
                    self.verdicts.append(check(row))
                except _Moot:
                    self._break(kind, row)
                except (AccessRefused, IdentityError) as refusal:
                    self.faults.append(Fault(kind, row.number, *told(refusal)))
                    self._break(kind, row)
            if not self.faults:
                await write(self._plans[kind])
        if not self.faults:
            await self._tell_new_roles()

    async def _load(self) -> None:
        """Read what there is, as far as the rows may have to do with it."""
        connection = self._work.connection
        there = self._there
        there[Kind.OWNERS] = {owner.id: owner for owner in await stored_people.list_owners(connection)}
        unused = await stored_people.unused_owner(connection)
        if unused is not None and self._rows[Kind.OWNERS] and all(row.id != unused for row in self._rows[Kind.OWNERS]):
            self._giving_way = unused
            del there[Kind.OWNERS][unused]
        async for users in self._users.pages_in(connection):
            there[Kind.USERS] |= {user.username: user for user in users}
        async for persons in stored_people.person_pages(connection, None, None):
            for person in persons:
                self._remember_person(person)
        for lock in await places.list_locks(connection, None, None):
            there[Kind.LOCKS][lock.id] = lock
        every_group = await places.every_group(connection)
        there[Kind.GROUPS] = {group.id: group for group in every_group if group.active}
        self._removed_groups = frozenset(group.id for group in every_group if not group.active)
        for membership in await places.open_memberships(connection):
            self._remember_member(membership.group_id, membership.lock_id)
            if membership.leave_start is not None:
                self._leaving.add((membership.group_id, membership.lock_id))
        async for keys in stored_people.credential_pages(connection, None, None, None, codes=True):
            for key in keys:
                self._remember_key(key)
        for role in await roles.roles_of(connection):
            there[Kind.ROLES][role.id] = role
            self._roles[role.person_id, role.lock_id] = role.id
        if self._rows[Kind.GRANTS]:
            async for page in granted.grant_pages(connection):
                there[Kind.GRANTS] |= {grant.id: grant for grant in page}

    def _remember_person(self, person: Person) -> None:
        before = self._there[Kind.PERSONS].get(person.id)
        if before is None and person.phone:
            self._by_phone.setdefault((person.owner_id, person.phone), []).append(person.id)
        if before is not None and before.username is not None:
            del self._linked[person.owner_id, before.username]
        if person.username is not None:
            self._linked[person.owner_id, person.username] = person.id
        self._there[Kind.PERSONS][person.id] = person

    def _remember_member(self, group_id: str, lock_id: str) -> None:
        self._members.setdefault(group_id, set()).add(lock_id)
        self._groups_of_lock[lock_id] = self._groups_of_lock.get(lock_id, 0) + 1

    def _remember_key(self, key: Credential) -> None:
        self._by_value.setdefault((key.owner_id, key.type, key.value), {})[key.lock_id] = key.id
        if key.person_id is not None and key.lock_id is None:
            self._keys_of_person[key.person_id] = self._keys_of_person.get(key.person_id, 0) + 1
        self._there[Kind.KEYS][key.id] = key

    # What all lists have in common

    def _break(self, kind: Kind, row: Row) -> None:
        if row.id is not None:
            self._broken[kind].add(row.id)

    def _before(self, kind: Kind, thing_id: str | None) -> Any:
        """What is there already for a row; None for one that is new. Raises InvalidValue for what has had its row."""
        if thing_id is None:
            return None
        if thing_id in self._seen[kind]:
            name = "username" if kind is Kind.USERS else "id"
            raise InvalidValue(f"{name}: another row of the list is about it, too")
        self._seen[kind].add(thing_id)
        return self._there[kind].get(thing_id)

    def _new_id(self, kind: Kind, row: Row) -> str:
        if row.id is not None:
            return row.id
        made = new_id()
        self._seen[kind].add(made)
        return made

    def _referred(self, kind: Kind, thing_id: str, name: str) -> Any:
        """What a row refers to. Raises InvalidValue where there is no such thing."""
        found = self._there[kind].get(thing_id)
        if thing_id in self._broken[kind]:
            raise _Moot
        if found is None:
            what = {Kind.GROUPS: "lock group", Kind.KEYS: "key"}.get(kind, kind.value.removesuffix("s"))
            raise InvalidValue(f"{name}: there is no such {what}")
        return found

    def _owner(self, values: dict[str, Any], known: Any) -> str:
        """The owner of what a row is about, taken out of its values: the only one where it names none.

        ``known``: the same as it is, if it is there already, which stays whose it is.
        """
        owner_id: str | None = values.pop("owner_id", None)
        if known is not None:
            if owner_id not in (None, known.owner_id):
                raise InvalidValue("ownerId: cannot be changed")
            return str(known.owner_id)
        if owner_id is not None:
            self._referred(Kind.OWNERS, owner_id, "ownerId")
            return owner_id
        if self._broken[Kind.OWNERS]:
            raise _Moot
        if len(self._there[Kind.OWNERS]) != 1:
            raise InvalidValue("ownerId: there are several owners, so one must be named")
        return str(next(iter(self._there[Kind.OWNERS])))

    def _username(self, username: str | None, name: str) -> str | None:
        """The user to whom something is linked."""
        if username is None:
            return None
        if not username:
            raise InvalidValue(f"{name}: the push button's user is nobody's")
        return str(self._referred(Kind.USERS, username.lower(), name).username)

    def _added(self, kind: Kind, row: Row, thing_id: str, label: str, notes: tuple[Note, ...] = ()) -> Verdict:
        return Verdict(kind, row.number, thing_id, label, Outcome.ADDED, (), notes)

    def _kept(
        self,
        kind: Kind,
        row: Row,
        thing_id: str,
        label: str,
        fields: Iterable[str],
        notes: tuple[Note, ...] = (),
    ) -> Verdict:
        changed = tuple(fields)
        outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
        return Verdict(kind, row.number, thing_id, label, outcome, changed, notes)

    # Owners

    def _check_owner(self, row: Row) -> Verdict:
        title = row.values.get("title")
        if title is not None and not title.strip():
            raise InvalidValue("title: must not be empty")
        before: Owner | None = self._before(Kind.OWNERS, row.id)
        if before is not None:
            different = _different(before, row.values)
            self._plans[Kind.OWNERS].changed.append((before, different))
            return self._kept(Kind.OWNERS, row, before.id, title or before.title, different)
        if title is None:
            raise InvalidValue("title: must not be empty")
        owner = Owner(self._new_id(Kind.OWNERS, row), title)
        self._there[Kind.OWNERS][owner.id] = owner
        self._plans[Kind.OWNERS].new.append(owner)
        return self._added(Kind.OWNERS, row, owner.id, title)

    async def _write_owners(self, plan: _Plan) -> None:
        connection = self._work.connection
        for number, owner in enumerate(plan.new):
            if not number and self._giving_way is not None:
                await stored_people.replace_owner(connection, self._giving_way, owner)
            else:
                await stored_people.add_owner(connection, owner)
            self._work.added(owner)
        for before, values in plan.changed:
            if values:
                await stored_people.change_owner(connection, before.id, values["title"])

    # Users

    def _check_user(self, row: Row) -> Verdict:
        if row.id is None:
            raise InvalidValue("username: is missing")
        try:
            username = canonical_username(row.id) if row.id else ""
        except IdentityError as refusal:
            raise InvalidValue(f"username: {refusal}") from refusal
        values = dict(row.values)
        if "scopes" in values:
            try:
                check_scopes(values["scopes"])
            except InconsistentScopes as refusal:
                raise InvalidValue(
                    "scopes: they contradict one another; everything but PermissionScopeControlThings alone needs"
                    " PermissionScopeAccessAllThings"
                ) from refusal
        before: User | None = self._before(Kind.USERS, username)
        if before is not None:
            different = _different(before, values)
            user = replace(before, **different)
            self._there[Kind.USERS][username] = user
            if different:
                self._plans[Kind.USERS].changed.append((user, different))
            return self._kept(Kind.USERS, row, username, username, different, row.notes)
        if not username and row.secret is not KEEP:
            raise InvalidValue("password: the push button's user has none")
        made = {"email": "", "display_name": "", "scopes": Scope.ADMIN, "allowed_thing_ids": (), **values}
        user = User(username=username, **made)
        self._there[Kind.USERS][username] = user
        password_hash = None if row.secret is KEEP else row.secret
        self._plans[Kind.USERS].new.append((user, password_hash))
        locked = username and password_hash is None
        return self._added(Kind.USERS, row, username, username, (Note.NO_PASSWORD,) if locked else ())

    async def _write_users(self, plan: _Plan) -> None:
        added, changed = [user for user, _ in plan.new], [user for user, _ in plan.changed]
        for part in parts(plan.new):
            await self._users.enter(self._work.connection, part)
        for user in changed:
            await self._users.replace(self._work.connection, user)
        self._work.afterwards(lambda: self._users.told_added(added))
        self._work.afterwards(lambda: self._users.told_changed(changed))

    # Persons

    def _check_person(self, row: Row) -> Verdict:
        values = dict(row.values)
        owner_id = self._owner(values, self._there[Kind.PERSONS].get(row.id or ""))
        if "phone" in values:
            values["phone"] = canonical_phone(values["phone"])
        if "username" in values:
            values["username"] = self._username(values["username"], "username")
        person_id = row.id
        if person_id is None and row.by_phone and values.get("phone"):
            found = self._by_phone.get((owner_id, values["phone"]), [])
            if len(found) > 1:
                raise InvalidValue("phone: several persons have it, so the id is needed")
            person_id = found[0] if found else None
        before: Person | None = self._before(Kind.PERSONS, person_id)
        if values.get("username") is not None:
            holder = self._linked.get((owner_id, values["username"]))
            if holder not in (None, person_id):
                raise Duplicate("username: the user is another person's already")
        if before is not None:
            different = _different(before, values)
            person = replace(before, **different)
            if before.phone and not person.phone and any(holder == person.id for holder, _ in self._roles):
                raise InvalidValue("phone: the person has sharing roles, which are known by it")
            if different:
                self._plans[Kind.PERSONS].changed.append((before, different))
        else:
            made = {**_PERSON_DEFAULTS, **values}
            person = Person(id=person_id or self._new_id(Kind.PERSONS, row), owner_id=owner_id, number=0, **made)
            self._plans[Kind.PERSONS].new.append(person)
        self._remember_person(person)
        label = f"{person.first_name} {person.last_name}".strip()
        if before is None:
            return self._added(Kind.PERSONS, row, person.id, label)
        return self._kept(Kind.PERSONS, row, person.id, label, different)

    async def _write_persons(self, plan: _Plan) -> None:
        work = self._work
        keys = await stored_people.user_keys(work.connection)
        for owner_id, persons in groupby(plan.new, key=lambda person: person.owner_id):
            for part in parts(list(persons)):
                rows = {person.id: _person_columns(person, keys) for person in part}
                await stored_people.add_persons(work.connection, owner_id, rows)
                found = await stored_people.find_persons(work.connection, rows)
                for person_id in rows:
                    work.added(found[person_id])
                await self._turn()
        for before, values in plan.changed:
            await people.amend(work, before, values)

    # Locks

    def _check_lock(self, row: Row) -> Verdict:
        values = dict(row.values)
        owner_id = self._owner(values, self._there[Kind.LOCKS].get(row.id or ""))
        values = locks.checked(values)
        if "bridge" in values:
            values["bridge"] = self._username(values["bridge"], "bridge")
        before: Lock | None = self._before(Kind.LOCKS, row.id)
        if before is not None:
            different = _different(before, values)
            lock = replace(before, **different)
            self._there[Kind.LOCKS][lock.id] = lock
            if different:
                self._plans[Kind.LOCKS].changed.append((before, different))
            return self._kept(Kind.LOCKS, row, lock.id, lock.title, different)
        if "title" not in values:
            raise InvalidValue("title: must not be empty")
        lock_id = self._new_id(Kind.LOCKS, row)
        made = {**_LOCK_DEFAULTS, **values}
        lock = Lock(
            id=lock_id,
            owner_id=owner_id,
            active=True,
            rcl_serial_no=1,
            rcl_date=None,
            last_seen_rcl_serial_no=None,
            **made,
        )
        self._there[Kind.LOCKS][lock_id] = lock
        self._plans[Kind.LOCKS].new.append((lock, made))
        return self._added(Kind.LOCKS, row, lock_id, lock.title)

    async def _write_locks(self, plan: _Plan) -> None:
        for lock, values in plan.new:
            await locks.enter(self._work, lock.id, lock.owner_id, values)
        for before, values in plan.changed:
            await locks.amend(self._work, before.id, values)

    # Lock groups

    def _check_group(self, row: Row) -> Verdict:
        values = dict(row.values)
        lock_ids = values.pop("lock_ids", [])
        owner_id = self._owner(values, self._there[Kind.GROUPS].get(row.id or ""))
        if row.id in self._removed_groups:
            raise InvalidValue("id: the group was removed; give it another id, or none")
        before: LockGroup | None = self._before(Kind.GROUPS, row.id)
        if not values.get("title", "" if before is None else before.title).strip():
            raise InvalidValue(f"title: {TitleMissing.text}")
        plan = self._plans[Kind.GROUPS]
        if before is not None:
            different = _different(before, values)
            group = replace(before, **different)
        else:
            different = {}
            made = {"description": "", **values}
            group = LockGroup(
                id=self._new_id(Kind.GROUPS, row),
                owner_id=owner_id,
                active=True,
                rcl_serial_no=1,
                rcl_date=None,
                **made,
            )
        self._there[Kind.GROUPS][group.id] = group
        joining = self._joining(group, lock_ids)
        if before is None:
            plan.new.append((group, joining))
            return self._added(Kind.GROUPS, row, group.id, group.title)
        if joining:
            different = {**different, "lock_ids": joining}
        if different:
            plan.changed.append((group, different))
        return self._kept(Kind.GROUPS, row, group.id, group.title, different)

    def _joining(self, group: LockGroup, lock_ids: list[str]) -> list[str]:
        """Those of these locks that are not in the group yet."""
        joining = []
        for position, lock_id in enumerate(lock_ids):
            name = f"lockIds[{position}]"
            lock: Lock = self._referred(Kind.LOCKS, lock_id, name)
            try:
                if lock.owner_id != group.owner_id:
                    raise LockNotFound("lock and group belong to different owners")
                if (group.id, lock_id) in self._leaving:
                    raise AlreadyMember("lock is in the group until it has heard that it is to leave it")
                if lock_id in self._members.get(group.id, ()):
                    continue
                count = self._groups_of_lock.get(lock_id, 0)
                groups.check_joining(lock.protocol_version, count, self._groups_limit)
            except AccessRefused as refusal:
                raise InvalidValue(f"{name}: {refusal}") from refusal
            self._remember_member(group.id, lock_id)
            joining.append(lock_id)
        return joining

    async def _write_groups(self, plan: _Plan) -> None:
        for group, joining in plan.new:
            await groups.enter(self._work, group)
            for lock_id in joining:
                await groups.admit(self._work, group.id, lock_id)
        for group, values in plan.changed:
            joining = values.pop("lock_ids", [])
            if values:
                await groups.amend(self._work, group.id, values)
            for lock_id in joining:
                await groups.admit(self._work, group.id, lock_id)

    # Keys

    def _check_key(self, row: Row) -> Verdict:
        values = dict(row.values)
        known = None if row.id is None else self._there[Kind.KEYS].get(row.id)
        kind = values.get("type", None if known is None else known.type)
        if kind is None:
            raise InvalidValue("type: is missing")
        if "value" in values:
            values["value"] = canonical_credential(kind, values["value"])
        elif known is None:
            raise InvalidValue("value: is missing")
        person_id, lock_id = values.get("person_id"), values.get("lock_id")
        person: Person | None = None if person_id is None else self._referred(Kind.PERSONS, person_id, "personId")
        lock: Lock | None = None if lock_id is None else self._referred(Kind.LOCKS, lock_id, "lockId")
        if known is None:
            if person is not None and values.get("owner_id") is None:
                values["owner_id"] = person.owner_id
            owner_id = self._owner(values, None)
            for other, name in ((person, "personId"), (lock, "lockId")):
                if other is not None and other.owner_id != owner_id:
                    raise InvalidValue(f"{name}: belongs to another owner")
            of_value = self._by_value.get((owner_id, kind, values["value"]), {})
            if row.id is None:
                known = self._there[Kind.KEYS].get(of_value.get(lock_id, ""))
        before: Credential | None = self._before(Kind.KEYS, row.id if known is None else known.id)
        if before is not None:
            return self._check_known_key(row, before, values)
        if of_value and (lock_id is None or None in of_value or lock_id in of_value):
            raise Duplicate("value: there is a key of that type and value")
        if person_id is not None and lock_id is None:
            people.check_number(self._keys_of_person.get(person_id, 0))
        unknown = row.wants_pin and row.secret is KEEP
        pin_hash = self._unknown_pin if unknown else None if row.secret is KEEP else row.secret
        made = {"person_id": None, "lock_id": None, "enabled": True, **values, "type": kind}
        key = Credential(
            id=self._new_id(Kind.KEYS, row),
            owner_id=owner_id,
            has_pin=pin_hash is not None,
            locked_until=None,
            **made,
        )
        check_validity(key.valid_from, key.valid_before)
        self._remember_key(key)
        self._plans[Kind.KEYS].new.append((key, pin_hash))
        return self._added(Kind.KEYS, row, key.id, key.type.value, (Note.PIN_UNKNOWN,) if unknown else ())

    def _check_known_key(self, row: Row, before: Credential, values: dict[str, Any]) -> Verdict:
        _check_fixed(before, values, _FIXED_OF_KEY)
        different = _different(before, values)
        check_validity(
            different.get("valid_from", before.valid_from), different.get("valid_before", before.valid_before)
        )
        fields = list(different)
        if row.secret is not KEEP and (row.secret is not None or before.has_pin):
            different |= {**people.UNLOCKED, "pin_hash": row.secret}
            fields.append("secret")
        if different:
            self._plans[Kind.KEYS].changed.append((before, different))
        return self._kept(Kind.KEYS, row, before.id, before.type.value, fields)

    async def _write_keys(self, plan: _Plan) -> None:
        for part in parts(plan.new):
            await people.enter_credentials(self._work, part)
            await self._turn()
        for before, values in plan.changed:
            await people.amend_credential(self._work, before, values)

    # Roles

    def _check_role(self, row: Row) -> Verdict:
        values = row.values
        known = None if row.id is None else self._there[Kind.ROLES].get(row.id)
        for name, attribute in (("personId", "person_id"), ("lockId", "lock_id")):
            if known is None and values.get(attribute) is None:
                raise InvalidValue(f"{name}: is missing")
        if known is None:
            person: Person = self._referred(Kind.PERSONS, values["person_id"], "personId")
            lock: Lock = self._referred(Kind.LOCKS, values["lock_id"], "lockId")
            if person.owner_id != lock.owner_id:
                raise InvalidValue("lockId: person and lock belong to different owners")
            if not person.phone:
                raise InvalidValue("personId: the person has no phone number, by which roles are known")
            role_id = self._roles.get((person.id, lock.id))
            if row.id is None and role_id is not None:
                known = self._there[Kind.ROLES][role_id]
            elif role_id is not None:
                raise Duplicate("id: the person has a role at the lock already, of another id")
        before: Role | None = self._before(Kind.ROLES, row.id if known is None else known.id)
        if before is not None:
            _check_fixed(before, values, {"person_id": "personId", "lock_id": "lockId"})
            different = _different(before, values)
            if different:
                self._plans[Kind.ROLES].changed.append((replace(before, **different), different))
            return self._kept(Kind.ROLES, row, before.id, before.user_name, different)
        made: dict[str, Any] = {"user_name": "", "can_share": False, **values}
        role = Role(self._new_id(Kind.ROLES, row), user_id=person.phone, created=self._work.at, created_keys=0, **made)
        self._there[Kind.ROLES][role.id] = role
        self._roles[role.person_id, role.lock_id] = role.id
        self._plans[Kind.ROLES].new.append(role)
        return self._added(Kind.ROLES, row, role.id, role.user_name)

    async def _write_roles(self, plan: _Plan) -> None:
        for role in plan.new:
            await roles.add_role(self._work.connection, role)
            await self._turn()
        for role, values in plan.changed:
            await roles.change_role(self._work.connection, role.id, values)
            self._work.changed(role, [role.lock_id])

    async def _tell_new_roles(self) -> None:
        """A new role has issued what its person has shared at the lock, which comes behind it."""
        for role in self._plans[Kind.ROLES].new:
            issued = len(await granted.shared_grants(self._work.connection, role.person_id, role.lock_id))
            if issued:
                await roles.change_role(self._work.connection, role.id, {"created_keys": issued})
            self._work.added(replace(role, created_keys=issued), [role.lock_id])

    # Grants

    def _check_grant(self, row: Row) -> Verdict:
        values = dict(row.values)
        if "schedule" in values:
            values["schedule"] = read_schedule(values["schedule"])
        before: Grant | None = self._before(Kind.GRANTS, row.id)
        if before is not None:
            if before.revoked is not None:
                raise InvalidValue("id: the grant was revoked; make another one")
            if values.get("kind") is None:
                values.pop("kind", None)
            _check_fixed(before, values, _FIXED_OF_GRANT)
            different = _different(before, values)
            check_validity(
                different.get("valid_from", before.valid_from), different.get("valid_before", before.valid_before)
            )
            if different:
                self._plans[Kind.GRANTS].changed.append((before, different))
            return self._kept(Kind.GRANTS, row, before.id, before.name, different)
        new = NewGrant(**values)
        grants.check_new(new)
        subject, credential = self._subject(new)
        if new.lock_id is not None:
            target: Lock | LockGroup = self._referred(Kind.LOCKS, new.lock_id, "lockId")
        else:
            target = self._referred(Kind.GROUPS, new.group_id or "", "lockGroupId")
        try:
            grants.check_fit(new, subject, target.owner_id, credential)
        except InvalidValue:
            raise
        except AccessRefused as refusal:
            raise InvalidValue(f"{'lockId' if new.lock_id else 'lockGroupId'}: {refusal}") from refusal
        grant_id = self._new_id(Kind.GRANTS, row)
        self._plans[Kind.GRANTS].new.append((grant_id, subject, new))
        return self._added(Kind.GRANTS, row, grant_id, new.name)

    def _subject(self, new: NewGrant) -> tuple[str, Credential | None]:
        """The owner of a grant's subject, and the subject, if it is a credential."""
        if new.person_id is not None:
            person: Person = self._referred(Kind.PERSONS, new.person_id, "personId")
            return person.owner_id, None
        credential: Credential = self._referred(Kind.KEYS, new.credential_id or "", "credentialId")
        return credential.owner_id, credential

    async def _write_grants(self, plan: _Plan) -> None:
        for part in parts(plan.new):
            await grants.enter(self._work, part)
            await self._turn()
        for before, values in plan.changed:
            await grants.alter(self._work, before, values)


def _different(before: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not so already."""
    return {name: value for name, value in values.items() if getattr(before, name) != value}


def _check_fixed(before: Any, values: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Raise InvalidValue for another value of what stays as it was."""
    for attribute, name in names.items():
        if attribute in values and getattr(before, attribute) != values[attribute]:
            raise InvalidValue(f"{name}: cannot be changed")


def _person_columns(person: Person, keys: Mapping[str, int]) -> dict[str, Any]:
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "user_id": None if person.username is None else keys[person.username],
        "enabled": person.enabled,
    }

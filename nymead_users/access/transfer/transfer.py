"""All that people have set, out of one server and into another: lists of rows, by what they are about.

Taken in, rows are held against what there is: by their ids, or what else names them. Those that are there are changed
in what they give, the others added; nothing is ever removed. All of it is one unit of work, or none is.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from typing import Any

from nymead_users.access.errors import InvalidValue
from nymead_users.access.model import LockGroup
from nymead_users.access.people import KEEP
from nymead_users.access.store import granted, people, places, roles
from nymead_users.access.transfer.rows import Fault, Kind, Note, Outcome, Report, Row, told
from nymead_users.access.transfer.taking import Taking
from nymead_users.access.unit import Confirm, Model
from nymead_users.access.values import check_pin
from nymead_users.identity.errors import WeakPassword
from nymead_users.identity.passwords import Passwords
from nymead_users.identity.policy import check_password
from nymead_users.identity.users import Users

log = logging.getLogger(__name__)


class Upload:
    """Rows on their way in. Nothing is stored before ``Transfer.take``."""

    def __init__(self, users: Users, passwords: Passwords, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.rows: dict[Kind, list[Row]] = {kind: [] for kind in Kind}
        self.faults: list[Fault] = []
        #: The ids of rows that cannot be taken: what refers to them is not to blame.
        self.broken: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        #: The hash of a PIN that nobody can type.
        self.unknown_pin = ""
        self._numbers: Counter[Kind] = Counter()
        self._users = users
        self._passwords = passwords

    def number(self, kind: Kind, count: int) -> int:
        """The number of the first of so many further rows of a list."""
        first = self._numbers[kind]
        self._numbers[kind] += count
        return first

    def refuse(self, kind: Kind, number: int, row_id: str | None, faults: Iterable[tuple[str, str]]) -> None:
        """A row cannot be read: its number, its id if that can, and fields with the reasons."""
        self.faults += [Fault(kind, number, name, reason) for name, reason in faults]
        if row_id is not None:
            self.broken[kind].add(row_id)

    async def add(self, kind: Kind, rows: Iterable[Row]) -> None:
        """Take rows of a list, and hash the secrets in them. Raises Busy and StoreError."""
        for row in rows:
            try:
                if kind is Kind.USERS and isinstance(row.secret, str):
                    await self._read_password(row)
                elif kind is Kind.KEYS:
                    await self._read_pin(row)
            except WeakPassword as refusal:
                self.refuse(kind, row.number, row.id, [("password", str(refusal))])
            except InvalidValue as refusal:
                self.refuse(kind, row.number, row.id, [told(refusal)])
            else:
                self.rows[kind].append(row)

    async def _read_password(self, row: Row) -> None:
        check_password(row.secret)
        if row.id and await self._users.known(row.id):
            row.secret = KEEP
            row.notes = (Note.PASSWORD_KEPT,)
        else:
            row.secret = await self._hash(row.secret)

    async def _read_pin(self, row: Row) -> None:
        if isinstance(row.secret, str):
            check_pin(row.secret)
            row.secret = await self._hash(row.secret)
        elif row.wants_pin and row.secret is KEEP and not self.unknown_pin:
            self.unknown_pin = await self._hash(secrets.token_hex())

    async def _hash(self, secret: str) -> str:
        """The hash of a secret; of a dry run's anything. One at a time: logins come between."""
        return "" if self.dry_run else await self._passwords.hash(secret)


class Transfer:
    """Verbs on all that there is. ``groups_limit``: in so many groups a lock can be at a time."""

    def __init__(self, model: Model, users: Users, passwords: Passwords, *, groups_limit: int) -> None:
        self._model = model
        self._users = users
        self._passwords = passwords
        self._groups_limit = groups_limit

    def upload(self, *, dry_run: bool) -> Upload:
        """Begin to take rows in. ``dry_run``: only to be told what would become of them."""
        return Upload(self._users, self._passwords, dry_run=dry_run)

    async def take(self, upload: Upload, *, by: str, confirm: Confirm) -> Report:
        """Store all of an upload, or nothing: where a row cannot be taken, and where it is a dry run.

        Raises Duplicate where the store refuses what no check has found, and StoreError.
        """
        try:
            async with self._model.change(by, confirm) as work:
                taking = Taking(
                    work,
                    self._users,
                    self._groups_limit,
                    upload.rows,
                    faults=upload.faults,
                    broken=upload.broken,
                    unknown_pin=upload.unknown_pin,
                )
                await taking.run()
                _keep(taking, dry_run=upload.dry_run)
        except _NotStored as end:
            return Report(False, tuple(end.taking.verdicts), tuple(end.taking.faults))
        log.info(
            "imported",
            extra={
                outcome.value: sum(verdict.outcome is outcome for verdict in taking.verdicts)
                for outcome in (Outcome.ADDED, Outcome.CHANGED)
            },
        )
        return Report(True, tuple(taking.verdicts), ())

    async def pages(self, kinds: Collection[Kind]) -> AsyncGenerator[tuple[Kind, list[Any]]]:
        """These lists, a page at a time, as they are at one moment: in the order of their kinds.

        Groups come with the locks that are in them and are not about to leave. What was removed or revoked is left out.
        """
        async with self._model.read() as connection:
            if Kind.OWNERS in kinds:
                yield Kind.OWNERS, sorted(await people.list_owners(connection), key=lambda owner: owner.id)
            if Kind.USERS in kinds:
                async with aclosing(self._users.pages_in(connection)) as users:
                    async for page in users:
                        yield Kind.USERS, page
            if Kind.PERSONS in kinds:
                async with aclosing(people.person_pages(connection, None, None)) as persons:
                    async for person_page in persons:
                        yield Kind.PERSONS, person_page
            if Kind.LOCKS in kinds:
                yield Kind.LOCKS, sorted(await places.list_locks(connection, None, None), key=lambda lock: lock.id)
            if Kind.GROUPS in kinds:
                yield Kind.GROUPS, await _groups(connection)
            if Kind.KEYS in kinds:
                async with aclosing(people.credential_pages(connection, None, None, None, codes=True)) as keys:
                    async for key_page in keys:
                        yield Kind.KEYS, key_page
            if Kind.ROLES in kinds:
                yield Kind.ROLES, sorted(await roles.roles_of(connection), key=lambda role: role.id)
            if Kind.GRANTS in kinds:
                async with aclosing(granted.grant_pages(connection)) as grants:
                    async for grant_page in grants:
                        yield Kind.GRANTS, [grant for grant in grant_page if grant.revoked is None]


def _keep(taking: Taking, *, dry_run: bool) -> None:
    """Raise _NotStored for what is not to be kept."""
    if dry_run or taking.faults:
        raise _NotStored(taking)


async def _groups(connection: Any) -> list[tuple[LockGroup, list[str]]]:
    members: dict[str, list[str]] = {}
    for membership in await places.open_memberships(connection):
        if membership.leave_start is None:
            members.setdefault(membership.group_id, []).append(membership.lock_id)
    groups = await places.every_group(connection)
    return [(group, sorted(members.get(group.id, ()))) for group in groups if group.active]


class _NotStored(Exception):
    """All is to be rolled back."""

    def __init__(self, taking: Taking) -> None:
        super().__init__()
        self.taking = taking

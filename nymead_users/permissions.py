"""Who somebody is and what they may do: the words every layer shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from functools import cache
from typing import NamedTuple
from uuid import UUID


class Scope(IntFlag):
    """nymea's permission scopes, with nymea's bits. ``CONFIGURE_*`` includes its weaker sibling."""

    NONE = 0x0000
    CONTROL_THINGS = 0x0001
    CONFIGURE_THINGS = 0x0003
    ACCESS_ALL_THINGS = 0x0004
    EXECUTE_RULES = 0x0010
    CONFIGURE_RULES = 0x0030
    ADMIN = 0xFFFF

    @property
    def consistent(self) -> bool:
        """Whether this combination of permissions makes sense.

        Everything, nothing and controlling chosen things are fine; whatever else is allowed needs
        access to all things. That ConfigureThings needs ControlThings and ConfigureRules needs
        ExecuteRules holds by the bits themselves.
        """
        if self in (Scope.NONE, Scope.CONTROL_THINGS, Scope.ADMIN):
            return True
        return Scope.ACCESS_ALL_THINGS in self


def includes(held: Scope, wanted: Scope) -> bool:
    """Whether all of ``wanted`` is held: asked at every call, where the enumeration's own operator takes its time."""
    return int.__and__(held, wanted) == wanted


#: The scopes by their names on the wire, in the order in which a set of them is sent.
SCOPE_NAMES: dict[str, Scope] = {
    "PermissionScopeNone": Scope.NONE,
    "PermissionScopeControlThings": Scope.CONTROL_THINGS,
    "PermissionScopeConfigureThings": Scope.CONFIGURE_THINGS,
    "PermissionScopeAccessAllThings": Scope.ACCESS_ALL_THINGS,
    "PermissionScopeExecuteRules": Scope.EXECUTE_RULES,
    "PermissionScopeConfigureRules": Scope.CONFIGURE_RULES,
    "PermissionScopeAdmin": Scope.ADMIN,
}


@cache
def scope_names(scopes: Scope) -> tuple[str, ...]:
    """The names whose bits are all in ``scopes``; none for the empty set."""
    return tuple(name for name, scope in SCOPE_NAMES.items() if scope and scope in scopes)


_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class User:
    """A user as everybody allowed to may see them: no secret is in here.

    ``username`` is lower case; the empty name is the user that the push button makes. ``things`` are the allowed ones
    as text: whether somebody may hear of a lock is asked for every notification and session.
    """

    username: str
    email: str
    display_name: str
    scopes: Scope
    allowed_thing_ids: tuple[UUID, ...]
    things: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make ``things``."""
        things = frozenset(map(str, self.allowed_thing_ids)) if self.allowed_thing_ids else _NOTHING
        object.__setattr__(self, "things", things)


class Principal(NamedTuple):
    """The user on whose behalf a session acts, and the token that says so."""

    user: User
    token_id: UUID

    @property
    def username(self) -> str:
        """The user's name."""
        return self.user.username

    @property
    def scopes(self) -> Scope:
        """What the user may do."""
        return self.user.scopes

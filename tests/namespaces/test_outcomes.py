"""From the domain's refusals to the API's words for them, and from the API's values to the domain's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from nymead_users.access.errors import AccessRefused, NotVisible, TitleMissing, TooManyGroups
from nymead_users.identity.errors import (
    Busy,
    DuplicateUser,
    IdentityError,
    InconsistentScopes,
    InvalidUsername,
    NotPermitted,
    StoreError,
    TokenNotFound,
    TooManyAttempts,
    UnknownUser,
    WeakPassword,
)
from nymead_users.identity.tokens import TokenInfo
from nymead_users.namespaces.access import namespace as access
from nymead_users.namespaces.access.types import AccessError
from nymead_users.namespaces.accesskeys import namespace as accesskeys
from nymead_users.namespaces.accesskeys.types import AccessKeyError
from nymead_users.namespaces.answers import answer
from nymead_users.namespaces.lockgroups import namespace as lockgroups
from nymead_users.namespaces.lockgroups.types import LockGroupError
from nymead_users.namespaces.lockroles import namespace as lockroles
from nymead_users.namespaces.lockroles.types import LockRoleError
from nymead_users.namespaces.outcomes import OUTCOMES, outcome, outcome_of
from nymead_users.namespaces.smartlockauths import namespace as smartlockauths
from nymead_users.namespaces.smartlockauths.types import SmartlockAuthError
from nymead_users.namespaces.types import PermissionScope, UserError, Uuid, scopes_of, token_info, user_info
from nymead_users.permissions import Scope, User
from nymead_users.rpc.errors import ServerBusy

THING = UUID("0a1b2c3d-0000-4000-8000-00000000000a")


def refusals(base: type[Exception] = IdentityError) -> Iterator[type[Exception]]:
    """Everything that a domain can refuse."""
    waiting = [base]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        yield from subclasses
        waiting += subclasses


async def refuse(refusal: Exception) -> None:
    """A verb of the domain that refuses."""
    raise refusal


async def succeed() -> None:
    """A verb of the domain that does what it is asked."""


@pytest.mark.parametrize(
    ("refusal", "name"),
    [
        (InvalidUsername("x"), "UserErrorInvalidUserId"),
        (UnknownUser("x"), "UserErrorInvalidUserId"),
        (DuplicateUser("x"), "UserErrorDuplicateUserId"),
        (WeakPassword("x"), "UserErrorBadPassword"),
        (TokenNotFound("x"), "UserErrorTokenNotFound"),
        (NotPermitted("x"), "UserErrorPermissionDenied"),
        (InconsistentScopes("x"), "UserErrorInconsistantScopes"),
        (StoreError("disk full"), "UserErrorBackendError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_refusals(refusal: IdentityError | StoreError, name: str) -> None:
    """Each refusal of the domain is one outcome, whose name is all that the client sees of it."""
    assert await outcome(refuse(refusal)) == {"error": name}
    assert outcome_of(refusal) == {"error": name}


async def test_success() -> None:
    """What raises nothing is no error."""
    assert await outcome(succeed()) == {"error": "UserErrorNoError"}


async def test_a_full_queue_is_a_busy_server() -> None:
    """That too many passwords wait is no outcome, but refuses the call."""
    with pytest.raises(ServerBusy):
        await outcome(refuse(Busy("full")))


async def test_whatever_else_goes_wrong_is_no_outcome() -> None:
    """A programming error is not passed off as an outcome."""
    with pytest.raises(ZeroDivisionError):
        await outcome(refuse(ZeroDivisionError()))


def test_a_failing_database_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What the client does not see of a database's failure stands in the log."""
    with caplog.at_level(logging.ERROR):
        outcome_of(StoreError("disk full"))
    (record,) = caplog.records
    assert "disk full" in str(vars(record))


def test_every_refusal_has_an_outcome() -> None:
    """No refusal of the domain is without a name, save those that refuse the call; every name is used."""
    assert set(refusals()) == set(OUTCOMES) | {TooManyAttempts, Busy}
    assert {*OUTCOMES.values(), UserError.NO_ERROR, UserError.BACKEND_ERROR} == set(UserError)


def test_every_refusal_about_doors_has_an_outcome() -> None:
    """No refusal about doors is without a name in a namespace that tells of it; every name is used."""
    named: dict[type[StrEnum], Mapping[type[Exception], StrEnum]] = {
        AccessError: access.OUTCOMES,
        AccessKeyError: accesskeys.OUTCOMES,
        LockGroupError: lockgroups.OUTCOMES,
        LockRoleError: lockroles.OUTCOMES,
        SmartlockAuthError: smartlockauths.OUTCOMES,
    }
    assert {refusal for outcomes in named.values() for refusal in outcomes} == {*refusals(AccessRefused), StoreError}
    for enum, outcomes in named.items():
        assert {*outcomes.values(), enum(f"{enum.__name__}NoError")} == set(enum)


async def test_refusals_about_doors_tell_why() -> None:
    """A refusal about doors is its outcome and, where it has one, its text; a failing database has no text."""

    async def outcome_about_doors(refusal: Exception) -> Any:
        return await answer(lockgroups.OUTCOMES, LockGroupError.NO_ERROR, refuse(refusal))

    assert await outcome_about_doors(TitleMissing()) == {
        "error": "LockGroupErrorTitleMissing",
        "errorMessage": "lock group must have a title",
    }
    assert await outcome_about_doors(TooManyGroups(3)) == {
        "error": "LockGroupErrorTooManyGroups",
        "errorMessage": "this lock is already member of 3 groups and therefore cannot join another group",
    }
    assert await outcome_about_doors(NotVisible()) == {"error": "LockGroupErrorPermissionDenied"}
    assert await outcome_about_doors(StoreError("disk full")) == {"error": "LockGroupErrorBackendError"}
    assert await answer(lockgroups.OUTCOMES, LockGroupError.NO_ERROR, succeed()) == {"error": "LockGroupErrorNoError"}
    with pytest.raises(ServerBusy):
        await outcome_about_doors(Busy("full"))
    with pytest.raises(ZeroDivisionError):
        await outcome_about_doors(ZeroDivisionError())


@pytest.mark.parametrize(
    ("names", "scopes"),
    [
        (None, Scope.ADMIN),
        ([], Scope.NONE),
        ([PermissionScope.NONE], Scope.NONE),
        ([PermissionScope.NONE, PermissionScope.CONTROL_THINGS], Scope(0x01)),
        ([PermissionScope.CONFIGURE_THINGS], Scope(0x03)),
        ([PermissionScope.ACCESS_ALL_THINGS, PermissionScope.CONFIGURE_RULES], Scope(0x34)),
        ([PermissionScope.EXECUTE_RULES, PermissionScope.ADMIN], Scope(0xFFFF)),
    ],
)
def test_scopes_of_names(names: list[PermissionScope] | None, scopes: Scope) -> None:
    """Names become the union of their bits, and no names at all an administrator's."""
    assert scopes_of(names) == scopes


def test_user_info() -> None:
    """A user is shown with exactly what the API lists."""
    user = User("bob", "b@example.org", "Bob", Scope.CONFIGURE_THINGS | Scope.ACCESS_ALL_THINGS, (THING,))
    assert user_info(user) == {
        "username": "bob",
        "email": "b@example.org",
        "displayName": "Bob",
        "scopes": [
            "PermissionScopeControlThings",
            "PermissionScopeConfigureThings",
            "PermissionScopeAccessAllThings",
        ],
        "allowedThingIds": [THING],
    }


def test_token_info() -> None:
    """A token is shown with exactly what the API lists."""
    shown = {"id": THING, "username": "bob", "creationTime": 1_700_000_000, "deviceName": "phone"}
    assert token_info(TokenInfo(THING, "bob", 1_700_000_000, "phone")) == shown


@pytest.mark.parametrize("text", [str(THING), str(THING).upper(), f"{{{THING}}}", f"{{{str(THING).upper()}}}"])
def test_uuids(text: str) -> None:
    """A uuid is read with and without braces, in any case."""
    assert TypeAdapter[UUID](Uuid).validate_python(text) == THING


@pytest.mark.parametrize(
    "value",
    [f"{{{THING}", f"{THING}}}", f"{{{{{THING}}}}}", "", "{}", str(THING)[1:], f" {THING}", f"{THING}\n", 1, None, []],
)
def test_what_is_no_uuid(value: Any) -> None:
    """Anything else is no uuid."""
    with pytest.raises(ValidationError, match="Expected a uuid"):
        TypeAdapter[UUID](Uuid).validate_python(value)

"""What the namespaces about access share: who may see what, outcomes, and long lists."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar, cast

import orjson

from nymead_users.access.errors import AccessRefused
from nymead_users.access.model import Sight
from nymead_users.access.sync import Speaker
from nymead_users.access.unit import Confirm
from nymead_users.identity.errors import Busy, StoreError
from nymead_users.permissions import Scope, User, includes
from nymead_users.rpc.caller import Caller, confirm
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.message import Encoded

log = logging.getLogger(__name__)

T = TypeVar("T")

#: From what the domain refuses to the API's word for it; StoreError is among it.
Outcomes = Mapping[type[Exception], StrEnum]


def sight_of(caller: Caller) -> Sight:
    """The locks that a caller may know of: all, or those among their things."""
    if caller.permits(Scope.ACCESS_ALL_THINGS):
        return None
    user = None if caller.principal is None else caller.principal.user
    return frozenset() if user is None else user.things


def may_hear(locks: frozenset[str], user: User) -> bool:
    """Whether a user may hear of what concerns these locks."""
    if not includes(user.scopes, Scope.CONTROL_THINGS):
        return False
    return includes(user.scopes, Scope.ACCESS_ALL_THINGS) or not locks.isdisjoint(user.things)


def may_hear_codes(user: User) -> bool:
    """Whether a user may hear of codes: whoever reads one may use it."""
    return includes(user.scopes, Scope.ADMIN)


def on_behalf(caller: Caller, scope: Scope = Scope.ADMIN) -> tuple[str, Confirm]:
    """In whose name a caller changes something, and what confirms that they still may."""
    return _name(caller), partial(confirm, caller, scope)


def speaker(caller: Caller) -> Speaker:
    """For whom a caller may speak: all, or themselves, such as the locks whose bridge they are."""
    return lambda: None if caller.permits(Scope.ADMIN) else _name(caller)


def _name(caller: Caller) -> str:
    return "" if caller.principal is None else caller.principal.username


async def answer(
    outcomes: Outcomes,
    success: StrEnum,
    verb: Awaitable[T],
    show: Callable[[T], Mapping[str, Any]] | None = None,
    *,
    words: Mapping[type[Exception], str] | None = None,
) -> Any:
    """Run a verb of the domain: its outcome, and with success what ``show`` makes of its result.

    ``words``: what a refusal that says no more is called there. Raises ServerBusy.
    """
    try:
        result = await verb
    except Busy as refusal:
        raise ServerBusy from refusal
    except (AccessRefused, StoreError) as refusal:
        return refused(outcomes, refusal, words)
    return {"error": success} if show is None else {"error": success, **show(result)}


def refused(
    outcomes: Outcomes, refusal: AccessRefused | StoreError, words: Mapping[type[Exception], str] | None = None
) -> Any:
    """What a refusal is called in the API; ``words`` as ``answer`` has them."""
    if isinstance(refusal, StoreError):
        log.error("the database failed", extra={"reason": str(refusal)})
        return {"error": outcomes[StoreError]}
    text = str(refusal)
    if words is not None and type(refusal) in words and text.endswith(refusal.text):
        text = text.removesuffix(refusal.text) + words[type(refusal)]
    outcome = {"error": outcomes[type(refusal)]}
    return {**outcome, "errorMessage": text} if text else outcome


async def listed(pages: AsyncGenerator[list[T]], show: Callable[[T], Any]) -> Any:
    """A list of any length as a value of a result (``written``)."""
    return cast("Any", Encoded(await written(pages, show)))


async def written(pages: AsyncGenerator[list[T]], show: Callable[[T], Any]) -> bytes:
    """A list of any length as JSON, written page by page: others have their turn meanwhile."""
    async with aclosing(pages):
        parts = [orjson.dumps([show(item) for item in page])[1:-1] async for page in pages]
    return b"[" + b",".join(parts) + b"]"


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """What there is of optional values."""
    return {key: value for key, value in values.items() if value is not None}


def given(params: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """The params that a call has given, by the domain's names for them."""
    return {names[name]: getattr(params, name) for name in params.model_fields_set if name in names}

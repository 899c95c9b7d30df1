"""From what the domain refuses to the API's UserError: the one table."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from nymead_users.identity.errors import (
    Busy,
    DuplicateUser,
    IdentityError,
    InconsistentScopes,
    InvalidUsername,
    NotPermitted,
    StoreError,
    TokenNotFound,
    UnknownUser,
    WeakPassword,
)
from nymead_users.namespaces.types import ErrorReturns, UserError
from nymead_users.rpc import errors

log = logging.getLogger(__name__)

OUTCOMES: dict[type[Exception], UserError] = {
    InvalidUsername: UserError.INVALID_USER_ID,
    UnknownUser: UserError.INVALID_USER_ID,
    DuplicateUser: UserError.DUPLICATE_USER_ID,
    WeakPassword: UserError.BAD_PASSWORD,
    InconsistentScopes: UserError.INCONSISTANT_SCOPES,
    TokenNotFound: UserError.TOKEN_NOT_FOUND,
    NotPermitted: UserError.PERMISSION_DENIED,
}


def outcome_of(refusal: IdentityError | StoreError) -> ErrorReturns:
    """What a refusal is called in the API."""
    if isinstance(refusal, StoreError):
        log.error("the database failed", extra={"reason": str(refusal)})
        return {"error": UserError.BACKEND_ERROR}
    return {"error": OUTCOMES[type(refusal)]}


async def outcome(verb: Awaitable[None]) -> ErrorReturns:
    """Run a verb of the domain; its outcome in the API's words. Raises ServerBusy."""
    try:
        await verb
    except Busy as refusal:
        raise errors.ServerBusy from refusal
    except (IdentityError, StoreError) as refusal:
        return outcome_of(refusal)
    return {"error": UserError.NO_ERROR}

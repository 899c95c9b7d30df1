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

# What causes an outcome, in the words of the contract.

#: What any change of the store may end with.
STORE_FAILED = {UserError.BACKEND_ERROR: "The store could not be read or written; nothing was changed."}
#: What a new user's name and password may end with.
BAD_NAME = {UserError.INVALID_USER_ID: "The username has other characters or another length than a name may have."}
BAD_PASSWORD = {UserError.BAD_PASSWORD: "The password is too weak, or longer than 1,024 bytes."}
UNKNOWN_USER = {UserError.INVALID_USER_ID: "There is no user of that name."}
BAD_SCOPES = {UserError.INCONSISTANT_SCOPES: "The scopes contradict one another."}
#: What a method about the caller's own account ends with where a listener needs no token.
NOBODY = {UserError.PERMISSION_DENIED: "The listener asks for no token, and the connection has none."}


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

"""What the domain refuses.

::

    IdentityError
    ├── InvalidUsername   not of the form of a username
    ├── UnknownUser
    ├── DuplicateUser
    ├── WeakPassword      breaks the password rules
    ├── InconsistentScopes
    ├── TokenNotFound
    ├── NotPermitted      not the caller's to do
    ├── TooManyAttempts   retry_after in seconds
    └── Busy              the queue of passwords to be hashed is full

Where the database fails, its StoreError comes through.
"""

from __future__ import annotations

from nymead_users.storage.errors import StoreError as StoreError  # noqa: PLC0414 - part of what the domain raises


class IdentityError(Exception):
    """The domain refuses a request."""


class InvalidUsername(IdentityError):
    """The name breaks the rules for usernames."""


class UnknownUser(IdentityError):
    """There is no such user, or not for this purpose."""


class DuplicateUser(IdentityError):
    """The name is taken."""


class WeakPassword(IdentityError):
    """The password breaks the rules for passwords."""


class InconsistentScopes(IdentityError):
    """The scopes contradict one another."""


class TokenNotFound(IdentityError):
    """There is no token of that id."""


class NotPermitted(IdentityError):
    """The caller may not do this."""


class TooManyAttempts(IdentityError):
    """Too many wrong passwords from this address or for this account.

    ``retry_after``: seconds until the next attempt is looked at.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many attempts, next one in {retry_after:.0f} s")
        self.retry_after = retry_after


class Busy(IdentityError):
    """More passwords wait for being hashed than the queue takes."""

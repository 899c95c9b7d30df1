"""What can go wrong in the store.

StoreError
 ├── IntegrityViolation
 ├── StoreUnusable
 └── BackupFailed
"""


class StoreError(Exception):
    """A call to the database failed and changed nothing; its cause is the driver's error, if there is one."""


class IntegrityViolation(StoreError):
    """A constraint of the schema refused the change: a duplicate, or a reference to nothing."""


class StoreUnusable(StoreError):
    """The store cannot be opened; the message tells the operator what is wrong and what helps."""


class BackupFailed(StoreError):
    """A backup could not be made or restored; the message tells the operator why. Nothing has changed."""

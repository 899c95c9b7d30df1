"""A typed asyncio client for every transport and both dialects.

::

    async with await Client.connect("nymea://127.0.0.1:2222") as client:
        await client.hello()
        login = await client.authenticate("alice", password, "my script")
        await client.subscribe("Users")
        async for notification in client.notifications():
            print(notification.name, notification.params)
"""

from nymead_users.client.client import Client, Login, Notification
from nymead_users.client.errors import (
    CallError,
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    PermissionDenied,
    TooManyAttempts,
    Unauthorized,
)

__all__ = [
    "CallError",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "ConnectionLost",
    "Login",
    "Notification",
    "PermissionDenied",
    "TooManyAttempts",
    "Unauthorized",
]

"""Telling systemd that the server is up (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send a state such as ``READY=1`` to the socket in NOTIFY_SOCKET; nothing happens without one.

    A failure to tell must not stop a server that works, so errors are ignored.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
            notifier.setblocking(False)  # a manager that does not read must not hold up the server either
            notifier.sendto(state.encode(), address)
    except OSError:
        return

"""Telling systemd: a datagram to the socket it names, and never a failure."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nymead_users.systemd import notify


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_state_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    """A state is sent as one datagram to the socket file or the abstract socket in NOTIFY_SOCKET."""
    name = f"nymead-users-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        manager.bind(f"\0{name}" if abstract else str(tmp_path / name))
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else str(tmp_path / name))
        notify("READY=1")
        notify("STOPPING=1")
        assert (manager.recv(100), manager.recv(100)) == (b"READY=1", b"STOPPING=1")


@pytest.mark.parametrize("address", [None, "", "/no/such/socket", "@nobody-there", "relative", "/" + "x" * 200, "/dev"])
def test_a_manager_that_cannot_be_told_stops_nothing(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """Without a socket, or with one that can't be reached, nothing happens."""
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_manager_that_does_not_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the manager's queue is full the server does not wait for it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in range(2000):  # far more than a queue holds
            notify("READY=1")

"""Unix sockets for the machine's operator: ``unix://``. The file's mode is what guards them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path

from nymead_users.peer import Peer
from nymead_users.transport.listener import ListenError
from nymead_users.transport.tcp import StreamListener


class UnixListener(StreamListener):
    """Listens on a socket in the file system, of mode 0600. Whoever may open it is the operator."""

    _inode: int | None = None

    async def open(self) -> None:
        """Begin to listen. Raises ListenError."""
        path = Path(self.endpoint.path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _clear(path)
            # Until its mode is set nobody but the owner may connect, whatever the process's umask is.
            before = os.umask(0o177)
            try:
                bound.bind(str(path))
            finally:
                os.umask(before)
            bound.setblocking(False)
        except OSError as error:
            bound.close()
            reason = str(error)
            if "too long" in reason:
                reason = (
                    "its path is too long for a socket (107 bytes); choose a shorter one, for the control socket"
                    " a shorter --data-dir"
                )
            raise ListenError(f"{self.endpoint}: cannot listen there: {reason}") from error
        except ListenError:
            bound.close()
            raise
        self._inode = path.stat().st_ino  # noqa: ASYNC240 - one look at a local file, once
        self._servers.append(await asyncio.get_running_loop().create_unix_server(self._connection, sock=bound))

    def stop(self) -> None:
        """Accept nobody any more, and remove the socket's file unless somebody else has replaced it."""
        super().stop()
        path = Path(self.endpoint.path)
        with contextlib.suppress(OSError):
            if path.stat().st_ino == self._inode:
                path.unlink()

    def _peer(self, transport: asyncio.Transport) -> Peer:  # noqa: ARG002 - all peers of a Unix socket are alike
        return Peer("unix", "unix", local=True, operator=True)


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises ListenError for anything else in that place."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"unix://{path}: there is a file already, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ListenError(f"unix://{path}: another program listens there")

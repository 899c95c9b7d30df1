"""The data directory: private to its owner, used by one server at a time."""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The files in it.
STORE, LOCK, CONTROL_SOCKET = "nymead-users.sqlite", "server.lock", "control.sock"


class DataDirectoryError(Exception):
    """The data directory can't be used; the text tells the operator why and what to do."""


class DataDirectoryInUseError(DataDirectoryError):
    """Another process uses the data directory."""


@contextmanager
def data_directory(path: Path) -> Iterator[Path]:
    """Make the directory where it is missing, see to its mode 0700, and hold it for this process alone.

    Raises DataDirectoryError, and DataDirectoryInUseError where another process holds it. The lock goes
    with the process, however that ends.
    """
    _prepare(path)
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirectoryError(f"{path}: cannot write there: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            whose = f" (process {holder})" if holder.isdigit() else ""
            raise DataDirectoryInUseError(
                f"{path} is in use by another nymead-users{whose}. One server per data directory:"
                " stop it first, or choose another directory with --data-dir."
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield path
    finally:
        os.close(lock)


@contextmanager
def one_command(path: Path, *, create: bool) -> Iterator[None]:
    """Let one command at a time work on the directory; the next waits until this one is done.

    Where no server runs, a command is the server for a moment: another one must not begin to talk to it, and
    a server that starts meanwhile must not find the directory in use. ``create``: make it where it is missing.
    Raises DataDirectoryError.
    """
    if create and not os.path.lexists(path):
        _prepare(path)
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise no_store(path) from error
    except NotADirectoryError as error:
        raise _no_directory(path) from error
    except OSError as error:
        raise DataDirectoryError(f"{path} cannot be read: {error.strerror}; see --data-dir.") from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def exposed(path: Path) -> list[str]:
    """Say of the directory and of each file in it whether others may reach it, or whose it is if not the directory's.

    Raises DataDirectoryError where it can't be read.
    """
    try:
        owner = path.stat().st_uid
        found = [(path, path.stat()), *((entry, entry.lstat()) for entry in sorted(path.iterdir()))]
    except OSError as error:
        raise DataDirectoryError(f"{path} cannot be read: {error.strerror}; see --data-dir.") from error
    problems = []
    for entry, status in found:
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            continue  # what counts is where it leads
        if mode & 0o077:
            problems.append(f"{entry} has mode {mode:04o}, so others may reach it: chmod go= {shlex.quote(str(entry))}")
        if status.st_uid != owner:
            problems.append(f"{entry} belongs to {_name(status.st_uid)}, the directory to {_name(owner)}")
    return problems


def no_store(path: Path) -> DataDirectoryError:
    """The error of a command that needs a store where there is none."""
    return DataDirectoryError(
        f"{path} holds no store: no server has run on it yet."
        " Name another directory with --data-dir, or make a user first: nymead-users user add NAME"
    )


def _prepare(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except FileExistsError as error:
        raise _no_directory(path) from error
    except OSError as error:
        raise DataDirectoryError(f"{path} cannot be made or read: {error.strerror}.") from error
    if status.st_uid != os.geteuid():
        raise DataDirectoryError(
            f"{path} belongs to {_name(status.st_uid)}: run this as them, or choose another one with --data-dir."
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IWOTH:
        raise DataDirectoryError(f"{path} can be written by anybody; choose a directory of your own with --data-dir.")
    if mode != 0o700:
        path.chmod(0o700)


def _no_directory(path: Path) -> DataDirectoryError:
    return DataDirectoryError(f"{path} is not a directory; choose another one with --data-dir.")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"

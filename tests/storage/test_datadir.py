"""The data directory: made with private modes, held by one server, shared by commands in turn."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nymead_users.storage.datadir import DataDirectoryError, DataDirectoryInUseError, data_directory, one_command


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_directory_is_made(tmp_path: Path) -> None:
    """A missing directory is made with those above it, for its owner alone, whatever the umask."""
    path = tmp_path / "state/nymead-users"
    previous = os.umask(0)
    try:
        with data_directory(path) as directory:
            assert directory == path
            assert mode(path) == 0o700
            assert mode(path / "server.lock") == 0o600
            assert (path / "server.lock").read_text() == f"{os.getpid()}\n"
    finally:
        os.umask(previous)


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    """A directory that others may read becomes private."""
    tmp_path.chmod(0o755)
    with data_directory(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_directory_for_everybody_is_refused(tmp_path: Path) -> None:
    """A directory that anybody may write is refused and left as it is."""
    tmp_path.chmod(0o1777)
    with pytest.raises(DataDirectoryError, match="can be written by anybody"), data_directory(tmp_path):
        pass
    assert mode(tmp_path) == 0o1777
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    """A directory of another user is refused, naming them."""
    os.chown(tmp_path, 1, 1)
    with pytest.raises(DataDirectoryError, match="belongs to daemon: run this as them"), data_directory(tmp_path):
        pass
    os.chown(tmp_path, 54321, 54321)
    with pytest.raises(DataDirectoryError, match="belongs to user 54321"), data_directory(tmp_path):
        pass


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file, a directory below a file, and a lock that is a symbolic link are refused with the reason."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataDirectoryError, match=f"{file} is not a directory"), data_directory(file):
        pass
    with pytest.raises(DataDirectoryError, match="Not a directory"), data_directory(file / "below"):
        pass
    trap = tmp_path / "trap"
    trap.mkdir(mode=0o700)
    (trap / "server.lock").symlink_to(file)
    with pytest.raises(DataDirectoryError, match="cannot write there"), data_directory(trap):
        pass
    assert file.read_text() == ""


def test_one_process_holds_it(tmp_path: Path) -> None:
    """While a process holds the directory another is refused, naming it; once it has ended, however, it is free."""
    hold = (
        "import sys, pathlib; from nymead_users.storage.datadir import data_directory\n"
        "with data_directory(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n"
        with (
            pytest.raises(DataDirectoryInUseError, match=rf"in use by another nymead-users \(process {holder.pid}\)"),
            data_directory(tmp_path),
        ):
            pass
        holder.kill()
    with data_directory(tmp_path):
        assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_commands_take_turns(tmp_path: Path) -> None:
    """A command waits until the one before is done; a server that runs is not in its way."""
    order = []

    def second() -> None:
        with one_command(tmp_path, create=False):
            order.append("second")

    with data_directory(tmp_path), one_command(tmp_path, create=False):
        waiting = threading.Thread(target=second)
        waiting.start()
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_command_makes_the_directory_only_to_make_a_store(tmp_path: Path) -> None:
    """A command that needs a store is told that there is none; one that makes one gets a private directory."""
    path = tmp_path / "data"
    with pytest.raises(DataDirectoryError, match="holds no store"), one_command(path, create=False):
        pass
    assert not path.exists()
    with one_command(path, create=True):
        assert mode(path) == 0o700
    for create in (False, True):
        (tmp_path / "file").touch()
        with (
            pytest.raises(DataDirectoryError, match="is not a directory"),
            one_command(tmp_path / "file", create=create),
        ):
            pass

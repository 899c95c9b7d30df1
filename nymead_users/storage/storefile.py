"""The store's file: whether it may be used, its making, and a copy of it. Everything here blocks.

Paths are absolute and free of symbolic links. Timeouts are in seconds.
"""

import filecmp
import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from nymead_users.storage.errors import StoreUnusable

# In the header of every store; "nymU" in ASCII.
APPLICATION_ID = 0x6E796D55

#: Seconds to wait for another program's lock: its writes take milliseconds, larger work on a slow card one or
#: two seconds, and whoever made the call has not given up by then.
BUSY_TIMEOUT = 5.0

_MAGIC = b"SQLite format 3\0"
_HEADER_SIZE = 100
RESTORE = "Restore a backup copy."

# Bytes: a megabyte takes some milliseconds, the store of a home has less than one.
_CHECKED_AT_START = 16 * 1024 * 1024


def prepare(path: Path, known: Sequence[str], busy_timeout: float) -> str | None:
    """Return the revision of the store at `path`, one of `known`; None where it is new, made if need be.

    Raises StoreUnusable, and then has changed nothing in the file.
    """
    try:
        if not _has_content(path):
            _create(path, busy_timeout)
            return None
        name = f"The store {path}"
        _check_header(path, name, RESTORE)
        _check_writable(path)
        return _examine(path, known, busy_timeout, name, RESTORE, None if is_large(path) else "quick_check")
    except OSError as error:
        raise StoreUnusable(
            f"The store {path} cannot be used: {error.strerror}. Check the path and its permissions."
        ) from error


def is_large(path: Path) -> bool:
    """Whether a look at every page would hold up the start; `check` is for afterwards then."""
    return size(path) > _CHECKED_AT_START


def check(path: Path, busy_timeout: float) -> None:
    """Look at every page of the store. Raises StoreUnusable where it is damaged, and sqlite3.Error."""
    with closing(connect(path, "ro", busy_timeout)) as connection:
        _scrutinise(connection, "quick_check", f"The store {path}", RESTORE)


def examine(path: Path, known: Sequence[str], busy_timeout: float, *, name: str, advice: str) -> str | None:
    """Read all of a file, and return its revision, one of `known`; None where it has no tables.

    Indexes and references are held against the tables too. In messages the file is called `name`, and `advice`
    says what helps where it is damaged. Raises StoreUnusable.
    """
    try:
        _check_header(path, name, advice)
        return _examine(path, known, busy_timeout, name, advice, "integrity_check")
    except OSError as error:
        raise StoreUnusable(f"{name} cannot be read: {error.strerror}.") from error


def keep_copy(path: Path, target: str, busy_timeout: float) -> Path:
    """Copy the store as of its last commit to a new file of mode 0600 beside it, and return that one's path.

    An older copy is never overwritten; where the last one is the same to the byte, it is the one returned.
    Raises OSError or sqlite3.Error, and then leaves no new copy.
    """
    last = None
    for number in count(1):
        copy = path.with_name(f"{path.name}.before-{target}{'' if number == 1 else f'-{number}'}.bak")
        try:
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            last = copy
    try:
        with closing(connect(path, "ro", busy_timeout)) as source, closing(sqlite3.connect(copy)) as kept:
            source.backup(kept)
        # A start that fails and is tried again for ever must not fill the disk.
        same = last is not None and filecmp.cmp(last, copy, shallow=False)
    except BaseException:
        copy.unlink()
        raise
    if last and same:
        copy.unlink()
        return last
    return copy


def _has_content(path: Path) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        empty = True
    else:
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise StoreUnusable(f"The store {path} is {kind}. Name a file instead.")
        empty = status.st_size == 0
    log = beside(path, "-wal")
    if empty and size(log):
        raise StoreUnusable(
            f"The store {path} is missing or empty, but its log {log} is not: the store has been lost."
            " Remove the log, and restore a backup copy of the store unless you mean to begin afresh."
        )
    return not empty


def _create(path: Path, busy_timeout: float) -> None:
    _check_writable(path if path.exists() else path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask, and also where the file was there and empty
    finally:
        os.close(descriptor)
    sync(path.parent)
    try:
        with closing(connect(path, "rw", busy_timeout)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            # Before there is a log, so that it is in the file itself however the first start ends.
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreUnusable(f"The store {path} cannot be made: {error}. Check the disk and the permissions.") from error
    if mode != "wal":
        raise StoreUnusable(f"The store {path} is on a file system without shared memory. Name a file on a local disk.")


def _check_header(path: Path, name: str, advice: str) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_SIZE)
    if not header.startswith(_MAGIC):
        raise StoreUnusable(f"{name} is not a SQLite database. {advice} Or name another file, if it never was one.")
    if len(header) < _HEADER_SIZE:
        raise StoreUnusable(f"{name} is damaged: it ends within its header. {advice}")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise _foreign(name)


def _check_writable(path: Path) -> None:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise StoreUnusable(
            f"The store cannot be written: {path} is on a file system mounted read-only. Mount it writable."
        )
    # The owner's bit counts for root too, whom the system lets through: somebody took it away on purpose.
    if not (path.stat().st_mode & stat.S_IWUSR and os.access(path, os.W_OK)):
        raise StoreUnusable(
            f"The store cannot be written: {path} is write-protected. Run chmod u+w on it, or start the"
            " program as its owner."
        )
    if not path.is_dir():
        _check_writable(path.parent)  # the log is made there


def _examine(
    path: Path, known: Sequence[str], busy_timeout: float, name: str, advice: str, scrutiny: str | None
) -> str | None:
    # Read-only, so that nothing is written back from the log. Only a rollback journal, left by a first start
    # that was killed, must be applied before anything can be read.
    mode = "rw" if size(beside(path, "-journal")) else "ro"
    try:
        with closing(connect(path, mode, busy_timeout)) as connection:
            connection.text_factory = _decode
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")
            if scrutiny is not None:
                _scrutinise(connection, scrutiny, name, advice)
            tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_master")}
            if not tables:
                return None
            if "alembic_version" not in tables:
                raise _foreign(name)
            revisions = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    except (sqlite3.Error, UnicodeError) as error:  # a damaged file's errors may quote what is no text
        if locked(error):
            raise StoreUnusable(f"{name} is locked by another program. Stop that program, then start again.") from error
        raise StoreUnusable(
            f"{name} cannot be read: {error}. Check the disk and who owns the files beside it; if it is damaged:"
            f" {advice[0].lower()}{advice[1:]}"
        ) from error
    if len(revisions) != 1:
        raise StoreUnusable(f"{name} is damaged: it has {len(revisions)} revisions, not one. {advice}")
    if revisions[0] not in known:
        raise StoreUnusable(
            f"{name} is of a newer version of this program: its revision is {revisions[0]}, the newest known here is"
            f" {known[-1]}. Upgrade the program, or restore the copy kept when the store was upgraded."
        )
    return str(revisions[0])


def _scrutinise(connection: sqlite3.Connection, scrutiny: str, name: str, advice: str) -> None:
    finding = connection.execute(f"PRAGMA {scrutiny}(1)").fetchone()
    if finding != ("ok",):
        raise StoreUnusable(f"{name} is damaged: {finding and finding[0]}. {advice}")
    if scrutiny == "integrity_check" and (row := connection.execute("PRAGMA foreign_key_check").fetchone()):
        raise StoreUnusable(f"{name} is damaged: rows of {row[0]} refer to {row[2]} that are not there. {advice}")


def connect(path: Path, mode: str, busy_timeout: float) -> sqlite3.Connection:
    """Open a file that is there: `ro` to read it, `rw` to write. Statements are transactions of their own."""
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=busy_timeout)


def locked(error: BaseException) -> bool:
    """Whether another program's lock was what hindered."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names of a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def beside(path: Path, suffix: str) -> Path:
    """The file that SQLite keeps beside another."""
    return path.with_name(path.name + suffix)


def _foreign(name: str) -> StoreUnusable:
    return StoreUnusable(f"{name} is a SQLite database of another program. Name another file.")


def size(path: Path) -> int:
    """The size of a file in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _decode(text: bytes) -> str:
    return text.decode(errors="replace")  # a damaged file has damaged texts

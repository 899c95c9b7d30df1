"""Backups of the store, and the way back. Everything here blocks.

A backup is one SQLite file that needs nothing beside it. Whatever ends a verb halfway, the power included,
leaves the old file or the new one in its place, and each of them whole.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from nymead_users.storage.errors import BackupFailed, StoreUnusable
from nymead_users.storage.migrations import revisions
from nymead_users.storage.storefile import BUSY_TIMEOUT, RESTORE, beside, connect, examine, locked, size, sync

#: Told of pages done and pages in all, after every STEP pages.
Progress = Callable[[int, int], None]

#: Pages between two reports of progress: 16 MiB, a fraction of a second.
STEP = 4096

#: What SQLite keeps beside a store: what was committed last may be only there.
_LOGS = ("-wal", "-journal")


def backup(store: Path, target: Path, progress: Progress, *, overwrite: bool = False) -> None:
    """Write the store as of now to a new file of mode 0600, also while a server writes to it.

    The copy is read through before it gets its name. Raises StoreUnusable where the store can't be read, and
    BackupFailed where the copy can't be written, is not whole, or, unless ``overwrite``, is there already.
    """
    store, target = store.resolve(), target.absolute()
    _check_target(store, target, overwrite=overwrite)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}.") from error
    partial = Path(name)
    try:
        os.close(descriptor)
        try:
            source = connect(store, "ro", BUSY_TIMEOUT)
        except sqlite3.Error as error:
            raise StoreUnusable(f"The store {store} cannot be read: {error}.") from error
        with closing(source):
            _copy(source, partial, f"The store {store}", progress)
        _examine(partial, f"The store {store}")
        sync(partial)
        give_name(partial, target, overwrite=overwrite)
        sync(target.parent)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        _remove(partial)


def restore(source: Path, store: Path, now: datetime, progress: Progress) -> Path | None:
    """Put a backup in the place of the store, and return the path under which the replaced store is kept.

    No server may use the store: the caller holds the data directory. None is returned where there was none.
    Raises BackupFailed.
    """
    source, store = source.absolute(), store.resolve()
    if not source.is_file():
        raise BackupFailed(f"The backup {source} is not there, or is no file.")
    if store.exists() and source.samefile(store):
        raise BackupFailed(f"The backup {source} is the store itself.")
    if not size(source):
        raise BackupFailed(f"The backup {source} is empty.")
    partial = beside(store, ".restoring")
    try:
        _remove(partial)  # of a restore that was killed
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(_open_backup(source)) as backup_copy:
            _copy(backup_copy, partial, f"The backup {source}", progress)
        if _examine(partial, f"The backup {source}", "Choose another backup.") is None:
            raise BackupFailed(f"The backup {source} has no tables: no server has ever used it.")
        sync(partial)
        kept = _keep(store, now)
        partial.replace(store)
        sync(store.parent)
    except StoreUnusable as error:
        raise BackupFailed(f"{error} Nothing was changed.") from error
    except OSError as error:
        raise BackupFailed(f"{source} cannot be restored: {error.strerror}: {error.filename}.") from error
    finally:
        _remove(partial)
    return kept


def _check_target(store: Path, target: Path, *, overwrite: bool) -> None:
    try:
        if target.is_dir():
            raise BackupFailed(f"{target} is a directory. Name a file in it.")
        if target.exists() and target.samefile(store):
            raise BackupFailed(f"{target} is the store itself. Name another file.")
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}.") from error
    if not overwrite and os.path.lexists(target):
        raise _exists(target)


def _copy(source: sqlite3.Connection, target: Path, name: str, progress: Progress) -> None:
    """Copy a database, called `name` in messages, as of now into an empty file, by SQLite's own means.

    Raises StoreUnusable where it can't be read, BackupFailed where the copy can't be written.
    """
    try:
        # A transaction that reads: what others write meanwhile does not make the copy begin anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise StoreUnusable(f"{name} cannot be read: {error}.") from error
    try:
        with closing(connect(target, "rw", BUSY_TIMEOUT)) as copy:
            # Nobody relies on the file before it is complete and on the disk.
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            source.backup(copy, pages=STEP, progress=lambda _status, left, total: progress(total - left, total))
        with closing(connect(target, "rw", BUSY_TIMEOUT)) as copy:
            copy.execute("PRAGMA journal_mode=DELETE")  # no log: the file stands for itself
    except sqlite3.Error as error:
        raise BackupFailed(f"The copy {target} cannot be written: {error}. Check the disk.") from error


def _examine(path: Path, name: str, advice: str = RESTORE) -> str | None:
    return examine(path, revisions(), BUSY_TIMEOUT, name=name, advice=advice)


def _open_backup(source: Path) -> sqlite3.Connection:
    """Open a backup, also one on a read-only disk; one made with its log beside it is read with that log."""
    mode = "ro" if size(beside(source, "-wal")) else "ro&immutable=1"
    try:
        return connect(source, mode, BUSY_TIMEOUT)
    except sqlite3.Error as error:
        raise BackupFailed(f"The backup {source} cannot be read: {error}.") from error


def give_name(partial: Path, target: Path, *, overwrite: bool) -> None:
    """Have a file that is complete be the target, in one step. Raises OSError.

    That is FileExistsError where something is there already, unless ``overwrite``.
    """
    if not overwrite:
        try:
            target.hardlink_to(partial)  # unlike a renaming, it fails where there is a file
        except FileExistsError:
            raise
        except OSError:  # a file system without links, as on memory sticks
            if os.path.lexists(target):
                raise FileExistsError(target) from None
        else:
            return
    partial.replace(target)


def _keep(store: Path, now: datetime) -> Path | None:
    """Give the store a second name, dated, and leave no log beside it; None where there is no store."""
    logs = [log for suffix in _LOGS if (log := beside(store, suffix)).exists()]
    if not store.exists() and not logs:
        return None
    stem = f"{store.name}.replaced-{now:%Y-%m-%dT%H-%M-%S}"
    for number in count(1):
        kept = store.with_name(f"{stem}{'' if number == 1 else f'-{number}'}.bak")
        if not os.path.lexists(kept):
            break
    kept_logs = [beside(kept, log.name.removeprefix(store.name)) for log in logs]
    try:
        if store.exists():
            kept.hardlink_to(store)
        for log, copy in zip(logs, kept_logs, strict=True):
            shutil.copy2(log, copy)
        sync(store.parent)
        settled = _settle(store)
    except BaseException:
        _remove(kept)
        raise
    # A log belongs to its store: beside another one it would be taken for its own. That of a damaged store is kept.
    for log in (*kept_logs, *logs) if settled else (*logs, beside(store, "-shm")):
        log.unlink(missing_ok=True)
    return kept


def _settle(store: Path) -> bool:
    """Bring what is in the log into the store, so that its file stands for itself; whether it is sound enough.

    Raises StoreUnusable where another program uses it.
    """
    if not size(store):
        return False
    try:
        with closing(connect(store, "rw", BUSY_TIMEOUT)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if locked(error):
            raise StoreUnusable(
                f"The store {store} is in use by another program. Stop that one, then try again."
            ) from error
        return False
    return True


def _exists(target: Path) -> BackupFailed:
    return BackupFailed(f"{target} is there already. Name another file, or use --force to overwrite it.")


def _remove(partial: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            beside(partial, suffix).unlink(missing_ok=True)

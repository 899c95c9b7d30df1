"""The storage layer's own verbs for backups."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nymead_users.storage.copies import STEP, backup
from nymead_users.storage.database import Database


async def test_a_backup_is_the_store_as_of_its_begin(tmp_path: Path) -> None:
    """What is written while a long copy is under way is not in it, and does not make it begin anew."""
    store, target = tmp_path / "store.sqlite", tmp_path / "backup.sqlite"
    await (await Database.open(store)).close()
    steps: list[int] = []
    with closing(sqlite3.connect(store)) as writer:
        writer.execute("CREATE TABLE ballast (bytes BLOB)")
        writer.execute("INSERT INTO ballast VALUES (zeroblob(?))", (3 * STEP * 4096,))
        writer.commit()

        def write(done: int, total: int) -> None:
            steps.append(done)
            assert len(steps) <= total // STEP + 1, "it began anew"
            writer.execute("UPDATE server SET uuid = ?", (str(done),))
            writer.execute("INSERT INTO ballast VALUES (zeroblob(100000))")
            writer.commit()

        backup(store, target, write)
    assert len(steps) == 4
    assert steps == sorted(steps)
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM ballast").fetchone() == (1,)
        assert len(copy.execute("SELECT uuid FROM server").fetchone()[0]) == 36

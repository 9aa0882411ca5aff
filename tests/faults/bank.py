"""Bank: effects outside of barq, which handlers make in steps (`job.once`): a line in SQLite for each, by the step's key."""

import contextlib
import sqlite3
from collections import Counter
from pathlib import Path

LOCK_SECONDS = 10.0
"""A frozen process may hold the file's lock."""


class Bank:
    """An effect and its key are one transaction. Nothing in the table would hide a double."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "effects.db"

    def open(self) -> "Bank":
        """What the driver does first."""
        with contextlib.closing(self._connect()) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("create table effects (key text, job integer)")
            database.execute("create index keys on effects (key)")
        return self

    def charge(self, key: str, job_id: int) -> None:
        with contextlib.closing(self._connect()) as database:
            database.execute("begin immediate")
            if not database.execute("select 1 from effects where key = ?", (key,)).fetchone():
                database.execute("insert into effects values (?, ?)", (key, job_id))
            database.execute("commit")

    def effects(self) -> Counter[int]:
        """How many there are of each job."""
        with contextlib.closing(self._connect()) as database:
            return Counter(dict(database.execute("select job, count(*) from effects group by job")))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None)
        database.execute("pragma synchronous = off")  # it has to outlive processes, not the machine
        return database

"""The SQLite file of a project: opened, checked, versioned, healed. Knows the schema, not what the rows mean.

A file of another schema, or a damaged one, starts clean, and `notices` says so; nothing else is ever thrown away.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kdev.state.folder import StateFolder
from kdev.state.snapshot import open_snapshot

SCHEMA = 1
"""PRAGMA user_version. Raise it with any change below or of what the blobs hold."""

FILE = "state.db"
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_TABLES = """
CREATE TABLE latest (step TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE traces (step TEXT, fingerprint TEXT, finished REAL, body BLOB NOT NULL,
    PRIMARY KEY (step, fingerprint)) WITHOUT ROWID;
CREATE TABLE listings (digest TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE listed (step TEXT, digest TEXT, PRIMARY KEY (step, digest)) WITHOUT ROWID;
CREATE INDEX listed_digest ON listed (digest);
CREATE TABLE runs (run TEXT PRIMARY KEY, pipeline TEXT, target TEXT, started REAL, ended REAL, exit_code INTEGER)
    WITHOUT ROWID;
CREATE TABLE notes (run TEXT, step TEXT, number INTEGER, verdict TEXT, reasons BLOB, detail TEXT, seconds REAL, at REAL,
    PRIMARY KEY (run, number)) WITHOUT ROWID;
CREATE INDEX notes_step ON notes (step, at);
CREATE TABLE memory (area TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (area, key)) WITHOUT ROWID;
"""
T = TypeVar("T")
Row = tuple[Any, ...]


class Store:
    """One connection, for one thread. Read-only, it works on a copy in memory and never touches the disk."""

    def __init__(self, folder: StateFolder) -> None:
        self.folder = folder
        self.path = folder.file(FILE)
        self.notices: list[str] = []
        self._damaged = False
        self._open_connection: sqlite3.Connection | None = None
        self._guarded(lambda: self._connection)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query."""
        return self._guarded(lambda: self._connection.execute(sql, values).fetchall())

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work` in one transaction, durable when this returns. Read-only, only the copy in memory changes."""

        def transaction() -> None:
            with self._transaction():
                work(self._connection)

        self._guarded(transaction)

    def execute(self, sql: str, values: Sequence[Any]) -> None:
        """One statement, durable when this returns."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(sql, values)

        self.write(work)

    def close(self) -> None:
        """Flush the log into the file. The store cannot be used afterwards."""
        if self._open_connection is not None:
            with suppress(sqlite3.Error):
                self._open_connection.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open_connection is None:
            self._open_connection = self._open()
        return self._open_connection

    def _open(self) -> sqlite3.Connection:
        connection = self._open_copy() if self.folder.read_only else self._open_file()
        try:
            version, tables = self._version(connection)
            if tables and version != SCHEMA:
                self.notices.append(
                    f"the state of this project was written by another version of kdev (schema {version}, "
                    f"this one uses {SCHEMA}): starting clean, every step runs once more"
                )
                connection.close()
                connection = self._start_over()
                tables = 0
            if not tables:
                connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={SCHEMA};COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_copy(self) -> sqlite3.Connection:
        if self._damaged:
            return sqlite3.connect(":memory:", isolation_level=None)
        return open_snapshot(self.path)

    def _open_file(self) -> sqlite3.Connection:
        self.folder.make()
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5)
        try:
            # FULL: a recorded step must survive a power cut, or "finished steps stay finished" is not true.
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=256")
            os.chmod(self.path, 0o600)
        except BaseException:
            connection.close()
            raise
        return connection

    def _start_over(self) -> sqlite3.Connection:
        if self.folder.read_only:
            return sqlite3.connect(":memory:", isolation_level=None)
        self._move("")
        return self._open_file()

    def _move(self, suffix: str) -> None:
        """Rename the database to `suffix`, with its side files gone; delete it when `suffix` is empty."""
        for side in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(self.path + side)
        with suppress(FileNotFoundError):
            if suffix:
                os.replace(self.path, self.path + suffix)
            else:
                os.unlink(self.path)

    def _version(self, connection: sqlite3.Connection) -> tuple[int, int]:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return version, tables

    def _heal(self) -> None:
        """Put a damaged database aside; the next access opens an empty one."""
        if self._open_connection is not None:
            self._open_connection.close()
            self._open_connection = None
        self._damaged = True
        if self.folder.read_only:
            self.notices.append(f"{FILE} is damaged: this run does not use it")
            return
        self._move(".damaged")
        self.notices.append(f"{FILE} was damaged: moved to {FILE}.damaged, starting clean, every step runs once more")

    def _guarded(self, work: Callable[[], T]) -> T:
        """`work`, once more on a clean database when this one turns out to be damaged; StateError for the rest."""
        try:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                # Extended codes carry the primary one in the low byte.
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _CORRUPT:
                    raise
                self._heal()
                return work()
        except (sqlite3.Error, OSError) as error:
            raise self.folder.trouble("used", error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

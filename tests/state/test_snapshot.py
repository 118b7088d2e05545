"""A database in WAL mode read without SQLite's help must be the one that SQLite itself would have shown."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdev.state.snapshot import copy_immutable, open_snapshot, overlay


def writer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def rows(path: Path) -> list[tuple[int, str]]:
    connection = open_snapshot(str(path))
    try:
        return connection.execute("SELECT id, text FROM t ORDER BY id").fetchall()
    finally:
        connection.close()


def test_no_database_reads_as_an_empty_one(tmp_path: Path) -> None:
    connection = open_snapshot(str(tmp_path / "none.db"))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    assert list(tmp_path.iterdir()) == []


_KINDS = st.sampled_from(["insert", "update", "delete", "checkpoint", "truncate", "vacuum", "rollback"])


@settings(max_examples=40, deadline=None)
@given(work=st.lists(st.tuples(_KINDS, st.integers(1, 400)), max_size=12))
def test_what_is_read_is_what_was_committed(
    tmp_path_factory: pytest.TempPathFactory, work: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("db") / "x.db"
    connection = writer(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    for kind, number in work:
        if kind == "insert":
            connection.executemany("INSERT OR REPLACE INTO t VALUES (?,?)", [(i, "x" * number) for i in range(number)])
        elif kind == "update":
            connection.execute("UPDATE t SET text = text || ? WHERE id % ? = 0", (str(number), number))
        elif kind == "delete":
            connection.execute("DELETE FROM t WHERE id > ?", (number,))
        elif kind == "checkpoint":
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        elif kind == "truncate":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elif kind == "vacuum":
            connection.execute("VACUUM")
        else:
            connection.execute("BEGIN")
            connection.execute("DELETE FROM t")
            connection.execute("ROLLBACK")
    expected = connection.execute("SELECT id, text FROM t ORDER BY id").fetchall()

    assert rows(path) == expected
    connection.close()
    assert rows(path) == expected


def test_an_open_transaction_is_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = writer(path)
    connection.execute("PRAGMA cache_size=2")  # pages of the transaction spill into the log before it commits
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'kept')")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?,?)", [(i, "x" * 500) for i in range(2, 2000)])

    assert rows(path) == [(1, "kept")]
    connection.execute("ROLLBACK")
    connection.close()


def test_a_torn_frame_ends_the_log(tmp_path: Path) -> None:
    path, copy = tmp_path / "x.db", tmp_path / "copy.db"
    connection = writer(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    sizes = []
    for number in range(5):
        connection.execute("INSERT INTO t VALUES (?,?)", (number, "x" * 3000))
        sizes.append(os.path.getsize(f"{path}-wal"))
    log = Path(f"{path}-wal").read_bytes()
    shutil.copy(path, copy)

    for cut in (sizes[2] + 10, sizes[3] - 1):
        Path(f"{copy}-wal").write_bytes(log[:cut])
        assert [number for number, _ in rows(copy)] == [0, 1, 2]
    damaged = bytearray(log)
    damaged[sizes[3] - 100] ^= 0xFF
    Path(f"{copy}-wal").write_bytes(damaged)
    assert [number for number, _ in rows(copy)] == [0, 1, 2]
    connection.close()


def test_reading_leaves_every_byte_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = writer(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    for side in ("", "-wal", "-shm"):  # as a killed process leaves them
        shutil.copy(f"{path}{side}", tmp_path / f"left.db{side}")
    connection.close()
    folder = tmp_path
    before = {entry.name: (entry.read_bytes(), entry.stat().st_mtime_ns) for entry in folder.iterdir()}

    assert rows(tmp_path / "left.db") == [(1, "a")]

    assert {entry.name: (entry.read_bytes(), entry.stat().st_mtime_ns) for entry in folder.iterdir()} == before


def test_an_old_sqlite_reads_what_was_checkpointed_and_leaves_every_byte_alone(tmp_path: Path) -> None:
    path = tmp_path / "x?#%.db"
    connection = writer(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO t VALUES (2, 'b')")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    copy = copy_immutable(str(path))
    copy.execute("INSERT INTO t VALUES (3, 'c')")
    assert [number for (number,) in copy.execute("SELECT id FROM t ORDER BY id")] == [1, 3]
    copy.close()

    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before
    connection.close()


@given(log=st.binary(max_size=300), main=st.binary(max_size=300))
def test_rubbish_never_breaks_the_reader(log: bytes, main: bytes) -> None:
    assert isinstance(overlay(main, log), bytes)

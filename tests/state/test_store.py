"""The database: created, versioned, healed, and left alone when read-only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kdev.errors import StateError
from kdev.state import store as store_module
from kdev.state.folder import StateFolder
from kdev.state.memory import Memory
from kdev.state.store import Store


def open_store(root: Path, *, read_only: bool = False) -> Store:
    return Store(StateFolder(str(root), read_only=read_only))


def remember(root: Path, key: str, value: str) -> None:
    store = open_store(root)
    Memory(store, "test").set(key, value)
    store.close()


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in (root, *root.rglob("*"))
    }


def test_the_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    remember(tmp_path, "a", "1")

    folder = tmp_path / ".kdev"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "state.db").stat().st_mode & 0o777 == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"


def test_what_is_remembered_is_there_next_time(tmp_path: Path) -> None:
    remember(tmp_path, "a", "1")
    remember(tmp_path, "a", "2")
    remember(tmp_path, "b", "ü")
    store = open_store(tmp_path)
    memory = Memory(store, "test")
    assert memory.all() == {"a": "2", "b": "ü"}
    memory.forget("a")
    assert memory.get("a") is None
    assert Memory(store, "other").all() == {}
    memory.clear()
    assert memory.all() == {}
    store.close()


def test_another_schema_starts_clean_and_says_so(tmp_path: Path) -> None:
    remember(tmp_path, "a", "1")
    connection = sqlite3.connect(tmp_path / ".kdev/state.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()

    for read_only in (True, False):
        store = open_store(tmp_path, read_only=read_only)
        assert Memory(store, "test").all() == {}
        assert len(store.notices) == 1
        assert "schema 99" in store.notices[0]
        store.close()
    store = open_store(tmp_path)
    assert store.notices == []
    store.close()


@pytest.mark.parametrize("damage", ["not a database at all" * 100, ""])
def test_a_file_that_is_no_database_is_put_aside_and_said(tmp_path: Path, damage: str) -> None:
    (tmp_path / ".kdev").mkdir()
    (tmp_path / ".kdev/state.db").write_text(damage)

    store = open_store(tmp_path)

    Memory(store, "test").set("a", "1")
    assert [notice.startswith("state.db was damaged") for notice in store.notices] == [True] * bool(damage)
    assert (tmp_path / ".kdev/state.db.damaged").exists() == bool(damage)
    store.close()


def test_damage_found_late_is_healed_as_well(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    memory = Memory(store, "test")
    for number in range(500):
        memory.set(f"key {number}", "x" * 200)
    store.close()
    path = tmp_path / ".kdev/state.db"
    data = bytearray(path.read_bytes())
    data[4096 * 10 :] = b"\xee" * (len(data) - 4096 * 10)  # the schema is whole, the rows are not
    path.write_bytes(data)

    store = open_store(tmp_path, read_only=True)
    assert Memory(store, "test").all() == {}
    assert store.notices == ["state.db is damaged: this run does not use it"]
    store.close()

    store = open_store(tmp_path)
    assert Memory(store, "test").all() == {}
    Memory(store, "test").set("a", "1")
    assert Memory(store, "test").all() == {"a": "1"}
    assert "starting clean" in store.notices[0]
    store.close()


def test_read_only_shows_the_state_and_touches_nothing(tmp_path: Path) -> None:
    remember(tmp_path, "a", "1")
    before = contents(tmp_path)

    store = open_store(tmp_path, read_only=True)
    memory = Memory(store, "test")
    assert memory.get("a") == "1"
    memory.set("a", "2")  # into the copy
    assert memory.get("a") == "2"
    store.close()

    assert contents(tmp_path) == before


def test_read_only_beside_a_live_session_sees_what_it_committed(tmp_path: Path) -> None:
    session = open_store(tmp_path)
    Memory(session, "test").set("a", "1")
    before = contents(tmp_path)

    store = open_store(tmp_path, read_only=True)
    assert Memory(store, "test").get("a") == "1"
    store.close()

    assert contents(tmp_path) == before
    session.close()


def test_read_only_without_state_makes_none(tmp_path: Path) -> None:
    store = open_store(tmp_path, read_only=True)
    assert Memory(store, "test").all() == {}
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / ".kdev").write_text("a file in its place")
    with pytest.raises(StateError, match="cannot be made"):
        open_store(tmp_path)


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO memory VALUES ('test', 'a', '1')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(work)
    assert Memory(store, "test").all() == {}
    Memory(store, "test").set("b", "2")
    assert Memory(store, "test").all() == {"b": "2"}
    store.close()


def test_the_schema_number_is_in_the_file(tmp_path: Path) -> None:
    remember(tmp_path, "a", "1")
    connection = sqlite3.connect(tmp_path / ".kdev/state.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (store_module.SCHEMA,)
    connection.close()

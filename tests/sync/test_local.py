"""The side on this disk, ordered about by one that is not trusted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kdev.sync.endpoint import Outcome, leads_out, why_refused
from kdev.sync.entry import LOCAL, Change, Entry, Kind
from kdev.sync.local import LocalEndpoint
from kdev.sync.memory import Memory
from kdev.sync.reconcile import Pair
from kdev.sync.rules import Rules


class Sends:
    """A source whose files all hold the same bytes."""

    def __init__(self, data: bytes = b"evil") -> None:
        self.data = data

    def read(self, wanted: Sequence[tuple[str, Entry]]) -> Iterator[Iterator[bytes]]:
        for _ in wanted:
            yield iter((self.data,))


def a_file(data: bytes = b"evil") -> Entry:
    return Entry(Kind.FILE, 0o644, len(data), 5, hashlib.sha256(data).digest())


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("mine")
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def do(tree: Path, change: Change, source: Sends | None = None) -> Outcome:
    [outcome] = LocalEndpoint(str(tree), Rules()).apply([change], source or Sends())
    return outcome


HOSTILE = ["../outside/new", "/etc/kdev-new", "a/../../outside/new", "a/./b", "a//b", "", "x\0y", "n" * 300,
           "/".join("a" * 300), "p/" * 2100 + "x"]


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_a_path_that_leads_elsewhere_is_refused(inside: Path, path: str) -> None:
    outcome = do(inside, Change(LOCAL, path, None, a_file()))
    assert outcome.problem is not None
    assert why_refused(path)
    assert list(inside.iterdir()) == []
    assert sorted(inside.parent.joinpath("outside").iterdir()) == [inside.parent / "outside/precious"]


@pytest.mark.parametrize("new", [a_file(), None, Entry(Kind.FOLDER, 0o755), Entry(Kind.LINK, target="x")],
                         ids=["write", "delete", "folder", "link"])
def test_nothing_happens_through_a_link(inside: Path, new: Entry | None) -> None:
    (inside / "link").symlink_to("../outside")
    old = None if new is not None else a_file()
    outcome = do(inside, Change(LOCAL, "link/precious", old, new))
    assert outcome.problem is not None
    assert (inside.parent / "outside/precious").read_text() == "mine"


@pytest.mark.parametrize(("path", "target", "out"), [
    ("l", "/etc/passwd", True), ("l", "..", True), ("a/l", "../b", False), ("a/l", "../../b", True),
    ("l", "a/../../b", True), ("l", "a", False), ("a/b/l", "../../c", False),
])
def test_a_link_out_of_the_folder_is_not_made(inside: Path, path: str, target: str, out: bool) -> None:
    (inside / path).parent.mkdir(parents=True, exist_ok=True)
    outcome = do(inside, Change(LOCAL, path, None, Entry(Kind.LINK, target=target)))
    assert leads_out(path, target) is out
    assert (inside / path).is_symlink() is not out
    assert (outcome.problem is not None) is out


def test_a_file_that_was_edited_meanwhile_is_not_overwritten(inside: Path) -> None:
    side = LocalEndpoint(str(inside), Rules())
    (inside / "a").write_text("seen")
    [seen] = side.scan()
    (inside / "a").write_text("edited since")
    [outcome] = side.apply([Change(LOCAL, "a", dict(seen.items)["a"], a_file())], Sends())
    assert outcome.stale
    assert (inside / "a").read_text() == "edited since"


def test_content_that_is_not_what_was_promised_is_not_put_there(inside: Path) -> None:
    for data in (b"other", b"x" * 1000, b""):
        outcome = do(inside, Change(LOCAL, "a", None, a_file()), Sends(data))
        assert outcome.problem is not None
        assert list(inside.iterdir()) == []


def test_a_file_arrives_whole_with_its_mode_and_time(inside: Path) -> None:
    outcome = do(inside, Change(LOCAL, "a", None, a_file()._replace(mode=0o750)))
    assert outcome.problem is None
    info = (inside / "a").stat()
    assert (info.st_mode & 0o777, info.st_mtime_ns, (inside / "a").read_text()) == (0o750, 5, "evil")
    assert os.listdir(inside) == ["a"]


def test_a_folder_that_still_holds_something_stays_without_a_word(inside: Path) -> None:
    (inside / "d").mkdir()
    (inside / "d/excluded").write_text("x")
    outcome = do(inside, Change(LOCAL, "d", Entry(Kind.FOLDER), None))
    assert outcome.problem is None
    assert outcome.entry is not None
    assert (inside / "d/excluded").exists()


def test_sockets_pipes_and_our_own_folders(inside: Path) -> None:
    os.mkfifo(inside / "pipe")
    (inside / ".kdev").mkdir()
    (inside / ".kdev/state").write_text("x")
    (inside / "deep").mkdir()
    (inside / "deep/.devspace").mkdir()
    [seen] = LocalEndpoint(str(inside), Rules()).scan()
    assert {path: entry.kind for path, entry in seen.items} == {"pipe": Kind.OTHER, "deep": Kind.FOLDER}


def test_what_is_below_a_folder_that_became_a_file_is_looked_for_at_the_file(inside: Path) -> None:
    (inside / "d").write_text("a file now")
    [seen] = LocalEndpoint(str(inside), Rules()).scan(["d/e/f"])
    assert (seen.path, [path for path, _ in seen.items]) == ("d", ["d"])


def test_a_second_scan_reads_no_file_that_did_not_change(inside: Path) -> None:
    (inside / "a").write_text("x")
    os.utime(inside / "a", ns=(1, 1))
    side = LocalEndpoint(str(inside), Rules())
    [seen] = side.scan()
    known = dict(seen.items)["a"]
    side._known.put("a", known._replace(ctime_ns=(inside / "a").stat().st_ctime_ns, digest=b"remembered"))
    [again] = side.scan()
    assert dict(again.items)["a"].digest == b"remembered"


def test_memory_survives_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "deep/base"
    memory = Memory(str(file))
    odd = Entry(Kind.FILE, 0o644, 1, 2, b"\1" * 32, "", 3, 4)
    memory.note([("a", Pair(odd, None)), ("n\udcff", Pair(odd, odd)), ("gone", Pair(odd, odd))])
    memory.note([("gone", None)])
    memory.finish_first()
    memory.close()
    with open(file, "a") as stream:
        stream.write('["b", ["f", 4')
    again = Memory(str(file))
    assert dict(again.base.items()) == {"a": Pair(odd, None), "n\udcff": Pair(odd, odd)}
    assert again.complete
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_memory_of_another_version_is_none(tmp_path: Path) -> None:
    file = tmp_path / "base"
    file.write_text('{"kdev-sync": 99}\ntrue\n')
    assert not Memory(str(file)).complete

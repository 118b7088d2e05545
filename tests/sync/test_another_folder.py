"""A folder that was emptied or made anew while nobody looked: its absences are no deletions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdev.sync.entry import LOCAL, REMOTE
from kdev.sync.rules import Rules, Strategy
from tests.sync.rig import Rig, content

WORK = {"a": "one", "src": "/", "src/b": "two"}


def agreed(root: Path, strategy: Strategy = Strategy.PREFER_LOCAL) -> Rig:
    """A rig that was in step with WORK on both sides, and was stopped."""
    rig = Rig(root, Rules(strategy))
    for folder in (rig.here, rig.there):
        (folder / "src").mkdir()
        (folder / "a").write_text("one")
        (folder / "src/b").write_text("two")
    rig.start()
    rig.stop()
    assert content(rig.here) == content(rig.there) == WORK
    return rig


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def made_anew(folder: Path) -> None:
    emptied(folder)
    (folder / "new").write_text("three")


@pytest.mark.parametrize("side", [LOCAL, REMOTE])
@pytest.mark.parametrize(("happen", "more"), [
    pytest.param(emptied, {}, id="emptied"),
    pytest.param(made_anew, {"new": "three"}, id="made anew with something else in it"),
])
def test_what_the_other_side_has_is_copied_again(
    tmp_path: Path, side: str, happen: Callable[[Path], None], more: dict[str, str]
) -> None:
    rig = agreed(tmp_path)
    happen(rig.here if side == LOCAL else rig.there)
    rig.start()
    rig.stop()
    assert content(rig.here) == content(rig.there) == {**WORK, **more}
    assert rig.told.started_over == [side]


def test_it_is_said_once(tmp_path: Path) -> None:
    rig = agreed(tmp_path)
    emptied(rig.there)
    rig.start()
    rig.start()
    rig.stop()
    assert rig.told.started_over == [REMOTE]


def test_everything_deleted_while_somebody_looks_is_deleted(tmp_path: Path) -> None:
    rig = agreed(tmp_path)
    rig.start()
    shutil.rmtree(rig.here / "src")
    (rig.here / "a").unlink()
    rig.look()
    rig.stop()
    assert content(rig.there) == {}
    assert rig.told.started_over == []


def test_one_file_left_is_the_same_folder(tmp_path: Path) -> None:
    rig = agreed(tmp_path)
    (rig.there / "a").unlink()
    rig.start()
    rig.stop()
    assert content(rig.here) == {"src": "/", "src/b": "two"}
    assert rig.told.started_over == []


def test_a_folder_that_is_still_the_same_one_proves_that_its_files_were_deleted(tmp_path: Path) -> None:
    rig = agreed(tmp_path)
    (rig.there / "a").unlink()
    (rig.there / "src/b").unlink()
    rig.start()
    rig.stop()
    assert content(rig.here) == {"src": "/"}
    assert rig.told.started_over == []


def test_everything_renamed_is_the_same_folder(tmp_path: Path) -> None:
    rig = agreed(tmp_path)
    (rig.here / "a").rename(rig.here / "c")
    (rig.here / "src").rename(rig.here / "lib")
    assert not {"a", "src", "src/b"} & content(rig.here).keys()
    rig.start()
    rig.stop()
    assert content(rig.there) == {"c": "one", "lib": "/", "lib/b": "two"}
    assert rig.told.started_over == []


def test_a_mirror_of_an_emptied_side_is_emptied_as_the_user_asked(tmp_path: Path) -> None:
    rig = agreed(tmp_path, Strategy.MIRROR_REMOTE)
    emptied(rig.there)
    rig.start()
    rig.stop()
    assert content(rig.here) == {}

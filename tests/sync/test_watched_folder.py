"""What the watcher of a sync looks into."""

from __future__ import annotations

from pathlib import Path

from kdev.drivers.selection import FolderSelection
from kdev.drivers.watched import WatchedTree
from kdev.sync.rules import Rules


def test_excluded_folders_are_not_watched(tmp_path: Path) -> None:
    for folder in ("src/deep", "node_modules/x/y", "src/node_modules/z", ".kdev/sync"):
        (tmp_path / folder).mkdir(parents=True)
    tree = WatchedTree(str(tmp_path), (FolderSelection(Rules(both=["node_modules/"]).hides),))
    tree.rebuild()
    assert set(tree.folders) == {".", "..", "src", "src/deep"}

"""Random operations on both sides, with cuts and restarts: after quiet both are equal and nothing was lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdev.sync.endpoint import SideBroken
from kdev.sync.entry import LOCAL, REMOTE
from kdev.sync.rules import Rules, Strategy
from tests.sync.rig import Rig, content, entry_of

NAMES = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "node_modules/x"]


class Op(NamedTuple):
    what: str
    side: str = "here"
    path: str = ""
    other: str = ""
    count: int = 0


SIDE = st.sampled_from(["here", "there"])
OPS = st.one_of(
    st.builds(Op, st.sampled_from(["write", "write", "delete", "chmod", "folder", "link", "touch"]), SIDE,
              st.sampled_from(NAMES)),
    st.builds(Op, st.just("rename"), SIDE, st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.builds(Op, st.sampled_from(["look", "restart"])),
    st.builds(Op, st.just("cut"), count=st.integers(0, 4)),
)


class Player:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.serial = 0

    def play(self, op: Op) -> None:
        if op.what in ("look", "restart", "cut"):
            self._sync(op)
            return
        folder = self.rig.here if op.side == "here" else self.rig.there
        with suppress(OSError):
            self._edit(folder, op)

    def _edit(self, folder: Path, op: Op) -> None:
        path = folder / op.path
        if op.what == "write":
            self.serial += 1
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"text {self.serial:04}")
        elif op.what == "delete":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif op.what == "chmod":
            path.chmod(0o755 if path.is_dir() else 0o755 ^ (path.stat().st_mode & 0o111))
        elif op.what == "folder":
            path.mkdir(parents=True)
        elif op.what == "link":
            self.serial += 1
            path.symlink_to(f"to{self.serial:04}")
        elif op.what == "touch":
            os.utime(path)
        elif op.what == "rename":
            path.rename(folder / op.other)

    def _sync(self, op: Op) -> None:
        news = self._news()
        try:
            if op.what == "look" and self.rig.session is not None:
                self.rig.look()
            else:
                self.rig.start(op.count if op.what == "cut" else None)
        except SideBroken:
            self.rig.stop()
        self.check_nothing_lost(news)

    def _news(self) -> set[str]:
        """Texts that one side has and that were not agreed about there."""
        found = set()
        for side, folder in ((LOCAL, self.rig.here), (REMOTE, self.rig.there)):
            for path, text in content(folder).items():
                if text == "/" or path.startswith("node_modules"):
                    continue
                agreed = entry_of(self.rig, side, path) if self.rig.memory else None
                plain = text.removesuffix("!")
                target = plain.removeprefix("-> ")
                if agreed is None or (agreed.digest != hashlib.sha256(plain.encode()).digest()
                                      and agreed.target != target):
                    found.add(target)
        return found

    def check_nothing_lost(self, news: set[str]) -> None:
        kept = set()
        for folder in (self.rig.here, self.rig.there, self.rig.state / "conflicts"):
            kept |= {text.removesuffix("!").removeprefix("-> ") for text in content(folder).values()}
        assert news <= kept


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPS, max_size=25), st.sampled_from([Strategy.PREFER_LOCAL, Strategy.PREFER_REMOTE]))
def test_both_sides_end_equal_and_nothing_is_lost(ops: list[Op], strategy: Strategy) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), Rules(strategy, both=["node_modules"]))
        player = Player(rig)
        for op in ops:
            player.play(op)
        player.play(Op("restart"))
        player.play(Op("look"))
        rig.stop()
        assert visible(rig.here) == visible(rig.there)
        assert rig.told.problems == []


def visible(folder: Path) -> dict[str, str]:
    return {path: text for path, text in content(folder).items() if not path.startswith("node_modules")}

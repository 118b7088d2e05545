"""The watcher on a real file system: what is saved is told, soon, and nothing gets lost."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdev.core.inputs import BuildContext, Files
from kdev.drivers.watch import SWEEP_MS, FileWatch
from kdev.drivers.watched import WatchedTree
from kdev.runner.cancel import Cancellation

DEADLINE = 20.0
CONTEXT = BuildContext("context", ".", "Dockerfile")


class Watching:
    """A FileWatch iterated in a thread; what it told is kept with the time."""

    def __init__(self, root: Path, *inputs: Files | BuildContext) -> None:
        self.cancel = Cancellation()
        self.watch = FileWatch(str(root), inputs, self.cancel)
        self.watch.start()
        self.told: list[frozenset[str] | None] = []
        self.more = threading.Condition()
        self.thread = threading.Thread(target=self._loop)
        self.thread.start()

    def _loop(self) -> None:
        for changed in self.watch:
            with self.more:
                self.told.append(changed)
                self.more.notify_all()

    def wait_for(self, *paths: str) -> None:
        """Until each path was told, or something above it, or "anything"."""
        with self.more:
            assert self.more.wait_for(lambda: all(map(self.knows, paths)), DEADLINE), (paths, self.told)

    def knows(self, path: str) -> bool:
        above = {path, "."}
        while "/" in path:
            path = path.rpartition("/")[0]
            above.add(path)
        return any(changed is None or changed & above for changed in self.told)

    def forget(self) -> None:
        """Only what is told from now on counts; sweeps of what was are over."""
        deadline = time.monotonic() + DEADLINE
        seen = -1
        while seen != len(self.told) and time.monotonic() < deadline:
            seen = len(self.told)
            self.cancel.wait(SWEEP_MS / 1000 + 0.3)
        self.told.clear()

    def paths(self) -> set[str]:
        assert None not in self.told
        return {path for changed in self.told if changed for path in changed}

    def stop(self) -> None:
        self.cancel.trigger()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    for path in ("Dockerfile", "src/main.py", "src/pkg/mod.py", "k8s/app.yaml", "node_modules/x/index.js", "log.txt"):
        save(project, path, path)
    save(project, ".dockerignore", "node_modules\n*.txt\n")
    return project


@pytest.fixture
def started() -> Iterator[Callable[..., Watching]]:
    made: list[Watching] = []

    def start(root: Path, *inputs: Files | BuildContext) -> Watching:
        made.append(Watching(root, *(inputs or (CONTEXT,))))
        return made[-1]

    yield start
    for watching in made:
        watching.stop()


def save(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def atomic(root: Path) -> None:
    """As editors save: a new file, renamed over the old one."""
    save(root, "src/.main.py.swp", "new text")
    os.replace(root / "src/.main.py.swp", root / "src/main.py")


def retarget(root: Path) -> None:
    (root / "src/link").symlink_to("main.py")
    (root / "src/new").symlink_to("pkg/mod.py")
    os.replace(root / "src/new", root / "src/link")


CHANGES = [
    pytest.param(lambda root: save(root, "src/main.py", "x"), ["src/main.py"], id="a save"),
    pytest.param(atomic, ["src/main.py"], id="an atomic save"),
    pytest.param(lambda root: (root / "src/main.py").chmod(0o755), ["src/main.py"], id="chmod"),
    pytest.param(lambda root: (root / "src/main.py").unlink(), ["src/main.py"], id="a deleted file"),
    pytest.param(lambda root: save(root, "src/new.py", ""), ["src/new.py"], id="a new file"),
    pytest.param(lambda root: save(root, "a/b/c/d.py", ""), ["a/b/c/d.py"], id="a file in new folders"),
    pytest.param(lambda root: shutil.rmtree(root / "src/pkg"), ["src/pkg"], id="a deleted folder"),
    pytest.param(lambda root: (root / "src/pkg").rename(root / "src/b"), ["src/pkg", "src/b"], id="a renamed folder"),
    pytest.param(retarget, ["src/link"], id="a retargeted link"),
    pytest.param(lambda root: save(root, ".dockerignore", ""), [".dockerignore"], id="the ignore file"),
    pytest.param(lambda root: save(root, "Dockerfile", ""), ["Dockerfile"], id="the Dockerfile"),
]


@pytest.mark.parametrize(("change", "paths"), CHANGES)
def test_a_change_is_told(
    root: Path, started: Callable[..., Watching], change: Callable[[Path], None], paths: list[str]
) -> None:
    watching = started(root)
    change(root)
    watching.wait_for(*paths)


def test_what_no_input_looks_at_is_not_told(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)

    save(root, "log.txt", "more")
    save(root, "node_modules/x/index.js", "more")
    save(root, "node_modules/y/index.js", "more")
    save(root, ".kdev/state.db", "more")
    save(root.parent, "beside", "more")
    save(root, "src/main.py", "the end")

    watching.wait_for("src/main.py")
    watching.forget()
    save(root, "src/main.py", "the very end")
    watching.wait_for("src/main.py")
    assert watching.paths() == {"src/main.py"}


def test_ignored_folders_get_no_watch(root: Path) -> None:
    tree = WatchedTree(str(root), [CONTEXT])
    tree.rebuild()
    assert set(tree.folders) == {"..", ".", "src", "src/pkg", "k8s"}


def test_a_file_made_in_a_folder_before_its_watch_is_there_is_not_missed(
    root: Path, started: Callable[..., Watching]
) -> None:
    watching = started(root)
    made = 150
    for number in range(made):
        save(root, f"src/new{number}/deep/er/file.py", "")
    watching.wait_for(*(f"src/new{number}/deep/er/file.py" for number in range(made)))
    watching.forget()
    for number in range(0, made, 30):
        save(root, f"src/new{number}/deep/er/file.py", "changed")
    watching.wait_for(*(f"src/new{number}/deep/er/file.py" for number in range(0, made, 30)))


def test_nothing_of_a_long_burst_is_lost(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    for number in range(1500):
        save(root, f"src/pkg/f{number}.py", str(number))
    watching.wait_for(*(f"src/pkg/f{number}.py" for number in range(1500)))


def test_a_folder_that_is_replaced_is_still_watched(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    for turn in range(3):
        shutil.rmtree(root / "src")
        save(root, "src/main.py", f"new {turn}")
        watching.wait_for("src/main.py")
        watching.forget()
        save(root, "src/main.py", f"newer {turn}")
        watching.wait_for("src/main.py")
        watching.forget()


def test_a_project_that_goes_and_comes_back_is_still_watched(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    root.rename(root.parent / "away")
    watching.wait_for(".")
    watching.forget()
    (root.parent / "away").rename(root)
    watching.wait_for(".")
    watching.forget()
    save(root, "src/main.py", "after all")
    watching.wait_for("src/main.py")


def test_missing_files_and_folders_are_waited_for(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root, Files("env", (".env",)), Files("gen", ("build/gen/**/*.py",)))
    save(root, ".env", "A=1")
    watching.wait_for(".env")
    save(root, "build/gen/deep/x.py", "")
    watching.wait_for("build/gen/deep/x.py")
    watching.forget()
    save(root, "build/gen/deep/x.py", "changed")
    watching.wait_for("build/gen/deep/x.py")
    save(root, "build/gen/deep/x.txt", "no python")
    watching.forget()
    assert watching.told == []


def test_what_a_link_leads_to_is_watched(root: Path, started: Callable[..., Watching], tmp_path: Path) -> None:
    save(tmp_path, "shared/app.yaml", "a: 1")
    (root / "k8s/shared.yaml").symlink_to(tmp_path / "shared/app.yaml")
    watching = started(root, Files("manifests", ("k8s/*.yaml",)))
    save(tmp_path, "shared/app.yaml", "a: 2")
    watching.wait_for("k8s/shared.yaml")


def test_names_that_are_not_utf8_do_not_stop_it(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    with open(os.fsencode(root) + b"/src/caf\xe9", "w") as stream:
        stream.write("x")
    watching.wait_for("src/caf\udce9")
    save(root, "src/main.py", "after")
    watching.wait_for("src/main.py")


def test_an_update_watches_other_inputs_and_misses_nothing_after(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root, Files("sources", ("src/**",)))
    watching.watch.update([Files("manifests", ("k8s/*.yaml",))])

    save(root, "k8s/app.yaml", "changed")
    watching.wait_for("k8s/app.yaml")
    watching.forget()
    save(root, "src/main.py", "nobody looks any more")
    save(root, "k8s/app.yaml", "again")
    watching.wait_for("k8s/app.yaml")
    assert watching.paths() == {"k8s/app.yaml"}


def test_it_ends_at_once_when_cancelled(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    began = time.monotonic()
    watching.stop()
    assert time.monotonic() - began < 1.0
    watching.watch.update([CONTEXT])  # does not wait for somebody who has gone
    assert time.monotonic() - began < 1.0


def test_a_save_is_told_within_a_tenth_of_a_second(root: Path, started: Callable[..., Watching]) -> None:
    watching = started(root)
    times = []
    for turn in range(15):
        before = len(watching.told)
        began = time.monotonic()
        save(root, "src/main.py", str(turn))
        with watching.more:
            assert watching.more.wait_for(lambda before=before: len(watching.told) > before, DEADLINE)
        times.append(time.monotonic() - began)
    # The median, as other work on the machine delays a few.
    assert sorted(times)[len(times) // 2] < 0.1

"""One watcher for everything that inputs look at: yields the paths that changed, and loses none.

watchfiles gives the events. It may drop some (between two batches, when the system's queue overflows, for a name that
is not UTF-8, in a folder newer than its watch), so events only say where to look, and after every burst everything is
compared once more.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from threading import Event, Lock
from typing import Literal

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from kdev.core.inputs import BuildContext, Files
from kdev.core.ports import Cancellation
from kdev.drivers.selection import FolderSelection
from kdev.drivers.watched import Inputs, WatchedTree
from kdev.errors import StateError

Changes = frozenset[str] | None
"""Paths relative to the project (a folder stands for all below it); None when anything may have changed."""

STEP_MS = 10
DEBOUNCE_MS = 50
SWEEP_MS = 1_000
"""How long it must be quiet after a burst before everything is compared once more."""

MANY = 2_000
"""From so many paths on, "anything" is the quicker answer."""

_POLL_MS = 300
_FOREVER = 0
_MODIFIED = 2
Batch = set[tuple[int, str]] | Literal["signal", "stop", "timeout"]


class FileWatch:
    """Iterate in one thread; `update` may be called from any. Ends when `cancel` is triggered.

    What changes after `start` has returned is yielded. Paths below a changed folder are not named one by one.
    """

    def __init__(self, root: str, inputs: Inputs, cancel: Cancellation) -> None:
        self._tree = WatchedTree(os.path.realpath(root), inputs)
        self._cancel = cancel
        self._notify: RustNotify | None = None
        self._lock = Lock()
        self._pending: tuple[Files | BuildContext | FolderSelection, ...] | None = None
        self._applied = Event()
        self._ended = False

    def start(self) -> None:
        """Watch. StateError when the system gives no watches."""
        self._tree.rebuild()
        self._watch()
        # What was made while the watches were set is watched by now; nobody has looked at anything before.
        self._settle()

    def update(self, inputs: Inputs, timeout: float = 10.0) -> None:
        """Watch these from now on. Returns when what changes next is seen, or when the watcher has ended."""
        with self._lock:
            if self._ended:
                return
            self._pending = tuple(inputs)
            self._applied.clear()
        self._applied.wait(timeout)

    def is_set(self) -> bool:
        """Asked by watchfiles at each step: shall it return?"""
        return self._cancel.triggered or self._pending is not None

    def __iter__(self) -> Iterator[Changes]:
        """Sets of changed paths, until cancelled."""
        try:
            if self._notify is None:
                self.start()
            restless = False
            while not self._cancel.triggered:
                batch = self._next(SWEEP_MS if restless else _FOREVER)
                if isinstance(batch, set):
                    batch = self._ours(batch)
                    if not batch:
                        continue
                changed = self._judge(batch)
                restless = batch != "timeout" and (restless or bool(changed))
                if changed:
                    yield frozenset(changed) if len(changed) < MANY else None
        finally:
            with self._lock:
                self._ended = True
            self._applied.set()
            self._close()

    def _next(self, timeout: int) -> Batch | None:
        """The next batch of events; None when watchfiles gave up on one."""
        assert self._notify is not None
        try:
            return self._notify.watch(DEBOUNCE_MS, STEP_MS, timeout, self)
        except WatchfilesRustInternalError:
            self._watch()
            return None

    def _judge(self, batch: Batch | None) -> set[str]:
        """What changed, as far as this batch lets us look. Watches are in place again when it returns."""
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is not None:
            changed = self._tree.rebuild(pending)
            self._watch()
            changed |= self._settle()
            self._applied.set()
            return changed
        if self._cancel.triggered:
            return set()
        if batch is None or isinstance(batch, str):
            changed, rebuild = self._tree.reread()
        else:
            changed, rebuild = self._hinted(batch)
        if rebuild:
            changed |= self._tree.rebuild()
            self._watch()
            changed |= self._settle()
        return changed

    def _ours(self, batch: set[tuple[int, str]]) -> set[tuple[int, str]]:
        """Without what happens beside the project: its parent is watched only for the project itself to come and go."""
        beside = os.path.dirname(self._tree.root)
        return {
            (kind, path)
            for kind, path in batch
            if path == self._tree.root or os.path.dirname(path) != beside or ".." not in self._tree.folders
        }

    def _hinted(self, batch: set[tuple[int, str]]) -> tuple[set[str], bool]:
        """Look where events point to."""
        paths = {self._tree.relative(path) for _, path in batch}
        folders = {os.path.dirname(path) or "." for path in paths} | (paths & self._tree.folders)
        changed, rebuild = self._tree.reread(folders | ({".."} if "." in paths else set()))
        # A second write within one tick of the clock leaves no trace but its event.
        changed |= {path for path in paths if path not in self._tree.folders and self._tree.wants(path)}
        # A folder that was replaced may look the same, down to its inode; its watch went with the old one.
        replaced = any(kind != _MODIFIED and self._tree.relative(path) in self._tree.folders for kind, path in batch)
        return changed, rebuild or replaced

    def _settle(self) -> set[str]:
        """Until nothing new appears that has no watch yet; what changed meanwhile."""
        changed: set[str] = set()
        while not self._cancel.triggered:
            different, rebuild = self._tree.reread()
            changed |= different
            if not rebuild:
                break
            changed |= self._tree.rebuild()
            self._watch()
        return changed

    def _watch(self) -> None:
        """Watches on exactly the folders of the tree. The old ones go after the new ones are there."""
        old = self._notify
        polling = _must_poll(self._tree.root)
        folders, recursive = self._places(polling)
        try:
            self._notify = RustNotify(folders, False, polling, _POLL_MS, recursive, True)
        except FileNotFoundError:
            # One of them is gone already. Its parent has a watch or goes the same way; the next look tells.
            folders = [path for path in folders if os.path.isdir(path)]
            self._notify = RustNotify(folders, False, polling, _POLL_MS, recursive, True)
        except OSError as error:
            raise StateError(
                f"the files cannot be watched: {error}", hint="raise the system's limit, fs.inotify.max_user_watches"
            ) from error
        if old is not None:
            old.close()

    def _places(self, polling: bool) -> tuple[list[str], bool]:
        """(absolute folders, watch what is below them too?)."""
        folders = [self._tree.path(folder) for folder in self._tree.folders]
        if sys.platform == "linux" and not polling:
            return folders, False  # one watch per folder: ignored ones would cost as much as the others
        outside = [path for path in folders if path != self._tree.root and not path.startswith(self._tree.root + "/")]
        parent = os.path.dirname(self._tree.root)
        return [self._tree.root, *(path for path in outside if path != parent)], True

    def _close(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None


def _must_poll(root: str) -> bool:
    """Windows drives inside WSL send no events."""
    return "microsoft" in platform.release().lower() and root.startswith("/mnt/")

"""Sync: a local folder and a folder in a container kept equal. Brings together pod, agent, watcher and sync session.

Ends with the stream: a container that comes back is another one, and the step runs anew for it.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

from kdev.core import actions
from kdev.core.ports import Cancellation, Job, PodFinder, Process, Target
from kdev.core.step import Reason, Result
from kdev.drivers.injection import Place, agent_in
from kdev.drivers.selection import FolderSelection
from kdev.drivers.sync_report import SyncReport
from kdev.drivers.watch import FileWatch
from kdev.errors import KdevError, StepFailed
from kdev.sync.endpoint import SideBroken
from kdev.sync.entry import LOCAL, REMOTE, Entry, Side
from kdev.sync.keeper import Keeper
from kdev.sync.local import LocalEndpoint
from kdev.sync.memory import Memory
from kdev.sync.remote import RemoteEndpoint
from kdev.sync.rules import Rules, Strategy
from kdev.sync.session import Ends, Session
from kdev.sync.tree import Tree
from kdev.sync.wire import shown

_MEMORIES = 64
_MOST_WORDS = 2000
_PIECE = 16 << 10


class SyncDriver:
    """Meets core.ports.Driver for actions.Sync. `root` is the project's folder, `state` its .kdev; both absolute."""

    def __init__(self, target: Target, finder: PodFinder, root: str, state: str, verbose: bool = False) -> None:
        self._target = target
        self._finder = finder
        self._root = root
        self._state = state
        self._verbose = verbose

    def run(self, action: actions.Sync, job: Job) -> Result:
        """Blocks until cancelled. StepFailed when the folders cannot be served, or the stream breaks."""
        pod, container = self._finder.find(action.selector, job)
        place = Place(self._target, pod, container)
        restarts = sum(found.restarts for found in pod.containers if found.name == container)
        memory = self._memory(action, f"{pod.uid}/{restarts}/{container}")
        folder = self._folder(action, memory)
        report = SyncReport(job, f"{action.local} ↔ {pod.name}:{action.remote}", self._root, verbose=self._verbose)
        program = agent_in(place, job.cancel)
        words: Callable[[], str] = str
        try:
            with job.cancel.scope() as scope:
                process = self._target.exec(pod, container, [program, "serve", action.remote], cancel=scope)
                stream = ProcessStream(process, scope, action.upload_limit, action.download_limit)
                words = stream.words
                run = _Run(memory, Keeper(os.path.join(self._state, "conflicts")), report, scope)
                with closing(stream), run.open(folder, stream, rules_of(action, folder)) as session:
                    self._serve(session, action, job, report)
        except SideBroken as error:
            job.cancel.check()
            raise StepFailed(f"sync of {action.local} with {pod}: {error}", detail=words()) from error
        job.cancel.check()
        raise StepFailed(f"the sync of {action.local} with {pod} ended")

    def verify(self, action: actions.Sync, result: Result) -> tuple[Reason, ...]:
        return ()

    def _serve(self, session: Session, action: actions.Sync, job: Job, report: SyncReport) -> None:
        detail = f"{action.local} ↔ {job_place(action)}"
        with job.cancel.closing(session.stop):
            if not action.wait_initial:
                job.serving(detail)
            session.first()
            report.first_done()
            if action.wait_initial:
                job.serving(detail)
            session.live()

    def _folder(self, action: actions.Sync, memory: Memory) -> str:
        folder = os.path.realpath(os.path.join(self._root, action.local))
        if not os.path.isdir(folder):
            if os.path.lexists(folder):
                raise StepFailed(f"{action.local} is no folder", hint="sync the folder that it is in")
            if memory.complete and len(memory.base):
                raise StepFailed(f"the folder {action.local} is gone, and the container's copy is not to be emptied",
                                 hint="make the folder again, empty, to fetch what the container has")
            try:
                os.makedirs(folder)
            except OSError as error:
                raise StepFailed(f"the folder {action.local} cannot be made: {error.strerror}") from error
        return folder

    def _memory(self, action: actions.Sync, container: str) -> Memory:
        """What was agreed with this very container. Another one starts afresh: its absences are no deletions."""
        parts = (self._target.identity(), container, action.local, action.remote)
        name = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        folder = os.path.join(self._state, "sync")
        _forget_old(folder)
        return Memory(os.path.join(folder, name))


class ProcessStream:
    """Meets sync.wiring.Stream over a program's stdin and stdout. Limits are in KiB/s, 0 for none."""

    def __init__(self, process: Process, cancel: Cancellation, upload: int = 0, download: int = 0) -> None:
        self._words = b""
        self._process = process
        self._upload, self._download = _Pace(upload, cancel), _Pace(download, cancel)

    def read(self, size: int) -> bytes:
        """Bytes of stdout; b"" at the end. What comes on stderr is kept for the report of a failure."""
        while True:
            stream, data = self._process.read(self._download.portion(size))
            if stream != 2:
                self._download.spend(len(data))
                return data
            self._words = (self._words + data)[-_MOST_WORDS:]

    def write(self, data: bytes) -> None:
        """All of it."""
        portion = self._upload.portion(len(data))
        for start in range(0, len(data), max(portion, 1)):
            piece = data[start : start + portion]
            self._upload.spend(len(piece))
            self._process.write(piece)

    def words(self) -> str:
        """The end of what was said on stderr."""
        return "\n".join(shown(line) for line in self._words.decode("utf-8", "replace").splitlines())

    def close(self) -> None:
        """See Stream."""
        self._process.close()


class _Pace:
    """Spends time for bytes, so that no second carries more than `limit` KiB."""

    def __init__(self, limit: int, cancel: Cancellation) -> None:
        self._rate = limit * 1024
        self._cancel = cancel
        self._free_at = 0.0

    def portion(self, size: int) -> int:
        return min(size, _PIECE, self._rate) if self._rate else size

    def spend(self, size: int) -> None:
        if self._rate:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            self._cancel.wait(self._free_at - now)


class _Run:
    """The parts of a session that outlive neither the stream nor the step."""

    def __init__(self, memory: Memory, keeper: Keeper, report: SyncReport, cancel: Cancellation) -> None:
        self._memory = memory
        self._keeper = keeper
        self._report = report
        self._cancel = cancel
        self._session: Session | None = None

    def open(self, folder: str, stream: ProcessStream, rules: Rules) -> _Run:
        """Both sides, with their watchers, and the session between them."""
        watch = FileWatch(folder, (FolderSelection(rules.hides),), self._cancel)
        watch.start()
        remote = RemoteEndpoint(stream, rules, known=half(self._memory, REMOTE), on_broken=self._broken)
        if remote.welcome.root == "/":
            remote.close()
            raise StepFailed("the container's whole file system would be synced",
                             hint="set containerPath, or a working directory in the image")
        local = LocalEndpoint(folder, rules, known=half(self._memory, LOCAL))
        session = Session(Ends(local, remote), rules, self._memory, self._keeper, self._report)
        self._session = session
        watching = threading.Event()

        def changed(paths: set[str]) -> None:
            session.tell(REMOTE, paths)
            watching.set()

        remote.watch(changed, self._report.note)
        while not watching.wait(0.5) and not self._broke:
            self._cancel.check()
        _thread(lambda: self._follow(watch, session), "kdev sync watcher")
        return self

    _broke = False

    def __enter__(self) -> Session:
        assert self._session is not None
        return self._session

    def __exit__(self, *_: object) -> None:
        assert self._session is not None
        self._session.close()

    def _follow(self, watch: FileWatch, session: Session) -> None:
        try:
            for paths in watch:
                session.tell(LOCAL, None if paths is None else {_inside(path) for path in paths})
        except KdevError as error:
            session.broken(error.message)
        else:
            if not self._cancel.triggered:
                session.broken("the folder cannot be watched any more")

    def _broken(self, why: str = "the connection to the agent was cut") -> None:
        self._broke = True
        if self._session is not None:
            self._session.broken(why)


def rules_of(action: actions.Sync, folder: str) -> Rules:
    """StepFailed for a strategy that there is none of."""
    try:
        strategy = Strategy(action.initial)
    except ValueError:
        known = ", ".join(strategy.value for strategy in Strategy)
        raise StepFailed(f"there is no sync strategy {action.initial}", hint=f"use one of {known}") from None
    swapped = os.path.join(os.path.dirname(folder), os.path.basename(folder).swapcase())
    folds = swapped != folder and os.path.exists(swapped) and os.path.samefile(swapped, folder)
    return Rules(strategy, both=action.excludes, upload=action.upload_excludes, download=action.download_excludes,
                 folds_case=folds)


def half(memory: Memory, side: Side) -> Tree[Entry]:
    """What that side last held."""
    return Tree((path, entry) for path, pair in memory.base.items() if (entry := pair.on(side)) is not None)


def job_place(action: actions.Sync) -> str:
    """The other side, for people."""
    return action.remote if action.remote != "." else "the working directory"


def _forget_old(folder: str) -> None:
    """Containers come and go; what was agreed with those of long ago is of no use."""
    with suppress(OSError):
        found = sorted((entry.stat().st_mtime, entry.path) for entry in os.scandir(folder))
        for _, path in found[:-_MEMORIES]:
            os.unlink(path)


def _inside(path: str) -> str:
    """What the watcher calls `path`, as the session calls it: news of the folder itself, or of the one that it is in,
    is about everything."""
    return "" if path in (".", "..") or path.startswith("../") else path


def _thread(run: Callable[[], None], name: str) -> None:
    threading.Thread(target=run, daemon=True, name=name).start()

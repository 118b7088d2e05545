"""One session over the plan in a folder, as lean as `kdev run` itself: what steps.py measures as a process of its own.

    python -m tests.bench.synthetic FOLDER
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Sequence

from kdev.core.actions import Action
from kdev.core.codec import decode
from kdev.core.events import Event, Started
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.drivers.files import FileObserver
from kdev.drivers.observer import Answers, Observing
from kdev.runner.judge import Judge, Wishes
from kdev.runner.outside import Mode, Outside
from kdev.runner.session import Session
from kdev.state.folder import StateFolder
from kdev.state.journal import Journal
from kdev.state.statcache import StatCache
from kdev.state.store import Store


class Nothing:
    """Meets Drivers and Driver: every action succeeds at once, and everything is still as it was left."""

    def driver(self, action: Action) -> Nothing:
        return self

    def verify(self, action: Action, result: Result) -> Sequence[Reason]:
        return ()

    def run(self, action: Action, job: Job) -> Result:
        return Result(job.fingerprint())

    def forget(self) -> None:
        return None


class Counting:
    """Meets Reporter and Chronicle: counts what started."""

    def __init__(self) -> None:
        self.started = 0

    def tell(self, event: Event) -> None:
        self.started += isinstance(event, Started)

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None


class Clock:
    """Meets core.ports.Clock."""

    def now(self) -> float:
        return time.time()


def run(folder: str) -> int:
    """How many steps were executed. Raises AssertionError when one failed."""
    gc.set_threshold(100_000, 50, 50)  # as kdev.cli.main does
    with open(os.path.join(folder, "plan.json"), "rb") as file:
        plan = decode(json.load(file))
    state = StateFolder(folder)
    store, stats = Store(state), StatCache.load(state)
    journal, told, nothing = Journal(store), Counting(), Nothing()
    # Files only: nothing is asked of an engine.
    unused = Answers(*[lambda *_: ""] * len(Answers._fields))  # type: ignore[list-item]
    files = FileObserver(folder, stats)
    files.hold()
    observer = Observing(files, unused, "bench")
    outside = Outside(observer, journal, Counting(), nothing, told, None, Clock())  # type: ignore[arg-type]
    mode = Mode(stay=False, pools={})
    code = Session(plan, Judge(observer, journal, nothing, Wishes({})), outside, mode, "bench").run()
    assert code == 0
    stats.save()
    store.close()
    return told.started


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1]) > 0)

"""What watches the world during a session: threads that turn saved files and moving pods into messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

from kdev.core.actions import Deploy
from kdev.core.inputs import BuildContext, Files
from kdev.core.plan import Plan
from kdev.core.ports import Cancellation
from kdev.drivers.table import DriverTable
from kdev.drivers.watch import FileWatch
from kdev.errors import Cancelled, KdevError
from kdev.runner.outside import FilesChanged, Message, PodsChanged

_QUIET = 0.1
"""Seconds between two messages about pods: a rollout makes dozens of events."""

_AGAIN = 2.0
"""Seconds until a watch that broke is tried again."""


class Watching:
    """Watches until `cancel` is triggered. `post` puts a message into the session's inbox, from any thread."""

    def __init__(self, root: str, table: DriverTable, cancel: Cancellation, post: Callable[[Message], None]) -> None:
        self._root = root
        self._table = table
        self._cancel = cancel
        self._post = post
        self._files: FileWatch | None = None
        self._namespaces: set[str] = set()

    def start(self, plan: Plan, configuration: Files) -> None:
        """What changes after this has returned is told. Raises StateError when the system gives no watches."""
        self._files = FileWatch(self._root, _inputs(plan, configuration), self._cancel)
        self._files.start()
        self._thread("watch files", self._watch_files)
        self._watch_namespaces(plan)

    def update(self, plan: Plan, configuration: Files) -> None:
        """Watch what this plan looks at."""
        if self._files is not None:
            self._files.update(_inputs(plan, configuration))
        self._watch_namespaces(plan)

    def _watch_files(self) -> None:
        assert self._files is not None
        for changed in self._files:
            self._post(FilesChanged(changed))

    def _watch_namespaces(self, plan: Plan) -> None:
        for step in plan.steps:
            if isinstance(step.action, Deploy) and step.action.namespace not in self._namespaces:
                namespace = step.action.namespace
                self._namespaces.add(namespace)
                self._thread(f"watch {namespace}", partial(self._watch_pods, namespace))

    def _watch_pods(self, namespace: str) -> None:
        while not self._cancel.triggered:
            try:
                for _ in self._table.target.watch(namespace, self._cancel):
                    self._post(PodsChanged())
                    if self._cancel.wait(_QUIET):
                        return
            except Cancelled:
                return
            except KdevError:
                # The engine is away. Whoever needs it fails and says so; the watch only has to come back.
                self._cancel.wait(_AGAIN)
                self._post(PodsChanged())

    def _thread(self, name: str, body: Callable[[], None]) -> None:
        threading.Thread(target=body, name=name, daemon=True).start()


def _inputs(plan: Plan, configuration: Files) -> Iterator[Files | BuildContext]:
    yield configuration
    seen = set()
    for step in plan.steps:
        for wanted in step.inputs:
            if isinstance(wanted, (Files, BuildContext)) and wanted not in seen:
                seen.add(wanted)
                yield wanted

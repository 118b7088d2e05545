"""The wiring: a project's folder, its state, and everything that acts on the world, put together for one command.

On the way of a run with nothing to do: what needs an SDK is behind the driver table, which loads it on first use.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from kdev.cli.compiled import Cache, Compiled, environment_digest
from kdev.cli.options import Options
from kdev.core.plan import Plan
from kdev.core.ports import Screen
from kdev.core.step import Reason, ReasonKind, Role, StepId
from kdev.drivers.docker.endpoint import settings_from
from kdev.drivers.files import FileObserver
from kdev.drivers.observer import Answers, Observing
from kdev.drivers.table import DriverTable, Surroundings
from kdev.errors import EXIT_CONFIG, KdevError, UsageError
from kdev.runner.judge import Judge, Wishes
from kdev.spec.root import find_root
from kdev.state.folder import StateFolder
from kdev.state.history import History
from kdev.state.journal import Journal
from kdev.state.key import SecretKey
from kdev.state.lock import Holder, SessionLock
from kdev.state.memory import Memory
from kdev.state.plans import PlanCache
from kdev.state.statcache import StatCache
from kdev.state.store import Store


class NoProject(KdevError):
    """There is no configuration here or above."""

    exit_code = EXIT_CONFIG


class SystemClock:
    """Meets core.ports.Clock."""

    def now(self) -> float:
        return time.time()


class Workshop:
    """Everything for one command in one project. `read_only`: nothing on disk or in the world is changed."""

    def __init__(self, options: Options, *, read_only: bool = False) -> None:
        """Raises NoProject, StateError."""
        self.options = options
        self.root = _root(options)
        self.clock = SystemClock()
        self.run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"
        self.folder = StateFolder(self.root, read_only=read_only)
        self.store = Store(self.folder)
        self.journal = Journal(self.store)
        self.history = History(self.store)
        self.answers = Memory(self.store, "variables")
        self.key = SecretKey(self.folder)
        self.stats = StatCache.load(self.folder)
        self.files = FileObserver(self.root, self.stats)
        # One moment's picture for all steps. Whoever lets time pass, a session, says when to look anew.
        self.files.hold()
        self.plans = Cache(PlanCache(self.folder), self.files, self.key)
        self._tables: list[DriverTable] = []

    def compiled(self) -> Compiled:
        """The plan that the options ask for. Raises ConfigError, InputNeeded, UsageError."""
        made = self.plans.compiled(self.options, self.compile)
        for name, answer in made.answers.items():
            self.answers.set(name, answer)
        return made

    def compile(self) -> Compiled:
        """The plan, made anew."""
        compiling = import_module("kdev.cli.compiling")
        ask = import_module("kdev.cli.asking").asker(self.folder.read_only)
        made: Compiled = compiling.compile_plan(
            self.root, self.options, key=self.key, files=self.files, ask=ask, answers=self.answers.all()
        )
        return made

    def table(self, project: str, screen: Screen) -> DriverTable:
        """The drivers, for a project of this name."""
        surroundings = Surroundings(
            root=self.root,
            state=self.folder.path,
            project=project,
            session=self.run_id,
            target=self.options.target,
            docker=settings_from(os.environ, os.path.expanduser("~")),
            environment=tuple(sorted(os.environ.items())),
            screen=screen,
            verbose_sync=self.options.verbose_sync,
        )
        table = DriverTable(surroundings, self.files)
        self._tables.append(table)
        return table

    def observer(self, table: DriverTable) -> Observing:
        """What the inputs of steps are now."""
        return Observing(
            self.files,
            Answers(
                table.base_image, table.tool, table.pods, table.target_identity, table.login,
                secret=self.key.digest,
                environment=lambda name: environment_digest(self.key, name),
            ),
            self.run_id,
        )

    def judge(self, plan: Plan, table: DriverTable, observer: Observing) -> Judge:
        """Who decides what runs."""
        return Judge(observer, self.journal, table, wishes(plan, self.options))

    def lock(self) -> SessionLock:
        """The project's lock, for this process."""
        since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        user = pwd.getpwuid(os.getuid()).pw_name
        command = " ".join(["kdev", *sys.argv[1:]])
        return SessionLock(self.folder, Holder(os.getpid(), os.uname().nodename, user, since, command))

    def close(self) -> None:
        """Keep what was learnt about files, and let everything go."""
        for table in self._tables:
            table.close()
        self.stats.save()
        self.store.close()


def _root(options: Options) -> str:
    start = os.path.abspath(options.directory or ".")
    if not os.path.isdir(start):
        raise UsageError(f"-C {options.directory}: there is no such folder")
    root = find_root(start, os.path.expanduser("~"), options.config)
    if root is None:
        wanted = options.config or "devspace.yaml"
        raise NoProject(
            f"there is no {wanted} in {start} or above",
            hint="go to the project, name its folder with -C, or write a configuration with `kdev init`",
        )
    return root


def wishes(plan: Plan, options: Options) -> Wishes:
    """What the flags say about single steps. Raises UsageError for a step that does not exist."""
    forced: dict[StepId, Reason] = {}
    frozen: set[StepId] = set()
    for step in plan.steps:
        kind = step.id.rpartition("::")[2].partition(":")[0]
        if options.force_build and kind == "build":
            forced[step.id] = Reason(ReasonKind.FORCED, "-b")
        if options.force_deploy and kind == "deploy":
            forced[step.id] = Reason(ReasonKind.FORCED, "-d")
        if (options.skip_build and kind in ("override", "build", "push")) or (
            options.skip_pipeline and step.role is not Role.SERVICE
        ):
            frozen.add(step.id)
    for pattern in options.force:
        for step_id in named(plan, pattern):
            forced[step_id] = Reason(ReasonKind.FORCED, "--force")
    return Wishes(forced, frozenset(frozen))


def named(plan: Plan, pattern: str) -> Sequence[StepId]:
    """The steps that `pattern` names: an id, an id without its kind, or a kind. UsageError when there is none."""
    ids = [step.id for step in plan.steps]
    hits = [step for step in ids if step == pattern] or [
        step for step in ids if pattern in (step.partition(":")[2], step.rpartition("::")[2].partition(":")[0])
    ]
    if not hits:
        near = import_module("difflib").get_close_matches(pattern, ids, n=3, cutoff=0.4)
        raise UsageError(
            f"no step of {plan.pipeline} is called {pattern}",
            hint=f"did you mean {', '.join(near)}?" if near else f"`kdev graph {plan.pipeline}` lists the steps",
        )
    return hits

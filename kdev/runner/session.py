"""One session: the owner loop. Scheduler commands go out, what happened comes in through one queue; journal, chronicle
and reporter are told. Only the thread that calls `run` touches any of these.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterable

from kdev.core import events
from kdev.core.actions import Deploy, Ready
from kdev.core.inputs import Pods, fingerprint
from kdev.core.plan import Plan, Seen, priorities, settled_entries
from kdev.core.scheduler import Block, Check, Command, Confirm, Run, Scheduler, State, Stop
from kdev.core.step import Reason, ReasonKind, Result, Role, Step, StepId, Trace
from kdev.errors import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, KdevError
from kdev.runner.cancel import Cancellation
from kdev.runner.crew import Crew, Worker
from kdev.runner.job import Done, Reported, Up
from kdev.runner.judge import Judge, Judged
from kdev.runner.outside import FilesChanged, Message, Mode, Outside
from kdev.runner.wave import Wave

GRACE = 0.8
"""Seconds that workers get to end when the session ends; a promise of design §4: under a second."""

BACK_OFF = (0.2, 1.0, 3.0, 10.0)
"""Seconds until a service that failed is tried again, the first time, the second time, …"""


class Session:
    """Runs one plan, once. `inbox` is where watchers post FilesChanged and PodsChanged."""

    def __init__(self, plan: Plan, judge: Judge, outside: Outside, mode: Mode, run_id: str) -> None:
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._judge = judge
        self._out = outside
        self._mode = mode
        self._run_id = run_id
        self._crew = Crew(
            outside.drivers, outside.screen, outside.clock, post=self.inbox.put, remake=self._remake
        )
        self.cancel = self._crew.cancel
        self._results: dict[StepId, Result] = {}
        self._judged: dict[StepId, Judged] = {}
        self._retries: dict[StepId, int] = {}
        self._timers: list[tuple[float, StepId]] = []
        self._todo: deque[Command] = deque()
        self._total = Wave()
        self._wave = Wave(self._total)
        self._failed: set[StepId] = set()
        self._told: set[StepId] = set()
        self._exit: int | None = None
        self._quiet_since = 0.0
        self._looked = 0.0  # when the world was last looked at anew
        self._announced = False
        self._next_plan: Plan | None = None
        self._adopt(plan)

    def _adopt(self, plan: Plan) -> None:
        """Work on this plan from now on. Live services that it still has keep running and are looked at."""
        self._plan = plan
        self._index = plan.positions()
        seconds = [self._recorded_seconds(step) for step in plan.steps]
        alive = [self._index[s] for s in self._crew.workers if s in self._index]
        self._scheduler = Scheduler(plan, self._mode.pools, priorities(plan, seconds), alive)
        self._failed &= self._index.keys()
        self._todo.clear()
        self._todo.extend(self._scheduler.start())

    def _recorded_seconds(self, step: Step) -> float:
        if step.role is Role.SERVICE:
            return 0.0
        latest = self._out.journal.latest(step.id)
        return latest.seconds if latest else 1.0

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until everything is done, or stopped. The exit code."""
        began = self._quiet_since = self._out.clock.now()
        try:
            while self._exit is None:
                self._turn()
        except KeyboardInterrupt:
            # A session that was up and is told to stop has done what it was asked for.
            self._exit = EXIT_OK if self._mode.stay and self._announced and not self._failed else EXIT_INTERRUPTED
        finally:
            self._close()
        seconds = self._out.clock.now() - began
        failed = self._scheduler.states.count(State.FAILED)  # those behind them were only blocked
        self.tell(events.RunEnded(self._exit, self._total.ran, self._total.skipped, failed, seconds))
        self._out.chronicle.flush()
        return self._exit

    def _turn(self) -> None:
        """One message or one command. What has happened goes first: it may make a command superfluous."""
        try:
            message = self.inbox.get_nowait()
        except queue.Empty:
            if self._next_plan is not None and self._only_services():
                self._swap()
            elif self._todo:
                self._obey(self._todo.popleft())
            elif not (self._scheduler.idle and self._ends()):
                self._wait()
        else:
            self._hear(message)

    def _wait(self) -> None:
        due = min((at for at, _ in self._timers), default=None)
        try:
            timeout = None if due is None else max(0.0, due - self._out.clock.now())
            self._hear(self.inbox.get(timeout=timeout))
        except queue.Empty:
            now = self._out.clock.now()
            ready = [step for at, step in self._timers if at <= now]
            self._timers = [(at, step) for at, step in self._timers if at > now]
            self._touch(self._index[step] for step in ready if step in self._index)

    def _ends(self) -> bool:
        """Everything is settled: whether that ends the session."""
        if not self._announced:
            self._announced = True
            self._out.chronicle.flush()
            services = any(step.role is Role.SERVICE for step in self._plan.steps)
            if services and not self._failed and (self._wave.ran or self._wave.told):
                seconds = self._out.clock.now() - self._quiet_since
                self.tell(events.Ready(seconds, self._wave.ran, self._wave.skipped))
        if self._mode.stay or (self._timers and self._failed):
            return False
        self._exit = EXIT_FAILED if self._failed else EXIT_OK
        return True

    def _close(self) -> None:
        """Stop everything; whoever has not ended after GRACE is left to the end of the process."""
        self._scheduler.close()
        self._crew.join(GRACE)
        for worker in self._crew.workers.values():
            if worker.step.role is Role.SERVICE:
                self.tell(events.Stopped(worker.step.id))
        while True:
            try:
                message = self.inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, Done) and message.result is not None:
                self._keep(message)
            elif isinstance(message, Reported):
                self.tell(message.event)

    # -- commands -------------------------------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        step = self._plan.steps[command.step]
        if isinstance(command, Check):
            self._check(command.step, step)
        elif isinstance(command, Confirm):
            self._confirm(command.step, step)
        elif isinstance(command, Run):
            self._start(command.step, step, command.reasons)
        elif isinstance(command, Stop):
            self._stop(step, command.reasons)
        elif isinstance(command, Block):
            self._failed.add(step.id)
            self.tell(events.Blocked(step.id, self._plan.steps[command.by].id))

    def _check(self, index: int, step: Step) -> None:
        if self._scheduler.states[index] is not State.CHECKING:
            return  # overtaken
        worker = self._crew.workers.get(step.id) if self._scheduler.alive(index) else None
        try:
            judged = self._judge.judge(step, self._needs(step), worker.seen if worker else None)
        except KdevError as error:
            self._fail(step, error, 0.0)
            self._follow(self._scheduler.unreadable(index))
            return
        self._judged[step.id] = judged
        trace = judged.decision.trace
        if judged.decision.runs:
            self._follow(self._scheduler.checked(index, judged.decision.reasons))
            return
        if trace is not None:
            kept = self._results.get(step.id)
            # A blob made in this session belongs to an equal result.
            self._results[step.id] = kept if kept and kept.digest == trace.result.digest else trace.result
        self._wave.skip()
        self._failed.discard(step.id)
        if step.id not in self._told and worker is None:
            # Once is enough: what was looked at again and found equal is nothing to talk about.
            self._told.add(step.id)
            self.tell(events.Skipped(step.id, "inputs equal"))
        self._follow(self._scheduler.checked(index, (), self._results[step.id].digest))

    def _confirm(self, index: int, step: Step) -> None:
        worker = self._crew.workers.get(step.id)
        if worker is None:
            return
        try:
            now = self._judge.observe(step, worker.seen.needs)
        except KdevError:
            return  # the check after the run will meet the same trouble and tell it
        differs = fingerprint(now.all()) != worker.fingerprint
        self._follow(self._scheduler.confirmed(index, differs))

    def _start(self, index: int, step: Step, reasons: tuple[Reason, ...]) -> None:
        self._told.add(step.id)
        self.tell(events.Started(step.id, reasons))
        self._crew.start(index, step, self._judged[step.id])

    def _stop(self, step: Step, reasons: tuple[Reason, ...]) -> None:
        worker = self._crew.workers.get(step.id)
        if worker:
            self.tell(events.Stopped(step.id, reasons))
            worker.cancel.trigger()

    def _needs(self, step: Step) -> dict[StepId, Result]:
        return {need: self._results[need] for need in step.needs}

    def _remake(self, need: StepId, cancel: Cancellation) -> str:
        """The blob of a needed value step; made again when the step was skipped. Called from a worker's thread."""
        result = self._results[need]
        if result.blob is None:
            step = self._plan.steps[self._index[need]]
            result = self._results[need] = self._crew.remade(step, self._judged[need], cancel, result.digest)
        return result.blob or ""

    # -- messages -------------------------------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        if isinstance(message, Reported):
            self.tell(message.event)
        elif isinstance(message, Up):
            self._serves(message)
        elif isinstance(message, Done):
            self._done(message)
        elif isinstance(message, FilesChanged):
            self._files_changed(message.paths)
        else:
            self._out.drivers.forget()
            self._touch(i for i, step in enumerate(self._plan.steps) if _looks_at_pods(step))

    def _serves(self, message: Up) -> None:
        worker = self._crew.of_run(message.run)
        if worker is None:
            return
        step = worker.step
        self._wave.run()
        self._failed.discard(step.id)
        self._retries.pop(step.id, None)
        self._results[step.id] = Result("serving")
        self.tell(events.Serving(step.id, message.detail))
        self._follow(self._scheduler.serving(self._index[step.id], "serving"))

    def _done(self, message: Done) -> None:
        worker = self._crew.of_run(message.run)
        if worker is None:
            return
        step = worker.step
        index = self._index[step.id]
        self._look_anew(message.at)
        if message.error is not None:
            del self._crew.workers[step.id]
            self._fail(step, message.error, message.seconds)
            self._follow(self._scheduler.failed(index))
            self._retry_later(step)
        elif message.result is None:
            del self._crew.workers[step.id]
            self._follow(self._scheduler.ended(index))
        else:
            outdated = self._keep(message)
            self._follow(self._scheduler.finished(index, message.result.digest, outdated=outdated))
            if code := dict(message.result.values).get("exit_code"):
                self._exit = int(code)

    def _keep(self, message: Done) -> bool:
        """Take in a success. True when an input changed while it ran, so that it was not recorded."""
        worker = self._crew.of_run(message.run)
        if worker is None or message.result is None:
            return False
        step, result = worker.step, message.result
        del self._crew.workers[step.id]
        old = self._results.get(step.id) or self._previous(step)
        self._results[step.id] = result
        if step.role is not Role.SERVICE:
            self._wave.run()
        self._failed.discard(step.id)
        # Recorded before it is told: who hears that a step finished may rely on it, whatever happens to us then.
        outdated = step.role is not Role.SERVICE and not self._recorded(worker, message, result)
        self.tell(events.Finished(step.id, result, message.seconds, old is None or old.digest != result.digest))
        return outdated

    def _recorded(self, worker: Worker, message: Done, result: Result) -> bool:
        """Keep what the step did as a trace, unless one of its inputs changed meanwhile."""
        step = worker.step
        try:
            after = self._judge.observe(step, worker.seen.needs).entries
        except KdevError:
            return False  # it cannot be read any more: the next check tells that with its reason
        entries = settled_entries(worker.seen.entries, after)
        if entries is None:
            return False
        self._judge.done(step.id)
        seen = Seen(entries, worker.seen.needs)
        trace = Trace(
            step.id, fingerprint(seen.all()), seen.all(), result._replace(blob=None), message.seconds,
            self._out.clock.now(), self._run_id,
        )
        self._out.journal.record(trace, self._judge.listings(entries))
        return True

    def _look_anew(self, since: float) -> None:
        """Observe the world again instead of what was seen at `since` or before: something happened at that time."""
        if since >= self._looked:
            self._looked = self._out.clock.now()
            self._out.observer.invalidate(None)
            self._out.drivers.forget()

    def _previous(self, step: Step) -> Result | None:
        latest = self._out.journal.latest(step.id)
        return latest.result if latest else None

    def _files_changed(self, paths: frozenset[str] | None) -> None:
        self._out.observer.invalidate(paths)
        try:
            plan = self._mode.reload(paths)
        except KdevError as error:
            self.tell(events.Notice(f"the configuration is wrong, going on with the old one: {error}", "warning"))
            plan = None
        if plan is not None:
            self._next_plan = plan
        if paths is None:
            self._touch(range(len(self._plan.steps)))
        else:
            hit = [i for i, step in enumerate(self._plan.steps) if self._mode.touches(step, paths)]
            self._touch(hit)
            if hit:
                self._wave.told = True
                self.tell(events.Changed(tuple(sorted(paths))))

    def _touch(self, indices: Iterable[int]) -> None:
        touched = list(indices)
        if touched and self._scheduler.idle:
            self._quiet_since, self._announced = self._out.clock.now(), False
            self._wave = Wave(self._total, told=False)
        for index in touched:
            self._retries.pop(self._plan.steps[index].id, None) if self._scheduler.idle else None
        self._follow(self._scheduler.touched(touched))

    def _only_services(self) -> bool:
        """No step is in the middle of something that must not be left half-done."""
        return all(worker.step.role is Role.SERVICE for worker in self._crew.workers.values())

    def _swap(self) -> None:
        """Go over to the recompiled plan: services it no longer has, or that are not up yet, are stopped; the others
        keep running."""
        plan, self._next_plan = self._next_plan, None
        assert plan is not None
        kept = plan.positions()
        for step, worker in list(self._crew.workers.items()):
            if step not in kept or not self._scheduler.alive(self._index[step]):
                self.tell(events.Stopped(step, (Reason(ReasonKind.CONFIG_CHANGED),)))
                worker.cancel.trigger()
                del self._crew.workers[step]
        self._announced = False
        self._adopt(plan)

    # -- small things ---------------------------------------------------------------------------------------------

    def _fail(self, step: Step, error: BaseException, seconds: float) -> None:
        self._failed.add(step.id)
        if isinstance(error, KdevError):
            self.tell(events.Failed(step.id, error.message, error.hint, error.detail, seconds))
        else:
            self._exit = EXIT_BUG
            raise error

    def _retry_later(self, step: Step) -> None:
        if step.role is not Role.SERVICE:
            return
        tries = self._retries.get(step.id, 0)
        self._retries[step.id] = tries + 1
        if self._mode.stay or tries < len(BACK_OFF):
            self._timers.append((self._out.clock.now() + BACK_OFF[min(tries, len(BACK_OFF) - 1)], step.id))

    def _follow(self, commands: Iterable[Command]) -> None:
        self._todo.extend(commands)

    def tell(self, event: events.Event) -> None:
        """To the chronicle and the reporter. Only from the thread that calls `run`."""
        self._out.chronicle.tell(event)
        self._out.reporter.tell(event)


def _looks_at_pods(step: Step) -> bool:
    """Steps whose inputs or results live among the pods: services that are connected to one, and what was deployed."""
    return isinstance(step.action, (Deploy, Ready)) or any(isinstance(entry, Pods) for entry in step.inputs)

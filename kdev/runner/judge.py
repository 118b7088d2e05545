"""Whether a step runs now: its inputs are observed, compared with its traces, and what it left behind is looked at.

Used by the session and by dry runs alike. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kdev.core.inputs import Entry, changed_paths, fingerprint
from kdev.core.plan import Decision, Seen, decide, differences, usable
from kdev.core.ports import Drivers, Journal, Observer
from kdev.core.step import Reason, ReasonKind, Result, Role, Step, StepId, Trace
from kdev.errors import StepFailed

_SHOWN_PATHS = 20
"""How many changed paths become reasons of their own; the rest is counted."""


class Wishes(NamedTuple):
    """What the command line says about single steps.

    `forced`: run, with this reason. `frozen`: take the last success whatever the inputs are (`--skip-build`, `-x`).
    """

    forced: Mapping[StepId, Reason]
    frozen: frozenset[StepId] = frozenset()


class Judged(NamedTuple):
    """A decision, and what it was made from."""

    seen: Seen
    fingerprint: str
    decision: Decision


class Judge:
    """Decides for one plan. `forced` steps stop being forced once they ran (`done`)."""

    def __init__(self, observer: Observer, journal: Journal, drivers: Drivers, wishes: Wishes) -> None:
        self._observer = observer
        self._journal = journal
        self._drivers = drivers
        self._forced = dict(wishes.forced)
        self._frozen = wishes.frozen

    def observe(self, step: Step, needs: Mapping[StepId, Result]) -> Seen:
        """The step's inputs as they are now."""
        return Seen(self._observer.observe(step.inputs, needs), needs)

    def judge(self, step: Step, needs: Mapping[StepId, Result], running: Seen | None = None) -> Judged:
        """Run or skip. `running` is what a live service runs on."""
        if step.id in self._frozen:
            return self._frozen_judged(step, needs)
        seen = self.observe(step, needs)
        mark = fingerprint(seen.all())
        if step.role is Role.SERVICE:
            return Judged(seen, mark, self._service(seen, running))
        latest = self._journal.latest(step.id)
        match = usable(step, latest, self._journal.find(step.id, mark))
        forced = self._forced.get(step.id)
        gone = () if forced or match is None else tuple(self._drivers.verify(step.action, match.result))
        decision = decide(step, seen, latest, match, forced=forced, gone=gone)
        if decision.runs and latest is not None:
            decision = Decision(self.named(decision.reasons, latest, seen.entries))
        return Judged(seen, mark, decision)

    def done(self, step: StepId) -> None:
        """A forced step ran."""
        self._forced.pop(step, None)

    def forced(self, step: StepId) -> Reason | None:
        """The reason for which a step is forced, if it is."""
        return self._forced.get(step)

    def named(self, reasons: tuple[Reason, ...], latest: Trace, entries: tuple[Entry, ...]) -> tuple[Reason, ...]:
        """The same reasons, with the changed paths in place of the tree that they changed in."""
        old = {entry.name: entry for entry in latest.entries}
        # A reason's subject is an entry's name without its kind (core.plan).
        new = {entry.name.partition(":")[2]: entry for entry in entries if entry.listed}
        result: list[Reason] = []
        for reason in reasons:
            entry = new.get(reason.subject)
            if reason.kind is not ReasonKind.INPUT_CHANGED or entry is None:
                result.append(reason)
                continue
            before = old.get(entry.name)
            listing = self._journal.listing(before.digest) if before else {}
            paths = changed_paths(listing, self._observer.listing(entry.digest)) if listing else []
            result += [Reason(ReasonKind.INPUT_CHANGED, path) for path in paths[:_SHOWN_PATHS]] or [reason]
            if len(paths) > _SHOWN_PATHS:
                result.append(Reason(ReasonKind.INPUT_CHANGED, f"{len(paths) - _SHOWN_PATHS} more files"))
        return tuple(result)

    def listings(self, entries: tuple[Entry, ...]) -> dict[str, Mapping[str, str]]:
        """What the journal keeps beside a trace with these entries."""
        return {entry.digest: self._observer.listing(entry.digest) for entry in entries if entry.listed}

    def _service(self, seen: Seen, running: Seen | None) -> Decision:
        if running is None:
            return Decision((Reason(ReasonKind.NOT_RUNNING),))
        return Decision(differences(running.all(), seen.all()))

    def _frozen_judged(self, step: Step, needs: Mapping[StepId, Result]) -> Judged:
        latest = self._journal.latest(step.id)
        if latest is None:
            raise StepFailed(
                f"{step.id} was told to be skipped, but it never ran",
                hint="run once without --skip-build, -x or a selection",
            )
        return Judged(Seen(latest.entries, needs), latest.fingerprint, Decision((), latest))
